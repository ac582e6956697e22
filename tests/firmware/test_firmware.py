"""The firmware example: built, run and compared where compilers and emulators are there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from seehear.bundle import Bundle
from seehear.runtime import flat_model

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parents[1] / "examples" / "firmware"

# What the core may ask of the C library: memory, texts, maths, and what the compiler itself calls.
ALLOWED = {
    "memchr", "memcmp", "memcpy", "memmove", "memset", "strchr", "strcmp", "strlen", "strncmp",
    "ceil", "cos", "exp", "expf", "floor", "log", "logf", "lround", "pow", "powf", "sin", "sqrt", "sqrtf", "hypot", "sincos",
}  # fmt: skip


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory, model: Bundle, example: ModuleType) -> Path:
    folder = tmp_path_factory.mktemp("firmware")
    flat_model.export(model, folder / "model.c")
    example.write_clip(folder, *example.clip())
    return folder


@pytest.mark.parametrize("target", ["host", "cortex-m7", "cortex-m55", "aarch64-linux"])
def test_the_example_gives_what_python_gives(
    target: str, build: Path, model: Bundle, example: ModuleType
) -> None:
    if reason := example.missing(target):
        pytest.skip(reason)
    figures = example.run(target, build)
    looks = [False, True] if model.has_vision else [False]
    expected = [example.python_product(model, *example.clip(), look) for look in looks]
    if model.has_vision:
        assert figures["gate_runs"] > 30
        assert not np.array_equal(*expected)
    figures["rms"] = example.compare(figures, expected)
    assert example.check(figures) == []
    if target.startswith("cortex"):
        assert 100_000 < figures["instructions_audio"] < 3_000_000


def test_the_core_asks_the_c_library_for_memory_and_maths_functions_only(
    build: Path, example: ModuleType
) -> None:
    if reason := example.missing("cortex-m7"):
        pytest.skip(reason)
    subprocess.run(["make", "-s", "-C", EXAMPLE, "TARGET=cortex-m7", f"BUILD={build}"], check=True)
    objects = sorted((build / "cortex-m7" / "core").glob("*/*.o"))
    assert len(objects) > 20
    listing = subprocess.run(
        ["arm-none-eabi-nm", "-u", *objects], check=True, capture_output=True, text=True
    ).stdout
    wanted = {line.split()[-1] for line in listing.splitlines() if line.strip().startswith("U ")}
    strange = {
        name for name in wanted - ALLOWED if not name.startswith(("_ZN7seehear", "_ZNK7seehear", "__aeabi_"))
    }
    assert strange == set()
    program = subprocess.run(
        ["arm-none-eabi-nm", build / "cortex-m7" / "firmware.elf"], check=True, capture_output=True, text=True
    ).stdout
    assert not {"malloc", "_malloc_r", "_sbrk", "_Znwj", "printf", "abort"} & set(program.split())


def test_the_c_interface_from_c(build: Path, example: ModuleType) -> None:
    if reason := example.missing("host"):
        pytest.skip(reason)
    subprocess.run(["make", "-s", "-C", EXAMPLE, "TARGET=host", f"BUILD={build}"], check=True)
    objects = [*(build / "host" / "core").glob("*/*.o"), build / "host" / "model.o"]
    program = build / "c_api_test"
    include = [f"-I{EXAMPLE.parents[1] / 'csrc/firmware'}", f"-I{build}"]
    subprocess.run(
        [
            "gcc",
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Werror",
            *include,
            HERE / "c_api_test.c",
            *objects,
            "-lm",
            "-o",
            program,
        ],
        check=True,
    )
    done = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_hostile_numbers_are_refused_where_sizes_have_32_bits(tmp_path: Path) -> None:
    """On 64 bits a count times four does not wrap; a processor of 32 bits shows whether the core counts on that."""
    for tool, package in (
        ("arm-linux-gnueabihf-g++", "g++-arm-linux-gnueabihf"),
        ("qemu-arm-static", "qemu-user-static"),
    ):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} not found: apt-get install {package}")
    core = EXAMPLE.parents[1] / "csrc"
    rooms = ("base", "signal", "sight", "nets", "enhance", "firmware")
    sources = [
        path for room in rooms for path in (core / room).glob("*.cc") if not path.name.endswith("_test.cc")
    ]
    command = [
        "arm-linux-gnueabihf-g++",
        "-std=c++17",
        "-O1",
        "-static",
        f"-I{core}",
        *sources,
        core / "firmware/c_api_test.cc",
        "-o",
        tmp_path / "test",
    ]
    subprocess.run(command, check=True)
    done = subprocess.run(["qemu-arm-static", tmp_path / "test"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_missing_compiler_is_named_with_its_package(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    assert "apt-get install g++-aarch64-linux-gnu qemu-user-static" in example.missing("aarch64-linux")


def test_broken_promises_are_named(example: ModuleType) -> None:
    assert example.check({"rms": 0.01, "ram": 70000, "code": 50000}) == [
        "rms: at most 0.001 expected, got 0.01",
        "ram: at most 65536 expected, got 70000",
    ]
