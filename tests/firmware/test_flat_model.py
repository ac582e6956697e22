"""The flat model: its kernels against the runtime, its image against damage, its export."""

from __future__ import annotations

import copy
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from seehear import _core
from seehear.bundle import Bundle
from seehear.bundle.packed import pack
from seehear.cli.main import main
from seehear.errors import BundleError, OutputError
from seehear.landmarks import LANDMARKS
from seehear.runtime import flat_model
from seehear.runtime.tflite import Graph, Invoker

HOP = 160


def moving_face(t: float) -> np.ndarray:
    """50 points with eyes and a mouth that moves."""
    points = np.random.default_rng(2).uniform(90, 150, (50, 2)).astype(np.float32)
    points[40:44] = [(60, 80), (80, 80), (120, 80), (140, 80)]
    points[:40, 1] += np.linspace(-5, 5, 40, dtype=np.float32) * np.float32(np.sin(20 * t))
    return points


def test_every_graph_agrees_with_the_runtime_within_rounding(model: Bundle, image: bytes) -> None:
    flat = _core.FlatModel(image)
    random = np.random.default_rng(1)
    for number, name in enumerate(flat.graph_names):
        graph = Graph(model, name)
        layers = {layer.output: layer for layer in flat_model.layers(model, name)}
        different = total = 0
        for _ in range(50):
            inputs = {
                key: random.integers(-128, 128, tensor.shape, np.int8) for key, tensor in graph.inputs.items()
            }
            for key, values in inputs.items():
                flat.tensor(number, key)[...] = values
            assert flat.run(number)
            for key, expected in graph.run(**inputs).items():
                got = flat.tensor(number, key).astype(int)
                low, high = layers[key].bounds(inputs[layers[key].input][0])
                assert np.all((got >= low + 1) & (got <= high - 1))
                assert np.all((expected >= low) & (expected <= high)), f"{name}.{key}"
                if layers[key].table is None:
                    assert np.abs(got - expected).max() <= 1
                different += int((got != expected).sum())
                total += got.size
        assert different <= 0.001 * total, name


def test_the_c_interface_enhances_as_the_runtime_does(model: Bundle, image: bytes) -> None:
    scheduler, flat = _core.HopScheduler(pack(model.manifest)), _core.FlatModel(image)
    invoker = Invoker(scheduler, model)
    assert invoker.graphs
    sound = np.random.default_rng(3).normal(0, 0.1, 200 * HOP).astype(np.float32)
    expected = np.empty_like(sound)
    got = np.empty_like(sound)
    for n in range(200):
        part = slice(n * HOP, (n + 1) * HOP)
        if n % 4 == 0:
            face = moving_face(n / 100) if n < 120 else None
            assert scheduler.see(face, n / 100) == flat.see(face, n / 100) is True
        scheduler.process(sound[part], expected[part])
        got[part] = flat.process(sound[part])
        assert flat.face_state == scheduler.face(0).state
    assert scheduler.counters == flat.counters
    assert not model.has_vision or flat.counters["gate_runs"] > 50
    assert np.sqrt(np.mean((got - expected) ** 2)) <= 1e-3
    assert np.abs(expected).max() > 0.01


def test_a_scheduler_runs_on_a_flat_model_without_a_runtime(model: Bundle, image: bytes) -> None:
    scheduler, flat = _core.HopScheduler(pack(model.manifest)), _core.FlatModel(image)
    scheduler.use_flat_model(image)
    sound = np.random.default_rng(4).normal(0, 0.1, 50 * HOP).astype(np.float32)
    for block in sound.reshape(-1, HOP):
        out = np.empty(HOP, np.float32)
        scheduler.process(block, out)
        assert np.array_equal(out, flat.process(block))
    assert scheduler.counters["audio_failures"] == 0


def test_a_flat_model_of_other_graphs_is_refused(model: Bundle, image: bytes) -> None:
    manifest = copy.deepcopy(dict(model.manifest))
    manifest["graphs"]["other"] = manifest["graphs"]["audio_out"]
    manifest["networks"]["audio"]["head"] = "other"
    with pytest.raises(ValueError, match="the flat model has no graph other"):
        _core.HopScheduler(pack(manifest)).use_flat_model(image)


@pytest.mark.parametrize(("key", "change"), [("scale", 1.001), ("zero_point", 2)])
def test_a_flat_model_of_a_model_trained_anew_is_refused(
    model: Bundle, image: bytes, key: str, change: float
) -> None:
    manifest = copy.deepcopy(dict(model.manifest))
    tensor = manifest["graphs"]["audio_2"]["outputs"]["gx"]
    tensor[key] = type(tensor[key])(tensor[key] * change)
    with pytest.raises(
        ValueError, match="graph audio_2: the flat model is of another bundle: its tensor gx has"
    ):
        _core.HopScheduler(pack(manifest)).use_flat_model(image)


def test_reset_gives_the_first_hop_again(image: bytes) -> None:
    flat = _core.FlatModel(image)
    block = np.random.default_rng(5).normal(0, 0.1, HOP).astype(np.float32)
    first = [flat.process(block) for _ in range(3)]
    flat.reset()
    assert all(np.array_equal(a, flat.process(block)) for a in first)


