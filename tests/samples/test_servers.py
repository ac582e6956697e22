"""The whole way: `seehear serve` in processes of its own, over TLS, with tokens, killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from samples import giving
from samples.giving import WHO, Line, record

pytest.importorskip("websockets")

from server.serving import Served, serving
from server.test_tokens import certificate

from seehear.cli.main import main
from seehear.errors import RemoteError
from seehear.samples import client, push
from seehear.samples.sample import FILES
from seehear.samples.web import Web

Capture = pytest.CaptureFixture[str]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def kill(served: Served) -> None:
    """As if the plug were pulled: the parent and all workers at once."""
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
    for pid in (served.process.pid, *map(int, children)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    served.process.wait()


def test_a_server_that_is_killed_in_the_middle_goes_on_where_it_was(
    kept: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_PART", 100_000)
    manifest = record(kept, seconds=30)
    options = ["--port", str(free_port()), "--samples", str(stored), "--workers", "2"]
    with serving(*options) as served:
        web = Web(served.url)

        def pull_the_plug(_: str, done: int, __: int) -> None:
            if done >= 500_000:
                kill(served)

        with pytest.raises(RemoteError, match="the next push goes on"):
            push(kept, web, consent=WHO, on_progress=pull_the_plug)
    assert not [path for path in stored.glob("*/manifest.json")]
    seen: list[int] = []
    with serving(*options):
        (pushed,) = push(kept, web, on_progress=lambda _, done, __: seen.append(done))
    assert pushed.error is None and seen[0] >= 500_000
    for name, file in FILES.items():
        assert (stored / pushed.sample / file).read_bytes() == manifest.with_suffix(f".{name}").read_bytes()


def test_over_tls_with_a_token_from_the_command_line(
    kept: Path, stored: Path, tmp_path: Path, capsys: Capture
) -> None:
    cert, key = certificate(tmp_path)
    tokens, token = tmp_path / "tokens.json", tmp_path / "token"
    assert main(["serve", "tokens", "add", "kitchen", "--tokens", str(tokens)]) == 0
    token.write_text(capsys.readouterr().out)
    manifest = record(kept, seconds=5)
    with serving(
        "--samples", str(stored), "--tokens", str(tokens), "--workers", "2",
        "--certificate", str(cert), "--certificate-key", str(key), "--keep-days", "30",
    ) as served:  # fmt: skip
        to = ["--recordings", str(kept), "--to", served.url, "--token-file", str(token)]
        assert main(["samples", "push", "--all", "--consent", WHO, *to]) == RemoteError.exit_code
        assert "is not to be trusted" in (err := capsys.readouterr().err) and "--ca names" in err
        to += ["--ca", str(cert)]
        assert main(["samples", "push", manifest.stem, *to]) == 0
        assert f"{manifest.stem}: sent, sample " in capsys.readouterr().out
        assert main(["samples", "push", "--all", *to, "--json"]) == 0
        (pushed,) = json.loads(capsys.readouterr().out)
        assert not pushed["new"] and pushed["error"] is None
        assert main(["samples", "list", *to]) == 0
        assert f"here and {served.url.rstrip('/')} (complete): 5.0 s, {WHO}" in capsys.readouterr().out
        assert main(["serve", "samples", "list", "--samples", str(stored)]) == 0
        assert "device 1 kitchen" in capsys.readouterr().out
        token.write_text("another")
        assert main(["samples", "list", *to]) == RemoteError.exit_code
        assert "expected a token of this server" in capsys.readouterr().err
        token.write_text("two words")
        assert main(["samples", "list", *to]) == 2


def test_two_workers_and_a_line_that_is_cut_again_and_again_make_one_sample(
    kept: Path, stored: Path, postgresql: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_PART", 50_000)
    record(kept, seconds=30)
    with serving("--samples", str(stored), "--database", postgresql(), "--workers", "2") as served:
        line = Line(served.url.rstrip("/"))
        line.cuts = list(range(30_000, 1_000_000, 70_000))
        (pushed,) = push(kept, Web(line.url), consent=WHO)
        assert pushed.error is None and line.cuts == []
        line.close()
    assert [path.parent.name for path in stored.glob("*/manifest.json")] == [pushed.sample]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--bind", "0.0.0.0", "--tokens", "tokens.json"], "--samples: expected --certificate"),
        (["--keep-days", "0"], "--keep-days: expected more than 0"),
        (["--samples-mb", "0"], "--samples-mb: expected 1 to 1e9"),
        (["--database", "mysql://localhost/x"], "--database: expected postgresql"),
    ],
)
def test_a_server_that_could_not_keep_its_word_does_not_begin(
    options: list[str], why: str, stored: Path, capsys: Capture
) -> None:
    assert main(["serve", "--port", "0", "--samples", str(stored), *options]) == 2
    assert why in capsys.readouterr().err


def test_a_server_without_samples_says_so(kept: Path, capsys: Capture) -> None:
    record(kept)
    with giving.serving(None) as url:
        to = ["--recordings", str(kept), "--to", url]
        assert main(["samples", "push", "--all", "--consent", WHO, *to]) == RemoteError.exit_code
        assert "expected a seehear server with --samples" in capsys.readouterr().err
