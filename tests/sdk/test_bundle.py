"""A damaged bundle is one clear sentence, never a crash."""

from __future__ import annotations

import copy
import io
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seehear import bundle as bundles
from seehear.bundle import Bundle, find_model, load, parse, write_bundle
from seehear.enhancer import Enhancer
from seehear.errors import BundleError, InputError, OutputError
from seehear.runtime import flat_model

DATA = find_model("default").read_bytes()


def zipped(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


def members_of(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def test_default_model_loads_by_name_and_by_path() -> None:
    by_name = load("default")
    assert by_name.manifest == load(find_model("default")).manifest
    assert by_name.rate == 16000 and set(by_name.graphs) == set(by_name.manifest["graphs"])


def test_tiny_is_sound_alone_in_120_kb_and_takes_noise_away() -> None:
    tiny = load("tiny")
    assert not tiny.has_vision and set(tiny.graphs) == {"audio_1", "audio_2", "audio_out"}
    assert sum(map(len, tiny.graphs.values())) <= 120_000 and tiny.manifest["scores"]["stranger"]
    hiss = 0.05 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    with Enhancer.load("tiny") as enhancer:
        out = enhancer.enhance(hiss, 16000)
    assert np.isfinite(out).all() and out[16000:].std() < 0.2 * hiss.std()


def test_low_latency_is_10_ms_late_with_hops_of_5_and_takes_noise_away() -> None:
    model = load("low-latency")
    assert model.delays_ms[0] == 10 and model.hop == 80 and not model.has_vision
    assert model.manifest["scores"]["stranger"]
    hiss = 0.05 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    with Enhancer.load(model, block=80) as enhancer:
        assert enhancer.latency == 80
        out = np.concatenate([enhancer.process(hiss[at : at + 80]) for at in range(0, len(hiss), 80)])
        enhancer.reset()
        assert np.array_equal(out[80:], enhancer.enhance(hiss, 16000)[:-80])
    assert np.isfinite(out).all() and out[16000:].std() < 0.25 * hiss.std()


def test_unknown_model_lists_what_there_is() -> None:
    with pytest.raises(BundleError, match=r"no model 'defualt': .*one of: .*default"):
        load("defualt")
    with pytest.raises(BundleError, match="no model"):
        load("/nowhere/default.seehear")


def test_empty_and_foreign_files_are_refused(tmp_path: Path) -> None:
    for content, words in (
        (b"", "empty"),
        (b"hello" * 100, "not a seehear bundle"),
        (zipped([("a.txt", b"x")]), "manifest.json"),
    ):
        path = tmp_path / "x.seehear"
        path.write_bytes(content)
        with pytest.raises(BundleError, match=words):
            load(path)


def test_every_truncated_prefix_is_refused() -> None:
    for length in [*range(0, len(DATA), 997), *range(len(DATA) - 300, len(DATA))]:
        with pytest.raises(BundleError):
            parse(DATA[:length])


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(DATA) - 1), value=st.integers(0, 255), more=st.binary(max_size=8))
def test_altered_bytes_are_refused_or_without_effect(at: int, value: int, more: bytes) -> None:
    altered = bytearray(DATA)
    altered[at : at + 1 + len(more)] = bytes([value]) + more
    try:
        bundle = parse(bytes(altered[: len(DATA)]))
    except BundleError:
        return
    assert bundle.graphs == load("default").graphs and bundle.manifest == load("default").manifest


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_refused(noise: bytes) -> None:
    for data in (noise, b"PK\x03\x04" + noise, noise + DATA[-22:]):
        with pytest.raises(BundleError):
            parse(data)


@pytest.mark.parametrize("name", ["../evil.tflite", "/etc/passwd", "a\\b", "folder/x.tflite", ".hidden", ""])
def test_member_names_that_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(BundleError):
        parse(zipped([*members_of(DATA), (name, b"x")]))


