"""PCNet (S3): audio and vision meet in one net of two chains that predict and correct one another for T rounds.

With r_8 the normalised spectrogram and q_0 the guide f_n, every round t runs

    down, l = 7..1:  p_l = W_{l+1,l} r_{l+1}                     (convolution, then max-pooling by 2)
                     r_l = LeakyReLU(BN_t(p_l))                  at t = 0
                     r_l = LeakyReLU(BN_t((1 - b_l) q_l + b_l p_l))   later, q_l of the round before
                     p_0 = LeakyReLU(W_{1,0} r_1)
    up,   l = 1..7:  e_{l-1} = q_{l-1} - p_{l-1}
                     q_l = LeakyReLU(BN_t(r_l + a_l W_{l-1,l} e_{l-1}))  (bilinear x2, then convolution)

and the mask's logit is one 3 x 3 convolution of q_7, doubled. All kernels are 3 x 3 without bias, except the 1 x 1 between
r_1 and the guide, where nothing is pooled. A transposed convolution of stride 1 is a convolution with the kernel turned.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from seehear.separation import dsp

from .guide import GUIDE, SLOPE

LEVELS = 7
#: Widths of r_1..r_7 in units of the top width.
WIDTHS = (8, 4, 4, 2, 2, 1, 1)


@keras.saving.register_keras_serializable("seehear")
class Correct(layers.Layer):
    """r + a W e with a >= 0 learnt per channel, 1 at first."""

    def build(self, shape: Any) -> None:
        self.a = self.add_weight(name="a", shape=(shape[-1],), initializer="ones")

    def call(self, r: Any, error: Any) -> Any:
        return r + ops.relu(self.a) * error


@keras.saving.register_keras_serializable("seehear")
class Blend(layers.Layer):
    """(1 - b) q + b p with b >= 0 learnt per channel, .5 at first."""

    def build(self, shape: Any) -> None:
        self.b = self.add_weight(name="b", shape=(shape[-1],), initializer=keras.initializers.Constant(0.5))

    def call(self, q: Any, p: Any) -> Any:
        b = ops.relu(self.b)
        return q + b * (p - q)


def pcnet(width: int = 16, rounds: int = 3) -> keras.Model:
    """PCNet of top width ``width`` and T = ``rounds``.

    Inputs ``spectrogram`` (256, 256, 1), see `dsp.log_magnitude`, rows by frames, and ``guide`` (2, 2, 16); output: the logit of
    the mask (256, 256, 1). Layers: ``down_l`` is W_{l+1,l}, ``up_l`` W_{l-1,l}, ``blend_l`` b_l, ``correct_l`` a_l,
    ``down_norm_t_l`` and ``up_norm_t_l`` the batch norms of round t.
    """
    if width < 1 or rounds < 1:
        raise ValueError(f"expected a width and a number of rounds of at least 1, got {width} and {rounds}")
    spectrogram = keras.Input((dsp.ROWS, dsp.FRAMES, 1), name="spectrogram")
    guide = keras.Input((2, 2, GUIDE), name="guide")
    size = {level: width * n for level, n in enumerate(WIDTHS, 1)}

    def conv(n: int, name: str, kernel: int = 3) -> layers.Layer:
        return layers.Conv2D(n, kernel, padding="same", use_bias=False, name=name)

    def act(x: Any) -> Any:
        return layers.LeakyReLU(SLOPE)(x)

    def norm(x: Any, name: str) -> Any:
        return layers.BatchNormalization(momentum=0.95, epsilon=1e-5, name=name)(x)

    down = {level: conv(size[level], f"down_{level}") for level in range(1, LEVELS + 1)}
    up = {level: conv(size[level], f"up_{level}", 1 if level == 1 else 3) for level in range(1, LEVELS + 1)}
    predict = conv(GUIDE, "down_0", 1)
    blend = {level: Blend(name=f"blend_{level}") for level in range(1, LEVELS + 1)}
    correct = {level: Correct(name=f"correct_{level}") for level in range(1, LEVELS + 1)}
    pool = layers.MaxPooling2D(2)
    double = layers.UpSampling2D(2, interpolation="bilinear")

    r: dict[int, Any] = {LEVELS + 1: norm(spectrogram, "input_norm")}
    p: dict[int, Any] = {LEVELS: pool(down[LEVELS](r[LEVELS + 1]))}
    q: dict[int, Any] = {0: guide}
    for t in range(rounds):
        for level in range(LEVELS, 0, -1):
            if level < LEVELS:
                p[level] = pool(down[level](r[level + 1]))
            drive = p[level] if t == 0 else blend[level](q[level], p[level])
            r[level] = act(norm(drive, f"down_norm_{t}_{level}"))
        p[0] = act(predict(r[1]))
        for level in range(1, LEVELS + 1):
            error = q[level - 1] - p[level - 1]
            rise = up[level](error if level == 1 else double(error))
            q[level] = act(norm(correct[level](r[level], rise), f"up_norm_{t}_{level}"))
    logit = layers.Conv2D(1, 3, padding="same", name="mask")(double(q[LEVELS]))
    return keras.Model([spectrogram, guide], logit, name="pcnet")


def after(net: keras.Model, rounds: int) -> keras.Model:
    """A trained PCNet read out after the first ``rounds`` of its rounds.

    Raises
    ------
    ValueError
        It has fewer.
    """
    norms = [layer.name for layer in net.layers if layer.name.startswith("down_norm_")]
    if net.name != "pcnet" or not 1 <= rounds <= len(norms) // LEVELS:
        raise ValueError(
            f"expected a PCNet and at most its {len(norms) // LEVELS} rounds, got {net.name} and {rounds}"
        )
    short = pcnet(net.get_layer(f"down_{LEVELS}").filters, rounds)
    for layer in short.layers:
        if layer.weights:
            layer.set_weights(net.get_layer(layer.name).get_weights())
    return short


def macs(model: keras.Model) -> int:
    """Multiply-accumulates of one forward pass: those of all convolutions and dense layers, a shared one each time it runs."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += macs(layer) * len(layer._inbound_nodes)
        elif isinstance(layer, layers.Conv2D | layers.Dense | layers.DepthwiseConv2D):
            kernel = layer.get_weights()[0]
            for node in layer._inbound_nodes:
                out = node.outputs[0].shape
                places = int(np.prod(out[1:-1])) if len(out) > 2 else 1
                total += places * int(np.prod(kernel.shape))
    return total
