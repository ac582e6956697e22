"""Why an NPU does not work: recorded trees, made-up permissions, and real shared libraries built from C."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seehear.boards import Board, Family, get_board, get_family
from seehear.boards.profile import Delegate
from seehear.errors import RuntimeUnavailableError
from seehear.runtime import doctor
from seehear.runtime import tflite as runtime
from seehear.runtime.doctor import Finding, User, diagnose, explain_loader

NOBODY = User(1000, frozenset({1000}))
PLUGDEV = 46

# A delegate that takes no operator, declared by hand as in TFLite's C interface.
DELEGATE = """
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
typedef struct TfLiteDelegate {
  void* data; int (*prepare)(void*, struct TfLiteDelegate*); void* copy_from; void* copy_to;
  void* free_buffer; int64_t flags; void* opaque;
} TfLiteDelegate;
static int prepare(void* context, TfLiteDelegate* delegate) { return 0; }
TfLiteDelegate* tflite_plugin_create_delegate(char** keys, char** values, size_t n,
                                              void (*error)(const char*)) {
  TfLiteDelegate* delegate = calloc(1, sizeof *delegate);
  delegate->prepare = prepare;
  return delegate;
}
void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate) { free(delegate); }
"""
NO_DEVICE = """
#include <stddef.h>
void* tflite_plugin_create_delegate(char** keys, char** values, size_t n, void (*error)(const char*)) {
  return NULL;
}
void tflite_plugin_destroy_delegate(void* delegate) {}
"""


def build(folder: Path, name: str, source: str, *options: str) -> Path:
    """A shared library from C."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.c").write_text(source)
    library = folder / name
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(folder / "source.c"), *options]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "source.c").unlink()
    return library


def made_up(library: str = "libnpu.so", **changes: Any) -> tuple[Family, Board]:
    """A family whose delegate is one library, and a board that has it."""
    delegate = Delegate(
        libraries=(library,), symbol="tflite_plugin_create_delegate", package="the npu package", **changes
    )
    family = dataclasses.replace(get_family("vx"), delegate=delegate)
    board = get_board("imx8m-plus")
    npu = dataclasses.replace(board.npus[0], family=family)
    return family, dataclasses.replace(board, npus=(npu,))


def of(findings: list[Finding], what: str) -> Finding:
    """The first finding about something."""
    return next(finding for finding in findings if finding.what.startswith(what))


def libraries(root: Path, family: Family) -> list[Finding]:
    return doctor.library_findings(root, family, {})


def test_a_good_library_loads(tmp_path: Path) -> None:
    build(tmp_path / "usr/lib", "libnpu.so", DELEGATE)
    finding = of(libraries(tmp_path, made_up()[0]), "library")
    assert finding == Finding(
        "ok", "library /usr/lib/libnpu.so", "loads and has tflite_plugin_create_delegate"
    )


def test_a_missing_library_is_answered_with_every_path_tried(tmp_path: Path) -> None:
    finding = of(doctor.library_findings(tmp_path, made_up()[0], {"LD_LIBRARY_PATH": "/opt/npu"}), "library")
    assert finding.level == "error"
    assert "tried /opt/npu/libnpu.so," in finding.found
    assert "/usr/local/lib/libnpu.so" in finding.found
    assert finding.advice == "Install it: the npu package."


def test_a_library_without_the_delegates_function_is_explained(tmp_path: Path) -> None:
    build(tmp_path / "usr/lib", "libnpu.so", "int something_else(void) { return 1; }")
    finding = of(libraries(tmp_path, made_up()[0]), "library")
    assert finding.level == "error"
    assert "undefined symbol: tflite_plugin_create_delegate" in finding.found
    assert "no TFLite external delegate" in finding.advice