def test_every_truncation_is_refused(image: bytes) -> None:
    lengths = [*range(0, 200), *range(200, len(image), 4999), *range(len(image) - 50, len(image))]
    for length in lengths:
        with pytest.raises(ValueError, match="model:"):
            _core.FlatModel(image[:length])


def test_a_configuration_is_read_as_firmware_reads_a_model(model: Bundle, image: bytes) -> None:
    """Hosts hand the core what a manifest says in the form of firmware: cut, damaged or of the other kind it is refused."""
    config = pack(model.manifest)
    assert _core.HopScheduler(config).graph_names == _core.FlatModel(image).graph_names
    for length in [*range(0, len(config), 997), len(config) - 1]:
        with pytest.raises(ValueError, match="model:"):
            _core.HopScheduler(config[:length])
    for at in range(0, len(config), 991):
        with pytest.raises(ValueError, match="model:"):
            _core.HopScheduler(config[:at] + bytes([config[at] ^ 1]) + config[at + 1 :])
    with pytest.raises(ValueError, match="graph audio_1: no layers expected, got 2"):
        _core.HopScheduler(image)
    with pytest.raises(ValueError, match=r"graph audio_1 computes no g[xh]"):
        _core.FlatModel(config)


def test_every_flipped_byte_is_refused(image: bytes) -> None:
    damaged = bytearray(image)
    random = np.random.default_rng(6)
    for at in [*range(0, 400), *range(400, len(image), 3989)]:
        before = damaged[at]
        damaged[at] ^= int(random.integers(1, 256))
        with pytest.raises(ValueError, match="model:"):
            _core.FlatModel(bytes(damaged))
        damaged[at] = before


def test_images_changed_with_a_fitting_checksum_do_no_harm(image: bytes) -> None:
    """What an accident cannot do, a stranger can: any word of the description changed, the checksum made to fit."""
    random = np.random.default_rng(7)
    refused = 0
    description = [*range(24, 4000, 4), *(int(i) * 4 for i in random.integers(1000, len(image) // 4, 300))]
    for at in random.permutation(description)[:600]:
        changed = bytearray(image)
        struct.pack_into(
            "<I", changed, at, int(random.choice([0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000, 65536]))
        )
        struct.pack_into("<I", changed, 16, zlib.crc32(changed[20:]))
        try:
            flat = _core.FlatModel(bytes(changed))
        except ValueError:
            refused += 1
        else:
            flat.process(np.zeros(flat.hop, np.float32))
    assert refused > 50


def test_the_landmarks_of_the_c_interface_are_those_of_python() -> None:
    source = (Path(__file__).parents[2] / "csrc/firmware/c_api.cc").read_text()
    table = source[source.index("seehear_landmark_mesh[SEEHEAR_LANDMARKS] = {") :].partition("};")[0]
    numbers = re.findall(r"\d+", re.sub("//.*", "", table))
    assert tuple(map(int, numbers)) == LANDMARKS


def test_another_format_says_so(image: bytes) -> None:
    changed = bytearray(image)
    struct.pack_into("<I", changed, 8, 2)
    with pytest.raises(ValueError, match="format 1 expected, got 2"):
        _core.FlatModel(bytes(changed))


def test_memory_of_the_standard_profile_stays_small(image: bytes) -> None:
    memory = struct.unpack_from("<I", image, 20)[0]
    assert _core.FlatModel(image).memory == memory
    assert memory <= 60 << 10


def test_audio_only_exports_are_smaller_and_sound_like_nobody_in_sight(
    model: Bundle, image: bytes, tmp_path: Path
) -> None:
    assert main(["export", "--audio-only", "-o", str(tmp_path / "model.bin")]) == 0
    small = (tmp_path / "model.bin").read_bytes()
    assert small == flat_model.build(model, audio_only=True)
    flat, whole = _core.FlatModel(small), _core.FlatModel(image)
    assert all(name.startswith("audio") for name in flat.graph_names)
    assert flat.memory < whole.memory - 16384 and len(small) < len(image)
    assert not flat.see(None, 0.0)  # nobody would ever take it out of the queue
    for block in np.random.default_rng(8).normal(0, 0.1, (50, HOP)).astype(np.float32):
        assert np.array_equal(flat.process(block), whole.process(block))


def test_float_graphs_and_unknown_operators_are_refused(model: Bundle) -> None:
    manifest = copy.deepcopy(dict(model.manifest))
    manifest["graphs"]["audio_out"]["inputs"]["h"]["dtype"] = "float32"
    with pytest.raises(BundleError, match="graph audio_out: the flat model needs int8 tensors, h is float32"):
        flat_model.build(Bundle(manifest, model.graphs))


def test_the_command_writes_a_binary_and_c_source(image: bytes, tmp_path: Path) -> None:
    assert main(["export", "-o", str(tmp_path / "model.bin")]) == 0
    assert (tmp_path / "model.bin").read_bytes() == image
    assert main(["export", "default", "-o", str(tmp_path / "model.c")]) == 0
    words = re.findall(r"0x([0-9a-f]{8})u", (tmp_path / "model.c").read_text())
    assert b"".join(struct.pack("<I", int(word, 16)) for word in words) == image
    assert f"#define SEEHEAR_MODEL_SIZE {len(image)}\n" in (tmp_path / "model.h").read_text()
    assert main(["export", "-o", str(tmp_path / "model.tflite")]) == OutputError.exit_code
