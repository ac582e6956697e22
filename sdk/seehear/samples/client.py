"""The device's half: recordings are pushed with consent, in parts that go on where they were cut, and deleted on both sides.

What was agreed to for which server, and under which id that has a recording, stands in the recorder's manifest (`uploads`);
what is still to be deleted at a server, in DIR/deleted.jsonl: both before the server hears of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from seehear.bundle.pulled import locked
from seehear.errors import InputError, MediaError, RemoteError, SeehearError
from seehear.live import recorder
from seehear.samples.sample import FILES, SCOPE, UPLOAD, UPLOAD_VERSION, Refusal, Sample, from_json, is_id
from seehear.samples.web import Unreachable, Web

# bytes sent at a time
_PART = 1 << 20
# how often a server that does not answer, without anything more having come there, is asked again, and after how many seconds
_TRIES, _PAUSE = 3, 0.5

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Pushed:
    """What became of a recording.

    Attributes
    ----------
    recording, sample : ids, here and at the server; sample is "" where nobody agreed.
    new : it was not there before.
    error : why it is not there; None: it is.
    """

    recording: str
    sample: str
    new: bool = False
    error: SeehearError | None = None


@dataclass(frozen=True)
class Listed:
    """A recording, a sample, or both.

    Attributes
    ----------
    recording, sample : ids, here and at a server; "" where it is not known.
    who : who agreed; "" where it is not here.
    seconds : of sound.
    here : it is on this device.
    there : where it was sent to: server -> "uploading", "complete", as far as is known.
    """

    recording: str
    sample: str
    who: str
    seconds: float
    here: bool
    there: Mapping[str, str]


@dataclass(frozen=True)
class Deleted:
    """What was deleted.

    Attributes
    ----------
    here : files on this device.
    there : the server deleted it; False: it had no such sample of this device.
    pending : the server cannot be reached, or says no: the next push or deletion sees to it; why, in `reason`.
    elsewhere : other servers that have it still: a deletion there, or a push, sees to it.
    """

    here: list[Path]
    there: bool
    pending: bool = False
    reason: str = ""
    elsewhere: tuple[str, ...] = ()


def push(
    folder: str | os.PathLike[str],
    web: Web,
    ids: Iterable[str] | None = None,
    consent: str | None = None,
    on_progress: Progress = lambda recording, done, total: None,
) -> list[Pushed]:
    """Give recordings to a server; what is there already is not sent again, and what was cut goes on where it was.

    Parameters
    ----------
    folder : where `seehear record` kept them.
    web : the server.
    ids : of recordings; None for all.
    consent : the name of the person who agrees to `UPLOAD`; None where that was said before.
    on_progress : called with the recording's id, bytes that are there, bytes in all.

    Returns
    -------
    list of Pushed
        One for each recording; an error of one costs the others nothing.

    Raises
    ------
    InputError
        There is no such folder, or recording.
    RemoteError
        The server cannot be reached; the next push goes on.
    OutputError
        The folder cannot be written.
    """
    where = Path(folder)
    if not where.is_dir():
        raise InputError(f"--recordings: expected a folder, as `seehear record -o` fills it, got {where}")
    with locked(where, "push"):
        carry_out(where, web)
        found = recorder.recordings(where)
        chosen = found if ids is None else [_one(where, found, id) for id in dict.fromkeys(ids)]
        pushed = []
        for manifest in chosen:
            sample = ""
            try:
                with locked(where, "manifests"):
                    sample = _agreed(Path(manifest["path"]), web.url, consent)
                new = _push(where, Path(manifest["path"]), web, on_progress)
                pushed.append(Pushed(manifest["id"], sample, new))
            except (InputError, MediaError, Refusal) as error:  # any other would be that of the next one too
                pushed.append(Pushed(manifest["id"], sample, error=error))
        return pushed


def listed(folder: str | os.PathLike[str] | None, web: Web | None) -> list[Listed]:
    """What is here, what is there, and what is both.

    Parameters
    ----------
    folder : of recordings, or None.
    web : the server, or None: what is known of it here.

    Raises
    ------
    RemoteError
        The server cannot be reached.
    """
    told = [] if web is None else _strangers_list(web)
    there = {each["id"]: each for each in told}
    found = []
    for manifest in [] if folder is None else recorder.recordings(folder):
        uploads = _uploads(manifest)
        states = {url: "complete" if each["sent"] else "uploading" for url, each in uploads.items()}
        sample = next((each["sample"] for each in uploads.values()), "")
        if web is not None:
            states.pop(web.url, None)
            sample = uploads.get(web.url, {}).get("sample", sample)
            if sample in there:
                states[web.url] = there.pop(sample)["state"]
        found.append(
            Listed(manifest["id"], sample, manifest["consent"]["who"], manifest["seconds"], True, states)
        )
    for each in there.values():
        assert web is not None
        found.append(
            Listed(each["recording"], each["id"], "", each["seconds"], False, {web.url: each["state"]})
        )
    return found


def delete(folder: str | os.PathLike[str], id: str, web: Web) -> Deleted:
    """Delete a recording on this device and at the server, wherever it is.

    Parameters
    ----------
    folder : of recordings; it may be gone.
    id : of the recording, or of the sample.
    web : the server.

    Raises
    ------
    InputError
        It is neither here nor there; there is more than one here.
    RemoteError
        It is not here, so only the server could say what it is, and that cannot be reached.
    OutputError
        The folder cannot be written.
    """
    where = Path(folder)
    found = _found(recorder.recordings(where), id)
    here: list[Path] = []
    sample = id if is_id(id) else ""
    elsewhere: tuple[str, ...] = ()
    if found:
        manifest = found[0]
        uploads = _uploads(manifest)
        sample = uploads.get(web.url, {}).get("sample", "")
        elsewhere = tuple(url for url in uploads if url != web.url)
        here = recorder.delete(where, manifest["id"], Path(manifest["path"]))
    elif not sample:
        sample = _still(where, web.url, id) or _name(web, id)
    if not found and not _still(where, web.url, sample):
        with locked(where, "manifests"):
            recorder.note_deletion(where, {"id": id, "deleted": _now(), "samples": {web.url: sample}})
    there, reason = False, ""
    try:
        there = sample in carry_out(where, web)
    except RemoteError as error:
        reason = str(error)
    if not found and not there and not reason:
        raise InputError(
            f"{id}: there is no such recording in {where}, and {web.url} has no such sample of this device"
        )
    return Deleted(here, there, bool(reason and sample), reason, elsewhere)


def pending(folder: str | os.PathLike[str]) -> dict[tuple[str, str], str]:
    """What is still to be deleted at servers: (server, sample) -> recording."""
    owed: dict[tuple[str, str], str] = {}
    for line in recorder.deletions(folder):
        samples = line.get("samples")
        if isinstance(samples, dict):
            owed |= {(url, sample): str(line.get("id", "")) for url, sample in samples.items()}
        owed.pop((str(line.get("server")), str(line.get("sample"))), None)
    return owed


def carry_out(folder: str | os.PathLike[str], web: Web) -> list[str]:
    """Delete at the server what is still to be deleted there.

    Returns
    -------
    list of str
        Samples that it deleted, or had deleted before.

    Raises
    ------
    RemoteError
        It cannot be reached, or says no: what is left is for the next time.
    """
    done = []
    for url, sample in pending(folder):
        if url != web.url:
            continue
        try:
            web.ask("DELETE", f"/v1/samples/{sample}")
            done.append(sample)
        except Refusal as error:
            if error.code != "unknown":
                raise
        with locked(Path(folder), "manifests"):
            recorder.note_deletion(folder, {"sample": sample, "server": url, "deleted": _now()})
    return done


# --- pushing


def _agreed(path: Path, url: str, consent: str | None) -> str:
    """The sample's id; what was agreed to is written down before anything is sent."""
    manifest = _read(path)
    uploads = manifest["uploads"] = _uploads(manifest)
    if url not in uploads:
        who = manifest["consent"]["who"]
        if consent is None:
            raise InputError(
                f"{manifest['id']}: --consent: expected the name of the person who was recorded and agrees to this, "
                f"for {url}: {UPLOAD}"
            )
        if consent.strip() != who:
            raise InputError(
                f"{manifest['id']}: --consent: expected the person who was recorded, {who!r}, got {consent!r}"
            )
        agreed = {
            "who": who, "when": _now(), "text": UPLOAD, "version": UPLOAD_VERSION, "scope": SCOPE, "to": url,
        }  # fmt: skip
        uploads[url] = {"sample": secrets.token_hex(16), "consent": agreed, "sent": None}
        recorder.write_manifest(path, manifest)
    return str(uploads[url]["sample"])


