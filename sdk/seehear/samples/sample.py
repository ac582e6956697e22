"""What a device tells a server of a recording that it gives, and with whose consent; checked alike on both sides."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from seehear.errors import RemoteError
from seehear.live.recorder import CONSENT, CONSENT_VERSION

#: What is agreed to before a recording leaves the device: that it was made is no consent to that. A change of the text is
#: a new version.
UPLOAD_VERSION = 1
UPLOAD = (
    "I agree that this recording of my voice and pictures of my face is sent to the server named here and kept there to "
    "train speech enhancement, whose models may be passed on. I can have it deleted, here and there, at any time by its id."
)
SCOPE = "training/upload"

#: Files of a sample, and what they are called in its folder.
FILES: Mapping[str, str] = {"wav": "sample.wav", "mp4": "sample.mp4"}

#: The most bytes that what is told of a sample may have, and a name or an address in it characters.
MOST_TOLD, MOST_TEXT = 1 << 16, 300

#: Why a server refuses: code -> HTTP status.
REFUSALS: Mapping[str, int] = {
    "format": 400, "consent": 403, "plain": 403, "unknown": 404, "offset": 409, "taken": 409, "deleted": 410, "size": 413,
    "sha256": 422, "quota": 429, "unavailable": 503,
}  # fmt: skip

_ID = re.compile(r"[0-9a-f]{32}")
_RECORDING = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Refusal(RemoteError):
    """A server does not take, or does not have, what it was asked for; `code` is one of `REFUSALS`."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Sample:
    """A recording, as far as a server need know it: no names of devices, no paths.

    Attributes
    ----------
    recording : id that the recorder gave it.
    consent : to the recording, as the recorder's manifest has it: who, when, text, version.
    upload : to its being sent: who, when, text, version, scope, and to: the server's address.
    rate, seconds, pictures : Hz, s, number of pictures.
    files : of each of `FILES` its bytes and sha256.
    """

    recording: str
    consent: Mapping[str, Any]
    upload: Mapping[str, Any]
    rate: int
    seconds: float
    pictures: int
    files: Mapping[str, tuple[int, str]]

    @property
    def who(self) -> str:
        """Who agreed."""
        return str(self.consent["who"])

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(size for size, _ in self.files.values())

    def told(self) -> str:
        """As JSON; the same sample gives the same text."""
        told = {
            "recording": self.recording, "consent": dict(self.consent), "upload": dict(self.upload), "rate": self.rate,
            "seconds": self.seconds, "pictures": self.pictures,
            "files": {name: {"bytes": size, "sha256": sha256} for name, (size, sha256) in self.files.items()},
        }  # fmt: skip
        return json.dumps(told, sort_keys=True, ensure_ascii=False)


def check_id(id: str) -> str:
    """The id of a sample; Refusal "unknown" where it can be none."""
    if not _ID.fullmatch(id):
        raise Refusal("unknown", "there is no such sample")
    return id


def is_id(id: str) -> bool:
    """Whether it has the form of a sample's id, not of a recording's."""
    return _ID.fullmatch(id) is not None


def from_json(text: str | bytes) -> Sample:
    """What `Sample.told` gave, or a stranger claims to be that; keys besides are left out.

    Raises
    ------
    Refusal
        "format"; "consent" where nobody agreed to that.

    Examples
    --------
    >>> from_json("{}")
    Traceback (most recent call last):
    seehear.samples.sample.Refusal: consent: expected who agreed to the recording, and when, got nothing
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal("format", "expected JSON that tells of a sample") from error
    if not isinstance(told, dict):
        raise Refusal("format", "expected a JSON object that tells of a sample")
    consent = _agreed(told.get("consent"), "consent", "the recording", {CONSENT_VERSION: CONSENT})
    upload = _agreed(told.get("upload"), "upload", "its being sent", {UPLOAD_VERSION: UPLOAD})
    given = told["upload"]
    if given.get("scope") != SCOPE or not _text(given.get("to")):
        raise Refusal("consent", f"upload: expected a consent of the scope {SCOPE!r}, and to which server")
    if upload["who"] != consent["who"]:
        raise Refusal("consent", "upload: expected the consent of who agreed to the recording, got another's")
    upload |= {"scope": SCOPE, "to": given["to"]}
    recording, rate, pictures = told.get("recording"), told.get("rate"), told.get("pictures")
    seconds = told.get("seconds")
    if not (isinstance(recording, str) and _RECORDING.fullmatch(recording)):
        raise Refusal("format", "recording: expected its id, letters, digits, _ and -, at most 64")
    if not _whole(rate, 1, 10**6) or not _whole(pictures, 0, 10**9):
        raise Refusal("format", "rate, pictures: expected whole numbers")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= 10**7:
        raise Refusal("format", "seconds: expected a number from 0")
    return Sample(recording, consent, upload, rate, seconds, pictures, _files(told.get("files")))


def _agreed(told: Any, name: str, to: str, texts: Mapping[int, str]) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise Refusal("consent", f"{name}: expected who agreed to {to}, and when, got nothing")
    if not _text(told.get("who")):
        raise Refusal("consent", f"{name}: expected the name of the person who agreed to {to}")
    try:
        zone = datetime.fromisoformat(told["when"]).tzinfo
    except (KeyError, TypeError, ValueError):
        zone = None
    if zone is None or len(told["when"]) > 40:
        raise Refusal("consent", f"{name}: expected when it was agreed to, as 2026-01-31T12:00:00+00:00")
    version = told.get("version")
    if not _whole(version, 0, 10**6) or version not in texts:
        known = ", ".join(map(str, texts))
        raise Refusal("consent", f"{name}: expected a text of version {known}: device and server differ")
    if told.get("text") != texts[version]:
        raise Refusal("consent", f"{name}: is not the text of version {version}")
    return {"who": told["who"], "when": told["when"], "text": told["text"], "version": version}


def _files(told: Any) -> dict[str, tuple[int, str]]:
    if not isinstance(told, dict) or set(told) != set(FILES):
        raise Refusal("format", f"files: expected {' and '.join(FILES)}")
    files = {}
    for name in FILES:
        each = told[name]
        size, sha256 = (each.get("bytes"), each.get("sha256")) if isinstance(each, dict) else (None, None)
        if not _whole(size, 1, 1 << 50) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise Refusal("format", f"files: {name}: expected its bytes, from 1, and sha256")
        files[name] = (size, sha256)
    return files


def _text(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= MOST_TEXT
        and value.isprintable()
        and value.strip() == value
    )


def _whole(value: Any, low: int, high: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
