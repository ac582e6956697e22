"""Installs the wheels in clean roots, enhances a clip on emulated ARM processors and compares with x86-64.

    python scripts/test_arm.py [--dist dist] [--json FILE] [--only NAME ...]

The roots hold Debian's Python of that architecture and what pip would install there, nothing of this computer.
Exit code 1: results differ, or an installation is larger than promised. What is missing here (emulator, wheel,
Debian's packages) is said, and that machine left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from debian import Debian, Unavailable

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
BUILD = ROOT / "build" / "arm"
PROGRAM = ROOT / "scripts" / "enhance_on.py"
DELEGATE = ROOT / "tests" / "delegates" / "fake_npu.c"

#: What the project promises: int8 results within 2 steps of x86-64 with the same runtime, sound within 1e-3 of full scale
#: (rms) of x86-64 with LiteRT. Two runtimes on one machine may be further apart (4 steps seen): printed, no limit.
MOST_STEPS, MOST_RMS = 2, 1e-3

#: C compilers, for the delegate.
COMPILERS = {"x86_64": "cc", "aarch64": "aarch64-linux-gnu-gcc", "armv7l": "arm-linux-gnueabihf-gcc"}

#: LiteRT reads /proc/cpuinfo to choose its kernels and crashes on the x86 one that the emulator would pass through.
CPUINFO = """processor\t: 0
BogoMIPS\t: 38.40
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: {part}
CPU revision\t: 4

"""


@dataclass(frozen=True)
class Installation:
    """One way to install seehear on one machine.

    Attributes
    ----------
    machine : of the wheel. debian: its name in Debian, empty for this computer.
    requirements : what pip installs beside seehear. debs: what Debian gives instead, where pip has no wheel.
    limit : most megabytes that seehear and `requirements` may take as pip installs them; 0: not promised.
    limit_in_use : the same as `pip install --no-compile` leaves them and after use, with the byte code of what was imported.
    reference : the installation on x86-64 with the same runtime; empty for one that has none: the core runs the sound.
    """

    machine: str
    debian: str
    requirements: tuple[str, ...]
    debs: tuple[str, ...] = ()
    emulator: tuple[str, ...] = ()
    features: str = ""
    part: str = ""
    limit: int = 0
    limit_in_use: int = 0
    reference: str = "x86_64-litert"


_CORTEX_A53: dict[str, Any] = {"emulator": ("qemu-aarch64-static", "-cpu", "cortex-a53"), "part": "0xd03",
               "features": "fp asimd evtstrm crc32 cpuid"}  # fmt: skip
_CORTEX_A15: dict[str, Any] = {"emulator": ("qemu-arm-static", "-cpu", "cortex-a15"), "part": "0xc0f",
               "features": "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae"}  # fmt: skip

INSTALLATIONS: dict[str, Installation] = {
    "x86_64-litert": Installation("x86_64", "", ("ai-edge-litert==2.3.0", "numpy>=2")),
    "x86_64-tflite": Installation("x86_64", "", ("tflite-runtime==2.14.0", "numpy<2")),
    "aarch64-numpy": Installation("aarch64", "arm64", ("numpy>=2",), limit=83, limit_in_use=70, reference="",
                                  **_CORTEX_A53),
    "aarch64-litert": Installation("aarch64", "arm64", ("ai-edge-litert==2.3.0", "numpy>=2"), limit=133, **_CORTEX_A53),
    "aarch64-tflite": Installation("aarch64", "arm64", ("tflite-runtime==2.14.0", "numpy<2"), limit=82,
                                   reference="x86_64-tflite", **_CORTEX_A53),
    "armv7l-tflite": Installation("armv7l", "armhf", ("tflite-runtime==2.14.0",), debs=("python3-numpy",),
                                  reference="x86_64-tflite", **_CORTEX_A15),
}  # fmt: skip
REFERENCE = "x86_64-litert"


def missing(name: str, dist: Path) -> str:
    """What keeps an installation from being tested here; empty if nothing does."""
    wanted = INSTALLATIONS[name]
    if not list(dist.glob(f"seehear-*_{wanted.machine}.whl")):
        return f"no {wanted.machine} wheel in {dist}: make wheels, and see what it skipped"
    if wanted.emulator and shutil.which(wanted.emulator[0]) is None:
        return f"{wanted.emulator[0]} not found: apt-get install qemu-user-static"
    if shutil.which(COMPILERS[wanted.machine]) is None:
        return f"{COMPILERS[wanted.machine]} not found, for the delegate"
    if wanted.debian and (shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None):
        return "its Python comes from Debian, and apt-get or dpkg-deb is not here"
    return ""


def platforms(machine: str) -> list[str]:
    """All platform tags that Debian 12 (glibc 2.36) takes."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(36, 16, -1)]
    return [*tags, f"manylinux2014_{machine}", f"linux_{machine}"]


