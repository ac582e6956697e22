"""Recording with consent (E11): sound and pictures of a talker who agreed, as pairs that `seehear-convert prepare` reads.

```
DIR/TALKER/ID.wav    the microphone's sound, untouched, from the first picture on
DIR/TALKER/ID.mp4    the camera's pictures; the vision process writes them, they never come here
DIR/TALKER/ID.json   who agreed to what and when, devices, digests; `uploads`: to which servers it was given (seehear.samples)
DIR/deleted.jsonl    a line for each that was deleted; `samples`: where else it must be, and a line for each that was
```
Nothing has its name before it is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seehear.bundle.pulled import locked
from seehear.errors import InputError, OutputError
from seehear.files import write_atomically
from seehear.media.audio_files import wav_writer

if TYPE_CHECKING:
    from seehear.live.engine import LiveEnhancer

#: What is agreed to; a change of the text is a new version.
CONSENT_VERSION = 1
CONSENT = (
    "I agree that my voice and pictures of my face are recorded on this device and may be used to train speech "
    "enhancement. I can have them deleted at any time by their id."
)

_SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")
# seconds of sound kept until the first picture is there, and to wait for the pictures' file
_BEFORE, _PATIENCE = 4.0, 5.0


class Recorder:
    """Keeps what a `LiveEnhancer` hears and sees; made by `LiveEnhancer.record`.

    Parameters
    ----------
    live : not yet started, with a camera.
    folder : where recordings go; it is made.
    who : the name of the person who agreed to `CONSENT`.
    talker : name of the talker's folder; by default made of `who`.
    max_mb, max_minutes : it stops by itself there.

    Raises
    ------
    InputError
        Nobody agreed, or there is no camera.
    OutputError
        The folder cannot be made.
    """

    def __init__(
        self, live: LiveEnhancer, folder: str | os.PathLike[str], who: str, talker: str | None = None,
        max_mb: float = 500.0, max_minutes: float = 60.0,
    ) -> None:  # fmt: skip
        if not who.strip():
            raise InputError("consent: expected the name of the person who agreed to be recorded, got none")
        if max_mb <= 0 or max_minutes <= 0:
            raise InputError("max_mb, max_minutes: expected numbers above 0")
        talker = talker or re.sub(r"[^A-Za-z0-9_-]+", "-", who).strip("-") or "talker"
        if not _SAFE.fullmatch(talker):
            raise InputError(f"talker: expected letters, digits, _ and -, at most 64, got {talker!r}")
        self._live, self._who = live, who.strip()
        self._rate = live.microphone.rate
        self._most_bytes, self._most_seconds = 1e6 * max_mb, 60 * max_minutes
        self._folder = Path(folder) / talker
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._folder}: cannot be made ({error.strerror})") from error
        self.when = datetime.now(timezone.utc)
        stamp = self.when.strftime("%Y%m%dT%H%M%SZ")
        taken = {path.stem for path in self._folder.iterdir()}
        self.id = next(i for n in range(10**6) if (i := f"{stamp}-{n}" if n else stamp) not in taken)
        self._picture_file = self._folder / f".{self.id}.mp4.part"
        self._stack = ExitStack()
        self._write: Any = None
        self._held: list[np.ndarray] = []
        self._first = 0  # sample of the stream that the first of `_held` is
        self._skip = 0  # samples still to come that are older than the first picture
        self._frames = 0
        self._state = "waiting"
        self._lock = threading.Lock()
        self._ending = threading.Lock()
        live.listen(self._hear)

    @property
    def file(self) -> Path:
        """What the vision process writes."""
        return self._picture_file

    @property
    def status(self) -> dict[str, Any]:
        """For a visible indicator: state ("waiting" for the first picture, "recording", "kept", "dropped"), id, seconds, mb."""
        return {"state": self._state, "id": self.id, "who": self._who, "seconds": round(self._frames / self._rate, 1),
                "mb": round(self._bytes() / 1e6, 2)}  # fmt: skip

    def _bytes(self) -> int:
        size = 0
        with suppress(OSError):
            size = self._picture_file.stat().st_size
        return 2 * self._frames + size

    def _hear(self, before: np.ndarray, _: np.ndarray) -> None:
        with self._lock:
            if self._state not in ("waiting", "recording"):
                return
            # what came too late to be heard is missing in the middle: what follows would be out of step
            full = self._live.path.counters["untapped_hops"] > 0
            if not full:
                self._held.append(before)
                if self._write is None:
                    begin = self._live.first_picture
                    if begin is None:
                        self._forget()
                        return
                    self._begin(begin)
                for block in self._held:
                    kept = block[self._skip :]
                    self._skip -= min(self._skip, len(block))
                    self._write(kept)
                    self._frames += len(kept)
                self._held.clear()
                full = self._bytes() >= self._most_bytes or self._frames >= self._most_seconds * self._rate
        if full:
            self.finish()

    def _forget(self) -> None:
        """Only the last seconds can belong to a picture that is still to come."""
        while sum(map(len, self._held)) > _BEFORE * self._rate:
            self._first += len(self._held.pop(0))

    def _begin(self, seconds: float) -> None:
        self._write = self._stack.enter_context(wav_writer(self._folder / f".{self.id}.wav.part", self._rate))
        ahead = round(seconds * self._rate) - self._first
        self._skip = max(0, ahead)
        if ahead < 0:  # a picture from before the sound: silence up to it
            self._held.insert(0, np.zeros(-ahead, np.float32))
        self._state = "recording"

    def finish(self) -> Path | None:
        """End it; the pair and its manifest get their names. May be called again.

        Returns
        -------
        Path or None
            The manifest; None where there was nothing to keep: no picture, or one of both files failed.
        """
        with self._ending:  # whoever comes second waits for what becomes of it
            return self._finish()

    def _finish(self) -> Path | None:
        with self._lock:
            if self._state not in ("waiting", "recording"):
                return self._folder / f"{self.id}.json" if self._state == "kept" else None
            began, self._state = self._state == "recording", "ending"
        pictures = self._live.stop_pictures(_PATIENCE)
        sound = self._folder / f".{self.id}.wav.part"
        try:
            self._stack.close()
            if began and pictures and self._picture_file.exists():
                return self._keep(sound, pictures)
        finally:
            if self._state == "ending":
                self._state = "dropped"
            for rest in (sound, self._picture_file):
                rest.unlink(missing_ok=True)
        return None

    def _keep(self, sound: Path, pictures: int) -> Path:
        manifest = {
            "id": self.id,
            "consent": {
                "who": self._who,
                "when": self.when.isoformat(),
                "text": CONSENT,
                "version": CONSENT_VERSION,
            },
            "microphone": self._live.microphone.name,
            "camera": self._live.camera,
            "model": self._live.model,
            "rate": self._rate,
            "seconds": round(self._frames / self._rate, 3),
            "pictures": pictures,
            "sha256": {".wav": _digest(sound), ".mp4": _digest(self._picture_file)},
        }
        name = self._folder / self.id
        # first: nothing of a person without who agreed, and what `delete` needs
        write_manifest(Path(f"{name}.json"), manifest)
        os.replace(sound, f"{name}.wav")
        os.replace(self._picture_file, f"{name}.mp4")
        self._state = "kept"
        return Path(f"{name}.json")


def recordings(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The manifests below a folder, the oldest first, each with its `path`."""
    found = []
    for path in sorted(Path(folder).glob("*/*.json"), key=lambda each: each.name):
        with suppress(OSError, ValueError, KeyError, TypeError):
            manifest = json.loads(path.read_text(encoding="utf-8"))
            manifest["id"], manifest["seconds"], manifest["consent"]["who"]  # else it is something else
            found.append({**manifest, "path": str(path)})
    return found


