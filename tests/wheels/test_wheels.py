"""What decides about wheels without building any; `make test-arm` does the rest."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import seehear

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def script(name: str) -> ModuleType:
    """A file of scripts/ as a module."""
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        assert specification is not None and specification.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.mark.parametrize(
    ("needs", "tag"),
    [
        (["GLIBC_2.4"], "manylinux_2_17_armv7l"),
        (["GLIBC_2.4", "GLIBC_2.29"], "manylinux_2_29_armv7l"),
        (["GLIBC_2.4", "GLIBCXX_3.4.29"], "manylinux_2_34_armv7l"),
        (["GLIBC_2.34", "CXXABI_ARM_1.3.3", "GLIBCXX_3.4.11"], "manylinux_2_34_armv7l"),
    ],
)
def test_the_tag_is_the_oldest_that_has_every_symbol(needs: list[str], tag: str) -> None:
    assert script("wheels").platform_tag(needs, "armv7l") == tag


@pytest.mark.parametrize("need", ["GLIBCXX_3.4.99", "OPENSSL_3.0.0", "strange"])
def test_a_symbol_that_no_manylinux_system_has_is_an_error(need: str) -> None:
    with pytest.raises(ValueError, match=need):
        script("wheels").platform_tag([need], "aarch64")


def test_differences_of_graphs_and_sound_are_found() -> None:
    compare = script("test_arm").compare
    reference = {"g/y": np.array([-128, 0], np.int8), "sound": np.zeros(4, np.float32)}
    other = {"g/y": np.array([127, 0], np.int8), "sound": np.full(4, 0.5, np.float32)}
    assert compare(reference, reference) == {"steps": 0, "floats": 0, "rms": 0}
    assert compare(other, reference) == {"steps": 255, "floats": 0, "rms": 0.5}


def test_a_graph_that_is_missing_from_the_results_is_an_error() -> None:
    sound = np.zeros(4, np.float32)
    with pytest.raises(RuntimeError, match="g/y"):
        script("test_arm").compare({"sound": sound}, {"g/y": np.zeros(1, np.int8), "sound": sound})


GOOD = {"runs": 150, "retired": 0, "lost": 0, "told": [], "rms": 0.0}
DELEGATES = {"": GOOD, "invoke": {**GOOD, "retired": 1}}


def test_a_delegate_that_was_not_used_or_was_heard_to_fail_is_told() -> None:
    told = script("test_arm").delegate_failures
    assert told(DELEGATES) == []
    (unused,) = told({**DELEGATES, "": {**GOOD, "runs": 0}})
    assert unused.startswith("delegate: expected 0 retired")
    (heard,) = told({**DELEGATES, "invoke": {**GOOD, "retired": 1, "rms": 0.5}})
    assert heard.startswith("delegate that fails: expected 1 retired") and "'rms': 0.5" in heard


def test_networks_that_did_not_run_or_failed_are_told() -> None:
    stats = {"hops": 300, "lip_runs": 0, "gate_runs": 5, "audio_failures": 2}
    assert script("test_arm").failures(stats) == ["no lip_runs", "2 audio_failures"]


@pytest.fixture()
def unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/debian.py on a computer whose apt reaches nothing."""
    apt = tmp_path / "bin" / "apt-get"
    apt.parent.mkdir()
    apt.write_text("#!/bin/sh\necho 'E: Could not resolve deb.debian.org'\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(apt.parent), prepend=":")
    script("wheels")  # puts scripts/ on the path
    return sys.modules["debian"]


def test_packages_that_cannot_be_fetched_are_told_from_other_failures(
    unreachable: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(unreachable.Unavailable, match="Could not resolve"):
        unreachable.Debian("arm64", tmp_path).unpack(["python3.11-minimal"], tmp_path / "root")


def test_a_machine_whose_python_cannot_be_fetched_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arm = script("test_arm")
    facts = {"wheel": 1.0, "installed": 1.0, "in_use": 1.0, "run_seconds": 1.0, "runtime": "none", "numpy": "2",
             "delegates": DELEGATES, "stats": {"hops": 1, "lip_runs": 1, "gate_runs": 1}}  # fmt: skip

    def enhance(name: str, *_: object) -> tuple[dict[str, object], dict[str, np.ndarray]]:
        if name.startswith("aarch64"):
            raise arm.Unavailable("Could not resolve deb.debian.org")
        return dict(facts), {"sound": np.ones(4, np.float32)}

    monkeypatch.setattr(arm, "BUILD", tmp_path)
    monkeypatch.setattr(arm, "missing", lambda *_: "")
    monkeypatch.setattr(arm, "enhance", enhance)
    monkeypatch.setattr(sys, "argv", ["test_arm.py", "--only", "aarch64-litert", "armv7l-tflite"])
    assert arm.main() == 0
    assert "skipped aarch64-litert: its Python cannot be fetched from Debian" in capsys.readouterr().out
    monkeypatch.setattr(arm, "failures", lambda _: ["no hops"])
    assert arm.main() == 1


def test_the_installed_package_has_every_file_of_the_tree() -> None:
    tree, here = SCRIPTS.parent / "sdk/seehear", Path(seehear.__file__).parent
    files = {
        each.relative_to(tree)
        for each in tree.rglob("*")
        if each.is_file() and "__pycache__" not in each.parts
    }
    assert {str(each) for each in files if each.suffix != ".so" and not (here / each).is_file()} == set()
    assert Path("server/page/index.html") in files
