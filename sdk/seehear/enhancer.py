"""The enhancer: sound in, sound out, looking at a face when there is one.

All signal processing happens in `seehear._core`; this file joins the core, the runtime and the face tracker,
and brings a caller's samples and images into the one form they take.
"""

from __future__ import annotations

import math
import os
import reprlib
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from seehear import _core
from seehear import bundle as bundles
from seehear.bundle import Bundle, pulled
from seehear.bundle.keys import Key
from seehear.bundle.manifest import RATES
from seehear.bundle.packed import pack
from seehear.errors import BundleError, InputError, StateError
from seehear.events import Event, tell
from seehear.landmarks import LANDMARKS
from seehear.runtime import emulation, flat_model
from seehear.runtime.placement import CPU, DEADLINE, Placement, Placer, check_is_placement, parse_board
from seehear.runtime.tflite import Invoker, engine
from seehear.sample_clock import SampleClock

#: What `enhance` takes as a video: a path, or (seconds, image) pairs in rising time.
Video = str | os.PathLike[str] | Iterable[tuple[float, np.ndarray | None]]

#: What `process` takes, and gives back in kind.
Block = np.ndarray | bytes | bytearray | memoryview

#: Sample rates a stream takes, Hz.
MIN_RATE, MAX_RATE = RATES

# pictures from before the sound help to find the face, seconds
_LEAD_IN = 0.5

# images remembered for the vision times in `stats`
_RECENT_IMAGES = 1000

# events remembered in `events`
_RECENT_EVENTS = 100


