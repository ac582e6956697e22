"""The real-time core (C++, csrc/). Equations, names and timing: docs/architecture.md."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

_F32 = NDArray[np.float32]

#: What the core takes: ranges (low, high) of numbers in a manifest, most units of a layer, items of a list, bytes of a name...
LIMITS: dict[str, Any]

class HopScheduler:
    """One hop of the whole signal path, from samples to samples.

    Parameters
    ----------
    config : what a manifest says, as `seehear.bundle.packed.pack` makes it for the core.
    faces : talkers to look at, 1 to `max_faces`; each has a state of its own over the same graphs.

    Raises
    ------
    ValueError
        Damaged, or something does not fit together; the sentence names the manifest's key.

    Examples
    --------
    >>> scheduler = HopScheduler(pack(manifest))                    # doctest: +SKIP
    >>> scheduler.set_invoke(lambda graph: run(scheduler.graph_names[graph]))  # doctest: +SKIP
    >>> scheduler.process(block, out)                               # doctest: +SKIP
    """

    def __init__(self, config: bytes, faces: int = 1) -> None: ...
    @property
    def graph_names(self) -> list[str]:
        """Names of the graphs; the index in this list is the number handed to invoke."""

    def buffer(self, graph: int, tensor: str) -> np.ndarray:
        """The memory of an input or output tensor, not a copy: dtype and shape as in the manifest.

        Raises
        ------
        IndexError, KeyError
            No such graph or tensor.
        """

    def set_invoke(self, fn: Callable[[int], bool]) -> None:
        """Have graphs run by a Python function: given a graph number, fill its output buffers and return True.

        False or an exception counts as a failure of that graph (see `counters` and `last_error`); it never leaves `process`,
        unless it is a signal handler's (Ctrl-C, say): then the graph is run again, and `process` raises it when the hop is done.
        """

    def set_native_invoke(self, fn_ptr: int, ctx: int) -> None:
        """Have graphs run by a C function ``int (*)(void *ctx, int graph)`` that returns 0 when it worked.

        Both are addresses; what they point to must stay valid while this object is used. Between calls of `process` only.
        """

    def use_flat_model(self, image: bytes) -> None:
        """Have graphs run by the core's own int8 kernels, with the weights of a flat model (`seehear.runtime.flat_model.build`).

        No runtime is needed then, and other threads of Python run while `process` and `flush` work; a function that one
        of them hands to `set_invoke` meanwhile comes in at the end of the call.

        Raises
        ------
        ValueError
            A damaged image, or one of another model.
        StateError
            Another thread is in the middle of a call.
        """

    def process(self, block: _F32, out: _F32) -> None:
        """Enhance exactly one hop.

        Parameters
        ----------
        block, out : contiguous float32 (hop,), full scale 1. They may be the same array.

        Raises
        ------
        ValueError
            Another dtype or shape; the same hop may then be given again.
        StateError
            Another thread is in `process`, `flush` or `reset`, or holds the scheduler; nothing has changed.
        """

    def held(self) -> AbstractContextManager[None]:
        """``with scheduler.held():`` leaves `process`, `flush` and `reset` to this thread alone.

        Raises
        ------
        StateError
            Another call is running, or the scheduler is held.
        """

    def see(self, landmarks: ArrayLike | None, t: float, face: int = 0) -> bool:
        """Hand in one image; from any thread, one at a time. Never waits.

        Parameters
        ----------
        landmarks : (50, 2) points x (right), y (down) in the order of `seehear.landmarks.LANDMARKS`; None, or a NaN
            among them, for no face.
        t : seconds on the sample clock; t = 0 is the first sample after `reset`.
        face : whose image it is; each face may have a thread of its own.

        Returns
        -------
        bool
            False if the queue is full, or t is not finite or more than `reach` from `now`: the image is dropped and
            counted (``images_refused``).

        Raises
        ------
        ValueError
            Another shape.
        """

    def flush(self) -> _F32:
        """The last `latency` samples; then `reset` before the next signal."""

    def reset(self) -> None:
        """Forget all state, counters and waiting images. Settings stay."""

    @property
    def latency(self) -> int:
        """Delay from hop in to hop out, samples."""

    @property
    def hop(self) -> int:
        """Samples per hop."""

    @property
    def rate(self) -> int:
        """Sample rate, Hz."""

    @property
    def bands(self) -> int:
        """Number of bands M."""

    @property
    def has_vision(self) -> bool:
        """Whether the model has lip and gate networks."""

    @property
    def faces(self) -> int:
        """Number of faces it looks at."""

    def face(self, face: int) -> Face:
        """One of them; IndexError where there is none."""

    selected: int
    """Bit k: face k belongs to the joint track."""
    max_faces: ClassVar[int]
    """Most faces that a scheduler looks at."""
    reach: ClassVar[float]
    """Seconds from `now` within which images are taken."""

    @property
    def now(self) -> float:
        """Seconds of sound processed since `reset`."""

    visual_delay_ms: float
    """Age of an image when its masks are used, 0 to 500 ms."""
    strength: float
    """0 (the input, delayed) to 1 (the full mask)."""
    floor_db: float
    """Least gain, -80 to 0 dB."""

    @property
    def irm(self) -> _F32:
        """Mask of the audio net, (M,) 0..1; a read-only view of the last hop, like the next."""

    @property
    def mask(self) -> _F32:
        """Mask of the joint track, (M,) 0..1, before floor and strength."""

    @property
    def last_error(self) -> str:
        """Text of the last exception of the invoke function since `reset`, or an empty string."""

    @property
    def counters(self) -> dict[str, int]:
        """Counts since `reset`: hops, repaired samples, images and what became of them, runs and failures of the nets."""

class Face:
    """One face of a `HopScheduler`, as of its last hop; the arrays are read-only views, (M,) 0..1."""

    @property
    def state(self) -> str:
        """``none``, ``seen``, ``no_face``, ``frozen`` or ``late``."""

    @property
    def agreement(self) -> float:
        """Running correlation of lips and sound, -1..1; 0 in the first second of a face and without one."""

    @property
    def ibm(self) -> _F32:
        """Mask of the lip net; 1 while the gate is closed."""

    @property
    def gate(self) -> _F32:
        """Weight of the visual mask, its ramp included; 0 while closed."""

    @property
    def mask(self) -> _F32:
        """Fused mask of this talker, before floor and strength."""

class Stream:
    """Blocks at any rate around a scheduler; as many samples out as in, the same for any cutting into blocks.

    At strength 0 the output is the input itself, `latency` samples later.

    Parameters
    ----------
    scheduler : HopScheduler; it is reset, and the stream is the only one to call it from now on (`see` excepted).
    rate : sample rate of the blocks, 8000 to 48000 Hz.
    block : samples of every block, a multiple of the hop at that rate; 0 for blocks of any size, which come out a hop less
        a sample later.

    Raises
    ------
    ValueError
        Rate out of range, or no such block.
    """

    def __init__(self, scheduler: HopScheduler, rate: int, block: int = 0) -> None: ...
    def process_faces(self, block: np.ndarray) -> np.ndarray:
        """As `process`, a row for each face: (faces, n)."""

    def process(self, block: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Enhance a block (n,), int16 or float32 (full scale 1), into one of the same length and dtype.

        Raises
        ------
        TypeError
            Another dtype.
        ValueError
            Not one-dimensional, or not of `block` samples.
        StateError
            As `HopScheduler.process`.
        """

    def run(self, path: LivePath) -> None:
        """Enhance what comes into a `LivePath`, in the calling thread, until it is stopped or at its end.

        Other threads of Python run meanwhile; the enhancer counts as being in the middle of a call.

        Raises
        ------
        ValueError
            The graphs are not run by the core's own kernels, or the path is of another rate or block.
        """

    def flush(self) -> np.ndarray:
        """The last `latency` samples, in the dtype of the last block; then `reset`."""

    def reset(self) -> None:
        """Forget all state, the scheduler's too."""

    @property
    def latency(self) -> int:
        """Delay in samples at `rate`, exact for the chain at hand: framing, windows, both resamplers."""

    @property
    def block(self) -> int:
        """Samples of every block; 0 for any size."""

    @property
    def rate(self) -> int:
        """Sample rate of the blocks, Hz."""