def test_an_unresolved_dependency_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib"
    build(folder, "libdriver.so.7", "int driver(void) { return 7; }", "-Wl,-soname,libdriver.so.7")
    caller = "int driver(void);\n" + DELEGATE + "int call(void) { return driver(); }"
    build(folder, "libnpu.so", caller, str(folder / "libdriver.so.7"))
    (folder / "libdriver.so.7").unlink()
    finding = of(libraries(tmp_path, made_up()[0]), "library")
    assert "libdriver.so.7: cannot open shared object file" in finding.found
    assert "it needs libdriver.so.7, which the loader does not find" in finding.advice


def test_a_driver_of_another_release_is_named(tmp_path: Path) -> None:
    caller = "int driver_v2(void);\n" + DELEGATE + "int call(void) { return driver_v2(); }"
    build(tmp_path / "usr/lib", "libnpu.so", caller, "-Wl,-z,now")
    finding = of(libraries(tmp_path, made_up()[0]), "library")
    assert "undefined symbol: driver_v2" in finding.found
    assert "it needs the function driver_v2" in finding.advice


def test_a_library_that_crashes_or_hangs_does_not_take_the_doctor_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_PATIENCE_S", 2.0)
    start = "void abort(void); int sleep(int);\n__attribute__((constructor)) static void s(void) {{ {0}; }}"
    build(tmp_path / "a/usr/lib", "libnpu.so", start.format("abort()"))
    build(tmp_path / "b/usr/lib", "libnpu.so", start.format("sleep(60)"))
    assert "crashes: killed by signal 6" in of(libraries(tmp_path / "a", made_up()[0]), "library").found
    assert "hangs: no answer in 2 s" in of(libraries(tmp_path / "b", made_up()[0]), "library").found


def test_a_truncated_library_and_one_for_another_processor_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib"
    folder.mkdir(parents=True)
    (folder / "libnpu.so").write_text("404: not found")
    assert of(libraries(tmp_path, made_up()[0]), "library").found == "is not a library (no ELF file)"
    shutil.copy("/bin/sh", folder.parent.parent / "sh")
    (tmp_path / "bin").mkdir()
    (tmp_path / "sh").rename(tmp_path / "bin/sh")
    head = b"\x7fELF\x01\x01" + bytes(12) + (40).to_bytes(2, "little")
    (folder / "libnpu.so").write_bytes(head + bytes(100))
    finding = of(libraries(tmp_path, made_up()[0]), "library")
    assert finding.found.startswith("is built for armv7, programs here for ")


def test_the_librarys_own_version_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib"
    build(
        folder,
        "librknnrt.so",
        'const char version[] = "librknnrt version: 2.3.2 (abc)"; int rknn_init(void) { return 0; }',
    )
    findings = libraries(tmp_path, get_family("rknn"))
    assert [finding.found for finding in findings] == ["loads and has rknn_init", "version 2.3.2"]


@pytest.mark.parametrize(("board", "level"), [("raspberry-pi-4", "note"), ("imx8m-plus", "error")])
def test_a_missing_runtime_is_an_error_only_where_there_is_an_npu(
    monkeypatch: pytest.MonkeyPatch, board: str, level: str
) -> None:
    """Sound and landmarks go through the core's own kernels."""

    def none_works(graph: bytes) -> None:
        raise RuntimeUnavailableError("no TFLite runtime works here")

    monkeypatch.setattr(doctor, "discover", none_works)
    found = diagnose(board=get_board(board), graph=b"", load=False)
    (finding,) = (each for each in found if each.what == "TFLite runtime")
    assert finding.level == level and "Sound and landmarks go without one" in finding.advice