def delete(folder: str | os.PathLike[str], id: str, path: Path | None = None) -> list[Path]:
    """Delete a recording, sound, pictures and manifest, and leave a line that says so.

    A sample of it at a server is still to be deleted there: the next `seehear samples push` or `delete` to that server does.

    Parameters
    ----------
    folder, id : of the recording.
    path : its manifest, where several have that id; by default the first.

    Returns
    -------
    list of Path
        What was deleted.

    Raises
    ------
    InputError
        There is no such recording.
    """
    for manifest in recordings(folder):
        if manifest["id"] == id and path in (None, Path(manifest["path"])):
            stem = Path(manifest["path"]).with_suffix("")
            line: dict[str, Any] = {"id": id, "talker": stem.parent.name, "deleted": datetime.now(timezone.utc).isoformat()}
            with locked(Path(folder), "manifests"):
                uploads = json.loads(Path(manifest["path"]).read_text(encoding="utf-8")).get("uploads", {})
                if uploads:
                    line["samples"] = {url: each["sample"] for url, each in uploads.items()}
                note_deletion(folder, line)  # first: what must be deleted elsewhere is never forgotten
                gone = [
                    path for suffix in (".wav", ".mp4", ".json") if (path := stem.with_suffix(suffix)).exists()
                ]
                for path in gone:
                    path.unlink()
            return gone
    raise InputError(
        f"{folder}: there is no recording {id!r}; seehear record --kept shows those that are there"
    )


def note_deletion(folder: str | os.PathLike[str], line: Mapping[str, Any]) -> None:
    """Add a line to DIR/deleted.jsonl, where nobody else does meanwhile; OutputError if it cannot be written."""
    path = Path(folder) / "deleted.jsonl"
    try:
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a line that was cut
                    file.write(b"\n")
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); nothing was deleted") from error


def deletions(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of DIR/deleted.jsonl, as far as they are whole."""
    found = []
    with suppress(OSError):
        for text in (Path(folder) / "deleted.jsonl").read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                line = json.loads(text)
                found += [line] if isinstance(line, dict) else []
    return found


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a recording's manifest in one step; OutputError if it cannot be."""
    write_atomically(path, json.dumps(manifest, indent=1, ensure_ascii=False).encode())


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
