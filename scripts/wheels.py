"""Builds the sdist and the wheels for x86-64, aarch64 and armv7l (Python 3.11), and says what they weigh.

    python scripts/wheels.py [--dist dist] [--targets x86_64 aarch64 armv7l]

The x86-64 wheel is built from the sdist, which proves the sdist. An ARM wheel is that wheel with another core, cross
compiled against Debian's Python headers: every other file is the same on all machines. The manylinux tag is the oldest
that the symbols in the core allow; libstdc++ is the system's, for a static one of Debian 12 asks for a newer glibc
(2.36) than the core itself (2.34). A target whose cross compiler is not installed, or whose headers cannot be fetched, is
left out, and said so.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from debian import Debian, Unavailable

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
BUILD = ROOT / "build" / "wheels"
PYTHON = "cp311"


@dataclass(frozen=True)
class Target:
    """A machine to build for: the wheel's platform, Debian's names of it, the cross compiler's package."""

    machine: str
    debian: str
    triplet: str
    package: str


TARGETS = {
    "aarch64": Target("aarch64", "arm64", "aarch64-linux-gnu", "g++-aarch64-linux-gnu"),
    "armv7l": Target("armv7l", "armhf", "arm-linux-gnueabihf", "g++-arm-linux-gnueabihf"),
}

#: Newest symbol version that the oldest system of each manylinux tag has (PEP 600 and auditwheel's policies).
POLICIES: dict[str, dict[tuple[int, int], tuple[int, ...]]] = {
    "GLIBCXX": {(2, 17): (3, 4, 19), (2, 28): (3, 4, 25), (2, 31): (3, 4, 28), (2, 34): (3, 4, 29), (2, 35): (3, 4, 30)},
    "CXXABI": {(2, 17): (1, 3, 7), (2, 28): (1, 3, 11), (2, 31): (1, 3, 12), (2, 34): (1, 3, 13)},
    "GCC": {(2, 17): (4, 8, 0), (2, 28): (7, 0, 0), (2, 35): (12, 0, 0)},
}  # fmt: skip

#: What every manylinux system has (PEP 600), loaders aside.
LIBRARIES = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libstdc++.so.6", "libgcc_s.so.1"}


def platform_tag(needs: Iterable[str], machine: str) -> str:
    """The oldest manylinux platform whose libraries have all of these symbol versions.

    Parameters
    ----------
    needs : symbol versions such as "GLIBC_2.29", "GLIBCXX_3.4.22", "CXXABI_1.3.9", "CXXABI_ARM_1.3.3".
    machine : "x86_64", "aarch64", "armv7l".

    Raises
    ------
    ValueError
        A version that no known platform has.

    Examples
    --------
    >>> platform_tag(["GLIBC_2.4", "GLIBC_2.29"], "armv7l")
    'manylinux_2_29_armv7l'
    """
    oldest = (2, 17)
    for need in needs:
        found = re.fullmatch(r"([A-Z]+)(?:_[A-Z]+[0-9]*)?_([0-9.]+)", need)
        if found is None:
            raise ValueError(f"symbol version {need}: expected LIBRARY_1.2.3")
        library, version = found[1], tuple(map(int, found[2].split(".")))
        if library == "GLIBC":
            oldest = max(oldest, (version[0], version[1]))
            continue
        enough = [glibc for glibc, newest in POLICIES.get(library, {}).items() if version <= newest]
        if not enough:
            raise ValueError(f"symbol version {need}: newer than that of any manylinux platform known here")
        oldest = max(oldest, min(enough))
    return f"manylinux_{oldest[0]}_{oldest[1]}_{machine}"


def needed(library: Path) -> tuple[set[str], set[str]]:
    """The shared libraries that an ELF file wants and the symbol versions it wants of them."""
    said = subprocess.run(
        ["readelf", "-W", "-d", "-V", str(library)], check=True, capture_output=True, text=True
    ).stdout
    libraries = {
        name for name in re.findall(r"\(NEEDED\).*\[(.+)\]", said) if not name.startswith("ld-linux")
    }
    # Only "Version needs" names versions of others; a module without exported versions has no other section.
    return libraries, set(re.findall(r"Name: ([A-Z]+[A-Z0-9_]*_[0-9.]+)", said))


def run(command: list[str], **environment: str) -> None:
    """Run a command; what it says is shown only if it fails."""
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{(done.stdout + done.stderr)[-4000:]}")