class Enhancer:
    """Streaming speech enhancement with one model on one device (E2-E8).

    Make one with `Enhancer.load`. Sound goes through `process`; images go to `see`. Times are seconds on the
    sample clock: 0 is the first sample after `load` or `reset`.

    `process`, `flush`, `reset` and `enhance` may come from any thread, but from one at a time: a call into
    the middle of another raises `StateError`. `see`, `see_mouth`, `see_landmarks`, settings, readings and
    `close` may come from any thread at any time; `place` between blocks. Masks and gates read while another
    thread is inside `process` may be of two hops; counters, states and the clock are whole.

    Examples
    --------
    >>> with seehear.Enhancer.load() as enhancer:
    ...     while block := microphone.read():
    ...         speaker.write(enhancer.process(block))
    """

    def __init__(
        self,
        bundle: Bundle,
        rate: int = 16000,
        strength: float = 1.0,
        floor_db: float | None = None,
        visual_delay_ms: float | None = None,
        block: int | None = None,
        faces: int = 1,
        runtime: str | None = None,
    ) -> None:
        self._rate = _checked_rate(rate)
        self.bundle = bundle
        faces = _checked_faces(bundle, faces)
        try:
            self._scheduler = _core.HopScheduler(pack(bundle.manifest), faces)
        except ValueError as error:
            raise BundleError(f"{bundle.source}: {error}") from error
        self._engine = engine(runtime)
        self.invoker: Invoker | None = None
        self._placer: Placer | None = None
        # the core holds the invoker and that the core's buffers: a circle that Python does not see
        weakref.finalize(self, self._scheduler.set_invoke, _no_graph).atexit = False
        self.board = "cpu"
        self.events: deque[Event] = deque(maxlen=_RECENT_EVENTS)
        self.on_event: Callable[[Event], None] | None = None
        self._emulated: dict[str, str] = {}
        image = bundle.core if self._engine != "tflite" else None
        if image is None and self._engine == "core":
            image = flat_model.build(bundle)
        if image is None:
            self._use_tflite()
        else:
            self._use_core(image)
        self._block = _checked_block_size(block)
        try:
            self._stream: Any = _core.Stream(self._scheduler, self._rate, self._block)
        except ValueError as error:
            raise InputError(f"{error}") from error
        self._latency = int(self._stream.latency)
        self._in_kind: Callable[[np.ndarray], Any] = np.asarray
        self._clock = SampleClock()
        self._trackers: dict[int, Any] = {}
        self._vision_lock = threading.Lock()
        self._epoch = 0
        self._mistimed = False
        self._vision_times: deque[float] = deque(maxlen=_RECENT_IMAGES)
        self._images = self._faces = 0
        self.strength = strength
        if floor_db is not None:
            self.floor_db = floor_db
        if visual_delay_ms is not None:
            self.visual_delay_ms = visual_delay_ms

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str] | Bundle = "default",
        board: str | None = None,
        rate: int = 16000,
        strength: float = 1.0,
        floor_db: float | None = None,
        visual_delay_ms: float | None = None,
        emulate: bool | None = None,
        placement: Placement | None = None,
        on_event: Callable[[Event], None] | None = None,
        block: int | None = None,
        require_signature: Key | None = None,
        faces: int = 1,
        runtime: str | None = None,
    ) -> Enhancer:
        """Load a model and make everything ready; after this no block can fail for a configuration reason.

        Parameters
        ----------
        model : name of a model, pulled (docs/model-store.md) or in the package, path of a `.seehear` file, or a loaded `Bundle`.
        board : where the networks run: "cpu", the id of a board (`seehear boards list`), or "auto", the board
            this is. By default what the environment variable SEEHEAR_BOARD says, else "cpu". On a board with
            an NPU the lip net goes there, if it fits and the driver is there; else `events` says why not.
        rate : sample rate of the blocks in Hz, 8000..48000.
        strength : 0 (sound untouched, to the bit) .. 1 (full enhancement). Above 0 nothing comes through from
            above the model's band, half its rate: 8 kHz for the models in the package.
        floor_db : least gain in dB, -80..0; by default the bundle's.
        visual_delay_ms : how old an image may be when it is used, 0..500 ms; by default the bundle's (E5).
            Choose at least the time from exposure until `see` returns.
        emulate : run on this computer's processor, with the board's limits enforced on every graph that would
            go to its NPU; "coral-usb:emulate" means the same.
        placement : what goes to the NPU, through which delegate, and how it is watched (see `place`); by default what the
            board stands for.
        on_event : called with each `Event` as it is appended to `events`; it must return quickly, for
            `process` or `see` waits for it.
        block : samples of every block, a multiple of the hop at `rate` (160 at 16 kHz, 441 at 44.1 kHz). The
            sound then lags by a hop less: at 16 kHz 160 samples, 20 ms sound to sound with the wait for a
            block of 160. By default blocks may have any size, and lag 319 samples (29.9 ms with blocks of
            160).
        require_signature : public key that the model must be signed with: bytes, hexadecimal digits, PEM text or
            the path of a file with one of these. By default the one in the environment variable SEEHEAR_KEY; if
            that is not set, signatures are not looked at.
        faces : talkers to look at, 1..8, each shown by `see(..., face=k)` (E9). `process` then gives the joint
            track of those `selected`, `process_faces` one for each.
        runtime : what runs the graphs of the stream: "core", the core's own int8 kernels, with which `process` lets
            other threads of Python run while it works; "tflite", a TFLite package; "auto", TFLite for NPUs and
            emulated boards, else the core where the bundle brings its image. By default what the environment
            variable SEEHEAR_RUNTIME says (one of these, or a TFLite package by name), else "auto".

        Raises
        ------
        BundleError
            Unknown, damaged, inconsistent or wrongly signed model.
        BoardError
            Unknown board; or with `emulate`, a graph that does not fit it.
        RuntimeUnavailableError
            No TFLite runtime is installed, and one is needed.
        InputError
            An argument is out of range.

        Examples
        --------
        >>> enhancer = seehear.Enhancer.load(rate=48000)
        >>> enhancer = seehear.Enhancer.load(board="imx93", placement=Placement(graphs={"lips": "npu", "gate": "npu"}))
        """
        target, emulated = parse_board(board, emulate)
        check_is_placement(placement)
        npu = placement is not None or (target is not None and bool(target.npus))
        if npu or emulated:
            runtime = _tflite(runtime)
        with pulled.start(model, "enhancement"):
            bundle = bundles.load(model, require_signature)
            if emulated and target is not None:
                if placement is not None and placement.delegate is not None:
                    raise InputError("emulate: an emulated board runs on the processor, without a delegate")
                where = emulation.emulate(bundle, target, None if placement is None else placement.graphs)
            enhancer = cls(bundle, rate, strength, floor_db, visual_delay_ms, block, faces, runtime)
            enhancer.on_event = on_event
            if target is not None:
                enhancer.board = target.id
            if emulated:
                enhancer._emulated = where
            elif npu:
                enhancer.place(placement or Placement())
        return enhancer

    def place(self, placement: Placement) -> None:
        """Put graphs on an NPU through a TFLite external delegate, or take them off; between blocks, and again after
        a failure.

        Whatever the delegate does, no hop is lost: see docs/delegates.md. What cannot be put on it runs on the
        CPU, and an event says why.

        Raises
        ------
        InputError, BoardError
            The placement names what is not there.

        Examples
        --------
        >>> enhancer.place(Placement(delegate="libedgetpu.so.1", options={"device": "usb:0"}))
        >>> enhancer.place(Placement(graphs={"lips": "cpu"}))
        """
        self._open()
        check_is_placement(placement)
        board, _ = parse_board(self.board, False)
        placer = self._placer
        if placer is None:
            _tflite(self._engine)
            placer = self._use_tflite()
        placer.place(board, placement)

    def _use_core(self, image: bytes) -> None:
        try:
            self._scheduler.use_flat_model(image)
        except ValueError as error:
            raise BundleError(f"{self.bundle.source}: {error}") from error

    def _use_tflite(self) -> Placer:
        self.invoker = Invoker(self._scheduler, self.bundle)
        deadline_ms = 1e3 * DEADLINE * self.bundle.hop / self.bundle.rate
        self._placer = Placer(self._scheduler, self.invoker, self.bundle, weakly(self._remember), deadline_ms)
        return self._placer

    # --- sound ---

    def process(self, block: Block, out: np.ndarray | None = None) -> Any:
        """Enhance the next samples.

        Parameters
        ----------
        block : int16, float32 or float64, [n] or [n, 1], or bytes that hold int16 (as PyAudio has them). Any
            n, unless `load` was told a block. Floats nominally -1..1; NaN counts as 0, and beyond +-4 is
            clamped; both are counted in `stats`.
        out : array [n] of the block's dtype, int16 or float32, that takes the result (it may be the block itself);
            by default a new one for every block.

        Returns
        -------
        numpy.ndarray or bytes
            As many samples, in the form of the block, delayed by `latency`; `out` where it was given. The same
            samples for any division into blocks.

        Raises
        ------
        InputError
            Not samples of one channel in one of these forms, or not as many as `load` was told; or an `out` that
            does not fit.
        StateError
            Another thread is in the middle of a call, or the enhancer is closed; nothing has changed.

        What a signal handler raises meanwhile (Ctrl-C, say) comes out of here once the block is done.
        """
        came = time.monotonic()
        stream = self._open()
        samples, in_kind = self._of_block(block)
        if out is not None and (in_kind is not np.asarray or not isinstance(out, np.ndarray)):
            raise InputError("out: expected an array, and a block [n] of int16 or float32 beside it")
        try:
            result = stream.process(samples, out)
        except ValueError as error:
            raise InputError(str(error)) from error
        self._clock.add(self._scheduler.now, came)
        self._in_kind = in_kind
        return in_kind(result)

    def process_faces(self, block: Block) -> np.ndarray:
        """Enhance the next samples, a track for each face (E9b); in the place of `process`, block by block.

        In the track of a face the others are noise: where another's lips move in a band and these do not, the band
        is taken from it. A face that is not in sight has the track of the audio net alone (E7).

        Parameters
        ----------
        block : as for `process`.

        Returns
        -------
        numpy.ndarray
            (faces, n), int16 for int16 samples, else float32; delayed by `latency`.

        Raises
        ------
        InputError, StateError
            As for `process`.

        Examples
        --------
        >>> enhancer = seehear.Enhancer.load(faces=2)
        >>> ann, bob = enhancer.process_faces(block)
        """
        came = time.monotonic()
        stream = self._open()
        samples, self._in_kind = self._of_block(block)
        tracks = np.asarray(stream.process_faces(samples))
        self._clock.add(self._scheduler.now, came)
        return tracks

    def _of_block(self, block: Block) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
        samples, in_kind = samples_of(block)
        if self._block and len(samples) != self._block:
            raise InputError(
                f"expected blocks of {self._block} samples as `load` was told, got {len(samples)}"
            )
        return samples, in_kind

    def run(self, path: _core.LivePath) -> None:
        """Enhance what comes through a `LivePath`, in the calling thread, until it is stopped or at its end.

        Where the core runs the graphs, other threads of Python run meanwhile and nothing of Python holds up a hop.
        The path feeds no `clock`.

        Raises
        ------
        InputError
            The path is of another rate, or its hop is not the `block` that `load` was told.
        StateError
            As for `process`.
        """
        stream = self._open()
        try:
            if self.invoker is None:
                stream.run(path)
                return
            while path.wait():
                began = time.monotonic()
                path.give(stream.process(path.next()), began)
        except ValueError as error:
            raise InputError(str(error)) from error

    def flush(self) -> Any:
        """The `latency` samples still inside, in the form of the last block (float32 [n] before the first);
        call at the end of the sound, then `reset`."""
        return self._in_kind(self._open().flush())

    def reset(self) -> None:
        """Forget all sound, images and counters, as after `load`. Settings stay."""
        stream = self._open()
        with self._vision_lock:
            stream.reset()
            self._clock.reset()
            self._epoch += 1
            self._mistimed = False
            if self._placer is not None:
                self._placer.reset()
            self._vision_times.clear()
            self._images = self._faces = 0
            for tracker in self._trackers.values():
                tracker.reset()

    def enhance(
        self,
        samples: np.ndarray,
        rate: int,
        video: Video | None = None,
        visual_delay_ms: float | None = None,
        on_hop: Callable[[Enhancer], None] | None = None,
    ) -> np.ndarray:
        """Enhance a whole recording with the code of the stream; `reset` before and after.

        Parameters
        ----------
        samples : [n] or [n, channels] (mixed to one), int16, float32 or float64.
        rate : Hz, 8000..48000.
        video : path of a video file, or (seconds, image) pairs in rising time, image as for `see`, or
            landmarks as for `see_landmarks` in its place; time 0 is the first sample. None: sound alone.
        visual_delay_ms : how old an image is when it is used, 0..500 ms; by default as live, which is what the
            model was made for.
        on_hop : called after every hop, for plots and progress.

        Returns
        -------
        numpy.ndarray
            float32 [n] (int16 for int16 input), the delay removed.

        Raises
        ------
        InputError, MediaError, MissingExtraError
            The samples, or the video, cannot be used.
        StateError
            Another thread is in the middle of a call, or the enhancer is closed.

        Examples
        --------
        >>> clean = enhancer.enhance(noisy, 16000, video="talker.mp4")
        """
        samples = np.asarray(samples)
        if samples.ndim == 2 and 1 <= samples.shape[1] <= 64:
            mixed = _checked_dtype(samples).mean(axis=1)
            samples = (
                np.rint(mixed).astype(np.int16) if samples.dtype == np.int16 else mixed.astype(np.float32)
            )
        samples, _ = samples_of(samples)
        out, at = np.empty_like(samples), 0
        for piece in self.enhance_blocks([samples], rate, video, visual_delay_ms, on_hop):
            out[at : at + len(piece)] = piece
            at += len(piece)
        return out

    def enhance_blocks(
        self,
        blocks: Iterable[np.ndarray],
        rate: int,
        video: Video | None = None,
        visual_delay_ms: float | None = None,
        on_hop: Callable[[Enhancer], None] | None = None,
    ) -> Generator[np.ndarray, None, None]:
        """As `enhance`, for a recording that comes and goes in pieces: any length in little memory.

        Until the last piece is taken, or the iterator closed, no other call for sound may come.

        Parameters
        ----------
        blocks : one channel, int16, float32 or float64 [n] each, all of one kind, of any sizes.
        rate, video, visual_delay_ms, on_hop : as for `enhance`.

        Yields
        ------
        numpy.ndarray
            float32 [n] (int16 for int16 input) of any sizes; all together what `enhance` gives for all blocks
            together.

        Raises
        ------
        InputError, MediaError, MissingExtraError, StateError
            As `enhance`.

        Examples
        --------
        >>> with open_audio("hours.wav") as sound, wav_writer("clean.wav", sound.rate) as write:
        ...     for piece in enhancer.enhance_blocks(sound.blocks, sound.rate):
        ...         write(piece)
        """
        self._open()
        rate = _checked_rate(rate)
        live_delay = self.visual_delay_ms
        with self._scheduler.held():
            self.reset()
            stream = _core.Stream(self._scheduler, rate)
            images = self._images_of(video) if video is not None else None
            try:
                if visual_delay_ms is not None:
                    self.visual_delay_ms = visual_delay_ms
                yield from self._enhance(stream, blocks, rate, images, on_hop)
            finally:
                self.visual_delay_ms = live_delay
                self.reset()

    def _enhance(
        self,
        stream: Any,
        blocks: Iterable[np.ndarray],
        rate: int,
        images: Iterator[tuple[float, np.ndarray | None]] | None,
        on_hop: Callable[[Enhancer], None] | None,
    ) -> Iterator[np.ndarray]:
        pending = next(images, None) if images is not None else None
        late, end = stream.latency, 0
        for block in _hops(_then_silence(blocks, late), self.bundle.hop * rate / self.bundle.rate):
            end += len(block)
            # an image belongs to the hops from its time on: show it before the samples that reach there;
            # pictures from long before the sound would only fill the queue
            while pending is not None and pending[0] <= end / rate:
                if pending[0] > -_LEAD_IN:
                    self._look(*pending)
                pending = next(images, None) if images is not None else None
            out = stream.process(block)
            if on_hop is not None:
                on_hop(self)
            if late < len(out):
                yield out[late:]
            late = max(0, late - len(out))

    def _look(self, t: float, seen: np.ndarray | None) -> None:
        if seen is None or np.issubdtype(np.asarray(seen).dtype, np.floating):
            self.see_landmarks(seen, t)
        else:
            self.see(np.asarray(seen), t)

    def _images_of(self, video: Video) -> Iterator[tuple[float, np.ndarray | None]]:
        self._need_vision()
        if isinstance(video, (str, os.PathLike)):
            from seehear.media.video_files import frames

            return frames(video)
        return iter(video)

    # --- images ---

    def warm_up(self) -> None:
        """Load OpenCV, the face detector and the landmark nets now, which else the first `see` does.

        Raises
        ------
        InputError
            The model is audio-only.
        BundleError
            It brings no landmark nets.
        StateError
            The enhancer is closed.
        MissingExtraError
            OpenCV is not installed.
        """
        self._open()
        self._need_vision()
        with self._vision_lock:
            for face in range(self.faces):
                self._face_tracker(face)

    def see(self, image: np.ndarray, t: float, face: int = 0) -> bool:
        """Show an image; may be called from any thread, never delays `process` (but `reset` waits for it).

        The face is found and its landmarks are measured in the calling thread.

        Parameters
        ----------
        image : uint8 (height, width, 3) RGB or (height, width) gray, of any size.
        t : when it was exposed, seconds on the sample clock: `clock.seconds(time.monotonic())` of that moment.
        face : whose picture it is, 0 to `faces` - 1: one talker and one camera, or one cut out of a picture of many.

        Returns
        -------
        bool
            True if a face was found and its landmarks were taken over. False also where t is more than a
            second before or behind the sound: `events` tells it, once, and `stats` counts it
            (`images_refused`).

        Raises
        ------
        InputError
            Not such an image, t is no finite number, there is no such face, or the model is audio-only.
        StateError
            The enhancer is closed.
        MissingExtraError
            OpenCV is not installed.
        """
        image = checked_image(image)
        return self._show(lambda: self._face_tracker(face).track(image, t), t, face)

    def see_mouth(self, crop: np.ndarray, t: float, face: int = 0) -> bool:
        """Show a mouth crop that is already aligned, instead of a whole picture.

        Parameters
        ----------
        crop : uint8 (size, size) gray or (size, size, 3) RGB, framed as `FaceTracker.track_mouth` says.
        t, face : as for `see`.
        """
        crop = checked_image(crop)
        return self._show(lambda: self._face_tracker(face).track_mouth(crop), t, face)

    def see_landmarks(self, points: np.ndarray | None, t: float, face: int = 0) -> bool:
        """Show landmarks found elsewhere.

        Parameters
        ----------
        points : float (50, 2), pixels, x right and y down, in the order of `seehear.landmarks.LANDMARKS`; or
            a whole face mesh (468 or 478 points), from which these are taken. A third coordinate is left out.
            None, or any NaN among the 50, means that no face was found.
        t, face : as for `see`.
        """
        if points is not None:
            points = checked_landmarks(points)
        return self._show(lambda: points, t, face)

    def _show(self, find: Callable[[], np.ndarray | None], t: float, face: int) -> bool:
        epoch = self._epoch
        self._open()
        self._need_vision()
        t = checked_time(t)
        face = self._checked_face(face)
        # one image at a time: the tracker has state, and the core's queue one producer
        with self._vision_lock:
            if self._epoch != epoch:
                return False  # it waited while the clock was set back: its time is of another stream
            now = self._scheduler.now
            if abs(t - now) > self._scheduler.reach:
                self._images += 1
                first, self._mistimed = not self._mistimed, True
                self._scheduler.see(None, t)  # which counts it
            else:
                return self._find_and_see(find, t, face)
        if first:
            away = f"{abs(t - now):.2g}".replace("e+0", "e")
            reason = (
                f"t is {away} s {'ahead of' if t > now else 'behind'} the sample clock: "
                "give seconds since the first sample after load or reset"
            )
            tell(self._remember, Event(kind="image_time", reason=reason, seconds=now))
        return False

    def _find_and_see(self, find: Callable[[], np.ndarray | None], t: float, number: int) -> bool:
        begin = time.perf_counter()
        points = find()
        self._vision_times.append(time.perf_counter() - begin)
        self._images += 1
        face = points is not None and bool(np.isfinite(points).all())
        self._faces += face
        points = None if points is None else np.ascontiguousarray(points, np.float32)
        return bool(self._scheduler.see(points, t, number)) and face

    def _need_vision(self) -> None:
        if not self.bundle.has_vision:
            raise InputError(f"{self.bundle.name} is an audio-only model: it takes no images")

    def _checked_face(self, face: int) -> int:
        whole = isinstance(face, (int, np.integer)) and not isinstance(face, bool)
        if not whole or not 0 <= face < self.faces:
            raise InputError(f"face: expected a number from 0 to {self.faces - 1}, got {face!r}")
        return int(face)

    def _face_tracker(self, face: int) -> Any:
        if face not in self._trackers:
            # needs OpenCV: sound alone must work without it
            from seehear.sight.face_tracker import FaceTracker

            self._trackers[face] = FaceTracker.load(self.bundle)
        return self._trackers[face]

    # --- settings and readings ---

    @property
    def rate(self) -> int:
        """Sample rate of `process`, Hz."""
        return self._rate

    @property
    def frame_length(self) -> int:
        """Samples of the blocks that `load` was told, or else of a hop at `rate`, rounded up: what is worth handing in."""
        return self._block or -(-self.bundle.hop * self._rate // self.bundle.rate)

    @property
    def latency(self) -> int:
        """Samples at `rate` by which the output of `process` lags its input."""
        return self._latency

    @property
    def delay_sample(self) -> int:
        """`latency`, by the name it has in Picovoice's Koala. What is heard is later by the wait for a block as well:
        `frame_length` samples, if blocks of that are handed in as soon as they are full."""
        return self._latency

    @property
    def now(self) -> float:
        """Seconds on the sample clock: sound enhanced since `reset`."""
        return float(self._scheduler.now)

    @property
    def clock(self) -> SampleClock:
        """What turns the time of a camera into `t` for `see`; `process` feeds it."""
        return self._clock

    @property
    def strength(self) -> float:
        """How much of the enhancement is applied, 0..1."""
        return float(self._scheduler.strength)

    @strength.setter
    def strength(self, value: float) -> None:
        self._set("strength", value)

    @property
    def floor_db(self) -> float:
        """Least gain in dB, -80..0."""
        return float(self._scheduler.floor_db)

    @floor_db.setter
    def floor_db(self, value: float) -> None:
        self._set("floor_db", value)

    @property
    def visual_delay_ms(self) -> float:
        """Age in ms at which images are used, 0..500 (E5)."""
        return float(self._scheduler.visual_delay_ms)

    @visual_delay_ms.setter
    def visual_delay_ms(self, value: float) -> None:
        self._set("visual_delay_ms", value)

    def _set(self, name: str, value: float) -> None:
        try:
            setattr(self._scheduler, name, float(value))
        except (TypeError, ValueError) as error:
            reason = error if name in str(error) else f"{name} must be a number, got {value!r}"
            raise InputError(str(reason)) from error

    @property
    def faces(self) -> int:
        """How many faces it looks at."""
        return int(self._scheduler.faces)

    @property
    def selected(self) -> tuple[int, ...]:
        """The faces whose joint track `process` gives, all of them at first; who is left out counts as noise (E9b)."""
        return tuple(face for face in range(self.faces) if self._scheduler.selected >> face & 1)

    @selected.setter
    def selected(self, faces: Iterable[int]) -> None:
        chosen = {self._checked_face(face) for face in faces}
        if not chosen:
            raise InputError("selected: expected at least one face")
        self._scheduler.selected = sum(1 << face for face in chosen)

    @property
    def gate(self) -> float:
        """Mean gate of the first face in the last hop: 0 = sound alone, 1 = image and sound together (E6)."""
        return self.gates[0]

    @property
    def gates(self) -> list[float]:
        """`gate` of every face."""
        return [float(self._scheduler.face(face).gate.mean()) for face in range(self.faces)]

    @property
    def agreement(self) -> float:
        """How well lips and sound of the first face go together, -1..1: the correlation, over the last 8 s, of how much the lip
        mask lets through with how much the mask of the talker does. 0 in the first second of a face and without one.

        0.4 or more after 10 s: the picture very likely belongs to the sound; below 0.1 after 5 s: it does not
        (docs/architecture.md says how likely). It changes nothing that is heard.
        """
        return self.agreements[0]

    @property
    def agreements(self) -> list[float]:
        """`agreement` of every face."""
        return [float(self._scheduler.face(face).agreement) for face in range(self.faces)]

    @property
    def face_state(self) -> str:
        """State of the first face: none, seen, no_face, frozen or late (E7)."""
        return self.face_states[0]

    @property
    def face_states(self) -> list[str]:
        """`face_state` of every face."""
        return [str(self._scheduler.face(face).state) for face in range(self.faces)]

    @property
    def scheduler(self) -> Any:
        """The core's `HopScheduler`: irm, ibm (of the first face), mask of the last hop, each face's ibm and gate, `now`."""
        return self._scheduler

    @property
    def last_error(self) -> str:
        """Why a graph last failed; empty if none has since `reset`."""
        return str(self._scheduler.last_error)

    @property
    def placement(self) -> dict[str, str]:
        """Graph -> where it runs now: "cpu" or a delegate's library; emulated, where it would run."""
        if self._placer is None:
            return dict.fromkeys(self._scheduler.graph_names, CPU)
        return dict(self._emulated) or self._placer.placement

    @property
    def runtime(self) -> str:
        """What runs the graphs: "core avx512-vnni", the core's kernels for this processor, or a TFLite package,
        "ai_edge_litert 2.3.0"."""
        return f"core {_core.net_kernel()}" if self.invoker is None else str(self.invoker.runtime)

    @property
    def stats(self) -> dict[str, float]:
        """What happened since `reset`.

        The core's counters (clamped samples, failed graphs, refused images ...) and
        `images`, `faces` : images shown, and those with a face;
        `vision_ms_mean`, `vision_ms_max` : time of finding landmarks over the last 1000 images;
        `delegate_runs`, `delegate_failures`, `delegate_checked`, `delegate_late`, `delegates_retired` : graphs run
        on NPUs, those of them that the CPU had to answer, that were compared with the CPU's answer, that did not
        come in time, and NPUs given up. These count since `load`: `reset` repairs no NPU.
        """
        times = list(self._vision_times)
        used = self._placer.accelerators if self._placer is not None else []
        return {
            **self._scheduler.counters,
            "images": self._images,
            "faces": self._faces,
            "vision_ms_mean": 1e3 * sum(times) / len(times) if times else 0.0,
            "vision_ms_max": 1e3 * max(times, default=0.0),
            "delegate_runs": sum(each.runs for each in used),
            "delegate_failures": sum(each.failures for each in used),
            "delegate_checked": sum(each.checked for each in used),
            "delegate_late": sum(each.late for each in used),
            "delegates_retired": sum(bool(each.retired) for each in used),
        }

    def _remember(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    # --- life ---

    def close(self) -> None:
        """Let go of models, interpreters and delegates; `with` does it. A hop that another thread is in ends
        in peace; every call after it raises `StateError`. Readings stay. May be called again."""
        self._stream = None
        self._scheduler.set_invoke(_no_graph)
        if self.invoker is not None:
            self.invoker.close()
        if self._placer is not None:
            self._placer.close()
        self._trackers.clear()

    def delete(self) -> None:
        """`close`, by the name it has in Picovoice's Koala."""
        self.close()

    def _open(self) -> Any:
        """The stream, while there is one."""
        stream = self._stream
        if stream is None:
            raise StateError("this enhancer is closed: load another")
        return stream

    def __enter__(self) -> Enhancer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _tflite(runtime: str | None) -> str:
    if engine(runtime) == "core":
        raise InputError("runtime: expected tflite or auto for an NPU or an emulated board, got 'core'")
    return "tflite"


def _no_graph(_: int) -> bool:
    return False


def weakly(method: Callable[..., None]) -> Callable[..., None]:
    """Call a bound method without keeping its object alive."""
    weak = weakref.WeakMethod(method)

    def call(*arguments: Any) -> None:
        strong = weak()
        if strong is not None:
            strong(*arguments)

    return call


def samples_of(block: Block) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    """A block as the core takes it, int16 or float32 [n], and what brings the answer into the block's form."""
    if isinstance(block, (bytes, bytearray, memoryview)):
        content = bytes(block)
        if len(content) % 2:
            raise InputError(f"expected bytes of int16 samples, two each, got {len(content)}")
        return np.frombuffer(content, np.int16), _as_bytes
    if not isinstance(block, np.ndarray) or not (
        block.ndim == 1 or (block.ndim == 2 and block.shape[1] == 1)
    ):
        shape = f"shape {block.shape}" if isinstance(block, np.ndarray) else type(block).__name__
        raise InputError(f"expected one channel of samples as a numpy array [n], got {shape}")
    in_kind: Callable[[np.ndarray], Any] = np.asarray
    if _checked_dtype(block).dtype == np.float64 or block.ndim == 2:
        in_kind = partial(_as_array, block.dtype, block.shape[1:])
    single = block.astype(np.float32) if block.dtype == np.float64 else block
    return np.ascontiguousarray(single.reshape(len(block))), in_kind


def _then_silence(blocks: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The blocks as the core takes them, and silence that pushes out what is still in the stream at their end."""
    dtype: Any = None
    for block in blocks:
        samples, _ = samples_of(block)
        if dtype not in (None, samples.dtype):
            raise InputError(f"expected blocks of one kind, got {samples.dtype} after {dtype}")
        dtype = samples.dtype
        yield samples
    yield np.zeros(count, dtype or np.float32)


def _hops(blocks: Iterable[np.ndarray], hop: float) -> Iterator[np.ndarray]:
    """The same samples cut anew: cut n lies at sample ceil(n hop), the last at the end."""
    begin, n = 0, 1
    rest: np.ndarray | None = None
    for block in blocks:
        ahead = block if rest is None or not len(rest) else np.concatenate([rest, block])
        at = 0
        while len(ahead) - at >= (size := int(np.ceil(n * hop)) - begin):
            yield ahead[at : at + size]
            at, begin, n = at + size, begin + size, n + 1
        rest = ahead[at:]
    if rest is not None and len(rest):
        yield rest


def _as_bytes(samples: np.ndarray) -> bytes:
    return samples.tobytes()


def _as_array(dtype: np.dtype[Any], channels: tuple[int, ...], samples: np.ndarray) -> np.ndarray:
    return samples.astype(dtype, copy=False).reshape(-1, *channels)


def _checked_dtype(block: np.ndarray) -> np.ndarray:
    if block.dtype not in (np.int16, np.float32, np.float64):
        raise InputError(f"expected samples as int16, float32 or float64, got {block.dtype}")
    return block


def _checked_block_size(block: int | None) -> int:
    """0 stands for any size."""
    if block is None:
        return 0
    if isinstance(block, bool) or not isinstance(block, (int, np.integer)) or not 0 < block < 1 << 30:
        raise InputError(
            f"block: expected a number of samples, or None for blocks of any size, got {block!r}"
        )
    return int(block)


def _checked_faces(bundle: Bundle, faces: int) -> int:
    whole = isinstance(faces, (int, np.integer)) and not isinstance(faces, bool)
    if not whole or not 1 <= faces <= _core.HopScheduler.max_faces:
        raise InputError(f"faces: expected a number from 1 to {_core.HopScheduler.max_faces}, got {faces!r}")
    if faces > 1 and not bundle.has_vision:
        raise InputError(f"faces: {bundle.name} is an audio-only model: it looks at no faces, got {faces}")
    return int(faces)


def checked_time(t: float) -> float:
    if isinstance(t, (int, float, np.integer, np.floating)) and not isinstance(t, bool):
        try:
            if math.isfinite(t):
                return float(t)
        except OverflowError:  # an int beyond all floats
            pass
    raise InputError(f"t: expected seconds on the sample clock, got {reprlib.repr(t)}")


def checked_landmarks(points: np.ndarray) -> np.ndarray:
    try:
        points = np.asarray(points)
    except ValueError:  # rows of different lengths
        points = np.empty(0)
    shape = points.shape
    if (
        len(shape) != 2
        or shape[0] not in (50, 468, 478)
        or shape[1] not in (2, 3)
        or points.dtype.kind not in "fiu"
    ):
        raise InputError(
            f"landmarks: expected 50 points (50, 2), or a face mesh (468, 2) or (478, 2), in pixels, "
            f"got {points.dtype} of shape {shape}"
        )
    chosen = points if shape[0] == 50 else points[list(LANDMARKS)]
    return chosen[:, :2].astype(np.float32)


def _checked_rate(rate: int) -> int:
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(f"rate: expected a whole number from {MIN_RATE} to {MAX_RATE} Hz, got {rate!r}")
    return int(rate)


def checked_image(image: np.ndarray) -> np.ndarray:
    good = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.size > 0
    if not good or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"image: expected uint8 (height, width, 3) RGB or (height, width) gray, got {got}")
    return np.ascontiguousarray(image)
