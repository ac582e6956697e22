"""PCNet against a numpy re-statement of S3, the baselines' shapes, parameters and multiplications."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from seehear_convert.separation.pcnet import after, macs, pcnet
from seehear_convert.separation.train import Config, parts, separator, sound_net


def conv(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """3 x 3 or 1 x 1 convolution, zeros outside: x (H, W, C), w (k, k, C, D)."""
    k = w.shape[0] // 2
    padded = np.pad(x, ((k, k), (k, k), (0, 0)))
    out = np.zeros((*x.shape[:2], w.shape[3]))
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            out += padded[i : i + x.shape[0], j : j + x.shape[1]] @ w[i, j]
    return out


def pool(x: np.ndarray) -> np.ndarray:
    h, w, c = x.shape
    return x.reshape(h // 2, 2, w // 2, 2, c).max(axis=(1, 3))


def double(x: np.ndarray) -> np.ndarray:
    """Bilinear, pixel centres at halves, edges repeated."""
    for axis in (0, 1):
        before = np.concatenate([x.take([0], axis), x.take(range(x.shape[axis] - 1), axis)], axis)
        after = np.concatenate([x.take(range(1, x.shape[axis]), axis), x.take([-1], axis)], axis)
        pair = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        x = pair.reshape(*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])
    return x


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def test_q7_and_the_mask_are_those_of_the_equations_on_random_weights() -> None:
    rounds = 3
    model = pcnet(width=2, rounds=rounds)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        values = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = values[0].shape
            layer.set_weights([rng.uniform(0.5, 1.5, shape), rng.normal(0, 0.3, shape),
                               rng.normal(0, 0.3, shape), rng.uniform(0.5, 1.5, shape)])  # fmt: skip
        elif values and layer.name.startswith(("correct", "blend")):
            layer.set_weights([rng.uniform(-0.2, 1.2, values[0].shape)])

    def w(name: str) -> np.ndarray:
        return model.get_layer(name).get_weights()[0].astype(np.float64)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        gamma, beta, mean, variance = (v.astype(np.float64) for v in model.get_layer(name).get_weights())
        return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    spectrogram = rng.normal(-0.6, 0.2, (256, 256, 1)).astype(np.float32)
    guide = rng.normal(0, 1, (2, 2, 16)).astype(np.float32)

    r8, q, p, r = norm(spectrogram, "input_norm"), {0: guide.astype(np.float64)}, {}, {}
    for t in range(rounds):
        for level in range(7, 0, -1):
            above = r8 if level == 7 else r[level + 1]
            p[level] = pool(conv(above, w(f"down_{level}")))
            if t == 0:
                r[level] = leaky(norm(p[level], f"down_norm_{t}_{level}"))
            else:
                b = np.maximum(w(f"blend_{level}"), 0)
                r[level] = leaky(norm((1 - b) * q[level] + b * p[level], f"down_norm_{t}_{level}"))
        p[0] = leaky(conv(r[1], w("down_0")))
        for level in range(1, 8):
            error = q[level - 1] - p[level - 1]
            rise = conv(error if level == 1 else double(error), w(f"up_{level}"))
            a = np.maximum(w(f"correct_{level}"), 0)
            q[level] = leaky(norm(r[level] + a * rise, f"up_norm_{t}_{level}"))
    kernel, bias = (v.astype(np.float64) for v in model.get_layer("mask").get_weights())
    logit = conv(double(q[7]), kernel) + bias

    top = model.get_layer("mask")._inbound_nodes[0].input_tensors[0]
    probe = keras.Model(model.inputs, [top, model.output])
    fused, mask = (np.asarray(v)[0] for v in probe([spectrogram[None], guide[None]], training=False))
    assert np.abs(fused - double(q[7])).max() < 1e-3 * np.abs(q[7]).max()
    assert np.abs(mask - logit).max() < 1e-3 * np.abs(logit).max()


@pytest.mark.parametrize("net", ["pcnet", "unet_late", "unet_bottleneck"])
def test_guide_changes_the_mask_and_every_weight_learns(net: str) -> None:
    model = separator(Config(net=net, width=2, rounds=2), channels=8)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 256, 256, 1)).astype(np.float32)
    maps = rng.normal(size=(4, 3, 7, 7, 8)).astype(np.float32)
    before = [v.copy() for v in model.get_weights()]
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    model.train_on_batch([x, maps], (x > 0).astype(np.float32))
    names = [v.path for v in model.weights]
    still = [n for n, a, b in zip(names, before, model.get_weights(), strict=True) if np.array_equal(a, b)]
    assert not [n for n in still if "seed" not in n]
    first, other = (np.asarray(model([x, m], training=False)) for m in (maps, maps[::-1]))
    assert first.shape == (4, 256, 256, 1) and np.abs(first - other).max() > 1e-6


def test_published_size_is_counted() -> None:
    # The published code's T = 5 is a first round and five more: 14.3 GMAC at width 64 (S3).
    assert macs(pcnet(64, 6)) == pytest.approx(14.3e9, rel=0.01)
    assert macs(sound_net(Config(net="unet_late"))) > 0


def test_bundle_is_made_of_the_weights_that_are_kept(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    from seehear.bundle import find_model, load
    from seehear_convert.separation import quantize

    run = Path(__file__).parents[2] / "convert/trained/separation/ship-16-3"
    bundle = load(find_model("instruments"), kind="separation")
    assert Config(**bundle.manifest["training"]["config"]) == Config.load(run / "config.json")
    file = tmp_path / "sound.tflite"
    file.write_bytes(bundle.graphs["sound"])
    graph = quantize.Graph(file)
    sound, _ = parts(keras.models.load_model(run / "separator.keras", compile=False))
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, -0.3, (1, 256, 1, 1)) + 0.1 * rng.standard_normal((1, 256, 256, 1))
    spectrogram, guide = np.asarray(x, np.float32), rng.uniform(0, 1, (1, 2, 2, 16)).astype(np.float32)
    float_mask = 1 / (1 + np.exp(-np.asarray(sound.predict_on_batch([spectrogram, guide]))))
    mask = graph(spectrogram=spectrogram, guide=guide)
    assert np.sqrt(np.mean((mask - float_mask) ** 2)) < 0.03
    assert np.corrcoef(mask.ravel(), float_mask.ravel())[0, 1] > 0.9


def test_a_net_is_read_out_after_fewer_of_its_rounds() -> None:
    keras.utils.set_random_seed(1)
    net = pcnet(1, 2)
    x = [np.random.default_rng(0).random((1, *shape), np.float32) for shape in ((256, 256, 1), (2, 2, 16))]
    whole = net.predict_on_batch(x)
    np.testing.assert_array_equal(after(net, 2).predict_on_batch(x), whole)
    assert not np.array_equal(after(net, 1).predict_on_batch(x), whole)
    for wrong, rounds in ((net, 3), (net, 0), (sound_net(Config(net="unet_late", width=1)), 1)):
        with pytest.raises(ValueError, match="at most its"):
            after(wrong, rounds)
