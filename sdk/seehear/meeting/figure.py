"""One picture of a meeting: faces, who spoke when, spectrograms before and after."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from seehear.files import write_atomically
from seehear.meeting.faces import FaceRecord
from seehear.meeting.recording import Written
from seehear.report.plots import Spectrogram, check_plot, figure_class

_COLOURS = (
    "tab:blue",
    "tab:orange",
    "tab:green",
    "tab:red",
    "tab:purple",
    "tab:brown",
    "tab:pink",
    "tab:olive",
)


def plot(path: Path, faces: FaceRecord, written: Written) -> None:
    """Draw a meeting.

    Parameters
    ----------
    path : the picture to write, complete or not at all: .png, .jpg, .pdf, .svg and what else matplotlib draws.
    faces, written : from `look`, and from `write` with `keep`.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputError
        The file cannot be written, or its name is of a kind that is not drawn.
    """
    kind = check_plot(path)
    sounds = {"before": written.before} | written.tracks
    levels = {name: Spectrogram.of(samples, written.rate).drawn() for name, samples in sounds.items()}
    loud = float(np.percentile(levels["before"][0], 99.9))
    heights = [0.8 * faces.count, *[2] * len(sounds)]
    figure = figure_class()(figsize=(12, 0.6 + sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), 2, width_ratios=[1, 12], height_ratios=heights)
    first = figure.add_subplot(grid[0, 1])
    _draw_turns(first, faces, written)
    inner = grid[0, 0].subgridspec(faces.count, 1, hspace=0.02)
    for face, name in enumerate(faces.names):
        beside = figure.add_subplot(inner[face])
        beside.imshow(faces.thumbnails[face])
        beside.set(xticks=[], yticks=[])
        beside.set_ylabel(name, color=_COLOURS[face], fontweight="bold", rotation=0, labelpad=12)
    for row, (name, (level, end)) in enumerate(levels.items(), 1):
        axis = figure.add_subplot(grid[row, 1], sharex=first)
        image = axis.imshow(
            level, origin="lower", aspect="auto", cmap="magma", vmin=loud - 60, vmax=loud,
            extent=(0, end, 0, written.rate / 2000),
        )  # fmt: skip
        axis.set(ylim=(0, min(8.0, written.rate / 2000)), ylabel=f"{name}, kHz")
        figure.colorbar(image, ax=axis, pad=0.01, label="dB")
        axis.tick_params(labelbottom=row == len(sounds))
    axis.set_xlabel("seconds")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=90)
    write_atomically(path, buffer.getvalue())


def _draw_turns(axis: Any, faces: FaceRecord, written: Written) -> None:
    for turn in written.turns:
        axis.barh(
            turn.face, turn.end - turn.begin, left=turn.begin, height=0.7, color=_COLOURS[turn.face], lw=0
        )
    axis.set(xlim=(0, written.seconds), ylim=(faces.count - 0.5, -0.5), ylabel="speaks")
    axis.tick_params(labelbottom=False)
    axis.set_yticks(range(faces.count), faces.names)
