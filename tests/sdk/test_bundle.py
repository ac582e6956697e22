"""A damaged bundle is one clear sentence, never a crash."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seehear import bundle as bundles
from seehear.bundle import Bundle, find_model, load, parse, write_bundle
from seehear.errors import BundleError, OutputError

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
        ("format", 2, r"manifest: format: expected 1 .*, got 2"),
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