def test_zip_bombs_duplicates_strangers_and_crowds_are_refused() -> None:
    members = members_of(DATA)
    with pytest.raises(BundleError, match="compressed"):
        parse(zipped([("manifest.json", bytes(50 << 20))], zipfile.ZIP_DEFLATED))
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped([*members, members[-1]])
    with pytest.raises(BundleError, match="twice"):
        parse(twice)
    with pytest.raises(BundleError, match=r"'extra\.bin' is not named"):
        parse(zipped([*members, ("extra.bin", b"x")]))
    with pytest.raises(BundleError, match="at most 64 members"):
        parse(zipped([(f"m{i}", b"") for i in range(65)]))
    with pytest.raises(BundleError, match=r"graph file 'audio_1\.tflite' is missing"):
        parse(zipped([m for m in members if m[0] != "audio_1.tflite"]))


def test_swapped_graphs_are_refused_by_hash() -> None:
    members = dict(members_of(DATA))
    content = bytearray(members["audio_1.tflite"])
    content[len(content) // 2] ^= 1
    members["audio_1.tflite"] = bytes(content)
    with pytest.raises(BundleError, match=r"audio_1\.tflite: expected \d+ bytes with sha256 .* altered"):
        parse(zipped(list(members.items())))


def test_oversized_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "big.seehear"
    with path.open("wb") as file:
        file.truncate(bundles.MAX_BUNDLE_BYTES + 1)
    with pytest.raises(BundleError, match="at most"):
        load(path)


def damage(path: str, value: Any) -> Any:
    """A copy of the default manifest with one entry changed (value) or taken out (`...`)."""
    manifest = copy.deepcopy(dict(load("default").manifest))
    *parents, last = path.split("/")
    place: Any = manifest
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    if isinstance(place, list):
        place[int(last)] = value
    elif value is ...:
        del place[last]
    else:
        place[last] = value
    return manifest


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("format", 3, r"manifest: format: expected 1 or 2 .*, got 3"),
        ("format", 1, r"manifest: format: expected 2 where there is an image for the core, got 1"),
        ("kind", ..., r"manifest: kind: expected 'enhancement' or 'separation', got None"),
        ("kind", "karaoke", r"manifest: kind: expected 'enhancement' or 'separation', got 'karaoke'"),
        ("core", [], r"manifest: core: expected a table, got \[\]"),
        ("core/file", "../core.bin", r"core\.file: expected a plain file name"),
        ("core/file", "audio_1.tflite", r"the file 'audio_1\.tflite' is named twice"),
        ("core/bytes", -1, r"core\.bytes: expected a whole number"),
        ("core/graphs", ..., r"core\.graphs is missing"),
        ("core/graphs", {}, r"core\.graphs: expected the graphs of the networks \(audio_1, .*got \[\]"),
        ("core/graphs/face", "0" * 64, r"core\.graphs: expected the graphs of the networks"),
        ("core/graphs/audio_1", "0" * 64, r"core\.graphs\.audio_1: expected the sha256 of the graph, [0-9a-f]{12}: "),
        ("core/graphs/audio_1", 7, r"core\.graphs\.audio_1: expected the sha256"),
        ("profile", ..., r"manifest: profile is missing"),
        ("profile/hop", "ten", r"manifest: profile\.hop: expected a whole number from 1 to 65536, got 'ten'"),
        ("profile/synthesis", 300, r"profile\.synthesis: expected twice the hop = 320, got 300"),
        ("profile/rate", True, r"profile\.rate: expected a whole number"),
        ("bands/edges/1", 0, r"bands\.edges: expected rising bin numbers"),
        ("bands/edges/128", 300, r"bands\.edges: expected bin numbers from 0 to 257"),
        ("features/std/3", 0.0, r"features\.std\[3\]: expected a number above 0"),
        ("features/mean", [0.0], r"features\.mean: expected a list of 128 numbers"),
        ("features/floor", float("nan"), r"features\.floor: expected a finite number"),
        ("visual/masks_per_image", 3, r"visual\.masks_per_image: expected hops per image = 4, got 3"),
        ("visual", ..., r"visual is missing"),
        ("fusion/form", "magic", r"fusion\.form: expected 'product' or 'av', got 'magic'"),
        ("networks/audio", ..., r"networks\.audio is missing"),
        ("networks/gate", ..., r"networks: expected lips and gate together"),
        ("networks/audio/cell", "lstm", r"networks\.audio\.cell: expected 'gru'"),
        ("networks/audio/layers/0/units", 8, r"graphs\.audio_1\.inputs\.h\.shape: expected \[1, 8\]"),
        ("networks/audio/layers/0/graph", "nope", r"audio\.layers\[0\]: expected the name of one of"),
        ("networks/audio/inputs/0", "irm", r"networks\.audio\.inputs\[0\]: expected features"),
        ("networks/audio/outputs", {"y": "ibm"}, r"audio\.outputs: expected one tensor for each of irm"),
        ("graphs/audio_1/file", "../x", r"graphs\.audio_1\.file: expected a plain file name"),
        ("graphs/audio_1/file", "audio_2.tflite", r"the file 'audio_2\.tflite' is named twice"),
        ("graphs/audio_1/inputs/x/scale", -1.0, r"audio_1\.inputs\.x\.scale: expected a number above 0"),
        ("graphs/audio_1/inputs/x/zero_point", 500, r"zero_point: expected a whole number from -128 to 127"),
        ("graphs/audio_1/operators", [], r"graphs\.audio_1\.operators: expected a list with at least one"),
        ("latency/shift_samples", 0, r"latency\.shift_samples"),
        ("graphs", [], r"graphs: expected a table"),
        ("name", "x\nsignature: ok", r"name: expected a text .* all printable, got 'x\\nsignature: ok'"),
        ("name", "x\x1b[2J", r"name: expected a text .* all printable"),
        ("features/clip", 10**400, r"features\.clip: expected a finite number"),
        ("features/floor", 1e-40, r"features\.floor: expected a number above 0"),
        ("features/level_hops", 2**31, r"level_hops: expected a whole number of 1 or more"),
        ("profile/rate", 96000, r"profile\.rate: expected a whole number from 8000 to 48000"),
        ("profile/analysis", 500, r"profile\.analysis: expected a power of two from 32 to 8192, got 500"),
        ("visual/rate", 12.5, r"visual\.rate: expected a whole number of images a second, got 12\.5"),
        ("visual/masks_per_image", 1000, r"masks_per_image: expected a whole number from 1 to 64, got 1000"),
        ("networks/audio/layers/0/units", 65536, r"units: expected a whole number from 1 to 4096, got 65536"),
        ("networks/audio/layers", [{"graph": "audio_1", "units": 160}] * 20_000,
         r"networks\.audio\.layers: expected a list of at most 16 entries, got '20000 entries'"),
        ("graphs/audio_1/inputs/x/dtype", ["int8"], r"inputs\.x\.dtype: expected int8 or .*, got \['int8'\]"),
        ("graphs/audio_1/inputs/x\n", {}, r"inputs: expected names of at most 100 letters, .*, got 'x\\n'"),
        ("networks/audio/head", "a" * 32, r"networks\.audio\.head: expected names of at most 31 letters"),
        ("vision", 5, r"vision: expected a table, got 5"),
        ("licence", "MIT", r"licence: expected a table, got 'MIT'"),
        ("training/deep", json.loads("[" * 40 + "]" * 40), r"manifest: expected at most 32 levels"),
        ("vision/landmarks", [1, 2], r"vision\.landmarks: expected the 50 points"),
        ("vision/search_period", "often", r"vision\.search_period: expected a finite number"),
        ("vision/nets/face", ..., r"vision\.nets: expected face and mouth, got \['mouth'\]"),
        ("vision/nets/face/graph", "nose", r"vision\.nets\.face: expected the name of one of the graphs"),
        ("vision/nets/face/graph", "mouth", r"graphs\.mouth\.inputs\.x\.shape: expected \[1, 80, 80, 1\]"),
        ("vision/nets/face/crop/size", 20000, r"face\.crop\.size: expected a whole number from 8 to 256"),
        ("vision/nets/face/crop/half", 0, r"face\.crop\.half: expected a number from 0\.01 to 100, got 0"),
        ("vision/nets/face/crop/down", None, r"face\.crop\.down: expected a finite number"),
        ("vision/nets/face/points/0", 7, r"face\.points\[0\]: expected one of the landmarks, once, got 7"),
        ("vision/nets/face/points/0", 168, r"face\.points\[5\]: expected one of the landmarks, once"),
        ("vision/nets/face/mean/0", "x", r"face\.mean\[0\]: expected a finite number"),
        ("vision/nets/mouth/mean", [], r"mouth\.mean: expected a list of 80 numbers"),
        ("vision/nets/mouth/basis", [[0.0]], r"mouth\.basis: expected 80 rows, got '1 rows'"),
        ("vision/nets/mouth/basis/3", [0.0], r"mouth\.basis\[3\]: expected a list of 24 numbers"),
        ("vision/nets/mouth/threshold", 2, r"mouth\.threshold: expected a number from 0 to 1"),
    ],
)  # fmt: skip
def test_manifest_errors_are_exact(path: str, value: Any, sentence: str) -> None:
    members = dict(members_of(DATA))
    members["manifest.json"] = json.dumps(damage(path, value)).encode()
    with pytest.raises(BundleError, match=sentence):
        parse(zipped(list(members.items())))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000])
