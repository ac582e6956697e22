"""A Ray cluster of this computer: nodes of one core each, with ports and folders of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL


class Cluster:
    """The head is there from the start; `add` brings more nodes."""

    def __init__(self) -> None:
        # the names of sockets may have 107 characters: not pytest's long folders
        self._folder = tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self._nodes: list[subprocess.Popen[bytes]] = []
        self.add("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder.name}")

    def add(self, *options: str) -> int:
        """Start a node of one core, wait until it is there; gives the process that is above all of its own."""
        options = options or (f"--address={self.address}",)
        common = ("--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats", "--block")
        node = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *options, *common, "--node-ip-address=127.0.0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        self._nodes.append(node)
        assert node.stdout is not None
        said = b""
        while b"Ray runtime started" not in said:
            line = node.stdout.readline()
            assert line, said.decode(errors="replace")
            said += line
        return node.pid

    def close(self) -> None:
        """End all nodes."""
        for node in reversed(self._nodes):
            kill(node.pid)
            node.wait()
        self._folder.cleanup()


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def kill(pid: int) -> None:
    """End a process and all that descend from it, as a power cut does."""
    for each in family(pid):
        with suppress(ProcessLookupError):
            os.kill(each, SIGKILL)
