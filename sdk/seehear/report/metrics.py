"""How close a signal comes to a clean one."""

from __future__ import annotations

import numpy as np


def si_sdr(estimate: np.ndarray, clean: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio, dB; both float [n], means removed."""
    estimate, clean = estimate - estimate.mean(), clean - clean.mean()
    target = clean * (estimate @ clean) / (clean @ clean + 1e-20)
    return float(10 * np.log10((target @ target + 1e-20) / (((estimate - target) ** 2).sum() + 1e-20)))