def _push(where: Path, path: Path, web: Web, on_progress: Progress) -> bool:
    """Send what is not there yet; whether anything was."""
    checked, new = False, False
    best, failures, wrong = -1, 0, 0
    while True:
        try:
            with locked(where, "manifests"):  # what is deleted meanwhile is not told of again
                manifest = _read(path)
                id = manifest["uploads"][web.url]["sample"]
                sample = _sample(path, manifest, web.url)
                there = _status(web.ask("PUT", f"/v1/samples/{id}", sample.told().encode()), sample)
            if there is None:
                break
            new = True
            if not checked:
                _check(path, sample)
                checked = True
            for name in FILES:
                while there is not None and (begin := there[name]) < sample.files[name][0]:
                    if (have := sum(there.values())) > best:
                        best, failures = have, 0
                    on_progress(sample.recording, have, sample.bytes)
                    there = _send(web, id, name, path.with_suffix(f".{name}"), begin, sample)
        except RemoteError as error:
            if isinstance(error, Refusal) and error.code == "sha256":
                wrong += 1  # damaged on the way, or begun with other content: once more from the start
                best = -1
            elif not isinstance(error, Unreachable) and getattr(error, "code", "") != "offset":
                raise
            failures += 1
            if wrong > 1:
                raise
            if failures > _TRIES:
                raise Unreachable(
                    f"{error}; {max(best, 0)} bytes of {path.stem} are there, the next push goes on"
                ) from error
            time.sleep(_PAUSE * failures)
    on_progress(sample.recording, sample.bytes, sample.bytes)
    with locked(where, "manifests"):
        manifest = _read(path)
        if manifest["uploads"][web.url]["sent"] is None:
            manifest["uploads"][web.url]["sent"] = _now()
            recorder.write_manifest(path, manifest)
    return new


