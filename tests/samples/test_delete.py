"""Deletion: for good, on both sides, also when one of them is gone, and by whoever may."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from samples.giving import BOTH, WHO, Line, ask, record, serving, web
from sqlalchemy import text

from seehear.cli.main import main
from seehear.errors import InputError, RemoteError
from seehear.live import recorder
from seehear.samples import delete, listed, push
from seehear.samples.client import pending
from seehear.samples.sample import Refusal
from seehear.server.devices import Devices
from seehear.server.sample_store import SampleStore

Capture = pytest.CaptureFixture[str]


def samples(stored: Path) -> list[str]:
    return sorted(path.name for path in stored.iterdir() if path.is_dir() and not path.name.startswith("."))


def everything(store: SampleStore) -> str:
    """All that the database holds."""
    with store._engine.connect() as connection:
        tables = ("seehear_samples", "seehear_files")
        return repr([connection.execute(text(f"select * from {table}")).all() for table in tables])


@BOTH
def test_it_is_gone_on_both_sides_and_nothing_personal_is_left(
    kept: Path, stored: Path, store: SampleStore, url: str, database: str | None
) -> None:
    manifest = record(kept)
    (pushed,) = push(kept, web(url), consent=WHO)
    assert WHO in everything(store)
    gone = delete(kept, manifest.stem, web(url))
    assert gone.there and not gone.pending and len(gone.here) == 3 and not list(manifest.parent.iterdir())
    left = everything(store)
    assert samples(stored) == [] and list((stored / ".uploads").iterdir()) == []
    assert pushed.sample in left and WHO not in left and manifest.stem not in left and "anybody" not in left
    if database is None:
        assert WHO.encode() not in (stored / "samples.sqlite").read_bytes()
    assert listed(kept, web(url)) == [] and pending(kept) == {}
    assert ask(url, "DELETE", f"/v1/samples/{pushed.sample}")[0] == 200  # as often as one likes


@BOTH
def test_what_was_deleted_there_is_not_sent_again(kept: Path, store: SampleStore, url: str) -> None:
    record(kept)
    (pushed,) = push(kept, web(url), consent=WHO)
    store.delete(None, pushed.sample)  # by the operator
    (again,) = push(kept, web(url))
    assert isinstance(again.error, Refusal) and again.error.code == "deleted" and store.listed() == []
    assert listed(kept, web(url))[0].there == {}


def test_half_an_upload_is_deleted_too(
    kept: Path, stored: Path, store: SampleStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = record(kept, seconds=60)

    def stop(_: str, done: int, __: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(kept, web(url), consent=WHO, on_progress=stop)
    assert list((stored / ".uploads").iterdir()) != []
    assert delete(kept, manifest.stem, web(url)).there
    assert list((stored / ".uploads").iterdir()) == [] and store.listed() == []


def test_a_deletion_that_does_not_reach_the_server_is_kept_and_carried_out(
    kept: Path, stored: Path, url: str, capsys: Capture
) -> None:
    manifest, line = record(kept), Line(url)
    (pushed,) = push(kept, web(line.url), consent=WHO)
    line.cuts = [0] * 10
    to = ["--recordings", str(kept), "--to", line.url]
    assert main(["samples", "delete", manifest.stem, *to]) == RemoteError.exit_code
    told = capsys.readouterr()
    assert "the deletion there is kept" in told.err and str(manifest) in told.out and not manifest.exists()
    assert pending(kept) == {(line.url, pushed.sample): manifest.stem} and samples(stored) == [pushed.sample]
    assert main(["samples", "list", "--recordings", str(kept)]) == 0
    assert f"still to be deleted at {line.url}" in capsys.readouterr().out
    line.cuts = []
    with (kept / "deleted.jsonl").open("a") as file:
        file.write('{"id": "cut in')  # by a power cut
    assert main(["samples", "push", "--all", *to]) == 0
    assert samples(stored) == [] and pending(kept) == {}


def test_asked_again_it_is_carried_out_too(kept: Path, stored: Path, url: str) -> None:
    manifest, line = record(kept), Line(url)
    push(kept, web(line.url), consent=WHO)
    line.cuts = [0] * 10
    assert delete(kept, manifest.stem, web(line.url)).pending
    line.cuts = []
    gone = delete(kept, manifest.stem, web(line.url))
    assert gone.there and gone.here == [] and samples(stored) == []


def test_what_record_deletes_is_deleted_at_the_server_with_the_next_push(
    kept: Path, stored: Path, url: str
) -> None:
    manifest = record(kept)
    push(kept, web(url), consent=WHO)
    assert main(["record", "-o", str(kept), "--delete", manifest.stem]) == 0
    assert len(samples(stored)) == 1
    assert push(kept, web(url)) == [] and samples(stored) == []


def test_a_sample_whose_recording_is_gone_is_deleted_by_either_id(
    kept: Path, stored: Path, url: str, tmp_path: Path
) -> None:
    manifests = [record(kept), record(kept)]
    pushed = push(kept, web(url), consent=WHO)
    elsewhere = tmp_path / "new"
    there = listed(None, web(url))
    assert {each.sample for each in there} == set(samples(stored)) and not any(each.here for each in there)
    assert delete(elsewhere, pushed[0].sample, web(url)).there
    assert (
        delete(elsewhere, manifests[0].stem, web(url)).there != delete(kept, manifests[1].stem, web(url)).here
    )
    with pytest.raises(InputError, match="there is no such recording"):
        delete(elsewhere, "20260101T000000Z", web(url))


def test_a_recording_that_was_never_sent_is_deleted_here(kept: Path, url: str, capsys: Capture) -> None:
    manifest = record(kept)
    assert main(["samples", "delete", manifest.stem, "--recordings", str(kept), "--to", url]) == 0
    assert "has none of this device" in capsys.readouterr().out and not manifest.exists()


def test_other_servers_that_have_it_are_named(kept: Path, tmp_path: Path, url: str) -> None:
    manifest = record(kept)
    push(kept, web(url), consent=WHO)
    other_store = SampleStore(tmp_path / "other")
    with serving(other_store) as other:
        push(kept, web(other), consent=WHO)
        gone = delete(kept, manifest.stem, web(url))
        assert gone.there and gone.elsewhere == (other,) and len(other_store.listed()) == 1
        assert push(kept, web(other)) == [] and other_store.listed() == []


def test_the_operator_lists_and_deletes(kept: Path, stored: Path, url: str, capsys: Capture) -> None:
    record(kept)
    (pushed,) = push(kept, web(url), consent=WHO)
    assert main(["serve", "samples", "list", "--samples", str(stored)]) == 0
    assert f"{WHO}, device 0 anybody\n1 in" in capsys.readouterr().out
    assert main(["serve", "samples", "list", "--samples", str(stored), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["id"] == pushed.sample
    assert main(["serve", "samples", "delete", pushed.sample, "--samples", str(stored)]) == 0
    assert samples(stored) == []
    assert main(["serve", "samples", "delete", "../" + pushed.sample, "--samples", str(stored)]) == 2


def test_a_device_has_its_own_samples_alone(kept: Path, stored: Path, tmp_path: Path) -> None:
    record(kept, seconds=3)
    devices = Devices(tmp_path / "tokens.json")
    mine, other = devices.add("kitchen"), devices.add("cellar")
    with serving(SampleStore(stored), devices) as url:
        (pushed,) = push(kept, web(url, mine), consent=WHO)
        assert pushed.error is None
        path, them = f"/v1/samples/{pushed.sample}", {"Authorization": f"Bearer {other}"}
        told = {
            key: value for key, value in json.loads((stored / pushed.sample / "manifest.json").read_text()).items()
            if key not in ("sample", "talker")
        }  # fmt: skip
        for method, where, content in (
            ("GET", path, None), ("DELETE", path, None), ("PUT", path, told), ("PUT", f"{path}/wav", b"x"),
        ):  # fmt: skip
            status, answer = ask(url, method, where, content, Content_Range="bytes 0-0/1", **them)
            assert (status, answer["code"]) == (404, "unknown")
        assert ask(url, "GET", "/v1/samples", **them) == (200, {"samples": []})
        assert samples(stored) == [pushed.sample]
        assert ask(url, "GET", path)[0] == 401
        with pytest.raises(RemoteError, match="expected a token of this server"):
            push(kept, web(url, "wrong"))
        devices.remove("kitchen")
        again = devices.add("kitchen")  # another device of that name
        until = [(404, None)]
        while until[0][0] != 200:  # until the server has looked at its file again
            until = [ask(url, "GET", "/v1/samples", Authorization=f"Bearer {again}")]
        assert until[0][1] == {"samples": []}


def test_what_was_taken_back_while_it_is_sent_does_not_come(
    kept: Path, stored: Path, store: SampleStore, url: str
) -> None:
    manifest = record(kept, seconds=60)
    asked = []

    def take_back(_: str, done: int, __: int) -> None:
        if not asked:
            asked.append(delete(kept, manifest.stem, web(url)))

    (pushed,) = push(kept, web(url), consent=WHO, on_progress=take_back)
    assert asked[0].there and pushed.error is not None
    assert samples(stored) == [] and list((stored / ".uploads").iterdir()) == [] and store.listed() == []
    assert recorder.recordings(kept) == []
