"""Pulling a model: what TUF trusts is fetched, tried in a process of its own, and switched to in one step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from seehear import bundle as bundles
from seehear.bundle import MAX_BUNDLE_BYTES, pulled
from seehear.bundle.pulled import Entry
from seehear.errors import BundleError, InputError, MissingExtraError, OutputError, RemoteError, install
from seehear.files import write_atomically
from seehear.store import trial

try:
    from tuf.api.exceptions import DownloadError, RepositoryError
    from tuf.api.metadata import Metadata, TargetFile, Targets
    from tuf.ngclient import Updater

    from seehear.store.web import Web, check_url
except ModuleNotFoundError as error:
    raise MissingExtraError(
        f"models from a server need more packages ({error}): {install('store')}"
    ) from error

# the trust anchor, where it came from, what TUF knows of the repository, beside the models
_ROOT, _SOURCE, _METADATA = "root.json", "source.json", ".metadata"
_MOST_ROOT = 1 << 20


@dataclass(frozen=True)
class Pulled:
    """What became of a pull.

    Attributes
    ----------
    name, version, path : of the model that counts now.
    changed : False if it was there already.
    previous : version of the one that is kept behind it; None without.
    """

    name: str
    version: str
    path: Path
    changed: bool
    previous: str | None


def pull(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    url: str | None = None,
    trust: str | os.PathLike[str] | None = None,
    again: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pulled:
    """Bring a model to this device, or the newest version of it; what is there counts until the new one has passed its trial.

    Parameters
    ----------
    name : of the model.
    folder : where to; by default the first of `seehear.bundle.pulled.folders`.
    url : of the repository that `seehear-convert publish` made; by default the one used last.
    trust : file with its root metadata, where trust begins; by default the one used last. None is built in.
    again : also one that did not pass here before.
    on_progress : called with bytes fetched and bytes in all.

    Raises
    ------
    RemoteError
        The repository cannot be reached, or is not to be trusted: signatures, expiry, versions, hashes.
    BundleError
        The bundle is damaged, not signed with the key required, or did not pass its trial here.
    InputError
        No such name, URL or root.
    OutputError
        The folder cannot be written; what was fetched is kept.

    Examples
    --------
    >>> pull("default", url="https://models.example.com", trust="root.json").version
    '2026.12'
    """
    pulled.check_name(name)
    where = pulled.folders()[0] if folder is None else Path(folder)
    with pulled.locked(where, "pull"), _said(where):
        told, anchor = _source(where, url), _root(where, trust)
        with _trusted(told):
            (where / _METADATA).mkdir(exist_ok=True)
            for rest in (where / _METADATA).glob("tmp*"):
                rest.unlink()
            updater = Updater(str(where / _METADATA), f"{told}/metadata/", fetcher=Web(), bootstrap=anchor)
            updater.refresh()
            info = updater.get_targetinfo(name + pulled.SUFFIX)
        _keep(where, told, anchor)
        if info is None:
            raise RemoteError(f"{told}: has no model {name!r}: {_names(where)}")
        return _bring(where, name, told, info, again, on_progress)


def _bring(
    where: Path, name: str, url: str, info: TargetFile, again: bool, on_progress: Callable[[int, int], None]
) -> Pulled:
    sha256 = info.hashes.get("sha256", "")
    if len(sha256) != 64 or info.length > MAX_BUNDLE_BYTES:
        raise RemoteError(f"{url}: {info.path} has no sha256, or more than {MAX_BUNDLE_BYTES} bytes")
    state = pulled.read(where, name)
    for entry in (state.current, state.previous):
        if entry is not None and entry.sha256 == sha256 and _is(pulled.path_of(where, name, entry), info):
            return _switch(where, name, entry, None)
    if sha256 in state.refused and not again:
        raise BundleError(
            f"{name}: this version did not pass here before: {state.refused[sha256]}; --again tries it anew"
        )
    part = where / name / f"{sha256}.part"
    part.parent.mkdir(exist_ok=True)
    for rest in part.parent.glob("*.part"):
        if rest != part:
            rest.unlink()
    _download(f"{url}/targets/{sha256}.{info.path}", part, info, on_progress)
    keep = False
    try:
        bundle = bundles.load(part, kind=None)
        version = str(bundle.manifest["version"])
        if bundle.manifest["name"] != name:
            raise BundleError(f"{name}: expected a model of this name, got {bundle.manifest['name']!r}")
        if why := trial.run(part):
            with pulled.locked(where):
                pulled.write(where, name, pulled.read(where, name).refusing(sha256, f"trial: {why}"))
            raise BundleError(f"{name} {version}: did not pass its trial here: {why}")
        keep = True
    finally:
        if not keep:
            part.unlink(missing_ok=True)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return _switch(where, name, Entry(sha256, version, bundle.kind, url, now), part)


def _switch(where: Path, name: str, entry: Entry, part: Path | None) -> Pulled:
    with pulled.locked(where):
        if part is not None:
            os.replace(part, pulled.path_of(where, name, entry))
            pulled.sync(part.parent)
        before = pulled.read(where, name)
        changed = before.current != entry
        state = before.switched(entry) if changed else before
        if changed:
            pulled.write(where, name, state)
    previous = None if state.previous is None else state.previous.version
    return Pulled(name, entry.version, pulled.path_of(where, name, entry), changed, previous)


def _download(url: str, part: Path, info: TargetFile, on_progress: Callable[[int, int], None]) -> None:
    """Go on with what is there, as long as bytes come; what is complete and wrong is removed."""
    with part.open("ab") as file:
        while (begin := os.fstat(file.fileno()).st_size) < info.length:
            try:
                at, blocks = Web().rest(url, begin, info.length)
                file.truncate(at)
                for block in blocks:
                    file.write(block)
                    on_progress(file.tell(), info.length)
                error: DownloadError | None = None
            except DownloadError as failed:
                error = failed
            file.flush()
            size = os.fstat(file.fileno()).st_size
            if size <= begin:
                raise RemoteError(
                    f"{error or f'{url}: nothing more came'}; {size} of {info.length} bytes are here, the next pull goes on"
                ) from error
        os.fsync(file.fileno())
    if not _is(part, info):
        part.unlink()
        raise RemoteError(f"{url}: is not what was signed (sha256); nothing was changed")


def _is(path: Path, info: TargetFile) -> bool:
    try:
        with path.open("rb") as file:
            info.verify_length_and_hashes(file)
    except (OSError, RepositoryError):
        return False
    return True


def _source(where: Path, url: str | None) -> str:
    if url is None:
        try:
            url = str(json.loads((where / _SOURCE).read_text(encoding="utf-8"))["url"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"--from: expected the URL of the repository; {where} knows of none yet"
            ) from error
    return check_url(url)


def _root(where: Path, root: str | os.PathLike[str] | None) -> bytes:
    path = where / _ROOT if root is None else Path(root)
    try:
        with path.open("rb") as file:
            return file.read(_MOST_ROOT)
    except OSError as error:
        raise InputError(
            f"--trust: expected the file root.json of whoever publishes the models, where trust begins; {path}: "
            f"{error.strerror}"
        ) from error


def _keep(where: Path, url: str, anchor: bytes) -> None:
    for name, content in ((_ROOT, anchor), (_SOURCE, json.dumps({"url": url}).encode())):
        if not (where / name).is_file() or (where / name).read_bytes() != content:
            write_atomically(where / name, content)


def _names(where: Path) -> str:
    targets = Metadata[Targets].from_file(str(where / _METADATA / "targets.json")).signed.targets
    return "it has " + (", ".join(sorted(path.removesuffix(pulled.SUFFIX) for path in targets)) or "none")


@contextmanager
def _trusted(url: str) -> Iterator[None]:
    try:
        yield
    except RepositoryError as error:
        raise RemoteError(f"{url}: is not to be trusted: {error}; nothing was changed") from error
    except DownloadError as error:
        raise RemoteError(f"{error}; nothing was changed") from error


@contextmanager
def _said(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{error.filename or where}: cannot be written ({error.strerror or error}); what counted before still does"
        ) from error
