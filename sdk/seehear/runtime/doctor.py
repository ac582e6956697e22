"""Says why a board's NPU does not work here: what is missing, who may not open it, what the loader says.

Everything but loading a library is a pure function of a folder that stands for "/", so that recorded trees
of boards can be examined anywhere. Libraries are loaded in a process of their own: a broken one may crash
or hang, and must not take the doctor with it.
"""

from __future__ import annotations

import importlib
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seehear import own_process
from seehear.boards import Board, Detection, Family, check, detect
from seehear.boards.checker import PROCESS_MIB, needs_compiling
from seehear.boards.detector import (
    elf_machine,
    kernel_architecture,
    read,
    usb_devices,
    user_architecture,
)
from seehear.boards.profile import INTERFACES, Delegate
from seehear.errors import RuntimeUnavailableError, install
from seehear.runtime.tflite import RUNTIMES, Runtime, discover

#: Folders the dynamic loader looks through on the boards' systems, in its order; TRIPLET as Debian has it.
_FOLDERS = ("lib/TRIPLET", "usr/lib/TRIPLET", "usr/local/lib", "lib", "usr/lib", "lib64", "usr/lib64")
_TRIPLETS = {"aarch64": "aarch64-linux-gnu", "armv7": "arm-linux-gnueabihf", "x86-64": "x86_64-linux-gnu"}
_UDEV = ("etc/udev/rules.d", "lib/udev/rules.d", "usr/lib/udev/rules.d")
#: Seconds after which loading a library counts as hanging.
_PATIENCE_S = 20.0

_LOAD = "import ctypes, sys; getattr(ctypes.CDLL(sys.argv[1]), sys.argv[2])"
# the loader's words -> ours; the first that fits counts
_EXPLANATIONS: tuple[tuple[str, str], ...] = (
    (
        r"version `(GLIBC(?:XX)?_[\d.]+)' not found",
        "it was built on a newer system ({0}): take the build for this release, or update the system",
    ),
    (
        r"undefined symbol: (tflite_plugin_create_delegate)",
        "it loads, but it is no TFLite external delegate: {0} is missing",
    ),
    (
        r"undefined symbol: (\S+?)(?:,| |$)",
        "it needs the function {0}, which nothing it loads has: library and driver are of two releases",
    ),
    (
        r"(?:wrong ELF class|invalid ELF header|file too short|cannot open shared object file: Exec)",
        "the file is damaged, or built for another processor",
    ),
    (
        r"load command alignment not page-aligned",
        "it was built for 4 KB pages, this kernel has bigger ones (Raspberry Pi 5: kernel=kernel8.img)",
    ),
    (r"cannot allocate memory in static TLS block", "it must be loaded first: set LD_PRELOAD to its path"),
    (r"Permission denied|Operation not permitted", "this user may not read or map it"),
    (
        r"^(\S+): cannot open shared object file",
        "it needs {0}, which the loader does not find: install it, or put its folder on LD_LIBRARY_PATH",
    ),
)


@dataclass(frozen=True)
class Finding:
    """One thing the doctor looked at.

    Attributes
    ----------
    level : "ok", "note" (worth knowing), or "error" (stops the NPU or the program).
    what : what was looked at.
    found : what was found.
    advice : what to do; "" if there is nothing to do.
    """

    level: str
    what: str
    found: str
    advice: str = ""


@dataclass(frozen=True)
class User:
    """Whose permissions count: user id and all group ids."""

    uid: int
    groups: frozenset[int]

    @staticmethod
    def current() -> User:
        """The user this process runs as."""
        return User(os.geteuid(), frozenset(os.getgroups()) | {os.getegid()})

    def may_open(self, mode: int, owner: int, group: int) -> bool:
        """True if a file with these permission bits may be read and written by this user."""
        if self.uid == 0:
            return True
        shift = 6 if self.uid == owner else 3 if group in self.groups else 0
        return (mode >> shift) & 0o6 == 0o6


def explain_loader(error: str) -> str:
    """The loader's own error in plain words; "" if it says nothing that is known.

    >>> explain_loader("libtim-vx.so: cannot open shared object file: No such file or directory")
    'it needs libtim-vx.so, which the loader does not find: install it, or put its folder on LD_LIBRARY_PATH'
    """
    for pattern, words in _EXPLANATIONS:
        match = re.search(pattern, error)
        if match:
            return words.format(*match.groups())
    return ""


def load_library(path: Path, symbol: str) -> str:
    """Loads a library in a process of its own and looks for a symbol; "" or the loader's own error."""
    error = own_process.run(_LOAD, str(path), symbol, seconds=_PATIENCE_S).error
    return error.removeprefix("OSError: ").removeprefix("AttributeError: ")


