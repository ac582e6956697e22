"""The three networks (E3, E4, E6) in Keras, backend-neutral. All are GRU stacks that answer at every time step."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray


def gru_stack(x: Any, units: list[int], name: str) -> Any:
    """GRU layers (reset after, as the core computes them), named ``name_1``, ``name_2``, ..."""
    for n, width in enumerate(units, 1):
        x = layers.GRU(width, return_sequences=True, reset_after=True, name=f"{name}_{n}")(x)
    return x


def audio_net(bands: int, units: list[int]) -> keras.Model:
    """Features (hops, M) -> IRM (hops, M), E3."""
    x = keras.Input((None, bands), name="features")
    y = layers.Dense(bands, activation="sigmoid", name="audio_out")(gru_stack(x, units, "audio"))
    return keras.Model(x, y, name="audio")


def lip_net(group: Any, masks_per_image: int, units: list[int], inputs: int = 24) -> keras.Model:
    """Lip features (ticks, 24) -> IBM of the tick's m hops, (ticks, m M), E4; ``group`` (M,) numbers each band's answer.

    Inputs are dropped in training: with two mouths to learn from, it is what helps with a third.
    """
    x = keras.Input((None, inputs), name="lips")
    y = layers.Dense(masks_per_image * (int(max(group)) + 1), activation="sigmoid", name="lips_out")(
        gru_stack(layers.Dropout(0.2)(x), units, "lips")
    )
    return keras.Model(x, ops.take(y, columns(group, masks_per_image), axis=-1), name="lips")


def columns(group: Any, masks_per_image: int) -> list[int]:
    """Which output of the lip net's head each of its (m M) answers repeats."""
    broad = int(max(group)) + 1
    return [mask * broad + int(g) for mask in range(masks_per_image) for g in group]


def gate_net(bands: int, units: list[int], form: str) -> keras.Model:
    """Outputs of the audio and lip nets (and, for form ``av``, the features) -> gate, or gate and mask_AV, E6.

    Input (hops, k M) in the order of `gate_inputs`; output (hops, M), or (hops, 2 M) = [gate, mask_AV].
    """
    x = keras.Input((None, len(gate_inputs(form)) * bands), name="x")
    h = gru_stack(x, units, "gate")
    y = layers.Dense(bands * (2 if form == "av" else 1), activation="sigmoid", name="gate_out")(h)
    return keras.Model(x, y, name="gate")


def gate_inputs(form: str) -> list[str]:
    """Names of the gate net's inputs, in order."""
    return {"product": ["irm", "ibm", "product"], "av": ["features", "irm", "ibm"]}[form]


def fuse(form: str, y: Any, irm: Any, ibm: Any) -> tuple[Any, Any, Any]:
    """IRM', gate and correction signal from the gate net's output ``y``: IRM' = gate correction + (1 - gate) IRM (E6)."""
    if form == "product":
        gate, mask = y, ibm * irm
    else:
        gate, mask = ops.split(y, 2, axis=-1)
    return gate * mask + (1 - gate) * irm, gate, mask


def at_hop(model: keras.Model, factor: float, masks_per_image: int) -> list[NDArray[np.floating]]:
    """Weights of a net for a hop ``factor`` times shorter than the one it learnt at, to learn on from.

    Memories keep their length in seconds: an update gate with ln 2 more in its logits keeps what it knows for about twice as many
    hops. The lip net runs once per image at any hop; its masks are repeated.
    """
    weights: list[NDArray[np.floating]] = []
    for layer in model.layers:
        own = layer.get_weights()
        if isinstance(layer, layers.GRU) and model.name != "lips":
            own[2][0, : layer.units] += np.log(factor)
        if layer.name == "lips_out":
            masks = [w.reshape(*w.shape[:-1], masks_per_image, -1) for w in own]
            own = [np.repeat(w, int(factor), axis=-2).reshape(*w.shape[:-2], -1) for w in masks]
        weights += own
    return weights
