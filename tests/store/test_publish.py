"""The publisher's side: keys, expiry, interruptions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from store.publisher import Publisher

from seehear.errors import InputError
from seehear.store import Pulled
from seehear_convert import cli
from seehear_convert.export.publish import Repository

Fetch = Callable[..., Pulled]
Capture = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("no_trial")


def convert(publisher: Publisher, *more: object) -> int:
    where = ["--repository", publisher.site, "--keys", publisher.keys]
    return cli.main(["publish", *map(str, [*more, *where])])


def test_the_command_line_publishes_renews_rotates_and_withdraws(
    publisher: Publisher, fetch: Fetch, capsys: Capture
) -> None:
    assert convert(publisher, publisher.bundle("1"), "tiny", "--expires", "timestamp=2") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["models"]["talker"] == "1" and "tiny" in told["models"]
    assert {role: each["version"] for role, each in told["roles"].items()} == dict.fromkeys(told["roles"], 1)
    assert fetch(trust=told["root"]).version == "1"
    assert convert(publisher) == 0  # renews the timestamp alone
    told = json.loads(capsys.readouterr().out)
    assert [each["version"] for each in told["roles"].values()] == [1, 1, 1, 2]
    assert convert(publisher, "--rotate", "targets", "--withdraw", "tiny") == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["version"] for each in told["roles"].values()] == [2, 2, 2, 3] and "tiny" not in told[
        "models"
    ]
    assert not fetch().changed
    assert convert(publisher, "--withdraw", "tiny") == 1
    assert "is not published" in capsys.readouterr().err
    assert convert(publisher, "--expires", "timestamp=never") == 1
    assert "expected ROLE=DAYS" in capsys.readouterr().err
    assert convert(publisher, "--expires", "nobody=3") == 1
    assert "expected days" in capsys.readouterr().err


def test_keys_are_for_their_owner_alone_and_may_be_encrypted(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("three small words\n")
    passphrase = ["--passphrase", tmp_path / "words"]
    assert convert(publisher, publisher.bundle("1"), *passphrase) == 0
    assert publisher.keys.stat().st_mode & 0o777 == 0o700
    for path in publisher.keys.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600 and b"ENCRYPTED" in path.read_bytes()
    assert convert(publisher, publisher.bundle("2"), *passphrase) == 0
    for wrong in (None, b"other words"):
        repository = Repository(publisher.site, publisher.keys, wrong)
        with pytest.raises(InputError, match="cannot be read with this passphrase"):
            repository.publish()


def test_a_server_with_the_key_of_the_timestamp_alone_renews_it(publisher: Publisher, fetch: Fetch) -> None:
    publisher.publish(publisher.bundle("1"), days=8)
    for path in publisher.keys.iterdir():
        if not path.name.startswith("timestamp"):
            path.unlink()
    publisher.publish()
    assert fetch().version == "1"
    with pytest.raises(InputError, match=r"expected the key of the role targets: targets\..*\.pem"):
        publisher.publish(publisher.bundle("2"))
    assert fetch().version == "1"


def test_what_is_about_to_expire_is_renewed_with_the_rest(publisher: Publisher, fetch: Fetch) -> None:
    publisher.publish(publisher.bundle("1"), days=399)
    publisher.publish()
    told = publisher.repository().publish()
    assert [each["version"] for each in told["roles"].values()] == [2, 2, 2, 3]
    assert fetch().version == "1"


# Publishes version 2 with a new targets key, in a child that is killed at one more of its steps, from a copy each time.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from seehear_convert.export.publish import Repository
folder, bundle = Path(sys.argv[1]), sys.argv[2]
STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.link"}
def child(copy, last):
    count = 0
    def hook(event, arguments):
        nonlocal count
        if event in STEPS and any(str(copy) in str(each) for each in arguments):
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    repository = Repository(copy / "site", copy / "keys")
    repository.rotate("targets")
    repository.add(bundle)
    repository.publish()
    os._exit(0)
for last in range(1, 200):
    copy = folder / f"copy-{last}"
    for name in ("site", "keys"):
        shutil.copytree(folder / name, copy / name)
    pid = os.fork()
    if pid == 0:
        try:
            child(copy, last)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        print(os.waitstatus_to_exitcode(status), last)
        break
"""


def test_publishing_that_is_killed_at_any_step_is_whole_after_the_next(
    publisher: Publisher, fetch: Fetch
) -> None:
    publisher.publish(publisher.bundle("1"))
    made = subprocess.run(
        [sys.executable, "-c", KILLED, str(publisher.folder), str(publisher.bundle("2"))],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    status, count = map(int, made.stdout.split())
    assert status == 0 and count > 15, made.stderr
    for last in range(1, count + 1):
        copy = Publisher(publisher.folder / f"copy-{last}")
        copy.publish()
        assert fetch(folder=copy.folder / "device", url=copy.site.as_uri()).version in ("1", "2")
        copy.publish(publisher.bundle("2"))
        assert fetch(folder=copy.folder / "device", url=None).version == "2"
