"""Debian packages of another architecture, unpacked into a folder: no root, no chroot, no change to this system's apt.

apt does the work (mirror, signatures, dependencies) with a state of its own under the cache folder, so a package is
downloaded once and the versions are those of the release this computer runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

#: Packages whose scripts a root that only runs Python never calls, and what they bring.
_NEEDLESS = ("dpkg", "tar", "media-types", "readline-common", "gcc-12-base", "libtirpc-common")


class Unavailable(RuntimeError):
    """Packages cannot be fetched: no network, or the archive does not have them."""


class Debian:
    """The Debian archive for one architecture.

    Parameters
    ----------
    architecture : Debian's name of it: "arm64", "armhf".
    cache : folder that keeps the lists and the packages.

    Examples
    --------
    >>> Debian("arm64", Path(".cache")).unpack(["libpython3.11-dev"], Path("build/headers"), dependencies=False)
    """

    def __init__(self, architecture: str, cache: Path) -> None:
        self.folder = cache.resolve() / f"apt-{architecture}"
        (self.folder / "lists/partial").mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()  # an empty system: dependencies are all there to fetch
        configuration = self.folder / "apt.conf"
        configuration.write_text(
            f'APT::Architecture "{architecture}";\nAPT::Architectures {{ "{architecture}"; }};\n'
            'APT::Sandbox::User "";\nAPT::Install-Recommends "false";\nAcquire::Languages "none";\n'
            f'Dir::State::Lists "{self.folder}/lists";\nDir::State::status "{self.folder}/status";\n'
            'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
            'APT::Keep-Downloaded-Packages "true";\nDebug::NoLocking "true";\n'
        )
        self._environment = {**os.environ, "APT_CONFIG": str(configuration)}

    def unpack(self, packages: Sequence[str], root: Path, dependencies: bool = True) -> Path:
        """Fetch packages and unpack them into `root`, which is made anew; returns `root`.

        Raises
        ------
        Unavailable
            apt cannot fetch them; the message ends with its own words.
        """
        kept = self.folder / "sets" / "+".join([*packages, "alone"][: len(packages) + (not dependencies)])
        if not (kept / ".complete").exists():
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            self._fetch(packages, kept, dependencies)
            (kept / ".complete").touch()
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        for package in sorted(kept.glob("*.deb")):
            if package.name.split("_")[0] not in _NEEDLESS:
                subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
        return root

    def _fetch(self, packages: Sequence[str], kept: Path, dependencies: bool) -> None:
        command = ["apt-get", "download", *packages]
        if dependencies:
            (kept / "partial").mkdir()
            keep = f"Dir::Cache::archives={kept}"
            command = ["apt-get", "install", "-y", "--download-only", "-o", keep, *packages]
        try:
            self._apt(command, kept)
        except Unavailable:  # no lists yet, or lists that name packages which have left the mirror
            try:
                self._apt(["apt-get", "update", "-o", "Acquire::Retries=2"], kept)
            except (
                Unavailable
            ) as error:  # one list of a mirror in mid-sync; the packages may be in the others
                print(f"apt: {error}; trying with the lists that came")
            self._apt(command, kept)

    def _apt(self, command: list[str], folder: Path) -> None:
        done = subprocess.run(command, cwd=folder, env=self._environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise Unavailable(f"{' '.join(command)}: {(done.stdout + done.stderr).strip()[-500:]}")