def pip_install(wanted: Installation, wheel: Path, target: Path) -> None:
    """What `pip install` does on that machine, into `target`."""
    common = [sys.executable, "-m", "pip", "--cache-dir", str(CACHE / "pip"), "--disable-pip-version-check", "--quiet", "install",
              "--target", str(target), "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]  # fmt: skip
    for tag in platforms(wanted.machine):
        common += ["--platform", tag]
    # Where Debian brings numpy, pip must not look for one.
    dependencies = ["--no-deps"] if wanted.debs else []
    done = subprocess.run(
        [*common, *dependencies, str(wheel), *wanted.requirements], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"pip: {(done.stdout + done.stderr).strip()[-1500:]}")


def size(folder: Path) -> float:
    """Megabytes (10^6) of all files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def furnish(name: str, dist: Path) -> tuple[list[str], dict[str, str], dict[str, Any]]:
    """Make the clean root; the command that starts its Python, its environment, and the sizes."""
    wanted = INSTALLATIONS[name]
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    packages = folder / "packages"
    wheel = next(dist.glob(f"seehear-*_{wanted.machine}.whl"))
    pip_install(wanted, wheel, packages)
    sizes = {
        "wheel": round(wheel.stat().st_size / 1e6, 2),
        "installed": round(size(packages), 1),
        "seehear": round(size(packages / "seehear") + size(packages / "seehear_convert"), 1),
    }
    for cache in list(packages.rglob("__pycache__")):  # as --no-compile leaves it
        shutil.rmtree(cache)
    paths = [str(packages)]
    if not wanted.debian:
        return [sys.executable, "-s", "-S"], {"PYTHONPATH": paths[0]}, sizes
    root = Debian(wanted.debian, CACHE).unpack(
        ["python3.11-minimal", "libpython3.11-stdlib", "libstdc++6", "zlib1g", *wanted.debs], folder / "root"
    )
    if wanted.debs:
        paths.append(str(root / "usr/lib/python3/dist-packages"))
        # Debian chooses the BLAS by symbolic links that the package's own scripts make.
        libraries = root / "usr/lib" / "arm-linux-gnueabihf"
        for kind in ("blas", "lapack"):
            for library in (libraries / kind).glob("*.so.3"):
                (libraries / library.name).unlink(missing_ok=True)
                (libraries / library.name).symlink_to(f"{kind}/{library.name}")
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/cpuinfo").write_text(CPUINFO.format(features=wanted.features, part=wanted.part))
    # Without these LiteRT takes other kernels, and they may be missing from this computer too (a chroot without /sys).
    processors = root / "sys/devices/system/cpu"
    processors.mkdir(parents=True, exist_ok=True)
    for name in ("possible", "present"):
        (processors / name).write_text("0\n")
    command = [
        wanted.emulator[0],
        "-L",
        str(root),
        *wanted.emulator[1:],
        str(root / "usr/bin/python3.11"),
        "-s",
        "-S",
    ]
    environment = {"PYTHONPATH": ":".join(paths), "PYTHONHOME": str(root / "usr")}
    return command, environment, sizes


def enhance(name: str, dist: Path, inputs: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Facts and results of one installation."""
    command, environment, sizes = furnish(name, dist)
    results, library = BUILD / name / "results.npz", BUILD / name / "libfake_npu.so"
    compiler = [COMPILERS[INSTALLATIONS[name].machine], "-std=gnu11", "-O2", "-fPIC", "-shared"]
    subprocess.run([*compiler, str(DELEGATE), "-o", str(library), "-lm"], check=True)
    made = ["--record"] if name == REFERENCE else [] if INSTALLATIONS[name].reference else ["--core"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, str(PROGRAM), str(inputs), str(results), str(library), *made],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(
            f"{name}: exit code {done.returncode}: {(done.stdout + done.stderr).strip()[-1500:]}"
        )
    facts = json.loads(done.stdout.splitlines()[-1])
    with np.load(results) as content:
        kept = {key: content[key] for key in content.files}
    sizes["in_use"] = round(size(BUILD / name / "packages"), 1)
    return {**facts, **sizes, "run_seconds": round(time.perf_counter() - began, 1)}, kept


def compare(kept: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> dict[str, float]:
    """Largest difference of the int8 results in steps, of the float ones, and the rms difference of the sound."""
    if kept.keys() != reference.keys():
        raise RuntimeError(f"results differ in kind: {sorted(kept.keys() ^ reference.keys())}")
    steps = floats = 0.0
    for key in kept.keys() - {"sound"}:
        difference = float(np.abs(kept[key].astype(np.float64) - reference[key].astype(np.float64)).max())
        if kept[key].dtype.kind == "f":
            floats = max(floats, difference)
        else:
            steps = max(steps, difference)
    apart = kept["sound"].astype(np.float64) - reference["sound"]
    return {"steps": steps, "floats": floats, "rms": float(np.sqrt(np.mean(apart**2)))}


def failures(stats: dict[str, float]) -> list[str]:
    """What shows that the networks did not all run: silence would agree with silence on every machine."""
    idle = [key for key in ("hops", "lip_runs", "gate_runs") if not stats[key] > 0]
    failed = [key for key, count in stats.items() if key.endswith("_failures") and count > 0]
    return [f"no {key}" for key in idle] + [f"{stats[key]:.0f} {key}" for key in failed]


def delegate_failures(facts: dict[str, dict[str, Any]]) -> list[str]:
    """What shows that the lip net did not run on the delegate, or that the delegate's failure was heard."""
    wrong = []
    for fault, retired in (("", 0), ("invoke", 1)):
        found = facts[fault]
        if not (
            found["runs"] > 0
            and found["retired"] == retired
            and found["lost"] == 0
            and found["rms"] <= MOST_RMS
        ):
            wrong.append(f"delegate{' that fails' if fault else ''}: expected {retired} retired, no net lost and the sound of "
                         f"the CPU, got {found}")  # fmt: skip
    return wrong


def show(report: dict[str, dict[str, Any]]) -> None:
    """Print the table."""
    print("                  MB                         largest int8 difference from x86-64    sound rms")
    print("installation      wheel  installed    in use  same runtime (<= 2)  with LiteRT    from LiteRT  run s  runtime, numpy")
    for name, row in report.items():
        wanted = INSTALLATIONS[name]
        limits = [f"/{limit}" if limit else "" for limit in (wanted.limit, wanted.limit_in_use)]
        if wanted.debs:
            limits = ["+" + wanted.debs[0].split("-")[1]] * 2  # Debian's, not counted
        same = f"{row['steps']:.0f}" if "steps" in row else "-"
        litert = f"{row['steps_from_litert']:.0f}" if "steps_from_litert" in row else "-"
        rms = f"{row['rms']:.1e}" if "rms" in row else "-"
        installed, in_use = f"{row['installed']:.1f}{limits[0]}", f"{row['in_use']:.1f}{limits[1]}"
        print(f"{name:15s}  {row['wheel']:6.2f}  {installed:>9s} {in_use:>9s}  {same:>19s}  {litert:>11s}  {rms:>13s}  "
              f"{row['run_seconds']:5.1f}  {row['runtime']}, {row['numpy']}")  # fmt: skip


def main() -> int:
    """Test every installation and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--only", nargs="+", choices=[name for name in INSTALLATIONS if name != REFERENCE])
    given = parser.parse_args()
    lacking = missing(REFERENCE, given.dist)
    if lacking:
        print(f"skipped: {lacking}")
        return 0
    BUILD.mkdir(parents=True, exist_ok=True)
    inputs = BUILD / "inputs.npz"
    report: dict[str, dict[str, Any]] = {}
    results: dict[str, dict[str, np.ndarray]] = {}
    wrong: list[str] = []
    chosen = given.only or list(INSTALLATIONS)
    for name in INSTALLATIONS:  # the references come first
        wanted = INSTALLATIONS[name]
        if (
            name != REFERENCE
            and name not in chosen
            and name not in {INSTALLATIONS[one].reference for one in chosen}
        ):
            continue
        lacking = missing(name, given.dist)
        if lacking:
            print(f"skipped {name}: {lacking}")
            continue
        try:
            facts, results[name] = enhance(name, given.dist, inputs)
            report[name] = facts
            if name != REFERENCE:
                reference = results[REFERENCE]
                if not wanted.reference:  # without a runtime there are no graphs to compare
                    reference = {"sound": reference["sound"]}
                apart = compare(results[name], reference)
                facts |= {"rms": apart["rms"]}
                if wanted.reference:
                    facts["steps_from_litert"] = apart["steps"]
                if not apart["rms"] <= MOST_RMS:
                    wrong.append(f"{name}: sound {apart['rms']:.2g} rms apart, most {MOST_RMS:g}")
            if wanted.debian and wanted.reference:
                facts["steps"] = compare(results[name], results[wanted.reference])["steps"]
                if facts["steps"] > MOST_STEPS:
                    wrong.append(
                        f"{name}: int8 results {facts['steps']:.0f} steps from {wanted.reference}, most {MOST_STEPS}"
                    )
        except Unavailable as error:
            print(f"skipped {name}: its Python cannot be fetched from Debian: {error}")
            continue
        except (RuntimeError, KeyError, subprocess.SubprocessError) as error:
            wrong.append(f"{name}: {error}")
            continue
        wrong += [f"{name}: {sentence}" for sentence in failures(facts["stats"])]
        if wanted.reference:
            wrong += [f"{name}: {sentence}" for sentence in delegate_failures(facts["delegates"])]
        if not np.abs(results[name]["sound"]).max() > 0.01:
            wrong.append(f"{name}: silent, which proves nothing")
        for size_of, limit in (("installed", wanted.limit), ("in_use", wanted.limit_in_use)):
            if limit and facts[size_of] > limit:
                wrong.append(f"{name}: {facts[size_of]} MB {size_of.replace('_', ' ')}, most {limit}")
    show(report)
    for sentence in wrong:
        print(f"WRONG {sentence}")
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