def build_sdist(dist: Path) -> Path:
    """The source distribution, in `dist`."""
    run([sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", str(dist), str(ROOT)])
    return max(dist.glob("seehear-*.tar.gz"), key=lambda path: path.stat().st_mtime)


def build_native(sdist: Path) -> Path:
    """This computer's wheel, built from the sdist and nothing else."""
    folder = BUILD / "native"
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    run([*pip, "--wheel-dir", str(folder), str(sdist)])
    return next(folder.glob("*.whl"))


def build_core(target: Target, sources: Path) -> Path:
    """seehear._core for another machine."""
    import pybind11

    folder = BUILD / target.machine
    shutil.rmtree(folder, ignore_errors=True)
    headers = Debian(target.debian, CACHE).unpack(
        ["libpython3.11-dev"], folder / "headers", dependencies=False
    )
    include = headers / "usr/include"
    cmake = shutil.which("cmake", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if cmake is None:
        sys.exit("cmake not found: pip install cmake")
    output = folder / "core"
    # Debian's pyconfig.h looks for the machine's own beside the folder it lies in.
    run([
        cmake, "-S", str(sources), "-B", str(folder / "cmake"), "-DCMAKE_BUILD_TYPE=Release",
        f"-DCMAKE_TOOLCHAIN_FILE={sources}/boards/toolchains/{target.machine}-linux.cmake",
        "-DSEEHEAR_PYTHON=ON", "-DSEEHEAR_TESTS=OFF", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DPython_EXECUTABLE={sys.executable}", f"-DPython_INCLUDE_DIR={include}/python3.11",
        f"-DPYTHON_MODULE_EXTENSION=.cpython-311-{target.triplet}.so", "-DPYTHON_MODULE_DEBUG_POSTFIX=",
        "-DPYTHON_IS_DEBUG=OFF", f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={output}",
    ], CPLUS_INCLUDE_PATH=str(include))  # fmt: skip
    run([cmake, "--build", str(folder / "cmake")], CPLUS_INCLUDE_PATH=str(include))
    return next(output.glob("_core*.so"))


def pack(native: Path, core: Path | None, machine: str, dist: Path) -> Path:
    """A wheel in `dist`: `native` with another core, or its own, and the tag that the core's symbols allow."""
    folder = BUILD / "unpacked" / machine
    shutil.rmtree(folder, ignore_errors=True)
    run([sys.executable, "-m", "wheel", "unpack", "--dest", str(folder), str(native)])
    content = next(folder.iterdir())
    present = next((content / "seehear").glob("_core*.so"))
    if core is not None:
        present.unlink()
        present = Path(shutil.copy2(core, content / "seehear"))
    libraries, versions = needed(present)
    if not libraries <= LIBRARIES:
        sys.exit(
            f"{present.name} needs {', '.join(sorted(libraries - LIBRARIES))}, which no manylinux wheel may"
        )
    tag = platform_tag(versions, machine)
    description = next(content.glob("*.dist-info")) / "WHEEL"
    description.write_text(
        re.sub(r"^Tag: .*\n", f"Tag: {PYTHON}-{PYTHON}-{tag}\n", description.read_text(), flags=re.M)
    )
    run([sys.executable, "-m", "wheel", "pack", "--dest-dir", str(dist), str(content)])
    return next(dist.glob(f"seehear-*-{PYTHON}-{PYTHON}-{tag}.whl"))


def main() -> int:
    """Build, and print a line for each file."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--dist", type=Path, default=ROOT / "dist")
    arguments.add_argument("--targets", nargs="+", default=["x86_64", *TARGETS], choices=["x86_64", *TARGETS])
    given = arguments.parse_args()
    given.dist.mkdir(parents=True, exist_ok=True)
    # first of all, so that nobody takes wheels of before for those of now
    for old in [*given.dist.glob("seehear-*.whl"), *given.dist.glob("seehear-*.tar.gz")]:
        old.unlink()
    if sys.version_info[:2] != (3, 11) or os.uname().machine != "x86_64":
        print(
            "skipped: the wheels are built by Python 3.11 on x86-64, this is Python "
            f"{sys.version_info[0]}.{sys.version_info[1]} on {os.uname().machine}; try make wheels PYTHON=python3.11"
        )
        return 0
    if shutil.which("readelf") is None:
        sys.exit("readelf not found: apt-get install binutils")
    sdist = build_sdist(given.dist)
    built = [sdist]
    native = build_native(sdist)
    sources = BUILD / "sources"
    shutil.rmtree(sources, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(sources)
    for machine in given.targets:
        target = TARGETS.get(machine)
        if target is None:
            built.append(pack(native, None, machine, given.dist))
        elif shutil.which(f"{target.triplet}-g++") is None or shutil.which("apt-get") is None:
            print(
                f"skipped {machine}: {target.triplet}-g++ or apt-get not found: apt-get install {target.package}"
            )
        else:
            try:
                core = build_core(target, next(sources.iterdir()))
            except Unavailable as error:
                print(f"skipped {machine}: its Python headers cannot be fetched from Debian: {error}")
                continue
            built.append(pack(native, core, machine, given.dist))
    for path in built:
        print(f"{path.stat().st_size / 1e6:7.2f} MB  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