def _send(web: Web, id: str, name: str, file: Path, begin: int, sample: Sample) -> dict[str, int] | None:
    size = sample.files[name][0]
    try:
        with file.open("rb") as opened:
            opened.seek(begin)
            part = opened.read(_PART)
    except OSError as error:
        raise MediaError(f"{file}: cannot be read any more ({error.strerror})") from error
    if not part:
        raise MediaError(f"{file}: is shorter than it was")
    place = f"bytes {begin}-{begin + len(part) - 1}/{size}"
    return _status(web.ask("PUT", f"/v1/samples/{id}/{name}", part, Content_Range=place), sample)


def _status(told: Any, sample: Sample) -> dict[str, int] | None:
    """Bytes that the server has of each file; None: it has all."""
    try:
        if told["state"] == "complete":
            return None
        there = {name: told["files"][name]["have"] for name in FILES}
    except (KeyError, TypeError) as error:
        raise RemoteError("expected the state of a sample from the server, got something else") from error
    for name, have in there.items():
        if not isinstance(have, int) or not 0 <= have <= sample.files[name][0]:
            raise RemoteError(f"the server says that it has {have} bytes of {sample.files[name][0]}")
    if sum(there.values()) == sample.bytes:
        raise Unreachable("the server has all bytes, and the sample is not complete")
    return there


