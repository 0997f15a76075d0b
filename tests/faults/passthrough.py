"""A FUSE filesystem that shows another directory and goes wrong on demand: ``python -m tests.faults.passthrough``.

The word in the file ``switch`` says how: ``well``, ``eio`` (every call fails), ``removal`` (what removes anything
fails) or ``hang`` (nothing is answered any more).
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mfusepy import FUSE, FuseOSError, Operations

_STAT = (
    "st_atime",
    "st_ctime",
    "st_mtime",
    "st_gid",
    "st_ino",
    "st_mode",
    "st_nlink",
    "st_size",
    "st_uid",
    "st_blocks",
)
_SPACE = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_frsize", "f_namemax")
_CALLS = ("getattr", "readdir", "statfs", "mkdir", "rmdir", "unlink", "rename", "open", "create", "read", "write")


class Passthrough(Operations):  # type: ignore[misc]
    """Every call is made on ``source``."""

    use_ns = False

    def __init__(self, source: str, switch: str) -> None:
        self._source = source
        self._switch = Path(switch)

        for name in _CALLS:
            setattr(self, name, self._failing(name, getattr(self, name)))

    def _failing(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def failing(*arguments: Any) -> Any:
            while (word := self._switch.read_text()) == "hang":
                time.sleep(0.05)
            if word == "eio" or (word == "removal" and name in ("unlink", "rmdir")):
                raise FuseOSError(errno.EIO)
            return call(*arguments)

        return failing

    def _real(self, path: str) -> str:
        return self._source + path

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        status = os.lstat(self._real(path))
        return {name: getattr(status, name) for name in _STAT}

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, Any], int]]:
        names = [".", "..", *os.listdir(self._real(path))]
        return [(name, self.getattr(f"{path}/{name}"), 0) for name in names]  # one without an inode is not shown

    def statfs(self, path: str) -> dict[str, int]:
        space = os.statvfs(self._real(path))
        return {name: getattr(space, name) for name in _SPACE}

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._real(path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._real(path))

    def unlink(self, path: str) -> None:
        os.unlink(self._real(path))

    def rename(self, old: str, new: str) -> None:
        os.rename(self._real(old), self._real(new))

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._real(path), mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.chown(self._real(path), uid, gid)

    def utimens(self, path: str, times: tuple[float, float] | None = None) -> None:
        os.utime(self._real(path), times)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._real(path), flags & ~os.O_NOATIME)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._real(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(self._real(path), length)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        os.fsync(fh)

    def release(self, path: str, fh: int) -> None:
        os.close(fh)


if __name__ == "__main__":
    FUSE(Passthrough(sys.argv[1], sys.argv[3]), sys.argv[2], foreground=True, nothreads=False, use_ino=True)