class Resampler:
    """Polyphase FIR between two rates from 8000 to 48000 Hz.

    Examples
    --------
    >>> Resampler(48000, 16000).process(np.zeros(480, np.float32)).shape
    (160,)
    """

    def __init__(self, rate_in: int, rate_out: int) -> None: ...
    def process(self, block: ArrayLike) -> _F32:
        """Outputs that have become due: n inputs in all give ceil(n * rate_out / rate_in) outputs in all."""

    def reset(self) -> None:
        """Forget the past."""

    @property
    def delay(self) -> float:
        """Delay in input samples, exact; at most 2 ms."""

class Analyzer:
    """Streaming STFT: a hop in, the spectrum of the frame that ends with it out."""

    def __init__(
        self, analysis: int = 512, synthesis: int = 320, hop: int = 160, rate: int = 16000
    ) -> None: ...
    def process(self, hop: ArrayLike) -> NDArray[np.complex64]:
        """Spectrum (analysis // 2 + 1,) after the next hop (hop,)."""

    def reset(self) -> None:
        """Forget the past."""

class Synthesizer:
    """Streaming inverse STFT: a spectrum in, a hop out, late by `latency` samples."""

    def __init__(
        self, analysis: int = 512, synthesis: int = 320, hop: int = 160, rate: int = 16000
    ) -> None: ...
    def process(self, spectrum: ArrayLike) -> _F32:
        """Next hop (hop,) from a spectrum (analysis // 2 + 1,)."""

    def reset(self) -> None:
        """Forget the past."""

    @property
    def latency(self) -> int:
        """synthesis - hop samples."""

