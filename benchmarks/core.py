"""Time per hop of the C++ core (analysis, features, fusion, synthesis; no networks) against the same maths in numpy.

Both run in this process's life time, on the same machine: the C++ side as `seehear_bench`, which ``make bench`` builds.

    python benchmarks/core.py --bench build/host/seehear_bench [--json OUT.json] [--hops N]

Exits with 1 when the core takes more than 10 us per hop or is less than 20 times faster than numpy.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from seehear_convert import dsp

MOST_MICROSECONDS = 10.0
LEAST_SPEEDUP = 20.0
ROUNDS = 9  # of each row the one with the least median is kept: neighbours on a shared computer come and go


class NumpyCore:
    """One hop of docs/architecture.md in numpy float32, with everything that can be computed beforehand computed beforehand."""

    def __init__(self, profile: dsp.Profile = dsp.STANDARD) -> None:
        self.profile = profile
        wa, ws = dsp.windows(profile)
        self.wa, self.ws = wa.astype(np.float32), ws.astype(np.float32)
        self.edges = np.asarray(dsp.band_edges(profile))
        self.starts, self.widths = self.edges[:-1], np.diff(self.edges)
        self.scale = (1 / (np.sum(wa**2) * self.widths)).astype(np.float32)
        bands = len(self.widths)
        self.mean, self.std = np.zeros(bands, np.float32), np.full(bands, 2, np.float32)
        self.history = np.zeros(profile.analysis, np.float32)
        self.tail = np.zeros(profile.synthesis - profile.hop, np.float32)
        self.level, self.heard, self.ramp = np.float32(-11), 0, 0.0
        self.silence = np.log(1e-8) + 1
        self.irm, self.mask_av = np.full(bands, 0.5, np.float32), np.full(bands, 0.7, np.float32)
        self.gate = np.full(bands, 0.5, np.float32)
        self.features = np.zeros(bands, np.float32)

    def process(self, hop: np.ndarray) -> np.ndarray:
        """Enhance one hop (hop,) float32."""
        p = self.profile
        self.history[: -p.hop] = self.history[p.hop :]
        self.history[-p.hop :] = hop
        spectrum = np.fft.rfft(self.history * self.wa)
        power = np.add.reduceat(spectrum.real**2 + spectrum.imag**2, self.starts) * self.scale
        logp = np.log(power + np.float32(1e-8))
        level = logp.mean()
        if level > self.silence:
            self.heard += 1
            self.level += (level - self.level) / min(20 + self.heard, 300)
        self.features = np.clip((logp - self.level - self.mean) / self.std, -4, 4)
        self.ramp = min(1.0, self.ramp + 0.1)
        gate = self.ramp * self.gate
        mask = gate * self.mask_av + (1 - gate) * self.irm
        gain = 1 - 1.0 * (1 - np.maximum(mask, np.float32(0.1)))
        spectrum *= np.repeat(gain, self.widths)
        part = np.fft.irfft(spectrum, p.analysis)[-p.synthesis :] * self.ws
        out = self.tail + part[: p.hop]
        self.tail = part[p.hop :]
        return out


def time_numpy(hops: int) -> np.ndarray:
    """Nanoseconds per hop of `NumpyCore`."""
    core = NumpyCore()
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (99, core.profile.hop)).astype(np.float32)
    spent = np.empty(hops + 200)
    for i in range(len(spent)):
        block = noise[i % 99]
        start = time.perf_counter_ns()
        core.process(block)
        spent[i] = time.perf_counter_ns() - start
    return spent[200:]


def summary(nanoseconds: np.ndarray) -> dict[str, float]:
    """Microseconds: min, mean, std, p50, p99, max."""
    us = np.asarray(nanoseconds, float) / 1000
    return {
        "min": float(us.min()),
        "mean": float(us.mean()),
        "std": float(us.std()),
        "p50": float(np.percentile(us, 50)),
        "p99": float(np.percentile(us, 99)),
        "max": float(us.max()),
    }


def one_round(bench: Path, hops: int) -> dict[str, dict[str, float]]:
    """The rows of the table, C++ and numpy in turn."""
    run = subprocess.run([bench, str(hops)], check=True, capture_output=True, text=True)
    native = json.loads(run.stdout)
    return {
        "core, C++": summary(native["core"]),
        "core, numpy": summary(time_numpy(hops)),
        "with cells and quantising": summary(native["scheduler"]),
        "the same at 48 kHz": summary(native["stream"]),
    }


def main() -> int:
    """Measure, print a table, write JSON; see the top of the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", type=Path, required=True, help="the seehear_bench program")
    parser.add_argument("--hops", type=int, default=5000)
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()

    rounds = [one_round(args.bench, args.hops) for _ in range(ROUNDS)]
    rows = {name: min((r[name] for r in rounds), key=lambda row: row["p50"]) for name in rounds[0]}
    speedup = rows["core, numpy"]["p50"] / rows["core, C++"]["p50"]
    columns = list(next(iter(rows.values())))
    print(f"microseconds per hop of 10 ms, standard profile, {args.hops} hops, {platform.machine()}")
    print(f"{'':28}" + "".join(f"{c:>9}" for c in columns))
    for name, row in rows.items():
        print(f"{name:28}" + "".join(f"{row[c]:9.2f}" for c in columns))
    print(f"C++ is {speedup:.1f} times faster than numpy (medians)")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        figures = {"unit": "us", "hops": args.hops, "rows": rows, "speedup": speedup}
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    good = rows["core, C++"]["p50"] <= MOST_MICROSECONDS and speedup >= LEAST_SPEEDUP
    print(
        f"{'reached' if good else 'NOT REACHED'}: at most {MOST_MICROSECONDS:g} us and at least {LEAST_SPEEDUP:g} times"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