def search_paths(root: Path, environment: Mapping[str, str]) -> list[Path]:
    """The folders in which a library is looked for, in the loader's order as far as it is known."""
    folders = [Path(part) for part in environment.get("LD_LIBRARY_PATH", "").split(":") if part]
    triplet = _TRIPLETS.get(user_architecture(root), "")
    for line in sorted((root / "etc/ld.so.conf.d").glob("*.conf")):
        folders += [Path(part) for part in read(line).split() if part.startswith("/")]
    folders += [
        Path("/") / name.replace("TRIPLET", triplet) for name in _FOLDERS if triplet or "TRIPLET" not in name
    ]
    under_root = [root / str(folder).lstrip("/") if folder.is_absolute() else folder for folder in folders]
    return list(dict.fromkeys(under_root))


def _shown(path: Path, root: Path) -> str:
    """The path as it is on the board: "/" + path below root."""
    return "/" + str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def find_library(name: str, folders: Sequence[Path]) -> Path | None:
    """The first file with this name; None if there is none."""
    return next((folder / name for folder in folders if (folder / name).exists()), None)


def _file_findings(
    path: Path,
    root: Path,
    delegate: Delegate,
    folders: Sequence[Path],
    load: Callable[[Path, str], str] | None,
) -> list[Finding]:
    what = f"library {_shown(path, root)}"
    machine, here = elf_machine(path), user_architecture(root)
    if not os.access(path, os.R_OK):
        return [Finding("error", what, "is there, but may not be read", "Check the permissions of the file.")]
    if not machine:
        return [Finding("error", what, "is not a library (no ELF file)", "Install it again.")]
    if here and machine != here:
        advice = (
            "Install the build for this system; a 32-bit system needs the 32-bit one even on a 64-bit kernel."
        )
        return [Finding("error", what, f"is built for {machine}, programs here for {here}", advice)]
    findings = []
    for needed in delegate.needs:
        if find_library(needed, folders) is None:
            findings.append(
                Finding(
                    "note", what, f"{needed} beside it was not found", "Part of the same package or driver."
                )
            )
    if delegate.version_string:
        match = re.search(delegate.version_string.encode(), path.read_bytes())
        if match:
            findings.append(Finding("ok", what, f"version {match.group(1).decode('ascii', 'replace')}"))
    if load is None:
        return [Finding("ok", what, f"is there, for {machine}; not loaded"), *findings]
    error = load(path, delegate.symbol)
    if error:
        plain = explain_loader(error)
        return [Finding("error", what, error, f"In other words: {plain}." if plain else ""), *findings]
    return [Finding("ok", what, f"loads and has {delegate.symbol}"), *findings]


def library_findings(
    root: Path,
    family: Family,
    environment: Mapping[str, str],
    load: Callable[[Path, str], str] | None = load_library,
) -> list[Finding]:
    """Each library of a family: every path tried, processor, version, what the loader says."""
    delegate = family.delegate
    if delegate is None:
        return []
    folders, findings = search_paths(root, environment), []
    for name in delegate.libraries:
        path = find_library(name, folders)
        if path is None:
            tried = ", ".join(_shown(folder / name, root) for folder in folders)
            advice = f"Install it: {delegate.package}." if delegate.package else ""
            findings.append(Finding("error", f"library {name}", f"not found; tried {tried}", advice))
        else:
            findings += _file_findings(path, root, delegate, folders, load)
    return findings


def _permission(path: Path, root: Path, delegate: Delegate, user: User) -> Finding:
    what = f"device {_shown(path, root)}"
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    described = f"mode {mode:03o}, owner {status.st_uid}, group {status.st_gid}"
    may = user.may_open(mode, status.st_uid, status.st_gid)
    if user == User.current():  # the kernel knows of access lists too, which udev's "uaccess" makes
        may = os.access(path, os.R_OK | os.W_OK, effective_ids=True)
    if may:
        return Finding("ok", what, f"may be opened ({described})")
    advice = "A udev rule must give it to a group that this user is in."
    if delegate.group:
        advice = (
            f"sudo usermod -aG {delegate.group} $USER, log in again; udev must give the device to that group."
        )
    return Finding("error", what, f"this user may not open it ({described})", advice)


