"""Recordings given to a server: with consent alone, in parts that go on where they were cut, once however often they are sent."""

from __future__ import annotations

import json
import os
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from samples.giving import BOTH, WHO, Line, ask, record, serving, web

from seehear.cli.main import main
from seehear.errors import BatchError, InputError, MediaError, OutputError, RemoteError
from seehear.live.recorder import recordings
from seehear.samples import client, listed, push
from seehear.samples.sample import FILES, SCOPE, UPLOAD, Refusal
from seehear.samples.web import check_url
from seehear.server import sample_store
from seehear.server.sample_store import Quotas, SampleStore

Capture = pytest.CaptureFixture[str]


def samples(stored: Path) -> list[Path]:
    """Folders that a reader of samples sees."""
    return sorted(path for path in stored.iterdir() if path.is_dir() and not path.name.startswith("."))


def contents(manifest: Path, folder: Path) -> bool:
    """Whether what is there is what was recorded."""
    return all(
        (folder / file).read_bytes() == manifest.with_suffix(f".{name}").read_bytes()
        for name, file in FILES.items()
    )


@BOTH
def test_what_was_recorded_is_there_as_it_was_and_says_who_agreed(
    kept: Path, stored: Path, store: SampleStore, url: str
) -> None:
    manifest = record(kept)
    (pushed,) = push(kept, web(url), consent=WHO)
    (folder,) = samples(stored)
    assert pushed.error is None and pushed.new and folder.name == pushed.sample
    assert contents(manifest, folder)
    told = json.loads((folder / "manifest.json").read_text())
    assert told["upload"]["who"] == WHO and told["upload"]["text"] == UPLOAD
    assert (
        told["upload"]["scope"] == SCOPE and told["upload"]["to"] == url and told["sample"] == pushed.sample
    )
    assert WHO not in told["talker"] and "microphone" not in told and "camera" not in told
    (row,) = store.listed()
    assert row["state"] == "complete" and row["who"] == WHO and row["recording"] == manifest.stem
    assert [path.name for path in (stored / ".uploads").iterdir()] == []
    assert (stored.stat().st_mode | folder.stat().st_mode) & 0o077 == 0


def test_pushing_twice_makes_one_sample(kept: Path, stored: Path, url: str) -> None:
    record(kept)
    line = Line(url)
    (first,) = push(kept, web(line.url), consent=WHO)
    line.carried = 0
    (again,) = push(kept, web(line.url))
    assert again == client.Pushed(first.recording, first.sample, new=False)
    assert line.carried < 3000 and len(samples(stored)) == 1
    with urllib.request.urlopen(f"{url}/metrics") as figures:
        assert b"seehear_samples_taken_total 1\n" in figures.read()


def test_without_consent_to_be_sent_nothing_is(kept: Path, stored: Path, url: str, capsys: Capture) -> None:
    record(kept)
    line = Line(url)
    (pushed,) = push(kept, web(line.url))
    assert (
        isinstance(pushed.error, InputError) and UPLOAD in str(pushed.error) and line.url in str(pushed.error)
    )
    (pushed,) = push(kept, web(line.url), consent="Bob")
    assert isinstance(pushed.error, InputError) and "'Ann Bell', got 'Bob'" in str(pushed.error)
    assert line.carried == 0 and samples(stored) == []
    assert "uploads" not in recordings(kept)[0]
    arguments = ["samples", "push", "--all", "--recordings", str(kept), "--to", line.url]
    assert main(arguments) == 2 and UPLOAD in capsys.readouterr().err


def test_consent_is_to_one_server(kept: Path, tmp_path: Path, url: str) -> None:
    record(kept)
    push(kept, web(url), consent=WHO)
    with serving(SampleStore(tmp_path / "other")) as other:
        (pushed,) = push(kept, web(other))
        assert isinstance(pushed.error, InputError)


def test_of_many_those_go_whose_talkers_agree(kept: Path, stored: Path, url: str, capsys: Capture) -> None:
    ann, bob = record(kept), record(kept, "Bob")
    arguments = ["samples", "push", "--all", "--recordings", str(kept), "--to", url, "--consent", WHO]
    assert main(arguments) == BatchError.exit_code
    told = capsys.readouterr()
    assert f"{ann.stem}: sent, sample " in told.out and "1 of 2 at" in told.out and bob.stem in told.err
    assert main([*arguments, "--json"]) == BatchError.exit_code
    told_again = json.loads(capsys.readouterr().out)
    assert sorted(each["error"] is None for each in told_again) == [False, True] and len(samples(stored)) == 1


