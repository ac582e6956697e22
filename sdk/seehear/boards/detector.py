"""Finds out which board this is, and which accelerators hang on it, from /proc and /sys alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from seehear.boards.profile import Board, get_board, list_boards

_DEVICE_TREES = ("proc/device-tree/compatible", "sys/firmware/devicetree/base/compatible")
_ELF_MACHINES = {3: "x86", 40: "armv7", 62: "x86-64", 183: "aarch64"}
_GENERIC = {"aarch64": "aarch64", "armv7": "armv7", "x86-64": "x86-64"}


@dataclass(frozen=True)
class Detection:
    """A board that was found, and what gave it away."""

    board: Board
    evidence: tuple[str, ...]


def read(path: Path) -> str:
    """A small file of /proc or /sys as text without NULs at its end; "" if it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "replace").rstrip("\0\n")
    except OSError:
        return ""


def device_tree(root: Path) -> list[str]:
    """The compatible strings of the machine, most specific first; empty without a device tree."""
    for name in _DEVICE_TREES:
        text = read(root / name)
        if text:
            return [part for part in text.split("\0") if part]
    return []


def usb_devices(root: Path) -> dict[str, Path]:
    """USB id ("1a6e:089a") -> folder in /sys."""
    found = {}
    for product in sorted((root / "sys/bus/usb/devices").glob("*/idProduct")):
        found[f"{read(product.parent / 'idVendor')}:{read(product)}"] = product.parent
    return found


def pci_devices(root: Path) -> dict[str, Path]:
    """PCI id ("1ac1:089a") -> folder in /sys."""
    found = {}
    for device in sorted((root / "sys/bus/pci/devices").glob("*/device")):
        ids = (read(device.parent / "vendor"), read(device))
        found[":".join(part.removeprefix("0x") for part in ids)] = device.parent
    return found


def elf_machine(path: Path) -> str:
    """Processor family of a program or library ("aarch64", "armv7", "x86-64", "x86"); "" if it is none."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return ""
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return ""
    number = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    return _ELF_MACHINES.get(number, f"machine {number}")


def kernel_architecture(root: Path) -> str:
    """What the kernel shows in /proc/cpuinfo: "aarch64", "armv7", "x86-64", or ""."""
    text = read(root / "proc/cpuinfo")
    features = re.search(r"^(?:Features|flags)\s*:\s*(.*)$", text, re.MULTILINE)
    words = set(features.group(1).split()) if features else set()
    if "asimd" in words:
        return "aarch64"
    if "neon" in words or re.search(r"^CPU architecture\s*:\s*7", text, re.MULTILINE):
        return "armv7"
    return "x86-64" if "lm" in words else ""


def user_architecture(root: Path) -> str:
    """What programs are built for (32-bit systems often run on a 64-bit kernel); else what the kernel is."""
    for name in ("bin/sh", "usr/bin/dash", "usr/bin/env"):
        machine = elf_machine(root / name)
        if machine:
            return machine
    return kernel_architecture(root)


def detect(root: str | Path = "/") -> list[Detection]:
    """The board this is, then the accelerators attached to it.

    Parameters
    ----------
    root : path
        Root of the file system; a recorded tree in tests.

    Returns
    -------
    list of Detection
        The host first: by device tree, else the generic profile of its processor. Boards of kind "usb"
        follow. Empty only if nothing at all is known about the machine.
    """
    root = Path(root)
    compatible, usb, pci = device_tree(root), usb_devices(root), pci_devices(root)
    hosts: list[tuple[int, Detection]] = []
    attached = []
    for board in list_boards():
        if board.kind == "usb":
            ids = [f"USB id {i}" for i in board.usb if i in usb] + [
                f"PCI id {i}" for i in board.pci if i in pci
            ]
            if ids:
                attached.append(Detection(board, tuple(ids)))
            continue
        matching = [compatible.index(name) for name in board.device_tree if name in compatible]
        if matching:
            best = min(matching)
            evidence = [f"device tree: {compatible[best]}"]
            evidence += [f"PCI id {i}" for i in board.pci if i in pci]
            hosts.append((best, Detection(board, tuple(evidence))))
    host = [min(hosts, key=lambda found: found[0])[1]] if hosts else []
    if not host:
        architecture = user_architecture(root)
        if architecture in _GENERIC:
            host = [Detection(get_board(_GENERIC[architecture]), (f"processor: {architecture}",))]
    return host + attached
