"""Baselines: U-Nets on the same spectrogram, guide and targets as PCNet."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from seehear.separation import dsp

from .guide import GUIDE, SLOPE

#: Widths on the way down, in units of the first.
WIDTHS = (1, 2, 4, 8, 8, 8, 8)


def unet(width: int = 16, late: bool = True) -> keras.Model:
    """A U-Net of seven halvings; inputs and output as `pcnet.pcnet`.

    ``late``: it makes 16 component maps, weighted by the guide's mean over space and summed (Sound-of-Pixels); otherwise the
    guide joins the channels at the 2 x 2 bottleneck.
    """
    spectrogram = keras.Input((dsp.ROWS, dsp.FRAMES, 1), name="spectrogram")
    guide = keras.Input((2, 2, GUIDE), name="guide")

    def norm(x: Any) -> Any:
        return layers.BatchNormalization(momentum=0.95, epsilon=1e-5)(x)

    x = norm(spectrogram)
    skips = []
    for n in WIDTHS:
        skips.append(x)
        x = layers.Conv2D(width * n, 4, 2, "same", use_bias=False)(x)
        x = layers.LeakyReLU(SLOPE)(norm(x))
    if not late:
        x = layers.Concatenate()([x, guide])
    for n, skip in zip(WIDTHS[-2::-1], skips[:0:-1], strict=True):
        x = layers.UpSampling2D(2, interpolation="bilinear")(x)
        x = layers.Conv2D(width * n, 3, padding="same", use_bias=False)(x)
        x = layers.Concatenate()([layers.ReLU()(norm(x)), skip])
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    if late:
        x = layers.Conv2D(GUIDE, 3, padding="same", name="components")(x)
        shares = layers.Dense(GUIDE, name="shares")(layers.GlobalAveragePooling2D()(guide))
        x = ops.sum(x * ops.reshape(shares, (-1, 1, 1, GUIDE)), axis=-1, keepdims=True)
        # A bias of the mask alone, as the sum has none.
        logit = layers.Conv2D(1, 1, name="mask")(x)
    else:
        logit = layers.Conv2D(1, 3, padding="same", name="mask")(x)
    return keras.Model([spectrogram, guide], logit, name="unet_late" if late else "unet_bottleneck")
