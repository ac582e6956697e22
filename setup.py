"""Builds the C++ core with CMake and lays out the packages; everything else stands in pyproject.toml."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


class CMakeBuild(build_ext):
    """Runs CMake for the one extension, seehear._core."""

    def build_extension(self, ext: Extension) -> None:
        import pybind11

        target = Path(self.get_ext_fullpath(ext.name)).resolve().parent
        target.mkdir(parents=True, exist_ok=True)
        work = (Path(self.build_temp) / "cmake").resolve()
        # A cmake from pip lies beside this Python, which need not be on PATH.
        cmake = shutil.which(
            "cmake", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        )
        if cmake is None:
            raise RuntimeError("seehear's C++ core needs CMake 3.18 or newer: pip install cmake")
        configure = [
            cmake, "-S", str(ROOT), "-B", str(work),
            "-DCMAKE_BUILD_TYPE=Release", "-DSEEHEAR_PYTHON=ON", "-DSEEHEAR_TESTS=OFF",
            f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
            f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={target}",
        ]  # fmt: skip
        subprocess.run(configure, check=True)
        subprocess.run(
            [cmake, "--build", str(work), "--parallel", str(min(2, os.cpu_count() or 1))], check=True
        )


def version() -> str:
    """The version that the package itself states."""
    found = re.search(
        r'^__version__ = "(.+)"', (ROOT / "sdk/seehear/__init__.py").read_text(encoding="utf-8"), re.M
    )
    if found is None:
        raise RuntimeError('sdk/seehear/__init__.py must hold a line __version__ = "..."')
    return found.group(1)


setup(
    version=version(),
    packages=find_packages("sdk")
    + find_packages("convert")
    + ["seehear.boards.data", "seehear.boards.data.families"],
    package_dir={
        "seehear": "sdk/seehear",
        "seehear_convert": "convert/seehear_convert",
        "seehear.boards.data": "boards",
        "seehear.boards.data.families": "boards/families",
    },
    package_data={
        "seehear": ["py.typed", "*.pyi", "models/*.seehear", "assets/*", "live/*.wav", "live/*.html", "live/*.css", "live/*.js",
                    "server/page/*"],
        "seehear.boards.data": ["*.toml"],
        "seehear.boards.data.families": ["*.toml"],
    },
    include_package_data=False,
    ext_modules=[Extension("seehear._core", sources=[])],
    cmdclass={"build_ext": CMakeBuild},
    zip_safe=False,
)
