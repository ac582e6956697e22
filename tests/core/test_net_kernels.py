"""The core's kernels: one hop sounds the same on all of them, here and on emulated processors."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seehear import _core
from seehear import bundle as bundles
from seehear.runtime import flat_model

ROOT = Path(__file__).resolve().parents[2]

#: Compiler, emulator and the kernels that must be found, for processors with and without the instructions.
EMULATED = {
    "x86-64 of 2003": ("g++", ["qemu-x86_64-static", "-cpu", "qemu64"], ["scalar"]),
    "Cortex-A53": (
        "aarch64-linux-gnu-g++",
        ["qemu-aarch64-static", "-cpu", "cortex-a53"],
        ["scalar", "neon"],
    ),
    "Cortex-A76": (
        "aarch64-linux-gnu-g++",
        ["qemu-aarch64-static", "-cpu", "cortex-a76"],
        ["scalar", "neon", "neon-dot"],
    ),
}


@pytest.fixture
def kernels() -> Iterator[list[str]]:
    """Names of the kernels of this machine; the best one is in use again afterwards."""
    names = _core.net_kernels()
    yield names
    _core.use_net_kernel(names[-1])


def test_the_best_kernel_is_in_use_and_another_can_be_named(kernels: list[str]) -> None:
    assert kernels[0] == "scalar"
    assert _core.net_kernel() == kernels[-1]
    for name in kernels:
        _core.use_net_kernel(name)
        assert _core.net_kernel() == name
    with pytest.raises(ValueError, match=r"kernel must be one of scalar.* on this processor, got abacus"):
        _core.use_net_kernel("abacus")


def test_hops_are_the_same_bits_on_every_kernel(kernels: list[str]) -> None:
    flat = _core.FlatModel(flat_model.build(bundles.load("default")))
    random = np.random.default_rng(1)
    sound = random.normal(0, 0.1, (150, flat.hop)).astype(np.float32)
    faces = random.uniform(90, 150, (150, 50, 2)).astype(np.float32)
    faces[:, 40:44] = [(60, 80), (80, 80), (120, 80), (140, 80)]
    results = []
    for name in kernels:
        _core.use_net_kernel(name)
        flat.reset()
        out = []
        for n, block in enumerate(sound):
            if n % 4 == 0:
                flat.see(faces[n], n / 100)
            out.append(flat.process(block))
        assert flat.counters["gate_runs"] > 50
        results.append(np.concatenate(out))
    for name, result in zip(kernels, results, strict=True):
        assert result.tobytes() == results[0].tobytes(), name


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The C++ test of the kernels, linked statically, per compiler that is here."""
    folder = tmp_path_factory.mktemp("net_kernels")
    sources = [
        *(ROOT / "csrc/nets").glob("net_kernel*.cc"),
        ROOT / "csrc/nets/int8_layer.cc",
        f"-I{ROOT / 'csrc'}",
    ]
    built = {}
    for compiler in {compiler for compiler, _, _ in EMULATED.values()}:
        if shutil.which(compiler) is None:
            continue
        built[compiler] = folder / compiler
        flags = ["-std=c++17", "-O2", "-ffp-contract=off", "-fno-math-errno", "-static"]
        command = [compiler, *flags, *map(str, sources), "-o", str(built[compiler])]
        subprocess.run(command, check=True, capture_output=True)
    return built


@pytest.mark.parametrize("processor", EMULATED)
def test_kernels_agree_on_processors_with_and_without_the_instructions(
    processor: str, programs: dict[str, Path]
) -> None:
    compiler, emulator, expected = EMULATED[processor]
    if compiler not in programs or shutil.which(emulator[0]) is None:
        pytest.skip(f"{compiler} or {emulator[0]} not found")
    if (
        compiler == "g++"
        and subprocess.run([compiler, "-dumpmachine"], capture_output=True).stdout[:6] != b"x86_64"
    ):
        pytest.skip("g++ does not compile for x86-64")
    done = subprocess.run([*emulator, str(programs[compiler])], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.strip() for line in done.stdout.splitlines() if line.startswith("     ")] == expected
