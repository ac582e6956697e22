"""What a stranger tells of a sample is a sample or is refused; nothing it names lies elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.giving import WHO, ask

from seehear.live.recorder import CONSENT
from seehear.samples.sample import MOST_TOLD, SCOPE, UPLOAD, Refusal, Sample, from_json

ID = "0123456789abcdef" * 2
WHEN = "2026-01-31T12:00:00+00:00"
TOLD: dict[str, Any] = {
    "recording": "20260131T120000Z",
    "consent": {"who": WHO, "when": WHEN, "text": CONSENT, "version": 1},
    "upload": {"who": WHO, "when": WHEN, "text": UPLOAD, "version": 1, "scope": SCOPE, "to": "https://example.com"},
    "rate": 16000, "seconds": 1.5, "pictures": 37,
    "files": {"wav": {"bytes": 3, "sha256": "0" * 64}, "mp4": {"bytes": 4, "sha256": "f" * 64}},
}  # fmt: skip

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
places = [
    [key, inner]
    for key, value in TOLD.items()
    for inner in (value if isinstance(value, dict) else [None])
] + [[key, None] for key in TOLD]  # fmt: skip


def test_what_a_device_tells_comes_back() -> None:
    sample = from_json(json.dumps(TOLD))
    assert json.loads(sample.told()) == TOLD and from_json(sample.told()) == sample and sample.bytes == 7


@settings(max_examples=50)
@given(st.binary() | st.text() | anything.map(json.dumps))
def test_anything_is_a_sample_or_refused(content: bytes | str) -> None:
    with pytest.raises(Refusal):
        from_json(content)


@given(st.sampled_from(places), anything)
def test_anything_in_a_place_is_a_sample_or_refused(place: list[Any], value: Any) -> None:
    told = json.loads(json.dumps(TOLD))
    if place[1] is None:
        told[place[0]] = value
    else:
        told[place[0]][place[1]] = value
    try:
        sample = from_json(json.dumps(told))
    except Refusal as error:
        assert error.code in ("format", "consent")
    else:
        assert isinstance(sample, Sample) and from_json(sample.told()) == sample


@pytest.mark.parametrize("recording", ["../../etc/passwd", "a/b", "", "a" * 65, ".", 3, None])
def test_a_recording_is_no_path(recording: Any) -> None:
    with pytest.raises(Refusal, match="recording: expected its id"):
        from_json(json.dumps({**TOLD, "recording": recording}))


@pytest.mark.parametrize(
    "path",
    [
        "", "/..", "/%2e%2e", "/../../etc/passwd", "/..%2f..%2fetc", "/.uploads", "/samples.sqlite", f"/{ID.upper()}",
        f"/{ID}/../x", f"/{ID}%00", f"/{ID}%C3%A4",
        f"/{ID}/wav", f"/{ID}/sample.wav", f"/{ID}/..%2fwav",
    ],
)  # fmt: skip
def test_paths_lead_nowhere(path: str, url: str, stored: Path) -> None:
    before = {each: each.stat().st_mtime_ns for each in stored.parent.rglob("*") if not each.is_dir()}
    for method, content in (("GET", None), ("PUT", TOLD), ("PUT", b"abc"), ("DELETE", None)):
        status, _ = ask(url, method, f"/v1/samples{path}", content, Content_Range="bytes 0-2/3")
        assert 400 <= status < 500 or (method, path) == ("GET", ""), (method, status)
    assert {each: each.stat().st_mtime_ns for each in stored.parent.rglob("*") if not each.is_dir()} == before


def test_what_is_told_has_its_size(url: str) -> None:
    status, answer = ask(url, "PUT", f"/v1/samples/{ID}", {**TOLD, "more": "x" * MOST_TOLD})
    assert (status, answer["code"]) == (413, "size")


@pytest.mark.parametrize(
    "place",
    ["", "bytes 0-2", "bytes 0-2/*", "bytes 2-0/3", "bytes 0-3/3", "bytes -1-2/3", "bytes 0-2/9", "x"],
)
def test_a_place_is_one(place: str, url: str) -> None:
    assert ask(url, "PUT", f"/v1/samples/{ID}", TOLD)[0] == 200
    status, answer = ask(url, "PUT", f"/v1/samples/{ID}/wav", b"abc", Content_Range=place)
    assert (status, answer["code"]) == (400, "format")


def test_more_or_less_than_was_announced_is_no_sample(url: str, stored: Path) -> None:
    assert ask(url, "PUT", f"/v1/samples/{ID}", TOLD)[0] == 200
    status, answer = ask(url, "PUT", f"/v1/samples/{ID}/wav", b"abcdef", Content_Range="bytes 0-2/3")
    assert (status, answer["code"]) == (400, "format")
    status, answer = ask(url, "PUT", f"/v1/samples/{ID}/wav", b"a", Content_Range="bytes 0-2/3")
    assert status == 200 and answer["files"]["wav"]["have"] == 1
    status, answer = ask(url, "PUT", f"/v1/samples/{ID}/wav", b"ab", Content_Range="bytes 0-1/3")
    assert (status, answer["code"]) == (409, "offset")
    assert not (stored / ID).exists()


@pytest.mark.parametrize("header", [{"Origin": "http://example.com"}, {"Host": "example.com"}])
def test_pages_of_other_sites_do_not_come_in(header: dict[str, str], url: str) -> None:
    status, answer = ask(url, "GET", "/v1/samples", **header)
    assert (status, answer["code"]) == (403, "plain")
