"""Schedulers over small float networks, in the core and in the numpy reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from golden import reference

from seehear import _core
from seehear.bundle.packed import pack
from seehear_convert import dsp


@pytest.fixture
def config() -> dict[str, Any]:
    return reference.manifest()


@pytest.fixture
def make() -> Callable[..., _core.HopScheduler]:
    """A scheduler whose graphs run in numpy: make(profile=..., form=...)."""

    def build(profile: dsp.Profile = dsp.STANDARD, form: str = "av") -> _core.HopScheduler:
        config = reference.manifest(profile, form)
        scheduler = _core.HopScheduler(pack(config))
        scheduler.set_invoke(reference.invoke_for(scheduler, config, reference.weights(config)))
        return scheduler

    return build


@pytest.fixture
def run() -> Callable[..., dict[str, Any]]:
    """Everything a scheduler gives for a signal and its images, in the layout of `reference.Reference.run`."""

    def feed(scheduler: _core.HopScheduler, x: np.ndarray, images: list[reference.Image]) -> dict[str, Any]:
        hop, waiting = scheduler.hop, list(images)
        made: dict[str, list[Any]] = {
            k: [] for k in ("out", "irm", "ibm", "gate", "mask", "agreement", "state")
        }
        for n in range(len(x) // hop):
            while waiting and waiting[0][0] <= scheduler.now:
                t, points = waiting.pop(0)
                assert scheduler.see(points, t)
            out = np.empty(hop, np.float32)
            scheduler.process(x[n * hop : (n + 1) * hop], out)
            made["out"].append(out)
            for name in ("irm", "mask"):
                made[name].append(getattr(scheduler, name).copy())
            for name in ("ibm", "gate"):
                made[name].append(getattr(scheduler.face(0), name).copy())
            for name in ("agreement", "state"):
                made[name].append(getattr(scheduler.face(0), name))
        return {
            k: v if k == "state" else np.concatenate(v) if k == "out" else np.array(v)
            for k, v in made.items()
        }

    return feed
