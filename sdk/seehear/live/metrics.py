"""The figures of a live engine for Prometheus, in its text form, with the standard library alone."""

from __future__ import annotations

import logging
import math
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from seehear.landmarks import FACE_STATES
from seehear.live.ports import LOCAL, listening, url

_log = logging.getLogger("seehear")

# scrapers that may be connected at a time, and seconds that one may stay silent
_SCRAPERS, _PATIENCE = 8, 5.0

#: What can be in a state, and the states it can be in.
_STATES = {
    "state": ("new", "starting", "running", "stopping", "stopped"),
    "mode": ("clean", "noisy", "audio-only"),
    "face": FACE_STATES,
    "heard": ("server", "local", "untouched"),
    "server_state": ("connected", "away", "refused"),
    "camera_state": ("starting", "ready", "open", "silent", "lost", "ended", "failed"),
}

# whole numbers count, except these
_MEASURES = {"microphone_rate", "speaker_rate"}
_NAMES = {
    "seconds": "sound_seconds",
    "uptime": "uptime_seconds",
    "microphone_rate": "microphone_rate_hertz",
    "speaker_rate": "speaker_rate_hertz",
}
_HELP = {
    "state": "Life of the engine.",
    "mode": "What the loudspeaker gets.",
    "face": "State of the face.",
    "camera_state": "State of the camera.",
    "heard": "Whose sound is heard where there is a server.",
    "server_state": "State of the connection to the server.",
    "server_added_ms": "Delay that the server adds.",
    "server_samples": "Samples heard from the server.",
    "local_samples": "Samples heard from the net here while the server was late or gone.",
    "untouched_samples": "Samples heard as they came while the server was late or gone.",
    "switches": "Changes between them.",
    "late_blocks": "Answers of the server that came too late to be heard.",
    "connections": "Connections made with the server.",
    "reconnects": "Those of them after the first.",
    "streams": "Streams begun at the server.",
    "answers": "Blocks that the server answered.",
    "pictures_sent": "Pictures or landmarks sent to the server.",
    "bytes_up": "Bytes sent to the server.",
    "bytes_down": "Bytes that came from the server.",
    "spare_ms": "Time that the latest answer was too early by.",
    "seconds": "Sound enhanced, on the sample clock.",
    "uptime": "Time since the engine was started.",
    "microphone_rate": "Sample rate of the microphone.",
    "microphone_there": "1 while the microphone gives sound.",
    "speaker_rate": "Sample rate of the loudspeaker.",
    "speaker_there": "1 while the loudspeaker takes sound.",
    "hops": "Hops enhanced.",
    "late_hops": "Hops whose work took longer than they last.",
    "nonfinite_samples": "Samples that were no number, replaced by 0.",
    "clamped_samples": "Samples beyond +-4, clamped.",
    "saturated_samples": "Samples beyond full scale when converted to int16.",
    "images_queued": "Images accepted.",
    "images_refused": "Images refused: the queue was full, or their time cannot be that of the sound.",
    "images_superseded": "Images dropped for a newer one.",
    "images_mistimed": "Images whose times were out of order.",
    "images_no_face": "Images without a face.",
    "images_frozen": "Images that repeated the one before to the bit.",
    "late_ticks": "Visual ticks whose image was late.",
    "lip_runs": "Runs of the lip net.",
    "gate_runs": "Runs of the gate net.",
    "audio_failures": "Runs of the audio net that failed; the hop passed through.",
    "lip_failures": "Runs of the lip net that failed.",
    "gate_failures": "Runs of the gate net that failed.",
    "delegate_runs": "Graphs run on NPUs.",
    "delegate_failures": "Graphs that an NPU failed and the CPU answered.",
    "delegate_checked": "Answers of NPUs that were compared with the CPU's.",
    "delegate_late": "Answers of NPUs that did not come in time.",
    "delegates_retired": "NPUs given up.",
    "overruns": "Times that sound came faster than it was enhanced.",
    "lost_samples": "Samples lost by that.",
    "underruns": "Times that the loudspeaker found too little sound.",
    "starved": "Times that it found too little while the microphone was away.",
    "cuts": "Times that too much waited for the loudspeaker and was cut out.",
    "output_overruns": "Times that the loudspeaker did not take what was enhanced.",
    "untapped_hops": "Hops left out for those who listen, because they took too long.",
    "xruns": "Over- and underruns that the sound cards report themselves.",
    "drift_ppm": "By how many parts in a million the microphone's clock is faster than the loudspeaker's.",
    "margin_ms": "Sound kept ready for the loudspeaker.",
    "algorithm_ms": "Delay of the method, sound to sound.",
    "mouth_to_ear_ms": "Delay of everything, as far as the devices say what they add.",
    "gate": "Mean gate: 0, sound alone; 1, image and sound together.",
    "agreement": "Correlation of lips and sound, -1 to 1; 0 in the first second of a face and without one.",
    "visual_delay_ms": "Age at which images are used.",
    "prompt_shown": "1 while a face is asked for.",
    "recording": "1 while sound and pictures are kept, with consent.",
    "camera_images": "Pictures taken.",
    "camera_restarts": "Times that the vision process died and was started again.",
}


