"""One picture of a separation: where the sources are, what was heard, the masks, the tracks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seehear.files import write_atomically
from seehear.report.plots import check_plot, figure_class
from seehear.separation import blocks, dsp
from seehear.separation.regions import Region

#: Blocks that are drawn; a longer recording shows its beginning.
MAX_BLOCKS = 12


@dataclass
class Trace:
    """Magnitudes and masks of the first blocks; give an instance as ``on_block``."""

    magnitudes: list[np.ndarray] = field(default_factory=list)
    masks: list[np.ndarray] = field(default_factory=list)

    def __call__(self, magnitude: np.ndarray, masks: np.ndarray) -> None:
        """Take down a block."""
        if len(self.masks) < MAX_BLOCKS:
            self.magnitudes.append(magnitude.astype(np.float32))
            self.masks.append(masks.astype(np.float32))


def plot(
    path: Path, frame: np.ndarray, regions: Sequence[Region], trace: Trace, heat: np.ndarray, seconds: float
) -> None:
    """Draw a separation.

    Parameters
    ----------
    path : the picture to write, complete or not at all; its ending says of what kind.
    frame : RGB, uint8 (height, width, 3).
    regions : the sources, in the order of the masks.
    heat : of `regions.heat_maps`, laid over the frame.
    seconds : length of the recording.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputError
        The file cannot be written.
    """
    kind = check_plot(path)
    from matplotlib.patches import Rectangle

    count = len(regions)
    figure = figure_class()(figsize=(12, 3.2 + 2.0 * (1 + count)), layout="constrained")
    grid = figure.add_gridspec(2 + count, 2, height_ratios=[3.2] + [2.0] * (1 + count))
    high, wide = frame.shape[:2]
    plain, over = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    for axis in (plain, over):
        axis.imshow(frame)
        axis.set_axis_off()
    shown = over.imshow(
        np.maximum(heat, 0).max(axis=0),
        extent=(0, wide, high, 0),
        cmap="inferno",
        alpha=0.6,
        interpolation="bilinear",
    )
    figure.colorbar(shown, ax=over, pad=0.01, label="evidence of any class")
    for region in regions:
        x, y, w, h = region.box
        plain.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor="lime", lw=2))
        looks = f" ({region.looks_like} {region.evidence:.1f})" if region.looks_like else ""
        plain.text(x + 4, y + 4, region.name + looks, va="top", backgroundcolor="lime", fontsize=8)
    # blocks overlap: of all but the last only what is new is drawn, and the last ends with the recording
    new = blocks.STEP // dsp.HOP
    total = round(seconds * dsp.RATE / dsp.HOP)

    def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
        left = min(max(1, total - new * (len(parts) - 1)), dsp.FRAMES)
        last = parts[-1][:, -left:] if len(parts) > 1 else parts[0][:, :left]
        return np.concatenate([*(part[:, :new] for part in parts[:-1]), last], axis=1)

    if trace.masks:
        mixture = joined(trace.magnitudes)
        _spectrogram(figure.add_subplot(grid[1, :]), mixture, "mixture")
        for n, region in enumerate(regions):
            mask = joined([each[n] for each in trace.masks])
            left, right = figure.add_subplot(grid[2 + n, 0]), figure.add_subplot(grid[2 + n, 1])
            left.imshow(
                mask, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="viridis", extent=_extent(mask)
            )
            _frequencies(left, f"mask of {region.name}")
            _spectrogram(right, mixture * mask, region.name)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=90)
    write_atomically(path, buffer.getvalue())


def _extent(picture: np.ndarray) -> tuple[float, float, float, float]:
    return 0.0, picture.shape[1] * dsp.HOP / dsp.RATE, 0.0, float(dsp.ROWS)


def _spectrogram(axis: Any, magnitude: np.ndarray, name: str) -> None:
    level = 20 * np.log10(magnitude + 1e-5)
    axis.imshow(
        level, origin="lower", aspect="auto", vmin=-90, vmax=-10, cmap="magma", extent=_extent(magnitude)
    )
    _frequencies(axis, name)


def _frequencies(axis: Any, name: str) -> None:
    hz = np.array([0, 200, 500, 1000, 2000, 5000])
    axis.set_yticks(
        np.interp(hz * dsp.FFT / dsp.RATE, dsp.rows(), np.arange(dsp.ROWS)), [f"{f / 1000:g}" for f in hz]
    )
    axis.set(ylabel="kHz", xlabel="seconds", title=name)