def told(manifest: Path, url: str) -> dict[str, Any]:
    """What a device that asked nobody would tell."""
    recorded = json.loads(manifest.read_text())
    who, when = WHO, "2026-01-31T12:00:00+00:00"
    return {
        "recording": manifest.stem, "consent": recorded["consent"], "rate": 16000, "seconds": 0.1, "pictures": 1,
        "upload": {"who": who, "when": when, "text": UPLOAD, "version": 1, "scope": SCOPE, "to": url},
        "files": {
            name: {"bytes": manifest.with_suffix(f".{name}").stat().st_size, "sha256": recorded["sha256"][f".{name}"]}
            for name in FILES
        },
    }  # fmt: skip


ID = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("where", "what"),
    [
        (["upload"], None),
        (["upload", "scope"], "recording"),
        (["upload", "text"], "I agree to anything."),
        (["upload", "version"], 99),
        (["upload", "who"], "Bob"),
        (["upload", "who"], ""),
        (["upload", "who"], "Ann\nBell"),
        (["upload", "when"], "yesterday"),
        (["upload", "when"], "2026-01-31T12:00:00"),
        (["upload", "to"], None),
        (["consent"], {}),
        (["consent", "text"], UPLOAD),
    ],
)
def test_the_server_asks_for_consent_again(
    kept: Path, stored: Path, tmp_path: Path, where: list[str], what: Any
) -> None:
    with serving(SampleStore(stored)) as url:
        wrong = told(record(kept), url)
        inner = wrong
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = what
        status, answer = ask(url, "PUT", f"/v1/samples/{ID}", wrong)
        assert (status, answer["code"]) == (403, "consent"), answer
        assert ask(url, "GET", "/v1/samples") == (200, {"samples": []})