def prometheus(stats: Mapping[str, Any], help_texts: Mapping[str, str] = _HELP) -> str:
    """The text form (version 0.0.4) of `LiveEnhancer.stats`, or of other figures.

    Parameters
    ----------
    stats : counters (int) become `seehear_<name>_total`; measures (float) gauges, those in ms in seconds; what is there or
        not (bool) a gauge of 1 or 0; states a gauge for each state that can be, 1 at the one that is; `timings` the
        summary `seehear_stage_seconds`, whose quantile 1 is the maximum; names the labels of `seehear_info`.
    help_texts : what each of them is.

    Examples
    --------
    >>> print(prometheus({"hops": 3}), end="")
    # HELP seehear_hops_total Hops enhanced.
    # TYPE seehear_hops_total counter
    seehear_hops_total 3
    """
    names: dict[str, str] = {}
    found: list[str] = []
    for key, value in _flat(stats):
        about = help_texts.get(key, f"{key} of LiveEnhancer.stats.")
        name = _NAMES.get(key, key)
        if key in _STATES:
            states = dict.fromkeys([*_STATES[key], value])
            found += _metric(name, "gauge", about, {_labels({key: each}): each == value for each in states})
        elif isinstance(value, str):
            names[key] = value
        elif isinstance(value, int) and not isinstance(value, bool) and key not in _MEASURES:
            found += _metric(f"{name}_total", "counter", about, {"": value})
        elif name.endswith("_ms"):
            found += _metric(f"{name[:-3]}_seconds", "gauge", about, {"": 1e-3 * value})
        else:
            found += _metric(name, "gauge", about, {"": value})
    if names:
        found += _metric("info", "gauge", "What it is made of.", {_labels(names): 1})
    if stats.get("timings"):
        found += _metric("stage_seconds", "summary", "Time of each stage; quantile 1 is the maximum.",
                         dict(_timings(stats["timings"])))  # fmt: skip
    return "".join(f"{line}\n" for line in found)


def _flat(stats: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is to be told, `microphone["rate"]` as microphone_rate."""
    for key, value in stats.items():
        if key == "timings":
            continue
        if key == "prompt":
            yield "prompt_shown", value is not None
        elif key == "recording":  # whose it is, is nobody's business here
            yield key, value is not None and value["state"] == "recording"
        elif isinstance(value, Mapping):
            yield from ((f"{key}_{inner}", each) for inner, each in _flat(value))
        elif isinstance(value, (tuple, list)):
            yield key, "x".join(map(str, value))
        elif value is not None:
            yield key, value


def _timings(timings: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, float]]:
    for stage, each in timings.items():
        for quantile, key in (("0.5", "p50"), ("0.99", "p99"), ("1", "max")):
            yield _labels({"stage": stage, "quantile": quantile}), 1e-3 * each[key]
        yield "_count" + _labels({"stage": stage}), each["count"]


def _metric(name: str, kind: str, about: str, samples: Mapping[str, float]) -> list[str]:
    name = f"seehear_{name}"
    about = about.replace("\\", r"\\").replace("\n", r"\n")
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}",
            *(f"{name}{labels} {_number(value)}" for labels, value in samples.items())]  # fmt: skip


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {
        key: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        for key, value in labels.items()
    }
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped.items()) + "}"


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(int(value))
    if math.isfinite(value):
        return f"{value:.12g}"
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


class MetricsServer:
    """Answers `GET /metrics` from a thread of its own until it is closed.

    Whatever a scraper does, the engine goes on: at most 8 are served at a time, and who stays silent for 5 s is left.

    Parameters
    ----------
    stats : called for every answer, from any thread: `LiveEnhancer.stats`.
    port : 0 for any that is free.
    bind : address of this computer to listen at; by default nobody else can connect.

    Attributes
    ----------
    url : where it is.

    Raises
    ------
    DeviceError, InputError
        As `listening`.

    Examples
    --------
    >>> with LiveEnhancer() as live, MetricsServer(lambda: live.stats, 9100):      # doctest: +SKIP
    ...     live.wait()
    """

    def __init__(self, stats: Callable[[], Mapping[str, Any]], port: int, bind: str = LOCAL) -> None:
        listener = listening("metrics", bind, port)
        self.url = url(listener, "/metrics")
        self._server = _Server(listener, stats)
        threading.Thread(target=self._server.serve_forever, daemon=True, name="seehear-metrics").start()

    def close(self) -> None:
        """Answer no more; waits for nobody."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> MetricsServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, stats: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.stats = stats
        self._room = threading.BoundedSemaphore(_SCRAPERS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("a scraper at %s was not answered", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "seehear"
    sys_version = ""
    timeout = _PATIENCE

    def do_GET(self) -> None:
        found = self.path.partition("?")[0] == "/metrics"
        text = prometheus(self.server.stats()) if found else "The figures are at /metrics.\n"
        body = text.encode("utf-8", "replace")
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", f"text/plain; {'version=0.0.4; ' * found}charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *_: Any) -> None:
        pass