class FeatureExtractor:
    """Audio features (E2) from band powers."""

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        floor: float = 1e-8,
        level_init: float = -11.0,
        level_prior: int = 20,
        level_hops: int = 300,
        clip: float = 4.0,
    ) -> None: ...
    def process(self, power: ArrayLike) -> _F32:
        """Features (M,) of the next frame's band powers (M,)."""

    def reset(self) -> None:
        """Forget the running level."""

class RecurrentCell:
    """The float half of a recurrent layer: a GRU (reset after)."""

    def __init__(self, units: int) -> None: ...
    def step(self, gx: ArrayLike, gh: ArrayLike) -> _F32:
        """State (units,) after pre-activations (3 units,) each, gate order z, r, n."""

    def reset(self) -> None:
        """State 0."""

class LipFeatures:
    """The 24 lip features of successive visual ticks."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], clip: float = 4.0) -> None: ...
    def process(self, distances: ArrayLike, age: float) -> _F32:
        """Features (24,) from ten distances (`lip_distances`) and the age of the image in seconds."""

    def reset(self) -> None:
        """The next tick is the first."""

def lip_distances(landmarks: ArrayLike) -> _F32 | None:
    """Ten lip distances in eye distances from landmarks (50, 2), or None if they hold no face."""

def band_power(spectrum: ArrayLike, edges: Sequence[int], energy: float) -> _F32:
    """Mean of |X|^2 / energy over each band; ``energy`` is the sum of squares of the analysis window."""

def quantize(values: ArrayLike, scale: float, zero_point: int) -> NDArray[np.int8]:
    """int8 values as graph inputs store them: rounded half away from zero, saturated."""

def net_kernels() -> list[str]:
    """The core's kernels for nets that this processor can run, "scalar" first, the best last; all give the same bits."""

def net_kernel() -> str:
    """The kernel in use; from the start the best."""

def use_net_kernel(name: str) -> None:
    """Have all nets of this process use another of `net_kernels`, for tests and measurements.

    Raises
    ------
    ValueError
        There is none of that name on this processor.
    """

class FlatModel:
    """What firmware runs: the C interface (csrc/c_api.h) on a flat model.

    Parameters
    ----------
    image : of `seehear.runtime.flat_model.build`.

    Raises
    ------
    ValueError
        A damaged or inconsistent image.
    """

    def __init__(self, image: bytes) -> None: ...
    def process(self, block: ArrayLike) -> _F32:
        """Enhance one hop (hop,)."""

    def see(self, landmarks: ArrayLike | None, t: float) -> bool:
        """Hand in one image, as `HopScheduler.see`; fewer may wait."""

    def reset(self) -> None:
        """Forget all state, counters and waiting images."""

    def run(self, graph: int) -> bool:
        """Run one graph on its tensors with the int8 kernels."""

    def tensor(self, graph: int, tensor: str) -> NDArray[np.int8]:
        """The memory (1, n) of an input or output tensor, not a copy."""

    @property
    def graph_names(self) -> list[str]:
        """Names of the graphs; the index in this list is the number of a graph."""

    @property
    def hop(self) -> int:
        """Samples per hop."""

    @property
    def latency(self) -> int:
        """Delay from hop in to hop out, samples."""

    @property
    def memory(self) -> int:
        """Bytes of the caller's memory in use."""

    @property
    def face_state(self) -> str:
        """As `HopScheduler.face_state`."""

    @property
    def counters(self) -> dict[str, int]:
        """As `HopScheduler.counters`."""