@BOTH
def test_what_was_cut_goes_on_where_it_was(
    kept: Path, stored: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_PART", 200_000)
    manifest = record(kept, seconds=20, pictures=os.urandom(700_000))
    size = sum(manifest.with_suffix(f".{name}").stat().st_size for name in FILES)
    line = Line(url)
    line.cuts = [150_000, 320_000, 333_333, 800_000, 1_200_000]
    seen: list[int] = []

    def progress(_: str, done: int, total: int) -> None:
        seen.append(done)
        assert total == size and (done == size or samples(stored) == [])

    (pushed,) = push(kept, web(line.url), consent=WHO, on_progress=progress)
    assert pushed.error is None and line.cuts == [] and contents(manifest, stored / pushed.sample)
    assert seen == sorted(seen) and seen[-1] == size
    # what a cut loses is what was on its way, not the part
    assert line.carried < size + 5 * 66_000 + 20_000


def test_a_push_that_was_ended_goes_on(
    kept: Path, stored: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_PART", 100_000)
    manifest = record(kept, seconds=20)

    def stop(_: str, done: int, __: int) -> None:
        if done >= 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(kept, web(url), consent=WHO, on_progress=stop)
    assert samples(stored) == [] and listed(kept, web(url))[0].there == {url: "uploading"}
    seen: list[int] = []
    (pushed,) = push(kept, web(url), on_progress=lambda _, done, __: seen.append(done))
    assert seen[0] == 300_000 and contents(manifest, stored / pushed.sample)


def test_a_server_that_is_gone_is_told_and_the_next_push_goes_on(
    kept: Path, stored: Path, url: str, capsys: Capture
) -> None:
    record(kept, seconds=20)
    line = Line(url)
    line.cuts = [200_000] + [0] * 20
    arguments = ["samples", "push", "--all", "--recordings", str(kept), "--to", line.url]
    assert main([*arguments, "--consent", WHO]) == RemoteError.exit_code
    assert "bytes of" in (err := capsys.readouterr().err) and "the next push goes on" in err
    line.cuts = []
    assert main(arguments) == 0 and len(samples(stored)) == 1


def test_what_is_not_what_was_recorded_is_not_sent(kept: Path, stored: Path, url: str) -> None:
    manifest = record(kept)
    content = manifest.with_suffix(".wav").read_bytes()
    manifest.with_suffix(".wav").write_bytes(content[:-1] + b"x")
    (pushed,) = push(kept, web(url), consent=WHO)
    assert isinstance(pushed.error, MediaError) and "is not what was recorded" in str(pushed.error)
    manifest.with_suffix(".mp4").unlink()
    assert isinstance(push(kept, web(url))[0].error, MediaError)
    assert samples(stored) == []


def test_what_was_tampered_with_on_the_way_is_found_out_and_sent_anew(
    kept: Path, stored: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_PART", 100_000)
    manifest = record(kept, seconds=10)

    def tamper(_: str, done: int, __: int) -> None:
        (part,) = (stored / ".uploads").glob("*/*.part") if done == 200_000 else [None]
        if part is not None and not tampered:
            tampered.append(part)
            with part.open("r+b") as file:
                file.seek(1000)
                file.write(b"somebody else's")

    tampered: list[Path] = []
    (pushed,) = push(kept, web(url), consent=WHO, on_progress=tamper)
    assert tampered and pushed.error is None and contents(manifest, stored / pushed.sample)


def test_a_liar_gets_no_sample(kept: Path, stored: Path, store: SampleStore, url: str) -> None:
    manifest = record(kept)
    assert ask(url, "PUT", f"/v1/samples/{ID}", told(manifest, url))[0] == 200
    for name in FILES:
        size = manifest.with_suffix(f".{name}").stat().st_size
        place = {"Content_Range": f"bytes 0-{size - 1}/{size}"}
        status, answer = ask(url, "PUT", f"/v1/samples/{ID}/{name}", bytes(size), **place)
        assert (status, answer["code"]) == (422, "sha256")
    assert ask(url, "GET", f"/v1/samples/{ID}")[1]["files"]["wav"]["have"] == 0
    assert samples(stored) == [] and store.listed()[0]["state"] == "uploading"


def test_a_sample_is_not_told_of_twice_in_two_ways(kept: Path, url: str) -> None:
    right = told(record(kept), url)
    assert ask(url, "PUT", f"/v1/samples/{ID}", right)[0] == 200
    assert ask(url, "PUT", f"/v1/samples/{ID}", right)[0] == 200
    assert ask(url, "PUT", f"/v1/samples/{ID}", {**right, "seconds": 3})[0] == 409


@BOTH
@pytest.mark.parametrize("quotas", [Quotas(bytes=30_000), Quotas(samples=2)])
def test_a_device_has_its_quota(kept: Path, stored: Path, database: str | None, quotas: Quotas) -> None:
    for seed in range(3):
        record(kept, seed=seed)
    with serving(SampleStore(stored, database, quotas)) as url:
        pushed = push(kept, web(url), consent=WHO)
        errors = [each.error for each in pushed if each.error is not None]
        assert len(errors) == 1 and isinstance(errors[0], Refusal) and errors[0].code == "quota"
        assert len(samples(stored)) == 2


def test_a_file_has_its_size(kept: Path, stored: Path) -> None:
    record(kept)
    with serving(SampleStore(stored, quotas=Quotas(file_bytes=5000))) as url:
        (pushed,) = push(kept, web(url), consent=WHO)
        assert isinstance(pushed.error, Refusal) and pushed.error.code == "size"


def test_a_full_disk_is_said_and_nothing_is_half(
    kept: Path, stored: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = record(kept)
    full = OSError(28, "No space left on device")
    for place, begin in ((sample_store, "_open_part"), (sample_store, "_sync"), (os, "fsync")):
        with monkeypatch.context() as patch:
            real = getattr(place, begin)

            def fail(*arguments: Any, real: Any = real, place: Any = place, **more: Any) -> Any:
                # the device's own files are on another disk
                if place is os and "/.uploads/" not in os.readlink(f"/proc/self/fd/{arguments[0]}"):
                    return real(*arguments, **more)
                raise full

            patch.setattr(place, begin, fail)
            with pytest.raises(RemoteError, match=r"cannot keep samples now \(No space left"):
                push(kept, web(url), consent=WHO)
            assert samples(stored) == []
    (pushed,) = push(kept, web(url))
    assert pushed.error is None and contents(manifest, stored / pushed.sample)


@pytest.mark.parametrize(
    "url", ["http://example.com", "ftp://example.com", "example.com", "https://a@b", "https://a:x"]
)
def test_nothing_goes_out_in_the_clear(url: str, kept: Path, capsys: Capture) -> None:
    with pytest.raises(InputError, match="--to: expected"):
        check_url(url)
    record(kept)
    assert main(["samples", "push", "--all", "--recordings", str(kept), "--to", url, "--consent", WHO]) == 2
    assert "uploads" not in recordings(kept)[0]


def test_a_server_has_one_spelling() -> None:
    assert check_url("HTTPS://Example.com/") == check_url("https://example.com") == "https://example.com"
    assert check_url("http://[::1]:80/a/") == "http://[::1]:80/a"
    assert check_url("http://localhost:1") == "http://localhost:1"


def test_a_recording_that_is_not_there_is_told(kept: Path, url: str) -> None:
    with pytest.raises(InputError, match="--recordings: expected a folder"):
        push(kept, web(url))
    kept.mkdir()
    assert push(kept, web(url)) == []
    with pytest.raises(InputError, match="there is no recording '20260101T000000Z'"):
        push(kept, web(url), ["20260101T000000Z"])


def test_a_folder_that_cannot_be_written_is_told(url: str, kept: Path) -> None:
    (kept / ".push.lock").mkdir(parents=True)
    with pytest.raises(OutputError):
        push(kept, web(url))


def test_a_proxy_hears_nothing_of_what_stays_on_this_computer(
    kept: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy")
    record(kept)
    assert push(kept, web(url), consent=WHO)[0].new


def test_nobody_is_sent_somewhere_else(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    asked: list[str] = []
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        with pytest.raises(RemoteError, match="HTTP 307"):
            listed(None, web(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
        thread.join()
    assert asked == ["/v1/samples"]