def device_findings(root: Path, family: Family, user: User) -> list[Finding]:
    """Device nodes, USB devices, udev rules, kernel modules and driver version of a family."""
    delegate = family.delegate
    if delegate is None:
        return []
    findings = []
    nodes = [node for pattern in delegate.device_nodes for node in sorted(root.glob(pattern.lstrip("/")))]
    findings += [_permission(node, root, delegate, user) for node in nodes]
    usb = usb_devices(root)
    plugged = [usb[name] for name in delegate.usb if name in usb]
    for folder in plugged:
        number = [read(folder / name).zfill(3) for name in ("busnum", "devnum")]
        node = root / "dev/bus/usb" / number[0] / number[1]
        if node.exists():
            findings.append(_permission(node, root, delegate, user))
        else:
            shown = _shown(node, root)
            findings.append(
                Finding(
                    "error",
                    f"USB device {folder.name}",
                    f"is plugged in, but {shown} is missing",
                    "In a container: pass /dev/bus/usb through.",
                )
            )
    if not nodes and not plugged and (delegate.device_nodes or delegate.usb):
        looked = [*delegate.device_nodes, *(f"USB id {name}" for name in delegate.usb)]
        modules = " and ".join(delegate.modules)
        advice = f"Load the kernel driver {modules}." if modules else "Plug it in, or load its kernel driver."
        findings.append(
            Finding("error", f"device of {family.name}", f"none of {', '.join(looked)} is there", advice)
        )
    if delegate.udev_rules and plugged:
        rules = [rule for folder in _UDEV for p in delegate.udev_rules for rule in (root / folder).glob(p)]
        if rules:
            findings.append(Finding("ok", "udev rule", _shown(rules[0], root)))
        else:
            findings.append(
                Finding(
                    "note",
                    "udev rule",
                    f"none named {' or '.join(delegate.udev_rules)}",
                    f"Comes with {delegate.package}.",
                )
            )
    for module in delegate.modules:
        if (root / "sys/module" / module).exists():
            findings.append(Finding("ok", f"kernel driver {module}", "loaded"))
        elif not nodes:
            findings.append(
                Finding("note", f"kernel driver {module}", "not loaded, unless built in under another name")
            )
    if delegate.version_file:
        version = read(root / delegate.version_file.lstrip("/")).strip()
        if version:
            findings.append(
                Finding("ok", "kernel driver", f"version {version}; the library must be of the same release")
            )
    return findings


def system_findings(root: Path, found: Sequence[Detection]) -> list[Finding]:
    """The board, and whether programs and kernel are of one width."""
    if not found:
        return [
            Finding("note", "board", "not recognised", "Name it: --board; `seehear boards list` shows all.")
        ]
    findings = [
        Finding("ok", "board", f"{each.board.name} ({each.board.id}); {'; '.join(each.evidence)}")
        for each in found
    ]
    kernel, user = kernel_architecture(root), user_architecture(root)
    if kernel and user and kernel != user:
        findings.append(
            Finding(
                "note",
                "system",
                f"programs are built for {user}, the kernel is {kernel}",
                f"Wheels and libraries for {user} are needed.",
            )
        )
    return findings


