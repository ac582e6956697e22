"""One picture of what the enhancer did; matplotlib is imported only when one is drawn."""

from __future__ import annotations

import copy
import io
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seehear.errors import MissingExtraError, OutputError, install
from seehear.files import check_output, write_atomically

if TYPE_CHECKING:
    from seehear.enhancer import Enhancer

_STATES = {
    "none": "0.85",
    "seen": "tab:green",
    "no_face": "tab:red",
    "frozen": "tab:purple",
    "late": "tab:orange",
}


# most columns of a picture; a figure is a quarter as many points wide
_MOST_COLUMNS = 4096
# frames whose spectra are made at once
_FRAMES = 1024


class Columns:
    """What comes row by row, as columns of a picture of bounded size: when there are too many, neighbours become their
    mean, and each stands for twice as many rows.

    Attributes
    ----------
    rows : how many came.
    per_column : how many each column stands for.
    """

    def __init__(self) -> None:
        self.rows, self.per_column = 0, 1
        self._columns: list[np.ndarray] = []
        self._sum: np.ndarray = np.zeros(0)
        self._count = 0

    def add(self, row: np.ndarray) -> None:
        """The next row, float32 [n]."""
        self._sum = np.array(row) if self._count == 0 else self._sum + row
        self._count += 1
        self.rows += 1
        if self._count < self.per_column:
            return
        self._columns.append(self._sum / self._count)
        self._count = 0
        if len(self._columns) == _MOST_COLUMNS:
            self._columns = [
                (a + b) / 2 for a, b in zip(self._columns[::2], self._columns[1::2], strict=True)
            ]
            self.per_column *= 2

    @property
    def picture(self) -> np.ndarray:
        """All columns, [columns, n]."""
        rest = [self._sum / self._count] if self._count else []
        return np.array([*self._columns, *rest])

    @property
    def stretch(self) -> float:
        """How much longer than its rows the picture is: the last column may stand for some that are yet to come."""
        return -(-self.rows // self.per_column) * self.per_column / max(1, self.rows)


class Spectrogram:
    """Level in dB of 32 ms Hann frames every 8 ms, of sound that comes in pieces.

    Examples
    --------
    >>> levels = Spectrogram(16000)
    >>> levels.add(samples)
    >>> levels.drawn()[0].shape[0]  # bins
    257
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.length = 0
        self._size, self._step = max(64, int(0.032 * rate)), max(16, int(0.008 * rate))
        self._window = np.hanning(self._size).astype(np.float32)
        self._ahead = np.zeros(self._size // 2, np.float32)
        self._columns = Columns()

    @classmethod
    def of(cls, samples: np.ndarray, rate: int) -> Spectrogram:
        """That of a whole sound."""
        whole = cls(rate)
        whole.add(samples)
        return whole

    def add(self, samples: np.ndarray) -> None:
        """The next samples, [n]."""
        self.length += len(samples)
        for begin in range(0, len(samples), _FRAMES * self._step):
            piece = samples[begin : begin + _FRAMES * self._step].astype(np.float32)
            self._ahead = self._draw(np.concatenate([self._ahead, piece]), self._columns)

    def _draw(self, ahead: np.ndarray, columns: Columns) -> np.ndarray:
        """Draw all whole frames of `ahead`; what is left begins with the next frame."""
        count = max(0, (len(ahead) - self._size) // self._step + 1)
        if count:
            frames = np.lib.stride_tricks.sliding_window_view(ahead, self._size)[:: self._step]
            spectrum = np.abs(np.fft.rfft(frames * self._window, axis=1)) * (2 / self._size)
            for row in 20 * np.log10(spectrum + 1e-6):
                columns.add(row)
        return ahead[count * self._step :]

    def drawn(self) -> tuple[np.ndarray, float]:
        """Level in dB, [bins, columns], and how many seconds it is long: as the sound, or up to a column more."""
        columns = copy.deepcopy(self._columns)
        # a frame for every step that began within the sound; silence fills up the last ones
        missing = -(-self.length // self._step) - columns.rows
        if missing > 0:
            ahead = np.pad(self._ahead, (0, self._size))
            self._draw(ahead[: self._size + (missing - 1) * self._step], columns)
        return columns.picture.T, self.length / self.rate * columns.stretch


@dataclass
class Trace:
    """What happened hop by hop; give an instance to `Enhancer.enhance` as `on_hop`.

    Attributes
    ----------
    irm, ibm, mask : values of the bands, a row per hop.
    gate : mean gate, a row per hop.
    states : hops at which the face state changed, and what it then was.
    hops : so many.
    """

    irm: Columns = field(default_factory=Columns)
    ibm: Columns = field(default_factory=Columns)
    gate: Columns = field(default_factory=Columns)
    mask: Columns = field(default_factory=Columns)
    states: list[tuple[int, str]] = field(default_factory=list)
    hops: int = 0

    def __call__(self, enhancer: Enhancer) -> None:
        """Take down the last hop."""
        scheduler, face = enhancer.scheduler, enhancer.scheduler.face(0)
        self.irm.add(scheduler.irm)
        self.mask.add(scheduler.mask)
        self.ibm.add(face.ibm)
        self.gate.add(face.gate.mean(keepdims=True))
        if not self.states or self.states[-1][1] != face.state:
            self.states.append((self.hops, face.state))
        self.hops += 1


def figure_class() -> Any:
    """matplotlib's Figure, or a clear error that says how to get it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            f"plots need matplotlib, which is not installed: {install('plots')}"
        ) from error
    return Figure


