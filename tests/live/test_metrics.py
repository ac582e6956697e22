"""The figures of a live engine in Prometheus' text form, read by a parser that forgives nothing."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seehear.cli.main import main
from seehear.errors import DeviceError, InputError
from seehear.live import LiveEnhancer
from seehear.live.metrics import MetricsServer, prometheus
from seehear.media.audio_files import write_wav

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|(?=\}))')
_VALUE = re.compile(r"[+-]?(\d+(\.\d+)?(e[+-]\d+)?|Inf)|NaN")

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parse(text: str) -> tuple[dict[str, str], Samples]:
    """Types of the metrics and values of the samples, or an error: each metric in one group, HELP and TYPE before it."""
    assert text.endswith("\n") and "\r" not in text
    types: dict[str, str] = {}
    samples: Samples = {}
    name = helped = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, about = line[7:].split(" ", 1)
            assert _NAME.fullmatch(name) and name not in types and about, line
            assert not re.search(r"\\(?![\\n])", about), line
            helped = name
        elif line.startswith("# TYPE "):
            typed, kind = line[7:].split(" ")
            assert typed == helped and typed not in types, line
            assert kind in ("counter", "gauge", "summary"), line
            assert (kind == "counter") == typed.endswith("_total"), line
            types[typed] = kind
        else:
            assert not line.startswith("#"), line
            found = _NAME.match(line)
            assert found, line
            rest = line[found.end() :]
            labels: list[tuple[str, str]] = []
            if rest.startswith("{"):
                rest = rest[1:]
                while not rest.startswith("}"):
                    label = _LABEL.match(rest)
                    assert label, line
                    value = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), label[2])
                    labels.append((label[1], value))
                    rest = rest[label.end() :]
                rest = rest[1:]
            assert len({key for key, _ in labels}) == len(labels), line
            assert rest.startswith(" ") and _VALUE.fullmatch(rest[1:]), line
            of_summary = types[name] == "summary" and found[0] == f"{name}_count"
            assert found[0] == name or of_summary, line
            assert (("quantile" in dict(labels)) == (types[name] == "summary")) or of_summary, line
            key = (found[0], tuple(labels))
            assert key not in samples, line
            samples[key] = float(rest[1:])
            if types[name] == "counter":
                assert samples[key] >= 0, line
    assert all(any(key[0].startswith(name) for key in samples) for name in types)
    return types, samples


@pytest.fixture()
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "noise.wav"
    write_wav(path, 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32), 16000)
    return path


@pytest.fixture()
def stats(sound: Path) -> dict[str, Any]:
    with LiveEnhancer(sound, "none") as live:
        assert live.wait(60)
        return live.stats


CAMERA = {"name": "0", "state": "open", "images": 7, "size": (640, 480), "restarts": 1}


def test_everything_that_is_counted_and_measured_is_told(stats: dict[str, Any]) -> None:
    stats |= {"camera": CAMERA, "prompt": "Point the camera at your face."}
    types, samples = parse(prometheus(stats))
    plain = {name: value for (name, labels), value in samples.items() if not labels}
    for key, value in stats.items():
        if isinstance(value, int):
            assert types[f"seehear_{key}_total"] == "counter" and plain[f"seehear_{key}_total"] == value
        elif isinstance(value, float):
            renamed = {"seconds": "sound_seconds", "uptime": "uptime_seconds"}.get(key, key)
            name = f"seehear_{renamed.removesuffix('_ms')}{'_seconds' * key.endswith('_ms')}"
            assert types[name] == "gauge"
            assert plain[name] == pytest.approx(1e-3 * value if key.endswith("_ms") else value)
    assert plain["seehear_hops_total"] == 100
    assert plain["seehear_prompt_shown"] == 1
    assert plain["seehear_microphone_there"] == 1 and plain["seehear_microphone_rate_hertz"] == 16000
    assert plain["seehear_camera_images_total"] == 7 and plain["seehear_camera_restarts_total"] == 1
    for stage, each in stats["timings"].items():
        for quantile, key in (("0.5", "p50"), ("0.99", "p99"), ("1", "max")):
            labels = (("stage", stage), ("quantile", quantile))
            assert samples["seehear_stage_seconds", labels] == pytest.approx(1e-3 * each[key])
        assert samples["seehear_stage_seconds_count", (("stage", stage),)] == each["count"]
    info = next(dict(labels) for name, labels in samples if name == "seehear_info")
    assert info["runtime"] == stats["runtime"] and info["camera_size"] == "640x480"
    assert info["microphone_name"] == stats["microphone"]["name"] and info["speaker_name"] == "none"


def test_a_reading_has_words_of_its_own(stats: dict[str, Any]) -> None:
    text = prometheus({**stats, "camera": CAMERA})
    assert "of LiveEnhancer.stats" not in text, "a reading without HELP: add it to metrics.py"


def test_a_state_is_one_where_it_is_and_zero_elsewhere(stats: dict[str, Any]) -> None:
    _, samples = parse(prometheus({**stats, "face": "late", "camera": {**CAMERA, "state": "lost"}}))
    for name, now in (("face", "late"), ("mode", "clean"), ("camera_state", "lost")):
        shown = {
            labels[0][1]: value for (each, labels), value in samples.items() if each == f"seehear_{name}"
        }
        assert len(shown) > 2 and [state for state, value in shown.items() if value] == [now]


def test_a_reading_that_is_new_is_told_too() -> None:
    types, samples = parse(prometheus({"sneezes": 3, "fever": float("nan"), "state": "asleep"}))
    assert types == {
        "seehear_sneezes_total": "counter",
        "seehear_fever": "gauge",
        "seehear_state": "gauge",
    }
    assert samples["seehear_state", (("state", "asleep"),)] == 1


def test_names_of_devices_cannot_break_the_text() -> None:
    name = 'a "card"\\ of two\nlines {x="y"} 1'
    _, samples = parse(prometheus({"microphone": {"name": name}}))
    assert samples == {("seehear_info", (("microphone_name", name),)): 1}


def test_an_engine_that_has_not_begun_has_a_state() -> None:
    _, samples = parse(prometheus({"state": "new"}))
    assert samples["seehear_state", (("state", "new"),)] == 1


def get(url: str) -> tuple[str, str]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_the_figures_are_served_and_nothing_else() -> None:
    with MetricsServer(lambda: {"hops": 5, "microphone": {"name": "caf\udce9"}}, 0) as server:
        kind, text = get(server.url)
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        _, samples = parse(text)
        assert samples["seehear_hops_total", ()] == 5
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(server.url.replace("/metrics", "/etc/passwd"))
        request = urllib.request.Request(server.url, method="HEAD")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.headers["Content-Length"] and answer.read() == b""


def test_nobody_else_can_connect_unless_told() -> None:
    with MetricsServer(dict, 0) as server:
        assert server.url.startswith("http://127.0.0.1:")
    with MetricsServer(dict, 0, "0.0.0.0") as server:
        port = int(server.url.rsplit(":", 1)[1].split("/")[0])
        assert get(f"http://127.0.0.1:{port}/metrics")[1] == ""


@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0", "::1"])
def test_the_address_that_is_told_leads_there(bind: str) -> None:
    try:
        server = MetricsServer(lambda: {"hops": 1}, 0, bind)
    except DeviceError:
        pytest.skip("this computer has no such address")
    with server:
        assert "seehear_hops_total 1\n" in get(server.url)[1]


def test_a_port_that_is_taken_is_said_in_one_sentence(
    sound: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        reason = f"metrics: port {port} of 127.0.0.1 is taken by another program: choose another, or 0 for any that is free"
        with pytest.raises(DeviceError, match=f"^{re.escape(reason)}$"):
            MetricsServer(dict, port)
        code = main(["live", "--mic", str(sound), "--speaker", "none", "--metrics", str(port)])
    assert code == DeviceError.exit_code
    assert capsys.readouterr().err == f"seehear: {reason}\n"


@pytest.mark.parametrize(
    ("port", "bind", "kind", "reason"),
    [
        (70000, "127.0.0.1", InputError, "metrics: expected a port of 0 to 65535, got 70000"),
        (0, "192.0.2.1", DeviceError, "metrics: port 0 of 192.0.2.1 cannot be had: the address is none of this computer"),
        (0, "no such name", DeviceError, "metrics: port 0 of no such name cannot be had: the address is none of this computer"),
    ],
)  # fmt: skip
def test_a_port_that_cannot_be_had_says_why(port: int, bind: str, kind: type[Exception], reason: str) -> None:
    with pytest.raises(kind, match=f"^{re.escape(reason)}$"):
        MetricsServer(dict, port, bind)


def test_scrapers_that_hang_hold_up_neither_the_engine_nor_others(sound: Path) -> None:
    with LiveEnhancer(sound, "none") as live, MetricsServer(lambda: live.stats, 0) as server:
        host, port = server.url.split("/")[2].split(":")
        hanging = [socket.create_connection((host, int(port)), timeout=30) for _ in range(3)]
        for each in hanging:
            each.sendall(b"GET /met")
        assert ("seehear_state", (("state", "running"),)) in parse(get(server.url)[1])[1]
        assert live.wait(60)
        assert live.stats["hops"] == 100 and live.stats["overruns"] == 0
        for each in hanging:
            each.close()


def test_more_scrapers_than_there_is_room_for_are_sent_away() -> None:
    with MetricsServer(dict, 0) as server:
        host, port = server.url.split("/")[2].split(":")
        some = [socket.create_connection((host, int(port)), timeout=30) for _ in range(9)]
        assert some[-1].recv(1) == b""
        for each in some:
            each.close()


def test_the_command_says_where_the_figures_are(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["live", "--mic", str(sound), "--speaker", "none", "--metrics", "0"]) == 0
    assert re.search(r"^figures: http://127\.0\.0\.1:\d+/metrics$", capsys.readouterr().err, re.M)
