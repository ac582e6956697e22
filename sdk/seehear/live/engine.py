"""The live engine: microphone and camera in, clean voice out, for weeks.

```
microphone's thread -> ring -> enhancement's thread -> ring -> loudspeaker's thread
camera -> vision process -> landmarks -> a thread of this process -> queue of the core
```
The rings and the enhancement are the core's (csrc/live); nothing of Python holds up a hop where the core runs the nets.
One more thread looks after all of it ten times a second: devices that went away, faces, prompts, who listens.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from seehear import _core
from seehear.bundle import Bundle
from seehear.enhancer import Enhancer
from seehear.errors import DeviceError, InputError, StateError
from seehear.events import Event, tell
from seehear.live.devices import Microphone, Speaker
from seehear.live.file_devices import FileMicrophone, FileSpeaker, NoSpeaker
from seehear.live.prompts import Prompts
from seehear.live.recorder import Recorder
from seehear.live.vision import Vision
from seehear.live.watched import Watched
from seehear.remote.client import RemoteEnhancer
from seehear.runtime.placement import Placement

#: What the loudspeaker gets: the enhanced sound; the microphone's; what the ears alone make of it.
MODES = ("clean", "noisy", "audio-only")

# seconds between two looks of the thread that looks after all
_LOOK = 0.1
# seconds that a thread of the engine gets to end
_PATIENCE = 5.0
# events remembered
_EVENTS = 1000
# seconds that files wait for everything else
_HEAD_START = 0.05

# events that are no trouble
_ROUTINE = {"camera_open", "camera_ended", "face_found", "face_lost", "prompt", "prompt_gone"}

# the age of images is looked at once a second; the delay that is made of it, ms
_AGE_PERIOD, _AGE_STEP, _MOST_DELAY = 1.0, 10.0, 160.0

# of Enhancer.stats: they speak of `see`, and what is among the timings
_OTHER_STATS = ("images", "faces", "vision_ms_mean", "vision_ms_max", "answer_mean_ms", "answer_max_ms")

#: What hears everything: samples before and after, float32 [n] each, at the microphone's rate.
Listener = Callable[[np.ndarray, np.ndarray], None]


class LiveEnhancer:
    """Sound from a microphone, enhanced with the help of a camera, to a loudspeaker.

    Devices that go away come back without a restart; whatever the camera does, sound goes on (E7). See docs/live.md.

    Parameters
    ----------
    microphone : "default", number or part of a name of a sound card (`seehear devices`); a sound file, which is played in
        real time; or any `Microphone`.
    speaker : the same for loudspeakers; a file that ends in .wav, .flac or .ogg is written; "none"; or any `Speaker`.
    camera : number, /dev/video*, URL, video file, or "module:name" of a `Camera`; None or "none": sound alone.
    model, board, placement, strength, floor_db, visual_delay_ms, runtime : as for `Enhancer.load`; without a visual
        delay it is the model's, or more where the camera's pictures come later than that.
    camera_delay_ms : from the middle of an exposure until the picture is read. Of files, the least delay of a picture.
    camera_jitter_ms : of files, how much later a picture may come.
    prompts : what to do without a face (E9); None: nothing.
    on_event : called with each `Event`, from a thread of the engine; it must return quickly.
    server : arguments of `RemoteEnhancer.connect`, `url` and others: sound goes to an execution server and back (E11), with
        the model here for when it is late or gone, and landmarks of the camera unless `picture` is "none".
    load : further arguments of `Enhancer.load`.

    Attributes
    ----------
    enhancer : the `Enhancer` or `RemoteEnhancer`, while it runs; its settings and readings may be used at any time.
    events : the last 1000 events: "mic_lost", "mic_back", "speaker_lost", "speaker_back", "camera_open", "camera_lost",
        "camera_ended", "camera_failed", "face_found", "face_lost", "prompt", "prompt_gone", "overrun", "underrun",
        "failed", and those of the enhancer.

    Raises
    ------
    DeviceError
        A device is not there or does not work; the message says what is there.
    MediaError, MissingExtraError, BundleError, BoardError, InputError
        As `Enhancer.load` and the files.

    Examples
    --------
    >>> with LiveEnhancer(camera="0") as live:                     # doctest: +SKIP
    ...     live.wait()
    """

    def __init__(
        self,
        microphone: str | os.PathLike[str] | Microphone = "default",
        speaker: str | os.PathLike[str] | Speaker = "default",
        camera: str | None = None,
        model: str | os.PathLike[str] | Bundle = "default",
        board: str | None = None,
        placement: Placement | None = None,
        strength: float = 1.0,
        floor_db: float | None = None,
        visual_delay_ms: float | None = None,
        runtime: str | None = None,
        camera_delay_ms: float | None = None,
        camera_jitter_ms: float | None = None,
        prompts: Prompts | None = None,
        on_event: Callable[[Event], None] | None = None,
        load: Mapping[str, Any] | None = None,
        server: Mapping[str, Any] | None = None,
    ) -> None:
        self.microphone = open_microphone(microphone)
        self.speaker = open_speaker(speaker)
        self.events: deque[Event] = deque(maxlen=_EVENTS)
        self.on_event = on_event
        self.prompts = prompts
        self._loading = {
            "model": model, "board": board, "placement": placement, "strength": strength, "floor_db": floor_db,
            "visual_delay_ms": visual_delay_ms, "runtime": runtime, **(load or {}),
        }  # fmt: skip
        self._server = server
        self._camera = None if camera in (None, "none") else str(camera)
        self._camera_delays = camera_delay_ms, camera_jitter_ms
        self._mode = "clean"
        self._listeners: list[Listener] = []
        self._state = "new"
        self._life = threading.Lock()
        self.enhancer: Enhancer | RemoteEnhancer | None = None
        self._vision: Vision | None = None
        self.recorder: Recorder | None = None

    # --- life ---

    def start(self) -> LiveEnhancer:
        """Load the model, open the devices, begin.

        Raises
        ------
        StateError
            It was started before.
        DeviceError, BundleError, MissingExtraError, ...
            See the class; nothing is left open.
        """
        with self._life:
            if self._state != "new":
                raise StateError("this engine was started before: make another")
            self._state = "starting"
        try:
            self._prepare()
        except BaseException:
            self._close()
            raise
        return self

    def _prepare(self) -> None:
        self._born = time.monotonic()
        rate = self.microphone.rate
        vision = None
        model = self._loading["model"]
        if self._camera is not None:
            if isinstance(model, Bundle):
                if not os.path.exists(model.source):
                    raise InputError(
                        "camera: expected a model by name or path, for the vision process reads it too"
                    )
                model = model.source
            # loads while this process does
            self._vision = vision = Vision(
                self._camera, os.fspath(model), self._seen, self._camera_is, *self._camera_delays
            )
        self.enhancer = enhancer = self._load(rate)
        enhancer.on_event = self._remember
        self._apply()
        if vision is not None:
            enhancer._need_vision()
        if not self.speaker.rate:
            self.speaker.rate = rate
        self.path = path = _core.LivePath(rate, enhancer.frame_length, self.speaker.rate, self.speaker.paced)
        path.listen(bool(self._listeners))
        words = self.prompts.words(rate) if self.prompts is not None else None
        self._words = words
        if vision is not None:
            vision.wait_ready()
        self._mic = Watched(self.microphone, self._start_microphone)
        self._out = Watched(self.speaker, self._start_speaker)
        self._accepted = 0
        self._ended = False
        self._face = False
        self._delay_at = 0.0
        self._faults = {"overruns": 0, "underruns": 0}
        self.began = time.monotonic() + _HEAD_START
        if vision is not None:
            if self.recorder is not None:
                vision.record(str(self.recorder.file))
            vision.begin(self.began)
        if isinstance(self.microphone, FileMicrophone):
            self.microphone.begin = self.began
        self._done = threading.Event()
        self._worker = threading.Thread(target=self._enhance, daemon=True, name="seehear-enhancement")
        self._looker = threading.Thread(target=self._look_after, daemon=True, name="seehear-supervisor")
        self._worker.start()
        self._start_speaker()
        self._start_microphone()
        self._state = "running"
        self._looker.start()

    def _load(self, rate: int) -> Enhancer | RemoteEnhancer:
        if self._server is None:
            return Enhancer.load(rate=rate, block=_hop(self._loading, rate), **self._loading)
        picture = "none" if self._camera is None else "landmarks"
        told = {"rate": rate, "picture": picture, **self._loading, **self._server}
        return RemoteEnhancer.connect(on_event=self._remember, **told)

    def stop(self) -> None:
        """End everything: what has come in is enhanced and written. May be called again, and from any thread."""
        with self._life:
            if self._state in ("new", "stopped", "stopping"):
                if self._state == "new":
                    self._state = "stopped"
                return
            self._state = "stopping"
        self._close()

    def _close(self) -> None:
        try:
            if hasattr(self, "_worker"):
                # first, so that it opens nothing again
                self._join(self._looker)
                self.microphone.stop()
                self.path.end()
                self._join(self._worker)
                self.path.stop()
                self.speaker.stop()
                self._hand_out()
            if self.recorder is not None:
                self.recorder.finish()
        finally:
            if self._vision is not None:
                self._vision.stop()
            if self.enhancer is not None:
                self.enhancer.close()
            self._state = "stopped"

    def _join(self, thread: threading.Thread) -> None:
        # it may be the one that stops the engine, from an event
        if thread.is_alive() and thread is not threading.current_thread():
            thread.join(_PATIENCE)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the sound is at its end (a file's), or something failed for good.

        Returns
        -------
        bool
            False where the time ran out before.
        """
        return self._done.wait(seconds)

    @property
    def running(self) -> bool:
        """Between `start` and the end of the sound."""
        return self._state == "running" and not self._done.is_set()

    def __enter__(self) -> LiveEnhancer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- settings ---

    @property
    def mode(self) -> str:
        """What the loudspeaker gets, one of `MODES`; it may be changed at any time and cross-fades."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        if mode not in MODES:
            raise InputError(f"mode: expected {', '.join(MODES)}, got {mode!r}")
        self._mode = mode
        self._apply()

    @property
    def strength(self) -> float:
        """How much of the enhancement is applied, 0..1."""
        return float(self._loading["strength"])

    @strength.setter
    def strength(self, value: float) -> None:
        before = self._loading["strength"]
        self._loading["strength"] = value
        try:
            self._apply()
        except InputError:
            self._loading["strength"] = before
            raise

    def _apply(self) -> None:
        if self.enhancer is not None:
            self.enhancer.strength = 0.0 if self._mode == "noisy" else self._loading["strength"]

    def listen(self, listener: Listener) -> None:
        """Have a function called with all sound, before and after, about ten times a second, from a thread of the engine.

        It holds up nobody: where it takes seconds, sound is left out and counted (`untapped_hops`). `after` lags by
        `Enhancer.latency` samples.
        """
        self._listeners.append(listener)
        if hasattr(self, "path"):
            self.path.listen(True)

    def record(
        self, folder: str | os.PathLike[str], who: str, talker: str | None = None, max_mb: float = 500.0,
        max_minutes: float = 60.0,
    ) -> Recorder:  # fmt: skip
        """Keep sound and pictures of somebody who agreed (E11), from `start` to `stop`; see `Recorder`.

        Raises
        ------
        StateError
            It was started before.
        InputError, OutputError
            Nobody agreed, there is no camera, or the folder cannot be made.
        """
        if self._state != "new":
            raise StateError("record: to be called before start")
        if self._camera is None:
            raise InputError("record: expected a camera, sound and pictures are kept as pairs")
        self.recorder = Recorder(self, folder, who, talker, max_mb, max_minutes)
        return self.recorder

    @property
    def first_picture(self) -> float | None:
        """Seconds on the sample clock of the first picture that is recorded; None until it is there."""
        moment = None if self._vision is None else self._vision.first_recorded
        if moment is None or self.enhancer is None:
            return None
        return self.enhancer.clock.seconds(moment)

    def stop_pictures(self, seconds: float) -> int:
        """End the recorded video; how many pictures it holds, 0 where it did not get whole in time."""
        vision = self._vision
        if vision is None:
            return 0
        vision.record(None)
        return vision.images_recorded if vision.recorded.wait(seconds) else 0

    @property
    def camera(self) -> str | None:
        """What it looks through."""
        return self._camera

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.enhancer.bundle.name) if self.enhancer is not None else str(self._loading["model"])

    @property
    def picture(self) -> bytes | None:
        """The camera's newest picture as a small JPEG, landmarks drawn in, while `shows_picture` is set."""
        return None if self._vision is None else self._vision.picture

    @property
    def shows_picture(self) -> bool:
        """Whether pictures leave the vision process at all; off at first."""
        return self._vision is not None and self._vision.shows

    @shows_picture.setter
    def shows_picture(self, on: bool) -> None:
        if self._vision is not None:
            self._vision.shows = bool(on)

    # --- the threads ---

    def _start_microphone(self) -> None:
        if self.enhancer is not None:
            self.enhancer.clock.reset()  # it goes on from wherever the sound does
        self.microphone.start(self._put)

    def _start_speaker(self) -> None:
        self.speaker.start(self._take, self.path.wait_take)

    def _put(self, block: np.ndarray | None) -> int:
        """The microphone's thread: rings only."""
        now = time.monotonic()
        if block is None:
            self._ended = True
            self.path.end()
            return 0
        count = self.path.put(block, now)
        self._accepted += count
        self._mic.last = now
        enhancer = self.enhancer
        if enhancer is not None:
            enhancer.clock.add(self._accepted / self.microphone.rate, now)
        return count

    def _take(self, block: np.ndarray) -> int:
        """The loudspeaker's thread: rings only."""
        self._out.last = now = time.monotonic()
        return self.path.take(block, now)

    def _enhance(self) -> None:
        assert self.enhancer is not None
        try:
            self.enhancer.run(self.path)
        except Exception as error:
            self._event("failed", f"the enhancement stopped: {error}")
        finally:
            self._done.set()

    def _seen(self, points: np.ndarray | None, moment: float) -> None:
        """A thread of this process that reads the vision process."""
        enhancer = self.enhancer
        if enhancer is None or self._mode == "audio-only" or not self._accepted:
            return
        with suppress(StateError):  # it is being stopped
            enhancer.see_landmarks(points, enhancer.clock.seconds(moment))

    def _camera_is(self, state: str, reason: str) -> None:
        self._event(f"camera_{state}", reason or f"the camera is {state}")

    def _look_after(self) -> None:
        while not self._done.wait(_LOOK) and self._state == "running":
            try:
                now = time.monotonic()
                self._look_after_devices(now)
                self._look_after_face(now)
                self._look_after_delay(now)
                self._look_after_faults()
                self._hand_out()
            except Exception as error:  # sound must go on
                self._event("failed", f"the supervisor stumbled: {error}")

    def _look_after_devices(self, now: float) -> None:
        for watched, other in ((self._mic, self._out), (self._out, self._mic)):
            if (watched is self._mic and self._ended) or (watched is self._out and not self.speaker.paced):
                continue
            kind, name = "mic" if watched is self._mic else "speaker", watched.device.name
            change = watched.look(now)
            if change == "lost":
                self._event(f"{kind}_lost", f"{name}: no block has come for {now - watched.last:.1f} s; "
                            "it is opened again when it is there")  # fmt: skip
            elif change == "back":
                self._event(f"{kind}_back", f"{name} is back")
            elif change == "failed" and hasattr(watched.device, "xruns") and hasattr(other.device, "xruns"):
                # PortAudio lists its devices anew only where nobody uses it
                other.let_go(2 * _LOOK)
            if watched is self._mic:
                self.path.expect(watched.there)

    def _look_after_face(self, now: float) -> None:
        enhancer = self.enhancer
        if self._vision is None or enhancer is None:
            return
        face = enhancer.face_state == "seen"
        if face != self._face:
            self._face = face
            self._event("face_found" if face else "face_lost",
                        "a face is in sight" if face else f"no face is in sight ({enhancer.face_state})")  # fmt: skip
        if self.prompts is None:
            return
        change = self.prompts.update(face, now)
        if change in ("show", "speak"):
            if change == "show":
                self._event("prompt", self.prompts.text)
            if self._words is not None:
                self.path.say(self._words)
        elif change == "hide":
            self.path.hush()
            self._event("prompt_gone", "a face is in sight")

    def _look_after_delay(self, now: float) -> None:
        """Images older than the visual delay come too late for their hop: where no delay was asked for, it grows with them."""
        vision, enhancer = self._vision, self.enhancer
        fixed = self._loading["visual_delay_ms"] is not None
        if vision is None or enhancer is None or fixed or now < self._delay_at or len(vision.ages) < 10:
            return
        self._delay_at = now + _AGE_PERIOD
        age = 1e3 * float(np.quantile(vision.ages, 0.95))
        wanted = _AGE_STEP * math.ceil(age / _AGE_STEP)
        wanted = min(max(wanted, enhancer.bundle.visual_delay_ms), _MOST_DELAY)
        # up at once, down where it is clear: every change costs a hop or two of picture
        if wanted > enhancer.visual_delay_ms or wanted <= enhancer.visual_delay_ms - 2 * _AGE_STEP:
            enhancer.visual_delay_ms = wanted

    def _look_after_faults(self) -> None:
        counters = self.path.counters
        for kind, reason in (
            ("overruns", "sound came faster than it was enhanced and was lost"),
            ("underruns", "the loudspeaker found too little sound; the margin is now {:.1f} ms"),
        ):
            if counters[kind] > self._faults[kind]:
                self._faults[kind] = counters[kind]
                self._event(kind.removesuffix("s"), reason.format(1e3 * self.path.margin))

    def _hand_out(self) -> None:
        if not self._listeners:
            return
        before, after = self.path.tap(1 << 18)
        if len(before):
            for listener in list(self._listeners):
                try:
                    listener(before, after)
                except Exception as error:
                    self._listeners.remove(listener)
                    self._event("failed", f"a listener failed and is left out from now on: {error}")

    # --- readings ---

    @property
    def stats(self) -> dict[str, Any]:
        """Everything counted and measured since the start; any thread, any time.

        `seconds` on the sample clock; the core's counters; `xruns` that the sound cards report themselves; `drift_ppm`;
        `mouth_to_ear_ms`, from sound to sound as far as the devices say what they add, and `algorithm_ms`, the share of the
        method; with a server what is `heard`, and of `server` its state ("connected", "away", "refused") and `added_ms`, its
        share; `timings`, p50, p99, max and count in ms of each stage (vision: of the last 250 pictures; `image_age`: from
        exposure until the landmarks came); face, gate and agreement; what the devices are.
        """
        enhancer, path = self.enhancer, getattr(self, "path", None)
        if enhancer is None or path is None:
            return {"state": self._state}
        rate = self.microphone.rate
        timings = {
            stage: {key: (value if key == "count" else round(1e3 * value, 4)) for key, value in each.items()}
            for stage, each in path.timings.items()
        }
        added = enhancer.added / rate if isinstance(enhancer, RemoteEnhancer) else 0.0
        algorithm = (enhancer.latency + path.hop) / rate - added
        outside = self.microphone.latency + self.speaker.latency
        inside = path.playback_delay if self.speaker.paced else 0.0
        own = path.timings["delay"]["p50"]
        # what comes from the vision process has names of its own below
        counters = {
            key: value for key, value in enhancer.stats.items() if key not in _OTHER_STATS
        }  # fmt: skip
        found = {
            "state": self._state,
            "seconds": round(enhancer.now, 3),
            "uptime": round(time.monotonic() - self._born, 3),
            "mode": self._mode,
            "microphone": {"name": self.microphone.name, "rate": rate, "there": self._mic.there},
            "speaker": {"name": self.speaker.name, "rate": self.speaker.rate, "there": self._out.there},
            "runtime": enhancer.runtime,
            **counters,
            **path.counters,
            "xruns": getattr(self.microphone, "xruns", 0) + getattr(self.speaker, "xruns", 0),
            "drift_ppm": round(path.drift_ppm, 1),
            "margin_ms": round(1e3 * path.margin, 2),
            "algorithm_ms": round(1e3 * algorithm, 2),
            "mouth_to_ear_ms": round(1e3 * (algorithm + added + own + inside + outside), 2),
            "gate": round(enhancer.gate, 4),
            "agreement": round(enhancer.agreement, 4),
            "face": enhancer.face_state,
            "visual_delay_ms": enhancer.visual_delay_ms,
            "prompt": None if self.prompts is None else self.prompts.shown,
            "recording": None if self.recorder is None else self.recorder.status,
            "timings": timings,
        }
        if isinstance(enhancer, RemoteEnhancer):
            timings["round_trip"] = _summary(enhancer.answer_times, int(counters["answers"]))
            found["heard"] = enhancer.heard
            state = "refused" if enhancer.refused else "connected" if enhancer.connected else "away"
            found["server"] = {"state": state, "added_ms": round(1e3 * added, 2)}
        if self._vision is not None:
            vision = self._vision
            timings["vision"] = _summary(vision.work, vision.images)
            timings["image_age"] = _summary(vision.ages, vision.images)
            found["camera"] = {
                "name": self._camera, "state": "silent" if vision.silent else vision.state, "images": vision.images,
                "size": vision.size, "restarts": vision.restarts,
            }  # fmt: skip
        return found

    def _event(self, kind: str, reason: str) -> None:
        enhancer = self.enhancer
        seconds = enhancer.now if enhancer is not None else 0.0
        level = logging.INFO if kind in _ROUTINE else logging.WARNING
        tell(self._remember, Event(kind=kind, reason=reason, seconds=seconds), level)

    def _remember(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)


