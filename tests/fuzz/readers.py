"""Harnesses for what reads strangers' files: bundles, manifests, WAVs. Coverage-guided where atheris is installed.

    python tests/fuzz/readers.py bundle|manifest|wav [options of libFuzzer] [corpus ...]

The only outcomes are success and a seehear error of one line.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

try:
    import atheris
except ImportError:  # the corpus alone: test_corpus.py
    atheris = None

if atheris is not None and __name__ == "__main__":
    with atheris.instrument_imports(include=["seehear"]):
        from seehear import _core, bundle
        from seehear.bundle.manifest import validate
        from seehear.bundle.packed import pack
        from seehear.errors import SeehearError
        from seehear.media import audio_files
else:
    from seehear import _core, bundle
    from seehear.bundle.manifest import validate
    from seehear.bundle.packed import pack
    from seehear.errors import SeehearError
    from seehear.media import audio_files


def _outcome(read: Callable[[], object]) -> None:
    try:
        read()
    except SeehearError as error:
        text = str(error)
        assert text and text.isprintable(), f"one line expected, got {text!r}"


def read_bundle(data: bytes) -> None:
    """A whole bundle."""
    _outcome(lambda: bundle.parse(data))


def read_manifest(data: bytes) -> None:
    """The manifest of a bundle without graphs; what is good, the core takes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("manifest.json", data)
    _outcome(lambda: bundle.parse(packed.getvalue()))
    try:
        manifest = json.loads(data)
        validate(manifest)
    except (ValueError, RecursionError, SeehearError):
        return
    _core.HopScheduler(pack(manifest))


_FILE = Path(tempfile.mkdtemp()) / "sound.wav"


def read_wav(data: bytes) -> None:
    """A WAV; what is none, or of a kind that other libraries read, is not our matter."""
    _FILE.write_bytes(b"RIFF\0\0\0\0WAVE" + data)
    _outcome(lambda: audio_files.read_audio(_FILE))


READERS: dict[str, Callable[[bytes], None]] = {
    "bundle": read_bundle,
    "manifest": read_manifest,
    "wav": read_wav,
}


def forget_other_readers() -> None:
    """FFmpeg and libsndfile have fuzzers of their own."""
    sys.modules["av"] = sys.modules["soundfile"] = None  # type: ignore[assignment]


if __name__ == "__main__":
    forget_other_readers()
    atheris.Setup([sys.argv[0], *sys.argv[2:]], READERS[sys.argv[1]])
    atheris.Fuzz()
