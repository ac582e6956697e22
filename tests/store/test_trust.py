"""What a server, or somebody in its place, cannot do to a device."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from store.publisher import Publisher, WebServer
from tuf.ngclient._internal import trusted_metadata_set

import seehear
from seehear import bundle as bundles
from seehear.bundle import keys, pulled
from seehear.errors import BundleError, InputError, RemoteError
from seehear.store import Pulled

Fetch = Callable[..., Pulled]

pytestmark = pytest.mark.usefixtures("no_trial")


def keep(publisher: Publisher, name: str) -> Path:
    """A copy of the repository as it is now."""
    return Path(shutil.copytree(publisher.site, publisher.folder / name))


def serve(publisher: Publisher, copy: Path, *names: str) -> None:
    """Put files of a copy (all of its metadata by default) in the place of what is served."""
    for source in [copy / "metadata" / name for name in names] or (copy / "metadata").iterdir():
        shutil.copy(source, publisher.site / "metadata")


class EightDaysAgo(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> EightDaysAgo:
        return super().now(tz) - timedelta(days=8)


def counts(device: Path) -> str | None:
    current = pulled.read(device, "talker").current
    return None if current is None else current.version


def test_a_new_version_comes_and_the_one_before_is_kept(publisher: Publisher, fetch: Fetch) -> None:
    publisher.publish(publisher.bundle("1"))
    first = fetch()
    assert first.changed and first.version == "1" and bundles.load("talker").name == "talker 1"
    assert not fetch().changed
    seehear.Enhancer.load("talker").close()  # it has come up
    publisher.publish(publisher.bundle("2"))
    second = fetch()
    assert (second.version, second.changed, second.previous) == ("2", True, "1")
    assert bundles.load("talker").name == "talker 2"


def test_old_metadata_is_refused_though_its_signatures_are_good(
    publisher: Publisher, fetch: Fetch, device: Path
) -> None:
    publisher.publish(publisher.bundle("1"))
    old = keep(publisher, "old")
    publisher.publish(publisher.bundle("2"))
    fetch()
    serve(publisher, old)
    with pytest.raises(RemoteError, match=r"not to be trusted.*timestamp version 1 must be >= 2"):
        fetch()
    assert counts(device) == "2"


def test_a_repository_that_stands_still_is_refused_once_its_timestamp_expired(
    publisher: Publisher, fetch: Fetch, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish(publisher.bundle("1"), days=8)
    with monkeypatch.context() as patch:
        patch.setattr(
            trusted_metadata_set, "datetime", SimpleNamespace(datetime=EightDaysAgo, timezone=timezone)
        )
        fetch()
    with pytest.raises(RemoteError, match=r"timestamp.json is expired"):
        fetch()
    assert counts(device) == "1"


@pytest.mark.parametrize(("days", "role"), [(40, "snapshot"), (100, "targets"), (400, "root")])
def test_every_role_expires(publisher: Publisher, fetch: Fetch, days: float, role: str) -> None:
    publisher.publish(publisher.bundle("1"), days=days)
    # whoever holds the keys of the roles above it alone signs anew
    names = {"snapshot": ("targets", "root"), "targets": ("root",), "root": ()}[role]
    for other in names:
        for path in publisher.keys.glob(f"{other}.*"):
            path.unlink()
    for path in publisher.keys.glob(f"{role}.*"):
        path.unlink()
    publisher.publish()
    with pytest.raises(RemoteError, match=f"{role}.* is expired"):
        fetch()


def test_a_swapped_bundle_is_refused_and_nothing_of_it_stays(
    publisher: Publisher, fetch: Fetch, device: Path
) -> None:
    publisher.publish(publisher.bundle("1"))
    fetch()
    publisher.publish(publisher.bundle("2"))
    target = max((publisher.site / "targets").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    content = bytearray(target.read_bytes())
    content[-100] ^= 1
    target.write_bytes(content)
    with pytest.raises(RemoteError, match="not what was signed"):
        fetch()
    assert counts(device) == "1" and not list(device.rglob("*.part"))


def test_a_bundle_that_goes_on_for_ever_is_cut_off(publisher: Publisher, fetch: Fetch, device: Path) -> None:
    publisher.publish(publisher.bundle("1"))
    (target,) = (publisher.site / "targets").iterdir()
    target.write_bytes(target.read_bytes() + bytes(10**6))
    with pytest.raises(RemoteError, match="longer than was signed"):
        fetch()
    assert counts(device) is None


def test_metadata_that_goes_on_for_ever_is_cut_off(publisher: Publisher, fetch: Fetch) -> None:
    publisher.publish(publisher.bundle("1"))
    (publisher.site / "metadata/timestamp.json").write_bytes(b" " * 10**6)
    with pytest.raises(RemoteError, match="exceeding"):
        fetch()


def test_another_publisher_is_not_trusted(publisher: Publisher, fetch: Fetch, tmp_path: Path) -> None:
    publisher.publish(publisher.bundle("1"))
    (tmp_path / "other").mkdir()
    other = Publisher(tmp_path / "other")
    other.publish(other.bundle("9"))
    with pytest.raises(RemoteError, match="not to be trusted"):
        fetch(trust=other.trust)
    fetch()
    for name in ("metadata", "targets"):  # and one who takes over the server later
        shutil.rmtree(publisher.site / name)
        shutil.copytree(other.site / name, publisher.site / name)
    with pytest.raises(RemoteError, match="not to be trusted"):
        fetch(trust=None)


def test_a_key_of_one_role_signs_for_no_other(publisher: Publisher, fetch: Fetch) -> None:
    publisher.publish(publisher.bundle("1"))
    root = json.loads(publisher.trust.read_text())["signed"]["roles"]
    (timestamp,), (targets,) = root["timestamp"]["keyids"], root["targets"]["keyids"]
    file = publisher.site / "metadata/1.targets.json"
    metadata = json.loads(file.read_text())
    metadata["signatures"] = json.loads((publisher.site / "metadata/timestamp.json").read_text())[
        "signatures"
    ]
    assert metadata["signatures"][0]["keyid"] == timestamp != targets
    file.write_text(json.dumps(metadata))
    with pytest.raises(RemoteError, match="targets was signed by 0/1 keys"):
        fetch()


def test_parts_of_two_states_of_the_repository_do_not_mix(publisher: Publisher, fetch: Fetch) -> None:
    publisher.publish(publisher.bundle("1"))
    old = keep(publisher, "old")
    publisher.publish(publisher.bundle("2"))
    shutil.copy(old / "metadata/1.targets.json", publisher.site / "metadata/2.targets.json")
    with pytest.raises(RemoteError, match="Expected targets v2, got v1"):
        fetch()


def test_an_older_snapshot_is_refused_though_the_timestamp_is_new(publisher: Publisher, fetch: Fetch) -> None:
    publisher.publish(publisher.bundle("1"))
    old = keep(publisher, "old")
    publisher.publish(publisher.bundle("2"))
    fetch()
    # whoever stole the online keys alone: a new timestamp for the old snapshot
    shutil.rmtree(publisher.site / "metadata")
    shutil.copytree(old / "metadata", publisher.site / "metadata")
    for _ in range(2):
        publisher.publish()
    with pytest.raises(RemoteError, match="snapshot version must be >= 2"):
        fetch()


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_role_gets_a_new_key_and_the_old_one_is_worth_nothing(
    publisher: Publisher, fetch: Fetch, role: str
) -> None:
    publisher.publish(publisher.bundle("1"))
    fetch()
    thief = Publisher(publisher.folder / "thief")
    shutil.copytree(publisher.site, thief.site)
    shutil.copytree(publisher.keys, thief.keys)
    repository = publisher.repository()
    repository.rotate(role)
    repository.publish()
    old = next(path for path in thief.keys.iterdir() if path.name.startswith(role))
    (publisher.keys / old.name).unlink()
    publisher.publish(publisher.bundle("2"))
    assert fetch().version == "2"  # whoever trusts the first root comes along
    # the thief of the old key has those of the roles below the root besides
    if role == "root":
        thief.repository().rotate("timestamp")
        thief.repository().rotate("targets")
    for _ in range(3):
        thief.publish(thief.bundle("9"))
    shutil.copytree(thief.site, publisher.site, dirs_exist_ok=True)
    with pytest.raises(RemoteError, match=r"not to be trusted: .* was signed by 0/1 keys"):
        fetch()


def test_without_a_root_there_is_no_trust(
    publisher: Publisher, fetch: Fetch, device: Path, tmp_path: Path
) -> None:
    publisher.publish(publisher.bundle("1"))
    with pytest.raises(InputError, match=r"--trust: expected the file root.json of whoever publishes"):
        fetch(trust=None)
    with pytest.raises(InputError, match="No such file"):
        fetch(trust=tmp_path / "none.json")
    (tmp_path / "garbage.json").write_bytes(b"\0 no json")
    with pytest.raises(RemoteError, match="not to be trusted"):
        fetch(trust=tmp_path / "garbage.json")
    assert not (device / "root.json").exists()
    fetch()
    assert not fetch(trust=None, url=None).changed  # both are remembered


def test_a_device_that_requires_signatures_refuses_unsigned_bundles(
    publisher: Publisher, fetch: Fetch, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Ed25519PrivateKey.generate()

    def publish_and_fetch(path: Path) -> Pulled:
        monkeypatch.delenv(keys.KEY, raising=False)  # with which nobody could publish them
        publisher.publish(path)
        monkeypatch.setenv(keys.KEY, key.public_key().public_bytes_raw().hex())
        return fetch()

    with pytest.raises(BundleError, match="expected a signature"):
        publish_and_fetch(publisher.bundle("1"))
    with pytest.raises(BundleError, match="signature"):
        publish_and_fetch(publisher.bundle("2", key=Ed25519PrivateKey.generate().private_bytes_raw()))
    assert counts(device) is None
    assert publish_and_fetch(publisher.bundle("3", key=key.private_bytes_raw())).version == "3"
    assert bundles.load("talker").signed


def test_a_bundle_under_the_name_of_another_is_refused(
    publisher: Publisher, fetch: Fetch, device: Path
) -> None:
    repository = publisher.repository()
    repository.add(publisher.bundle("1"))
    targets = repository._change("targets").targets  # what no publisher of ours does
    targets["other.seehear"] = targets.pop("talker.seehear")
    targets["other.seehear"].path = "other.seehear"
    repository.publish()
    (target,) = (publisher.site / "targets").iterdir()
    target.rename(target.with_name(target.name.replace("talker", "other")))
    with pytest.raises(BundleError, match="expected a model of this name, got 'talker'"):
        fetch("other")


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".lock", "a.b", "x" * 65])
def test_no_name_leaves_the_folder(fetch: Fetch, name: str, device: Path) -> None:
    with pytest.raises(InputError, match="expected a name"):
        fetch(name)
    assert not device.exists()


def test_who_has_no_such_model_says_which(publisher: Publisher, fetch: Fetch, server: WebServer) -> None:
    publisher.publish(publisher.bundle("1"), publisher.bundle("1", name="second"))
    with pytest.raises(RemoteError, match="has no model 'none': it has second, talker"):
        fetch("none")
    with pytest.raises(InputError, match="expected a URL with https, http, file"):
        fetch(url="ftp://example.com")
    (publisher.site / "metadata/timestamp.json").unlink()
    with pytest.raises(RemoteError, match="HTTP 404"):
        fetch()