def test_manifests_that_are_no_manifests_are_refused(text: bytes) -> None:
    members = dict(members_of(DATA))
    members["manifest.json"] = text
    with pytest.raises(BundleError):
        parse(zipped(list(members.items())))


def test_a_name_that_comes_twice_is_refused() -> None:
    members = dict(members_of(DATA))
    members["manifest.json"] = b'{"name": "harmless", ' + members["manifest.json"][1:]
    with pytest.raises(BundleError, match="a name comes twice"):
        parse(zipped(list(members.items())))


def test_a_long_directory_is_refused_before_it_is_read() -> None:
    data = zipped([(f"m{i}", b"") for i in range(60_000)])
    tracemalloc.start()
    with pytest.raises(BundleError, match="at most 64 members, got 60000"):
        parse(data)
    assert tracemalloc.get_traced_memory()[1] < len(data)
    tracemalloc.stop()


@pytest.mark.parametrize("wrong", [None, 5, b"default", ["default"]])
def test_what_is_no_model_is_an_input_error(wrong: Any) -> None:
    with pytest.raises(InputError, match="model: expected a name, a path or a Bundle, got"):
        load(wrong)


@pytest.mark.parametrize("wrong", ["", "a\0b", "x" * 5000, "x" * 5000 + ".seehear"])
def test_names_that_no_file_can_have_are_unknown_models(wrong: str) -> None:
    with pytest.raises(BundleError, match="no model"):
        load(wrong)


