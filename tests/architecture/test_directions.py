"""Who may know whom: the rooms of docs/architecture.md, held on the includes and imports of the tree itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Room -> rooms it may include from, besides itself.
CSRC: dict[str, set[str]] = {
    "base": set(),
    "signal": {"base"},
    "sight": {"base"},
    "nets": {"base"},
    "enhance": {"base", "signal", "sight", "nets"},
    "firmware": {"base", "signal", "sight", "nets", "enhance"},
    "live": {"base", "signal"},
    "bindings": {"base", "signal", "sight", "nets", "enhance", "firmware", "live"},
    "testing": {"base", "signal", "sight", "nets", "enhance", "firmware"},
    "bench": {"base", "signal", "sight", "nets", "enhance", "firmware", "testing"},
    "fuzz": {"base", "signal", "sight", "nets", "enhance", "firmware", "testing"},
}

#: Rooms of the device package from the ground up; each may import from those before it. Names in one entry are one floor
#: and may know each other.
SDK: list[set[str]] = [
    {"errors", "events", "files", "landmarks", "own_process", "sample_clock", "_core"},
    {"bundle", "media"},
    {"boards"},
    {"runtime"},
    {"sight"},
    {"enhancer"},
    {"report", "remote"},
    {"archive", "live", "meeting", "separation"},
    {"store", "samples"},
    {"server"},
    {"testing", "demo"},
    {"cli"},
]

#: The same for the host package.
CONVERT: list[set[str]] = [
    {"dsp", "metrics", "options"},
    {"data"},
    {"training", "sight"},
    {"export"},
    {"separation"},
    {"evaluate"},
    {"report_page", "baselines"},
    {"cli"},
]


def includes() -> Iterator[tuple[Path, str, str]]:
    for file in sorted((ROOT / "csrc").rglob("*")):
        if file.suffix in (".h", ".cc", ".c"):
            room = file.relative_to(ROOT / "csrc").parts[0]
            for other in re.findall(r'^#include "([a-z0-9_]+)/', file.read_text(encoding="utf-8"), re.M):
                yield file, room, other


def imported(file: Path, package: str, base: Path) -> Iterator[str]:
    """First names below `package` that a module imports anywhere, also inside functions."""
    here = [package, *file.relative_to(base).with_suffix("").parts]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = here[: -node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == package and len(parts) > 1:
                yield parts[1]


def upward(package: str, base: Path, floors: list[set[str]]) -> list[str]:
    level: Mapping[str, int] = {name: i for i, floor in enumerate(floors) for name in floor}
    wrong = []
    for file in sorted(base.rglob("*.py")):
        own = file.relative_to(base).parts[0].removesuffix(".py")
        if own == "__init__":  # the face of the package
            continue
        assert own in level, (
            f"{file}: the room {own} stands on no floor; add it here and in docs/architecture.md"
        )
        for other in imported(file, package, base):
            # names of the package's own face (`from seehear import Enhancer`) belong to whoever defines them
            other = {"Enhancer": "enhancer", "Bundle": "bundle", "__version__": "errors"}.get(other, other)
            if other in level and level[other] > level[own]:
                wrong.append(f"{file.relative_to(ROOT)} imports {package}.{other}")
    return wrong


def test_no_room_of_the_core_includes_from_above() -> None:
    wrong = [
        f"{file.relative_to(ROOT)} includes from {other}/"
        for file, room, other in includes()
        if other != room
        and other in CSRC
        and other not in CSRC[room]
        and not (file.stem.endswith("_test") and other == "testing")
    ]
    assert not wrong


def test_every_folder_of_the_core_is_a_known_room() -> None:
    assert {path.name for path in (ROOT / "csrc").iterdir() if path.is_dir()} <= CSRC.keys()


def test_nothing_in_the_device_package_imports_upward() -> None:
    assert upward("seehear", ROOT / "sdk/seehear", SDK) == []


def test_nothing_in_the_host_package_imports_upward() -> None:
    assert upward("seehear_convert", ROOT / "convert/seehear_convert", CONVERT) == []


def test_the_device_package_never_imports_the_host_package() -> None:
    wrong = [
        file
        for file in (ROOT / "sdk").rglob("*.py")
        if "seehear_convert" in set(imported(file, "seehear_convert", ROOT / "sdk"))
        or re.search(r"^\s*(from|import) seehear_convert", file.read_text(encoding="utf-8"), re.M)
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", ["csrc", "sdk", "convert"])
def test_every_requirement_code_in_the_code_is_explained(folder: str) -> None:
    page = (ROOT / "docs/requirements.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"\*\*([ES]\d{1,2})\*\*", page))
    used = {
        code
        for file in (ROOT / folder).rglob("*")
        if file.suffix in (".py", ".h", ".cc", ".pyi")
        for code in re.findall(r"\b(E(?:[1-9]|1[0-2])|S[1-6])\b", file.read_text(encoding="utf-8"))
    }
    assert used <= explained
