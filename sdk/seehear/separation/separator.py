"""`Separator`: a mixture and a picture of each source in, a track of each source out (docs/separation.md)."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seehear import bundle as bundles
from seehear.bundle import Bundle, keys, pulled
from seehear.bundle.manifest import streaming_graphs
from seehear.errors import InputError
from seehear.events import Event
from seehear.runtime import emulation
from seehear.runtime.placement import CPU, Placement, Placer, check_is_placement, parse_board
from seehear.runtime.tflite import Invoker
from seehear.separation import dsp, regions
from seehear.separation.blocks import BlockStream

#: The model inside the package.
DEFAULT = "instruments"
#: Pictures of a source that are looked at, spread over those given (M).
PICTURES = 3
#: Time that a run of a graph on an NPU may take unless a `Placement` says otherwise; a block has five seconds.
DEADLINE_MS = 1000.0
#: Steps of a mask by which an NPU's answers may differ from the CPU's: after so many layers two kernels of one CPU do by 5 or so.
STEPS = 4.0
_RECENT_EVENTS = 100

OnBlock = Callable[[np.ndarray, np.ndarray], None]


@dataclass(frozen=True)
class Separated:
    """What a mixture was taken apart to.

    Attributes
    ----------
    tracks : float32 (sources, n), at the mixture's rate, in the order of the sources.
    rest : float32 (n,): what no track took, or two did, up to `dsp.TOP` Hz; tracks and rest add up to the mixture there.
    """

    tracks: np.ndarray
    rest: np.ndarray


class Separator:
    """Takes mixtures apart by what their sources look like; make one with `load`.

    One thread at a time computes, others wait; nothing is remembered from call to call.

    Attributes
    ----------
    bundle : the model.
    classes : names of the classes of `evidence`.
    runtime : name and version of the TFLite runtime.
    board : id of the board that was named, or "cpu".
    events, on_event : the latest of what an application should know (`DelegateEvent`), and what is called with each.

    Examples
    --------
    >>> separator = seehear.Separator.load()
    >>> duet = separator.separate(samples, 44100, frames, separator.detect(frames[0], 2))
    >>> duet.tracks.shape
    (2, 441000)
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.classes: tuple[str, ...] = tuple(bundle.manifest["separation"]["classes"])
        self.board = CPU
        self.events: deque[Event] = deque(maxlen=_RECENT_EVENTS)
        self.on_event: Callable[[Event], None] | None = None
        self._tensors = _Tensors(bundle)
        self._invoker = Invoker(self._tensors, bundle)
        self._graphs = {graph.name: graph for graph in self._invoker.graphs}
        self._placer = Placer(self._tensors, self._invoker, bundle, self._remember, DEADLINE_MS, STEPS)
        self._emulated: dict[str, str] = {}
        self.runtime = str(self._invoker.runtime)
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str] | Bundle = DEFAULT,
        require_signature: keys.Key | None = None,
        board: str | None = None,
        emulate: bool | None = None,
        placement: Placement | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> Separator:
        """Load a model.

        Parameters
        ----------
        model : a name ("instruments"), a path, or a bundle that was loaded before, of the kind "separation".
        require_signature, board, emulate, on_event : as for `seehear.Enhancer.load`. On a board with an NPU both graphs
            go there, if they fit and the driver is there; else `events` says why not.
        placement : what goes to the NPU, through which delegate, and how it is watched (see `place`); by default what the
            board stands for.

        Raises
        ------
        BundleError
            Unknown, damaged, inconsistent or wrongly signed model, or one for something else.
        BoardError
            Unknown board; or with `emulate`, a graph that does not fit it.
        InputError
            A placement that is none, or names what is not there.
        RuntimeUnavailableError
            No TFLite runtime is installed.

        Examples
        --------
        >>> separator = seehear.Separator.load("coral.seehear", board="coral-usb", on_event=print)
        """
        target, emulated = parse_board(board, emulate)
        check_is_placement(placement)
        with pulled.start(model, "separation"):
            bundle = bundles.load(model, require_signature, kind="separation")
            where: dict[str, str] = {}
            if emulated and target is not None:
                if placement is not None and placement.delegate is not None:
                    raise InputError("emulate: an emulated board runs on the processor, without a delegate")
                where = emulation.emulate(bundle, target, None if placement is None else placement.graphs)
            separator = cls(bundle)
            separator.on_event, separator._emulated = on_event, where
            if target is not None:
                separator.board = target.id
            if not emulated and (placement is not None or (target is not None and target.npus)):
                separator.place(placement or Placement())
        return separator

    # --- where the graphs run ---

    def place(self, placement: Placement) -> None:
        """Put graphs ("vision", "sound") on an NPU through a TFLite external delegate, or take them off.

        Whatever the delegate does, no block is lost: what fails or comes too late is computed on the CPU
        (docs/delegates.md), and an event says so.

        Raises
        ------
        InputError, BoardError
            The placement names what is not there.

        Examples
        --------
        >>> separator.place(Placement(graphs={"sound": "npu"}, delegate="libedgetpu.so.1"))
        """
        check_is_placement(placement)
        with self._lock:
            self._placer.place(parse_board(self.board, False)[0], placement)

    @property
    def placement(self) -> dict[str, str]:
        """Graph -> where it runs now: "cpu" or a delegate's library; emulated, where it would run."""
        return dict(self._emulated) or self._placer.placement

    def _remember(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    # --- pictures ---

    def look(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Guide float32 (2, 2, 16), and evidence float32 (7, 7, classes), of one picture uint8 (224, 224, 3), RGB."""
        made = self._run("vision", picture=picture)
        return made["guide"][0], made["evidence"][0]

    def guide(self, pictures: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """The guide of a source, float32 (2, 2, 16): the mean over `PICTURES` pictures, spread over those given.

        Parameters
        ----------
        pictures : one RGB picture, uint8 (height, width, 3), or several; each shows the source and little else.

        Raises
        ------
        InputError
            No such pictures, or none.
        MissingExtraError
            OpenCV is not installed.
        """
        given = [pictures] if isinstance(pictures, np.ndarray) and pictures.ndim == 3 else list(pictures)
        if not given:
            raise InputError("expected at least one picture of every source, got none")
        places = dict.fromkeys(np.linspace(0, len(given) - 1, PICTURES).round().astype(int).tolist())
        return np.asarray(np.mean([self.look(regions.crop(given[n]))[0] for n in places], axis=0))

    def heat_maps(self, picture: np.ndarray) -> np.ndarray:
        """Evidence of every class at every place of a picture; see `regions.heat_maps`."""
        return regions.heat_maps(picture, lambda part: self.look(part)[1])

    def detect(self, picture: np.ndarray, sources: int = 2) -> list[regions.Region]:
        """Where the sources are in an RGB picture, from the left; see `regions.detect`.

        Raises
        ------
        MediaError
            There are not so many.
        """
        _checked_count(sources)
        return regions.detect(picture, self.heat_maps(picture), self.classes, sources)

    # --- sound ---

    def masks(self, features: np.ndarray, guides: np.ndarray) -> np.ndarray:
        """Masks 0..1 on the log grid, float32 (sources, ROWS, FRAMES), each of a pass of its own (see `dsp.shared`).

        Parameters
        ----------
        features : float32 (ROWS, FRAMES), `dsp.log_magnitude` of the mixture on the log grid at RMS `dsp.LEVEL`.
        guides : float32 (sources, 2, 2, 16).
        """
        made = [self._run("sound", spectrogram=features, guide=guide)["mask"] for guide in guides]
        return np.stack([mask[0, ..., 0] for mask in made])

    def separate_block(
        self, block: np.ndarray, guides: np.ndarray, on_block: OnBlock | None = None
    ) -> np.ndarray:
        """Tracks float32 (sources, SAMPLES) of one block (SAMPLES,) at `dsp.RATE`; digital silence gives silence."""
        level = float(np.sqrt(np.mean(np.square(block, dtype=np.float64))))
        if level < 1e-6:
            if on_block is not None:
                on_block(
                    np.zeros((dsp.ROWS, dsp.FRAMES), np.float32),
                    np.zeros((len(guides), dsp.ROWS, dsp.FRAMES)),
                )
            return np.zeros((len(guides), len(block)), np.float32)
        spectrum = dsp.stft(np.asarray(block * np.float32(dsp.LEVEL / level), np.float32))
        magnitude = dsp.warp(dsp.magnitude(spectrum))
        masks = dsp.shared(self.masks(dsp.log_magnitude(magnitude), guides))
        if on_block is not None:
            on_block(magnitude, masks)
        # one source after the other: spectra of all at once would be the most memory that is needed here
        tracks = [dsp.apply_mask(spectrum, mask) for mask in masks]
        return np.asarray(np.stack(tracks) * (level / dsp.LEVEL), np.float32)

    def separate(
        self,
        samples: np.ndarray,
        rate: int,
        frames: Sequence[Any],
        at: Sequence[regions.Region | regions.Box] | None = None,
        on_block: OnBlock | None = None,
    ) -> Separated:
        """Take a mixture apart.

        Parameters
        ----------
        samples : float -1..1 or int16, [n] or [n, channels] (their mean is taken).
        rate : Hz, 8000 to 48000, or twice or four times as much.
        frames : RGB pictures of the scene, uint8 (height, width, 3); without ``at`` one entry for each source: a picture
            of it, or several.
        at : where the sources are in the frames: regions, or boxes (x, y, width, height) in pixels.
        on_block : called with magnitude (ROWS, FRAMES) and masks (sources, ROWS, FRAMES) of every block; the last block
            ends with the last sample.

        Raises
        ------
        InputError
            An argument is not what the call takes.

        Examples
        --------
        >>> separator.separate(samples, 48000, [picture_of_violin, picture_of_tuba]).tracks
        """
        stream = self.stream(rate, frames, at, on_block)
        tracks, rest = stream.process(samples)
        last, last_rest = stream.finish()
        return Separated(
            np.concatenate([tracks, last], axis=1)[:, stream.delay :],
            np.concatenate([rest, last_rest])[stream.delay :],
        )

    def stream(
        self,
        rate: int,
        frames: Sequence[Any],
        at: Sequence[regions.Region | regions.Box] | None = None,
        on_block: OnBlock | None = None,
    ) -> SeparationStream:
        """A stream of sound that comes block by block; arguments as for `separate`."""
        return SeparationStream(self, rate, self.guides(frames, at), on_block)

    def guides(
        self, frames: Sequence[Any], at: Sequence[regions.Region | regions.Box] | None = None
    ) -> np.ndarray:
        """Guides float32 (sources, 2, 2, 16); arguments as for `separate`."""
        if isinstance(frames, np.ndarray) and frames.ndim == 3:
            frames = [frames]
        if at is None:
            _checked_count(len(frames))
            return np.stack([self.guide(each) for each in frames])
        _checked_count(len(at))
        boxes = [each.box if isinstance(each, regions.Region) else each for each in at]
        return np.stack([self.guide([regions.crop(frame, box) for frame in frames]) for box in boxes])

    def _run(self, name: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run a graph where it is placed: real values in and out."""
        graph, number = self._graphs[name], self._tensors.graph_names.index(name)
        stored = {each: graph.inputs[each].quantise(values) for each, values in inputs.items()}
        with self._lock:
            self._tensors.begin()
            for each, values in stored.items():
                self._tensors.buffer(number, each)[...] = values
            self._invoker(number)
            return {
                each: tensor.dequantise(self._tensors.buffer(number, each))
                for each, tensor in graph.outputs.items()
            }


class _Tensors:
    """The graphs' buffers, and a clock that stands still while one runs: what the core's scheduler is for an `Enhancer`."""

    def __init__(self, bundle: Bundle) -> None:
        self.graph_names = streaming_graphs(bundle.manifest)
        self.now = 0.0
        self._began = time.monotonic()
        self._buffers = {
            (number, tensor): np.zeros(entry["shape"], entry["dtype"])
            for number, name in enumerate(self.graph_names)
            for role in ("inputs", "outputs")
            for tensor, entry in bundle.manifest["graphs"][name][role].items()
        }

    def buffer(self, graph: int, tensor: str) -> np.ndarray:
        return self._buffers[graph, tensor]

    def set_invoke(self, fn: Callable[[int], bool]) -> None:
        """Nothing calls for graphs from within."""

    def begin(self) -> None:
        """A run begins."""
        self.now = time.monotonic() - self._began


class SeparationStream:
    """Tracks of sound as it comes, `delay` samples (6 s) late; made by `Separator.stream`.

    Attributes
    ----------
    rate : Hz.
    delay : samples by which tracks and rest lag; constant.
    guides : float32 (sources, 2, 2, 16); may be set anew at any time and counts from the next block on, for sources that
        look different by then. Which track is whose is a matter of their order alone.
    """

    def __init__(
        self, separator: Separator, rate: int, guides: np.ndarray, on_block: OnBlock | None = None
    ) -> None:
        if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)):
            raise InputError(f"rate: expected a whole number of Hz, got {rate!r}")
        self.rate, self.guides = int(rate), guides

        def tracks_and_rest(block: np.ndarray) -> np.ndarray:
            tracks = separator.separate_block(block, self.guides, on_block)
            return np.concatenate([tracks, (block - tracks.sum(axis=0))[None]])

        self._blocks = BlockStream(self.rate, len(guides) + 1, tracks_and_rest)
        self.delay = self._blocks.delay

    @property
    def delay_seconds(self) -> float:
        """By how much the tracks lag, without the time that computing takes."""
        return self.delay / self.rate

    def process(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The next samples in, as many of tracks float32 (sources, n) and rest float32 (n,) out, `delay` samples late.

        Parameters
        ----------
        samples : float -1..1 or int16, [n] or [n, channels]. NaN counts as 0, and beyond +-4 is clamped.
        """
        made = self._blocks.process(_mono(samples))
        return made[:-1], made[-1]

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """The last `delay` samples; the stream has ended then."""
        made = self._blocks.finish()
        return made[:-1], made[-1]


def _checked_count(count: int) -> None:
    if (
        isinstance(count, bool)
        or not isinstance(count, (int, np.integer))
        or not 1 <= count <= regions.MAX_SOURCES
    ):
        raise InputError(f"sources: expected 1 to {regions.MAX_SOURCES}, got {count!r}")


def _mono(samples: np.ndarray) -> np.ndarray:
    x = np.asarray(samples)
    if x.ndim not in (1, 2) or x.dtype not in (np.int16, np.float32, np.float64):
        raise InputError(
            f"samples: expected int16 or float, [n] or [n, channels], got {x.dtype} of shape {x.shape}"
        )
    if x.ndim == 2 and not 1 <= x.shape[1] <= 64:
        raise InputError(f"samples: expected [n, channels] with 1 to 64 channels, got shape {x.shape}")
    x = x / np.float32(32768) if x.dtype == np.int16 else x.astype(np.float32)
    x = np.clip(np.nan_to_num(x, nan=0.0, posinf=4.0, neginf=-4.0), -4, 4)
    return np.asarray(x if x.ndim == 1 else x.mean(axis=1), np.float32)