class LivePath:
    """Microphone to loudspeaker: three threads joined by rings of fixed size, none of which waits for another.

    `put` is the microphone's, `wait`, `next` and `give` (or `Stream.run` in their place) the enhancement's, `take` the
    loudspeaker's: one thread for each. `tap` is for one thread more; everything else for any.

    Parameters
    ----------
    rate_in, rate_out : Hz, of microphone and enhancement, and of the loudspeaker.
    hop : samples at rate_in that are enhanced at a time.
    paced : the loudspeaker has a clock of its own, which drifts against the microphone's. Else it takes what there is.

    Raises
    ------
    ValueError
        A rate outside 8000..48000, or a hop of more than 100 ms.

    Examples
    --------
    >>> path = LivePath(48000, 480, 44100, True)
    >>> path.put(block)                                             # doctest: +SKIP
    """

    def __init__(self, rate_in: int, hop: int, rate_out: int, paced: bool) -> None: ...
    def put(self, block: np.ndarray, now: float | None = None) -> int:
        """Sound has come: int16 or float32, [n] or [n, channels], which are averaged. `now`: time.monotonic() by default.

        Returns how many frames found room; the others are lost and counted (`overruns`, `lost_samples`).
        """

    def end(self) -> None:
        """No more sound will come; what does not fill a hop is dropped."""

    def wait(self) -> bool:
        """Wait until a hop is there; False once the path is stopped, or ended and empty. Python's lock is free meanwhile."""

    def ready(self) -> bool:
        """Whether a hop is there."""

    def next(self) -> _F32:
        """That hop."""

    def give(self, hop: ArrayLike, began: float, now: float | None = None) -> None:
        """The hop enhanced; the work on it began at `began`, time.monotonic()."""

    def wait_take(self) -> bool:
        """Wait until there is something to `take`; False once nothing will come."""

    def take(self, out: np.ndarray, now: float | None = None) -> int:
        """Fill a block, int16 or float32, [n] or [n, channels], with the next sound, or silence where there is none.

        Returns how many frames are sound.
        """

    def stop(self) -> None:
        """End every wait."""

    def expect(self, sound: bool) -> None:
        """Whether the microphone is there: gaps count as `underruns` while it is, else as `starved`."""

    def listen(self, on: bool) -> None:
        """Have `tap` hear what passes; off at first."""

    def tap(self, most: int) -> tuple[_F32, _F32]:
        """What has gone in and come out since the last call, at most so many samples of each; at most 4 s wait."""

    def say(self, words: ArrayLike) -> bool:
        """Lay a spoken prompt, at rate_in, over the sound, ducked by 12 dB; False while another is spoken."""

    def hush(self) -> None:
        """Fade the prompt away."""

    @property
    def speaking(self) -> bool: ...
    @property
    def stopped(self) -> bool: ...
    @property
    def hop(self) -> int: ...
    @property
    def counters(self) -> dict[str, int]:
        """hops; late_hops: work on them took longer than they are; overruns, lost_samples: no room before the enhancement;
        underruns: the loudspeaker found too little, starved: and no microphone was there; cuts: it slept, and what had piled
        up was left out; output_overruns: it took too little; untapped_hops: `tap` came too late."""

    @property
    def timings(self) -> dict[str, dict[str, float]]:
        """Seconds, count, p50, p99, max of: enhance, a hop's enhancement; output, its way into the ring; delay, from its last
        sample put to there."""

    @property
    def waiting(self) -> int:
        """Samples that wait for the enhancement."""

    @property
    def playback_delay(self) -> float:
        """Seconds of sound that wait for the loudspeaker, the drift resampler's delay included."""

    @property
    def drift_ppm(self) -> float:
        """By how much the loudspeaker's clock is faster than the microphone's."""

    @property
    def margin(self) -> float:
        """Seconds of sound kept against late threads: grows with every underrun."""