def test_what_the_core_refuses_is_not_written(tmp_path: Path, model: Bundle) -> None:
    for path, value in (("visual/rate", 12.5), ("features/std/0", 1e-45), ("graphs/audio_1", None)):
        with pytest.raises(BundleError, match=r"^manifest: "):
            write_bundle(tmp_path / "x.seehear", damage(path, value), model.graphs)
    with pytest.raises(BundleError, match="expected what JSON can hold"):
        write_bundle(tmp_path / "x.seehear", damage("training/date", Path()), model.graphs)
    assert not list(tmp_path.iterdir())


def test_written_bundle_reads_back_and_is_reproducible(tmp_path: Path, model: Bundle) -> None:
    first, second = tmp_path / "a.seehear", tmp_path / "b.seehear"
    written = write_bundle(first, model.manifest, model.graphs)
    write_bundle(second, model.manifest, model.graphs)
    assert first.read_bytes() == second.read_bytes()
    assert written.manifest == load(first).manifest and load(first).graphs == dict(model.graphs)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.seehear", "b.seehear"]


def test_nothing_is_written_when_the_manifest_is_wrong(tmp_path: Path, model: Bundle) -> None:
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "x.seehear", damage("profile/hop", 0), model.graphs)
    with pytest.raises(BundleError, match="expected the graphs of the manifest"):
        write_bundle(tmp_path / "x.seehear", model.manifest, {})
    with pytest.raises(OutputError, match="nothing was left behind"):
        write_bundle(tmp_path / "no" / "x.seehear", model.manifest, model.graphs)
    assert not list(tmp_path.iterdir())


def test_the_cores_image_is_written_read_and_checked(tmp_path: Path, model: Bundle) -> None:
    image = flat_model.build(model)
    assert model.core == image and model.manifest["core"]["bytes"] == len(image)
    written = write_bundle(tmp_path / "a.seehear", model.manifest, model.graphs, core=image)
    assert written.core == image and (tmp_path / "a.seehear").read_bytes() == DATA
    members = [
        (name, content[:-1] + b"x" if name == "core.bin" else content) for name, content in members_of(DATA)
    ]
    with pytest.raises(BundleError, match=r"core\.bin: expected \d+ bytes with sha256 .* altered or damaged"):
        parse(zipped(members))
    with pytest.raises(BundleError, match=r"'core\.bin' is missing"):
        parse(zipped([(name, content) for name, content in members if name != "core.bin"]))