def _sample(path: Path, manifest: Mapping[str, Any], url: str) -> Sample:
    files = {}
    for name in FILES:
        file = path.with_suffix(f".{name}")
        try:
            files[name] = {"bytes": file.stat().st_size, "sha256": manifest["sha256"][f".{name}"]}
        except OSError as error:
            raise MediaError(f"{file}: cannot be read ({error.strerror})") from error
        except (KeyError, TypeError) as error:
            raise MediaError(f"{path}: expected a recorder's manifest") from error
    told = {
        "recording": manifest["id"], "consent": manifest["consent"], "upload": manifest["uploads"][url]["consent"],
        "files": files, **{key: manifest.get(key) for key in ("rate", "seconds", "pictures")},
    }  # fmt: skip
    return from_json(json.dumps(told))  # as the server will look at it


def _check(path: Path, sample: Sample) -> None:
    for name, (_, sha256) in sample.files.items():
        digest = hashlib.sha256()
        try:
            with path.with_suffix(f".{name}").open("rb") as file:
                while block := file.read(_PART):
                    digest.update(block)
        except OSError as error:
            raise MediaError(f"{path.with_suffix(f'.{name}')}: cannot be read ({error.strerror})") from error
        if digest.hexdigest() != sha256:
            raise MediaError(
                f"{path.with_suffix(f'.{name}')}: is not what was recorded (sha256): it is not sent"
            )


# --- what is here


def _one(where: Path, found: list[dict[str, Any]], id: str) -> dict[str, Any]:
    for manifest in _found(found, id):
        return manifest
    raise InputError(
        f"{where}: there is no recording {id!r}; seehear samples list shows those that are there"
    )


def _found(there: list[dict[str, Any]], id: str) -> list[dict[str, Any]]:
    """The recording, or the sample, of that id; none or one."""
    found = [
        each for each in there
        if each["id"] == id or any(upload["sample"] == id for upload in _uploads(each).values())
    ]  # fmt: skip
    if len(found) > 1:
        raise InputError(f"{id}: expected one recording, there are {len(found)}: name the sample's id")
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(f"{path.stem}: was deleted meanwhile") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"{path}: expected a recorder's manifest") from error


def _uploads(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says of servers, as far as it was written here."""
    uploads = manifest.get("uploads")
    found = uploads.items() if isinstance(uploads, dict) else ()
    return {
        url: each
        for url, each in found
        if isinstance(each, dict)
        and {"sample", "consent", "sent"} <= set(each)
        and is_id(str(each["sample"]))
    }


def _still(where: Path, url: str, id: str) -> str:
    """The sample of a recording, or of that id, which is still to be deleted at the server; "" if there is none."""
    owed = pending(where).items()
    return next((sample for (server, sample), its in owed if server == url and id in (sample, its)), "")


def _name(web: Web, recording: str) -> str:
    """The sample of a recording that is at the server only."""
    found = [each["id"] for each in _strangers_list(web) if each["recording"] == recording]
    if len(found) != 1:
        why = (
            f"{len(found)} samples: name one of {', '.join(found)}"
            if found
            else "no such sample of this device"
        )
        raise InputError(f"{recording}: there is no such recording here, and {web.url} has {why}")
    return str(found[0])


def _strangers_list(web: Web) -> list[dict[str, Any]]:
    told = web.ask("GET", "/v1/samples")
    kinds = {"id": str, "recording": str, "state": str, "seconds": (int, float)}
    try:
        samples = [dict(each) for each in told["samples"]]
        if all(isinstance(each[key], kind) for each in samples for key, kind in kinds.items()):  # type: ignore[arg-type]
            return samples
    except (KeyError, TypeError, ValueError):
        pass
    raise RemoteError(f"{web.url}: expected a list of samples, got something else")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
