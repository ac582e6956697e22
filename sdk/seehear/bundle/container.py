"""Model bundles: one `.seehear` file holds the manifest and every graph of a product model.

A bundle is a zip without compression. It is read to memory, measured, hashed and checked before an
interpreter sees one byte of it: a truncated graph given by path has crashed interpreters.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seehear.bundle import keys, pulled
from seehear.bundle import manifest as manifest_rules
from seehear.bundle.pulled import SUFFIX
from seehear.errors import BundleError, InputError, MissingExtraError
from seehear.files import write_atomically

#: Largest bundle, graph and manifest that is read, bytes; and most members of a bundle.
MAX_BUNDLE_BYTES = 64 << 20
MAX_MANIFEST_BYTES = 1 << 20
MAX_MEMBERS = 64

_MANIFEST = "manifest.json"
_SIGNATURE = "manifest.sig"
# begins every entry of a zip's directory
_ENTRY = b"PK\x01\x02"
_MODELS = Path(__file__).parents[1] / "models"
# what zipfile and its helpers raise on damaged input; everything else would be a bug of ours
_DAMAGE = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, OSError,
           struct.error, UnicodeError, ValueError, OverflowError)  # fmt: skip


@dataclass(frozen=True)
class Bundle:
    """A checked model bundle in memory.

    Attributes
    ----------
    manifest : the manifest, checked against `seehear.bundle.manifest`.
    graphs : graph name -> the bytes of its .tflite file, hashes checked.
    source : where it came from, for messages.
    key : the Ed25519 public key that its signature was checked with, 32 bytes; None if none was.
    compiled : graph name -> accelerator -> the bytes that `seehear-convert compile` made for it, hashes checked.
    core : the core's image of the graphs of the stream (docs/firmware.md), its hash and theirs checked; None without.
    """

    manifest: Mapping[str, Any]
    graphs: Mapping[str, bytes]
    source: str = "memory"
    key: bytes | None = None
    compiled: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    core: bytes | None = None

    @property
    def name(self) -> str:
        """Name and version, e.g. "default 2026.11"."""
        return f"{self.manifest['name']} {self.manifest['version']}"

    @property
    def signed(self) -> bool:
        """True if a signature was checked."""
        return self.key is not None

    @property
    def kind(self) -> str:
        """What it is for: "enhancement" or "separation"."""
        return str(self.manifest.get("kind", manifest_rules.KIND))

    @property
    def rate(self) -> int:
        """Sample rate of the networks in Hz."""
        return int(self.manifest["profile"]["rate"])

    @property
    def hop(self) -> int:
        """Samples per hop at `rate`."""
        return int(self.manifest["profile"]["hop"])

    @property
    def delays_ms(self) -> tuple[float, float]:
        """Sound to sound, with blocks of a hop: told so at load (`block=`), and left open to any size.

        The lag, and the wait of a block's first sample for its last.
        """
        hop, shift = self.hop, int(self.manifest["latency"]["shift_samples"])
        return 1e3 * (shift + hop) / self.rate, 1e3 * (shift + hop - 1 + hop) / self.rate

    @property
    def has_vision(self) -> bool:
        """True if the bundle can use images (lip and gate network)."""
        return "lips" in self.manifest.get("networks", {})

    @property
    def finds_faces(self) -> bool:
        """True if the bundle brings the nets that find landmarks in pictures."""
        return self.has_vision and "nets" in (self.manifest.get("vision") or {})

    @property
    def visual_delay_ms(self) -> float:
        """The age of images the lip net was made for, ms; 0 for an audio-only bundle (E5)."""
        return float(self.manifest["visual"]["delay_ms"]) if self.has_vision else 0.0


def available_models() -> list[str]:
    """Names of the models inside the package, for `find_model`."""
    return sorted(path.stem for path in _MODELS.glob("*" + SUFFIX))


def built_in(name: str) -> Path:
    """Where a model of this name lies inside the package, if there is one."""
    return _MODELS / (name + SUFFIX)


def find_model(model: str | os.PathLike[str]) -> Path:
    """The path of a model by name (of those that were pulled to this device, else of those inside the package) or by path.

    Raises
    ------
    BundleError
        If there is no such model; the message lists what there is.
    InputError
        `model` is neither text nor a path.

    Examples
    --------
    >>> find_model("default").name
    'default.seehear'
    """
    name = os.fspath(model) if isinstance(model, (str, os.PathLike)) else None
    if not isinstance(name, str):
        raise InputError(f"model: expected a name, a path or a Bundle, got {type(model).__name__}")
    path = Path(name)
    with suppress(OSError, ValueError):  # names that no file can have
        if path.suffix != SUFFIX and path.name == name:
            found = pulled.find(name)
            if found is not None:
                return found
            if built_in(name).is_file():
                return built_in(name)
        if path.is_file():
            return path
    there = {*available_models(), *(name for folder in pulled.folders() for name in pulled.names(folder))}
    names = ", ".join(sorted(there)) or "none"
    raise BundleError(f"no model {name!r}: expected the path of a {SUFFIX} file or one of: {names}")


def load(
    model: str | os.PathLike[str] | Bundle = "default",
    public_key: keys.Key | None = None,
    kind: str | None = manifest_rules.KIND,
) -> Bundle:
    """Read and check a bundle.

    Parameters
    ----------
    model : a name ("default"), a path, or a bundle that was loaded before.
    public_key : Ed25519 public key, in any form that `seehear.bundle.keys.read_key` takes; by default that of the
        environment variable `SEEHEAR_KEY`. With a key the bundle must carry a valid signature of its manifest,
        which in turn holds the hash of every graph; needs the package `cryptography`.
    kind : what it must be for, "enhancement" or "separation"; None takes any.

    Raises
    ------
    BundleError
        Unknown, truncated, altered, wrongly signed or inconsistent bundle, or one for something else, in one sentence.
    InputError
        `model` or `public_key` is no such thing.
    MissingExtraError
        A signature is to be checked and `cryptography` is not installed.
    """
    key = keys.required(public_key)
    if isinstance(model, Bundle):
        if key is not None and model.key != key:
            raise BundleError(
                f"{model.source}: its signature was not checked with the key required: load it with that key"
            )
        return _for(model, kind)
    path = find_model(model)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BUNDLE_BYTES:
                raise BundleError(
                    f"{path}: expected at most {MAX_BUNDLE_BYTES} bytes, got {size}: not a seehear bundle"
                )
            data = file.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    return _for(parse(data, str(path), key), kind)


def _for(bundle: Bundle, kind: str | None) -> Bundle:
    if kind is not None and bundle.kind != kind:
        takes = {"enhancement": "seehear.Enhancer", "separation": "seehear.Separator"}
        raise BundleError(
            f"{bundle.source}: expected a model for {kind}, got one for {bundle.kind}, which {takes[bundle.kind]} takes"
        )
    return bundle


def parse(data: bytes, source: str = "memory", public_key: keys.Key | None = None) -> Bundle:
    """Check a bundle that is already in memory; see `load`. Without `public_key` no signature is looked at."""
    key = None if public_key is None else keys.read_key(public_key)
    try:
        members = _members(data)
        if _MANIFEST not in members:
            raise BundleError(
                f"expected a member {_MANIFEST}, got {', '.join(members) or 'none'}: not a seehear bundle"
            )
        text = members.pop(_MANIFEST)
        signature = members.pop(_SIGNATURE, None)
        if key is not None:
            _verify(text, signature, key)
        manifest = _parse_manifest(text)
        graphs, compiled = {}, {}
        for name, graph in manifest["graphs"].items():
            graphs[name] = _checked_member(members, graph)
            compiled[name] = {
                accelerator: _checked_member(members, made)
                for accelerator, made in graph.get("compiled", {}).items()
            }
        core = _checked_member(members, manifest["core"]) if "core" in manifest else None
        if members:
            raise BundleError(f"member {min(members)!r} is not named in the manifest")
    except BundleError as error:
        raise BundleError(f"{source}: {error}") from error
    return Bundle(manifest, graphs, source, key, compiled, core)


def _checked_member(members: dict[str, bytes], entry: Mapping[str, Any]) -> bytes:
    """Take the file that an entry of the manifest names out of `members`."""
    content = members.pop(entry["file"], None)
    if content is None:
        raise BundleError(f"the graph file {entry['file']!r} is missing")
    digest = hashlib.sha256(content).hexdigest()
    if len(content) != entry["bytes"] or digest != entry["sha256"]:
        raise BundleError(
            f"{entry['file']}: expected {entry['bytes']} bytes with sha256 {entry['sha256'][:12]}, "
            f"got {len(content)} bytes with {digest[:12]}: altered or damaged; fetch it again"
        )
    return content


def write_bundle(
    path: str | os.PathLike[str],
    manifest: Mapping[str, Any],
    graphs: Mapping[str, bytes],
    private_key: bytes | None = None,
    compiled: Mapping[str, Mapping[str, bytes]] | None = None,
    core: bytes | None = None,
) -> Bundle:
    """Check and write a bundle; the file appears complete or not at all.

    Parameters
    ----------
    path : where to, ending in `.seehear`.
    manifest : `file` (default: graph name + ".tflite"), `sha256` and `bytes` of each graph, and all of `core`, are
        filled in here.
    graphs : graph name -> bytes of its .tflite, exactly the graphs of the manifest.
    private_key : 32 bytes of an Ed25519 private key to sign with; needs `cryptography`.
    compiled : graph name -> accelerator -> bytes, exactly those that the manifest lists as compiled.
    core : the image that `seehear.runtime.flat_model.build` makes of the same graphs; the manifest becomes format 2.

    Returns
    -------
    Bundle
        What was written, read back.

    Raises
    ------
    BundleError
        The manifest is wrong or does not fit the graphs; nothing is written.
    OutputError
        The file cannot be written.
    """
    target = Path(path)
    full: dict[str, Any] = copy.deepcopy(dict(manifest))
    listed = full.get("graphs")
    if not isinstance(listed, dict) or not all(isinstance(entry, dict) for entry in listed.values()):
        manifest_rules.fail("graphs", "a table of tables", listed)
    if sorted(listed) != sorted(graphs):
        raise BundleError(
            f"expected the graphs of the manifest ({', '.join(sorted(listed))}), got {sorted(graphs)}"
        )
    for name, content in graphs.items():
        listed[name].setdefault("file", name + ".tflite")
        _stamp(listed[name], content)
        given = (compiled or {}).get(name, {})
        made = listed[name].get("compiled", {})
        if sorted(made) != sorted(given):
            raise BundleError(
                f"graph {name}: the manifest lists it as compiled for {sorted(made)}, got {sorted(given)}"
            )
        for key, binary in given.items():
            _stamp(made[key], binary)
    full.pop("core", None)
    if core is not None:
        full = {**full, "format": manifest_rules.FORMATS[-1], "kind": manifest_rules.KIND}
        full["core"] = {"file": "core.bin"}
        _stamp(full["core"], core)
        # without it first: what networks say is trusted from here on
        manifest_rules.validate({key: value for key, value in full.items() if key != "core"})
        names = manifest_rules.streaming_graphs(full)
        full["core"]["graphs"] = {name: listed[name]["sha256"] for name in names}
    manifest_rules.validate(full)
    try:
        text = json.dumps(full, indent=1, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise BundleError(f"manifest: expected what JSON can hold ({error})") from error
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        # ZipInfo's fixed date of 1980 keeps bundles reproducible byte for byte
        archive.writestr(zipfile.ZipInfo(_MANIFEST), text)
        if private_key is not None:
            archive.writestr(zipfile.ZipInfo(_SIGNATURE), _sign(text, private_key))
        for name in listed:
            archive.writestr(zipfile.ZipInfo(listed[name]["file"]), graphs[name])
            for key, made in listed[name].get("compiled", {}).items():
                archive.writestr(zipfile.ZipInfo(made["file"]), (compiled or {})[name][key])
        if core is not None:
            archive.writestr(zipfile.ZipInfo(full["core"]["file"]), core)
    data = buffer.getvalue()
    bundle = parse(data, str(target))
    write_atomically(target, data)
    return bundle


def _stamp(entry: dict[str, Any], content: bytes) -> None:
    entry["bytes"] = len(content)
    entry["sha256"] = hashlib.sha256(content).hexdigest()


def _members(data: bytes) -> dict[str, bytes]:
    """Name -> content of every member, with everything refused that a bundle never has."""
    if len(data) > MAX_BUNDLE_BYTES:
        raise BundleError(f"expected at most {MAX_BUNDLE_BYTES} bytes, got {len(data)}: not a seehear bundle")
    if not data:
        raise BundleError("the file is empty")
    # counted before zipfile reads the directory, which takes it memory and time for every entry
    entries = data.count(_ENTRY)
    if entries > MAX_MEMBERS:
        raise BundleError(f"expected at most {MAX_MEMBERS} members, got {entries}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            members: dict[str, bytes] = {}
            total = 0
            for info in infos:
                if not manifest_rules.FILE_NAME.fullmatch(info.filename):
                    raise BundleError(f"member {info.filename[:100]!r}: expected a plain file name")
                if info.filename in members:
                    raise BundleError(f"member {info.filename!r} is there twice")
                # stored members cannot swell: no zip bombs
                if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                    raise BundleError(
                        f"member {info.filename!r} is compressed: bundles hold stored members only"
                    )
                total += info.file_size
                if total > len(data):
                    raise BundleError("the members overlap")
                members[info.filename] = archive.read(info)
            return members
    except BundleError:
        raise
    except _DAMAGE as error:
        raise BundleError(f"truncated, altered or not a seehear bundle ({error}); fetch it again") from error


def _parse_manifest(text: bytes) -> dict[str, Any]:
    if len(text) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{_MANIFEST}: expected at most {MAX_MANIFEST_BYTES} bytes, got {len(text)}")
    try:
        manifest = json.loads(text, object_pairs_hook=_table)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{_MANIFEST}: expected JSON ({error})") from error
    manifest_rules.validate(manifest)
    return dict(manifest)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A table of the manifest; names that come twice would mean one thing to this reader, another to the next."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name comes twice in one table")
    return table


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtraError(
            "bundle signatures need a package that is not installed: pip install cryptography"
        ) from error
    return ed25519


def _sign(text: bytes, private_key: bytes) -> bytes:
    try:
        return bytes(_ed25519().Ed25519PrivateKey.from_private_bytes(private_key).sign(text))
    except (TypeError, ValueError) as error:
        raise InputError("private_key: expected the 32 bytes of an Ed25519 private key") from error


def _verify(text: bytes, signature: bytes | None, key: bytes) -> None:
    ed25519 = _ed25519()
    if signature is None:
        raise BundleError(f"expected a signature ({_SIGNATURE}), got none: do not use this bundle")
    from cryptography.exceptions import InvalidSignature

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except InvalidSignature as error:
        raise BundleError(
            "the signature does not fit the manifest and the key given: do not use this bundle"
        ) from error
