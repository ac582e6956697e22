"""One picture of what the enhancer did; matplotlib is imported only when one is drawn."""

from __future__ import annotations

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


@dataclass
class Trace:
    """What happened hop by hop; give an instance to `Enhancer.enhance` as `on_hop`.

    Attributes
    ----------
    irm, ibm, gate, mask : per hop, float32 [bands].
    states : per hop, the face state.
    """

    irm: list[np.ndarray] = field(default_factory=list)
    ibm: list[np.ndarray] = field(default_factory=list)
    gate: list[np.ndarray] = field(default_factory=list)
    mask: list[np.ndarray] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def __call__(self, enhancer: Enhancer) -> None:
        """Take down the last hop."""
        scheduler = enhancer.scheduler
        for name in ("irm", "mask"):
            getattr(self, name).append(np.array(getattr(scheduler, name)))
        for name in ("ibm", "gate"):
            getattr(self, name).append(np.array(getattr(scheduler.face(0), name)))
        self.states.append(enhancer.face_state)


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
    before: np.ndarray,
    after: np.ndarray,
    rate: int,
    clean: np.ndarray | None = None,
) -> None:
    """Draw spectrograms, masks, gate and face state.

    Parameters
    ----------
    path : the picture to write, complete or not at all: .png, .jpg, .pdf, .svg and what else matplotlib draws.
    trace : filled by `Enhancer.enhance`.
    before, after, clean : float32 [n] at `rate`; clean if known.

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
    seconds = len(before) / rate
    for axis, (name, samples) in zip(axes, sounds.items(), strict=False):
        image = axis.imshow(
            spectrogram(samples, rate), origin="lower", aspect="auto", extent=(0, seconds, 0, rate / 2000),
            vmin=-90, vmax=0, cmap="magma",
        )  # fmt: skip
        _label(axis, f"{name}, kHz", image, figure, "dB")
    edges = np.asarray(enhancer.bundle.manifest["bands"]["edges"])
    hop = enhancer.bundle.hop / enhancer.bundle.rate
    span = (0, len(trace.states) * hop, 0, enhancer.bundle.rate / 2000)
    masks = {"IRM (ear)": trace.irm, "lip mask (eye)": trace.ibm, "mask used": trace.mask}
    for axis, (name, values) in zip(axes[len(sounds) :], masks.items(), strict=False):
        # every bin of a band shows the band's value, so that the axis is in true frequency
        picture = np.repeat(np.array(values), np.diff(edges), axis=1).T
        image = axis.imshow(
            picture, origin="lower", aspect="auto", extent=span, vmin=0, vmax=1, cmap="viridis"
        )
        _label(axis, f"{name}, kHz", image, figure, "")
    time = (np.arange(len(trace.gate)) + 1) * hop
    axes[-2].plot(time, np.mean(trace.gate, axis=1))
    axes[-2].set(ylabel="mean gate", ylim=(-0.02, 1.02), xlim=(0, seconds))
    states = np.array(trace.states)
    changes = [0, *(np.flatnonzero(states[1:] != states[:-1]) + 1), len(states)]
    for begin, end in itertools.pairwise(changes):
        axes[-1].axvspan(begin * hop, end * hop, color=_STATES[states[begin]], lw=0)
    axes[-1].set(ylabel="face", yticks=[], xlabel="seconds", ylim=(0, 1))
    keys = [Patch(color=colour, label=state) for state, colour in _STATES.items()]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(_STATES), frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=90)
    write_atomically(path, buffer.getvalue())


def _label(axis: Any, text: str, image: Any, figure: Any, unit: str) -> None:
    axis.set_ylabel(text)
    figure.colorbar(image, ax=axis, pad=0.01, label=unit)


def spectrogram(samples: np.ndarray, rate: int) -> np.ndarray:
    """Level in dB, [bins, frames], of 32 ms Hann frames every 8 ms."""
    size = max(64, int(0.032 * rate))
    step = max(16, int(0.008 * rate))
    padded = np.pad(samples.astype(np.float32), (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: len(samples) : step]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)) * (2 / size)
    return 20 * np.log10(spectrum.T + 1e-6)