def memory_findings(root: Path, board: Board, manifest: Mapping[str, Any] | None) -> list[Finding]:
    """Memory that is free now against what the program and the bundle need."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB", read(root / "proc/meminfo"), re.MULTILINE)
    if match is None or board.kind == "microcontroller":
        return []
    graphs = (manifest or {}).get("graphs", {})
    needed = PROCESS_MIB + -(-sum(int(graph.get("bytes", 0)) for graph in graphs.values()) // 2**20)
    there = int(match.group(1)) // 1024
    if there < needed:
        return [Finding("error", "memory", f"{needed} MiB needed, {there} MiB free", "Stop other programs.")]
    return [Finding("ok", "memory", f"{needed} MiB needed, {there} MiB free")]


def placement_findings(board: Board, manifest: Mapping[str, Any]) -> list[Finding]:
    """Which operators of which graph run where."""
    findings = []
    for place in check(manifest, board).placements:
        on_npu, on_cpu = (
            ", ".join(names) or "nothing" for names in (place.npu_operators, place.cpu_operators)
        )
        where = f"{on_npu} on the NPU, {on_cpu} on the CPU"
        if not board.npus:
            where = f"{on_npu} on the CPU"
        elif place.partitions:
            where += f", {place.partitions} partition{'s' if place.partitions > 1 else ''}"
        family = board.npus[0].family if board.npus else board.fallback
        if place.fits and needs_compiling(manifest, place.graph, board, family):
            assert family.compile is not None  # it needs compiling
            where += f"; once compiled with {family.compile.tool}"
        level = "ok" if place.fits else "note" if place.runs else "error"
        findings.append(Finding(level, f"graph {place.graph}", where, "; ".join(place.reasons)))
    return findings


def runtime_findings(graph: bytes | None, npu: bool) -> tuple[list[Finding], Runtime | None]:
    """The TFLite runtime, probed by building an interpreter; the second value is None without one, which is an error
    where there is an NPU to run."""
    if graph is None:
        return [Finding("note", "TFLite runtime", "not probed: no bundle to build an interpreter from")], None
    try:
        runtime = discover(graph)
    except RuntimeUnavailableError as error:
        advice = "Sound and landmarks go without one; finding faces in pictures, and NPUs, need it."
        return [Finding("error" if npu else "note", "TFLite runtime", str(error), advice)], None
    return [Finding("ok", "TFLite runtime", f"{runtime.name} {runtime.version}")], runtime


#: Optional packages: module, name, extra that brings it, what it is for.
_EXTRAS = (
    ("cv2", "OpenCV", "camera", "finding faces in images"),
    ("av", "PyAV", "media", "reading videos and all sound but WAV, writing FLAC, Ogg and videos"),
    ("pyaudio", "PyAudio", "audio", "sound from a microphone and to a loudspeaker"),
    ("matplotlib", "matplotlib", "plots", "--plot"),
)


def extra_findings() -> list[Finding]:
    """Optional packages: which are there, and what goes without those that are not."""
    findings = []
    for module, name, extra, purpose in _EXTRAS:
        try:
            version = getattr(importlib.import_module(module), "__version__", "unknown")
        except Exception as error:  # whatever a broken installation raises
            missing = isinstance(error, ModuleNotFoundError) and error.name == module
            found = f"not {'installed' if missing else f'usable ({error})'}; it is for {purpose}"
            findings.append(Finding("note", name, found, f"{install(extra)}."))
        else:
            findings.append(Finding("ok", name, f"{version}, for {purpose}"))
    return findings


def create_findings(path: Path, delegate: Delegate, runtime: Runtime) -> list[Finding]:
    """Lets the runtime create the delegate, as the enhancer would, in a process of its own."""
    error = runtime.try_delegate(str(path), delegate.default_options, (), _PATIENCE_S).error
    what = f"delegate {path.name} in {RUNTIMES[runtime.name]}"
    if not error:
        return [Finding("ok", what, "is created")]
    plain = explain_loader(error) or "the library loads but finds no device, or this user may not open it"
    return [Finding("error", what, error, f"In other words: {plain}.")]


def diagnose(
    root: str | Path = "/",
    board: Board | None = None,
    manifest: Mapping[str, Any] | None = None,
    graph: bytes | None = None,
    user: User | None = None,
    environment: Mapping[str, str] | None = None,
    load: bool | None = None,
) -> list[Finding]:
    """Examines a machine.

    Parameters
    ----------
    root : path
        Root of the file system; a recorded tree in tests.
    board : Board, optional
        The board to examine for; by default what `detect` finds, accelerators included.
    manifest : mapping, optional
        A bundle's manifest, for placement and memory.
    graph : bytes, optional
        One graph of that bundle, to probe the runtime with.
    user : User, optional
        Whose permissions count; by default those of this process.
    environment : mapping, optional
        Environment variables; by default those of this process.
    load : bool, optional
        Load libraries; by default only if `root` is "/".

    Returns
    -------
    list of Finding
        In the order in which things depend on each other; an "error" stops what stands below it.
    """
    root = Path(root)
    live = root == Path("/")
    load = live if load is None else load
    user = user or User.current()
    environment = os.environ if environment is None else environment
    found = detect(root) if board is None else [Detection(board, ("named by the caller",))]
    findings = system_findings(root, found)
    runtime = None
    if live:
        probed, runtime = runtime_findings(graph, npu=any(each.board.npus for each in found))
        findings += probed + extra_findings()
    for each in found:
        findings += memory_findings(root, each.board, manifest) if each is found[0] else []
        for number, npu in enumerate(each.board.npus):
            family = npu.family
            findings.append(Finding("note", npu.name, f"{family.name}: {INTERFACES[family.interface]}"))
            own = device_findings(root, family, user)
            own += library_findings(root, family, environment, load_library if load else None)
            if number:  # a second choice that is not installed is no fault
                own = [Finding("note", f.what, f.found, f.advice) if f.level == "error" else f for f in own]
            findings += own
            path = (
                find_library(family.delegate.libraries[0], search_paths(root, environment))
                if family.delegate
                else None
            )
            if load and runtime and path and family.interface == "tflite-delegate" and family.delegate:
                findings += create_findings(path, family.delegate, runtime)
        if manifest is not None:
            findings += placement_findings(each.board, manifest)
    return findings