def open_microphone(spec: str | os.PathLike[str] | Microphone) -> Microphone:
    """A microphone by what `--mic` says: a file that is there, or a sound card; a `Microphone` as it is."""
    if not isinstance(spec, (str, os.PathLike)):
        return spec
    name = os.fspath(spec)
    if os.path.isfile(name):
        return FileMicrophone(name)
    if os.path.splitext(name)[1]:
        raise DeviceError(f"microphone {name}: there is no such file; sound cards: seehear devices")
    from seehear.live.sound_card import CardMicrophone

    return CardMicrophone(name)


def open_speaker(spec: str | os.PathLike[str] | Speaker) -> Speaker:
    """A loudspeaker by what `--speaker` says: "none", a file to be written, or a sound card; a `Speaker` as it is."""
    if not isinstance(spec, (str, os.PathLike)):
        return spec
    name = os.fspath(spec)
    if name == "none":
        return NoSpeaker()
    if os.path.splitext(name)[1]:
        from seehear.media.media_writers import check_sound_output

        if check_sound_output(name):
            raise InputError(f"speaker {name}: expected .wav, .flac or .ogg, a video cannot be written live")
        return FileSpeaker(name)
    from seehear.live.sound_card import CardSpeaker

    return CardSpeaker(name)


def _hop(loading: Mapping[str, Any], rate: int) -> int | None:
    """The block of whole hops at this rate, which spares a hop of delay; None where a hop is no whole number."""
    from seehear import bundle as bundles

    bundle = bundles.load(loading["model"], loading.get("require_signature"))
    whole, rest = divmod(bundle.hop * rate, bundle.rate)
    return None if rest else whole


def _summary(seconds: list[float], count: int) -> dict[str, float]:
    if not seconds:
        return {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}
    p50, p99 = np.quantile(seconds, (0.5, 0.99))
    return {"count": count, "p50": round(1e3 * float(p50), 3), "p99": round(1e3 * float(p99), 3),
            "max": round(1e3 * max(seconds), 3)}  # fmt: skip