@pytest.mark.parametrize(
    ("source", "level", "words"),
    [(DELEGATE, "ok", "is created"), (NO_DEVICE, "error", "finds no device")],
    ids=["works", "no device"],
)
def test_the_runtime_creates_the_delegate_or_says_why_not(
    tmp_path: Path, source: str, level: str, words: str
) -> None:
    pytest.importorskip("ai_edge_litert.interpreter")
    family, _ = made_up()
    assert family.delegate
    library = build(tmp_path, "libnpu.so", source)
    finding = doctor.create_findings(library, family.delegate, runtime.use("ai_edge_litert"))[0]
    assert finding.level == level
    assert words in finding.found + finding.advice


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            "/lib/libc.so.6: version `GLIBC_2.38' not found (required by libteflon.so)",
            "newer system (GLIBC_2.38)",
        ),
        ("libx.so: wrong ELF class: ELFCLASS32", "another processor"),
        ("libx.so: ELF load command alignment not page-aligned", "4 KB pages"),
        ("libx.so: cannot allocate memory in static TLS block", "LD_PRELOAD"),
        ("/dev/x: Permission denied", "may not read"),
        ("something new", ""),
    ],
)
def test_the_loaders_words_are_explained(error: str, words: str) -> None:
    assert words in explain_loader(error)
    assert bool(words) == bool(explain_loader(error))


@pytest.mark.parametrize(
    ("mode", "owner", "group", "user", "may"),
    [
        (0o600, 0, 0, NOBODY, False),
        (0o660, 0, PLUGDEV, NOBODY, False),
        (0o660, 0, PLUGDEV, User(1000, frozenset({1000, PLUGDEV})), True),
        (0o666, 0, 0, NOBODY, True),
        (0o664, 0, 0, NOBODY, False),
        (0o600, 1000, 0, NOBODY, True),
        (0o066, 1000, 0, NOBODY, False),
        (0o000, 0, 0, User(0, frozenset()), True),
    ],
)
def test_permission_bits_are_read_as_the_kernel_reads_them(
    mode: int, owner: int, group: int, user: User, may: bool
) -> None:
    assert user.may_open(mode, owner, group) is may


@pytest.fixture
def pi(trees: Path, tmp_path: Path) -> Path:
    """A Raspberry Pi 5 with a USB Accelerator, to change at will."""
    root = tmp_path / "pi"
    shutil.copytree(trees / "raspberry-pi-5-coral-usb", root)
    return root


def stranger(path: Path) -> User:
    """A user who is neither owner nor in the group of a file."""
    status = path.stat()
    return User(status.st_uid + 1000, frozenset({status.st_gid + 1000}))


def test_a_usb_device_that_may_not_be_opened_is_an_error_with_the_groups_name(pi: Path) -> None:
    node = pi / "dev/bus/usb/002/002"
    node.chmod(0o660)
    finding = of(diagnose(pi, user=stranger(node)), "device /dev/bus/usb/002/002")
    assert finding.level == "error"
    assert "mode 660" in finding.found
    assert "sudo usermod -aG plugdev $USER" in finding.advice
    node.chmod(0o666)
    assert of(diagnose(pi, user=stranger(node)), "device /dev/bus/usb/002/002").level == "ok"


