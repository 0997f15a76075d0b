"""Real filesystems for tests: a sparse image, formatted, mounted over a loop device, gone afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

MINIMUM_MIB = {"ext4": 8, "xfs": 300, "btrfs": 110}
"""The smallest image each mkfs accepts."""


class LoopDisk:
    """A filesystem of ``size_mib`` (or the smallest) under ``directory``, mounted at ``path`` in a ``with`` block."""

    def __init__(self, directory: Path, fstype: str, size_mib: int = 0, mkfs: Sequence[str] = ()) -> None:
        self.fstype = fstype
        self.image = directory / f"{fstype}.img"
        self.path = directory / fstype
        self._size = max(size_mib, MINIMUM_MIB[fstype]) << 20
        self._mkfs = mkfs

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True)
        with self.image.open("xb") as image:
            image.truncate(self._size)
        run(f"mkfs.{self.fstype}", "-q", *self._mkfs, str(self.image))
        self.mount()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.unmount()
        self.image.unlink()

    def mount(self) -> None:
        """Mounts it (again, after ``unmount``)."""
        run("mount", "-t", self.fstype, "-o", "loop", str(self.image), str(self.path))

    def unmount(self) -> None:
        """Unmounts it with all that is mounted in it; lazily where a failed test left a file open."""
        while self.path.is_mount():
            if subprocess.run(["umount", "-R", str(self.path)], capture_output=True, check=False).returncode:
                run("umount", "-R", "-l", str(self.path))

    def fill(self, name: str = "filler") -> Path:
        """The file that took all the space there was: real blocks on disk, so that the next write meets ENOSPC."""
        filler = self.path / name
        descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for size in (1 << 20, 1 << 16, 1 << 12, 1 << 9):
                _write_until_full(descriptor, b"x" * size)
        finally:
            os.close(descriptor)
        return filler


def _write_until_full(descriptor: int, block: bytes) -> None:
    try:
        while True:
            os.write(descriptor, block)
            os.fsync(descriptor)
    except OSError:
        return


def run(*command: str) -> None:
    """Runs a tool; raises AssertionError with what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")


def why_not(fstype: str, directory: Path) -> str | None:
    """Why this machine cannot mount such a filesystem, or None where it can (tried once, with the real thing)."""
    if os.geteuid() != 0:
        return "needs root"
    try:
        with LoopDisk(directory, fstype):
            return None
    except (AssertionError, OSError) as error:
        return f"cannot mount {fstype} here: {error}"
