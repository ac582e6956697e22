"""The C library as an installed tree: found by pkg-config and by CMake, used by a C program that knows nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import seehear
from seehear.bundle import Bundle
from seehear.media.audio_files import read_audio, write_wav
from seehear.runtime import flat_model

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "enhance_wav.c"
TOOLS = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def run(*command: object, **environment: str) -> str:
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=600, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cmake() -> str:
    found = shutil.which("cmake", path=TOOLS)
    if found is None or shutil.which("cc") is None or shutil.which("c++") is None:
        pytest.skip("a C compiler, a C++ compiler and cmake are needed")
    return found


@pytest.fixture(scope="module")
def installed(cmake: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `cmake --install` leaves, moved to another place afterwards."""
    folder = tmp_path_factory.mktemp("library")
    run(cmake, "-S", ROOT, "-B", folder / "build", "-DSEEHEAR_TESTS=OFF", "-DCMAKE_INSTALL_LIBDIR=lib")
    run(cmake, "--build", folder / "build", "--parallel", "2")
    run(cmake, "--install", folder / "build", "--prefix", folder / "first")
    return (folder / "first").rename(folder / "moved")


@pytest.fixture(scope="module")
def model_folder(model: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.c and model.h."""
    folder = tmp_path_factory.mktemp("model")
    flat_model.export(model, folder / "model.c")
    return folder


@pytest.fixture(scope="module")
def program(installed: Path, model_folder: Path) -> Path:
    """The example, built as its first lines say."""
    if shutil.which("pkg-config") is None:
        pytest.skip("pkg-config not found: apt-get install pkg-config")
    flags = run(
        "pkg-config", "--cflags", "--libs", "seehear", PKG_CONFIG_PATH=str(installed / "lib" / "pkgconfig")
    )
    out = model_folder / "enhance_wav"
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{model_folder}"]
    run("cc", *strict, EXAMPLE, model_folder / "model.c", *flags.split(), "-o", out)
    return out


@pytest.mark.parametrize("rate", [16000, 48000])
def test_the_example_gives_what_python_gives(rate: int, program: Path, model: Bundle, tmp_path: Path) -> None:
    times = np.arange(rate) / rate
    sound = 0.2 * np.sin(2 * np.pi * 300 * times) * (np.sin(2 * np.pi * 3 * times) > 0)
    sound = sound + 0.02 * np.random.default_rng(1).standard_normal(rate)
    write_wav(tmp_path / "noisy.wav", sound.astype(np.float32), rate)
    said = run(program, tmp_path / "noisy.wav", tmp_path / "clean.wav")
    got = read_audio(tmp_path / "clean.wav")
    assert got.rate == rate and len(got.samples) == rate
    enhancer = seehear.Enhancer(model, rate=rate)
    assert f"{enhancer.latency} samples late" in said
    noisy = read_audio(tmp_path / "noisy.wav").samples
    expected = enhancer.process(np.concatenate([noisy, np.zeros(enhancer.latency, np.float32)]))[
        enhancer.latency :
    ]
    assert np.sqrt(np.mean((got.samples - expected) ** 2)) <= 1e-3
    assert np.sqrt(np.mean((got.samples - noisy) ** 2)) > 1e-2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "expected a WAV file"),
        (b"RIFF\0\0\0\0WAVEfmt ", "expected a WAV with sound in it; it is cut off"),
    ],
)
def test_the_example_says_what_is_wrong(content: bytes, sentence: str, program: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(content)
    done = subprocess.run(
        [program, tmp_path / "bad.wav", tmp_path / "out.wav"], capture_output=True, text=True
    )
    assert done.returncode == 1 and sentence in done.stderr


def test_cmake_finds_the_package_for_a_program_in_c(
    cmake: str, installed: Path, model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.18)\nproject(tiny LANGUAGES C)\n"
        f"find_package(seehear {seehear.__version__} REQUIRED)\n"
        "add_executable(tiny tiny.c)\ntarget_link_libraries(tiny PRIVATE seehear::seehear)\n"
    )
    (tmp_path / "tiny.c").write_text(
        '#include "c_api.h"\n#include <stdio.h>\n'
        "int main(void) {\n  seehear_error error;\n  seehear_init(0, 0, 0, 0, &error);\n  puts(error.text);\n  return 0;\n}\n"
    )
    run(cmake, "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed}")
    run(cmake, "--build", tmp_path / "build")
    assert run(tmp_path / "build" / "tiny").startswith("model: expected an address")