def test_an_image_that_no_core_reads_is_one_sentence(tmp_path: Path, model: Bundle) -> None:
    wrong = write_bundle(tmp_path / "a.seehear", model.manifest, model.graphs, core=bytes(64))
    with pytest.raises(BundleError, match=r"a\.seehear: model: "):
        Enhancer.load(wrong)


def test_format_1_is_read_and_becomes_format_2_with_an_image(tmp_path: Path, model: Bundle) -> None:
    old = {key: value for key, value in model.manifest.items() if key not in ("kind", "core")} | {"format": 1}
    first = write_bundle(tmp_path / "1.seehear", old, model.graphs)
    assert first.manifest["format"] == 1 and first.core is None
    assert not Enhancer.load(first).runtime.startswith("core ")
    second = write_bundle(tmp_path / "2.seehear", first.manifest, first.graphs, core=flat_model.build(first))
    assert (second.manifest["format"], second.manifest["kind"]) == (2, "enhancement")
    assert Enhancer.load(second).runtime.startswith("core ")


def test_audio_only_bundle_is_valid(audio_only_model: Bundle) -> None:
    assert not audio_only_model.has_vision and audio_only_model.visual_delay_ms == 0


def test_signature_is_checked(tmp_path: Path, model: Bundle) -> None:
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    private = ed25519.Ed25519PrivateKey.generate()
    other = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    path = tmp_path / "signed.seehear"
    write_bundle(path, model.manifest, model.graphs, private.private_bytes_raw())
    assert load(path, private.public_key().public_bytes_raw()).signed
    assert not load(path).signed
    with pytest.raises(BundleError, match="signature does not fit"):
        load(path, other)
    with pytest.raises(BundleError, match="expected a signature"):
        load("default", other)


def test_numpy_numbers_do_not_slip_into_a_manifest(tmp_path: Path, model: Bundle) -> None:
    with pytest.raises(BundleError, match=r"profile\.hop"):
        write_bundle(tmp_path / "x.seehear", damage("profile/hop", np.int64(160)), model.graphs)


@pytest.fixture()
def compiled_manifest(model: Bundle) -> dict[str, Any]:
    manifest = copy.deepcopy(dict(model.manifest))
    made = {"file": "lips_1.npu.tflite", "tool": "vela 5", "estimate": {"cycles": 8105, "ms": 0.008}}
    manifest["graphs"]["lips_1"]["compiled"] = {"npu": made}
    return manifest


def test_compiled_graphs_lie_beside_the_originals(
    model: Bundle, compiled_manifest: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "compiled.seehear"
    write_bundle(path, compiled_manifest, model.graphs, compiled={"lips_1": {"npu": b"for the NPU"}})
    made = load(path)
    assert made.graphs == model.graphs and made.compiled["lips_1"] == {"npu": b"for the NPU"}
    assert made.compiled["audio_1"] == {}
    path.write_bytes(path.read_bytes().replace(b"for the NPU", b"for the TPU"))
    with pytest.raises(BundleError, match="altered"):
        load(path)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("file", "../evil", r"compiled\.npu\.file: expected a plain file name"),
        ("file", "lips_1.tflite", "named twice"),
        ("tool", 5, r"compiled\.npu\.tool: expected a text"),
        ("estimate", {"ms": -1}, r"estimate\.ms: expected a number"),
    ],
)
def test_wrong_entries_of_compiled_graphs_are_one_sentence(
    model: Bundle, compiled_manifest: dict[str, Any], tmp_path: Path, key: str, value: object, sentence: str
) -> None:
    compiled_manifest["graphs"]["lips_1"]["compiled"]["npu"][key] = value
    with pytest.raises(BundleError, match=sentence):
        write_bundle(
            tmp_path / "x.seehear", compiled_manifest, model.graphs, compiled={"lips_1": {"npu": b"x"}}
        )
    with pytest.raises(BundleError, match="the manifest lists it as compiled for"):
        write_bundle(tmp_path / "x.seehear", compiled_manifest, model.graphs)
