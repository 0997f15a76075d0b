"""Files that keep a log of what was written to them, when they were flushed, and what else was said: a FUSE filesystem.

A process of its own, so that the loop devices on these files never wait for whoever uses them. It serves the images
as ``0``, ``1``, ...; what is written to ``mark`` is a mark. Its arguments: MOUNTPOINT LOG IMAGE...
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable

import mfusepy

from tests.crash.power.log import FLUSH, HEADER, MARK, WRITE


class Recorder(mfusepy.Operations):  # type: ignore[misc]
    """One request after the other: the order of the log is the order in which the disks had them."""

    use_ns = True

    def __init__(self, log: str, images: list[str]) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._disks = {f"/{number}": os.open(image, os.O_RDWR) for number, image in enumerate(images)}

    def getattr(self, path: str, _fh: int | None = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path == "/mark":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1}
        if path not in self._disks:
            raise FileNotFoundError(path)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": os.fstat(self._disks[path]).st_size}

    def open(self, path: str, flags: int) -> int:
        return 0

    def read(self, path: str, size: int, offset: int, _fh: int) -> bytes:
        return os.pread(self._disks[path], size, offset)

    def write(self, path: str, data: bytes, offset: int, _fh: int) -> int:
        if path == "/mark":
            self._append(MARK, 0, 0, data)
        else:
            self._append(WRITE, int(path[1:]), offset, data)
            os.pwrite(self._disks[path], data, offset)
        return len(data)

    def fsync(self, path: str, _datasync: int, _fh: int) -> int:
        if path != "/mark":
            self._append(FLUSH, int(path[1:]), 0, b"")
        return 0

    def _append(self, kind: bytes, disk: int, offset: int, data: bytes) -> None:
        record = HEADER.pack(kind, disk, offset, len(data)) + data
        assert os.write(self._log, record) == len(record)


def serve(mountpoint: str, log: str, images: list[str]) -> None:
    """Serves until it is unmounted."""
    start: Callable[..., object] = mfusepy.FUSE
    start(Recorder(log, images), mountpoint, foreground=True, nothreads=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], sys.argv[3:])