def test_an_access_list_counts_beside_the_permission_bits(pi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = pi / "dev/bus/usb/002/002"
    node.chmod(0o600)
    someone, asked = stranger(node), os.access
    monkeypatch.setattr(User, "current", staticmethod(lambda: someone))
    monkeypatch.setattr(os, "access", lambda path, mode, **how: path == node or asked(path, mode, **how))
    assert of(diagnose(pi), "device /dev/bus/usb/002/002").level == "ok"


def test_a_usb_device_without_a_node_points_at_containers(pi: Path) -> None:
    (pi / "dev/bus/usb/002/002").unlink()
    finding = of(diagnose(pi), "USB device 2-1")
    assert "is plugged in, but /dev/bus/usb/002/002 is missing" in finding.found


def test_a_missing_udev_rule_is_noted(pi: Path) -> None:
    assert of(diagnose(pi), "udev rule").found == "/lib/udev/rules.d/60-libedgetpu1-std.rules"
    (pi / "lib/udev/rules.d/60-libedgetpu1-std.rules").unlink()
    assert of(diagnose(pi), "udev rule").level == "note"


def test_an_unplugged_accelerator_is_an_error_that_says_what_was_looked_for(trees: Path) -> None:
    findings = diagnose(trees / "raspberry-pi-4", board=get_board("coral-usb"))
    finding = of(findings, "device of Google Edge TPU")
    assert finding.found == "none of /dev/apex_*, USB id 1a6e:089a, USB id 18d1:9302 is there"


def test_a_driver_version_is_shown(trees: Path) -> None:
    assert any("version 6.4.11;" in finding.found for finding in diagnose(trees / "imx8m-plus"))
    assert any("version RKNPU driver: v0.9.6" in finding.found for finding in diagnose(trees / "rk3588"))


def test_a_second_choice_that_is_not_installed_is_no_error(trees: Path) -> None:
    findings = diagnose(trees / "imx8m-plus")
    second = next(i for i, finding in enumerate(findings) if "mainline" in finding.what)
    assert all(finding.level != "error" for finding in findings[second:])


def test_memory_there_is_compared_with_memory_needed(trees: Path, manifest: dict[str, Any]) -> None:
    assert (
        of(diagnose(trees / "raspberry-pi-4", manifest=manifest), "memory").found
        == "121 MiB needed, 7128 MiB free"
    )
    finding = of(diagnose(trees / "raspberry-pi-3b-plus", manifest=manifest), "memory")
    assert (finding.level, finding.found) == ("error", "121 MiB needed, 87 MiB free")


def test_operators_are_placed(trees: Path, manifest: dict[str, Any]) -> None:
    findings = diagnose(trees / "khadas-vim3", manifest=manifest)
    finding = of(findings, "graph lips_out")
    assert finding.found == "FULLY_CONNECTED on the NPU, LOGISTIC on the CPU, 1 partition"
    assert "LOGISTIC is not in the operator list" in finding.advice
    assert of(diagnose(trees / "imx93", manifest=manifest), "graph lips_out").found.endswith(
        "; once compiled with vela"
    )


def test_a_32_bit_system_on_a_64_bit_kernel_is_noted(trees: Path, tmp_path: Path) -> None:
    shutil.copytree(trees / "raspberry-pi-4", tmp_path, dirs_exist_ok=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").write_bytes(b"\x7fELF\x01\x01" + bytes(12) + (40).to_bytes(2, "little"))
    assert of(diagnose(tmp_path), "system").found == "programs are built for armv7, the kernel is aarch64"


def test_an_unknown_machine_is_told_how_to_name_its_board(tmp_path: Path) -> None:
    assert diagnose(tmp_path)[0].found == "not recognised"


def test_a_tree_is_never_loaded_from_unless_asked(pi: Path) -> None:
    build(
        pi / "usr/lib",
        "libedgetpu.so.1",
        "#include <stdlib.h>\n__attribute__((constructor)) static void s(void) { abort(); }",
    )
    (pi / "proc/cpuinfo").unlink()  # so that the library's processor is not compared with the board's
    assert "not loaded" in of(diagnose(pi), "library /usr/lib/libedgetpu.so.1").found
    assert "crashes" in of(diagnose(pi, load=True), "library /usr/lib/libedgetpu.so.1").found


def test_this_machine_can_be_examined() -> None:
    findings = diagnose()
    assert findings
    assert {finding.level for finding in findings} <= {"ok", "note", "error"}
    assert User.current().uid == os.geteuid()


def test_optional_packages_are_told_with_their_version_purpose_and_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(__version__="18.1"))
    findings = diagnose("/", board=get_board("x86-64"), load=False)
    found = of(findings, "OpenCV")
    assert found.level == "note" and "finding faces" in found.found
    assert found.advice == "pip install 'seehear[camera]'."
    assert of(findings, "PyAV").level == "ok" and of(findings, "PyAV").found.startswith("18.1, for reading")
    assert of(findings, "PyAudio").found and of(findings, "matplotlib").found