def check_plot(path: Path) -> str:
    """The format that a file's name says (PNG if nothing); fail before the work if it cannot be drawn.

    Raises
    ------
    MissingExtraError, OutputError
        As `plot`.
    """
    check_output(path)
    kinds = set(figure_class()().canvas.get_supported_filetypes()) - {"pgf"}  # which needs a TeX
    kind = path.suffix[1:].lower() or "png"
    if kind not in kinds:
        raise OutputError(
            f"{path}: expected a name that ends in one of {', '.join(sorted(kinds))}, got .{kind}"
        )
    return kind


def plot(
    path: Path,
    trace: Trace,
    enhancer: Enhancer,
    before: Spectrogram,
    after: Spectrogram,
    clean: Spectrogram | None = None,
) -> None:
    """Draw spectrograms, masks, gate and face state.

    Parameters
    ----------
    path : the picture to write, complete or not at all: .png, .jpg, .pdf, .svg and what else matplotlib draws.
    trace : filled by `Enhancer.enhance`.
    before, after, clean : of the sounds; clean if known.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputError
        The file cannot be written, or its name is of a kind that is not drawn.
    """
    kind = check_plot(path)
    from matplotlib.patches import Patch

    sounds = {"before": before, "after": after} | ({"clean": clean} if clean is not None else {})
    rows = len(sounds) + 5
    figure = figure_class()(figsize=(11, 1.7 * rows), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, height_ratios=[3] * (rows - 2) + [1.6, 0.5])
    seconds = before.length / before.rate
    for axis, (name, sound) in zip(axes, sounds.items(), strict=False):
        levels, end = sound.drawn()
        image = axis.imshow(
            levels, origin="lower", aspect="auto", extent=(0, end, 0, sound.rate / 2000), vmin=-90, vmax=0, cmap="magma"
        )  # fmt: skip
        _label(axis, f"{name}, kHz", image, figure, "dB")
    edges = np.asarray(enhancer.bundle.manifest["bands"]["edges"])
    hop = enhancer.bundle.hop / enhancer.bundle.rate
    masks = {"IRM (ear)": trace.irm, "lip mask (eye)": trace.ibm, "mask used": trace.mask}
    for axis, (name, values) in zip(axes[len(sounds) :], masks.items(), strict=False):
        # every bin of a band shows the band's value, so that the axis is in true frequency
        picture = np.repeat(values.picture, np.diff(edges), axis=1).T
        span = (0, values.rows * values.stretch * hop, 0, enhancer.bundle.rate / 2000)
        image = axis.imshow(
            picture, origin="lower", aspect="auto", extent=span, vmin=0, vmax=1, cmap="viridis"
        )
        _label(axis, f"{name}, kHz", image, figure, "")
    gate = trace.gate.picture
    axes[-2].plot((np.arange(len(gate)) + 1) * trace.gate.per_column * hop, gate)
    axes[-2].set(ylabel="mean gate", ylim=(-0.02, 1.02), xlim=(0, seconds))
    for (first, state), (next_one, _) in itertools.pairwise([*trace.states, (trace.hops, "")]):
        axes[-1].axvspan(first * hop, next_one * hop, color=_STATES[state], lw=0)
    axes[-1].set(ylabel="face", yticks=[], xlabel="seconds", ylim=(0, 1))
    keys = [Patch(color=colour, label=state) for state, colour in _STATES.items()]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(_STATES), frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=90)
    write_atomically(path, buffer.getvalue())


def _label(axis: Any, text: str, image: Any, figure: Any, unit: str) -> None:
    axis.set_ylabel(text)
    figure.colorbar(image, ax=axis, pad=0.01, label=unit)
