"""A way down a directory tree in constant descriptors, whatever its depth: no recursion, no path, no link, no mount."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from ullage.errors import Changed
from ullage.model.units import printable
from ullage.system import linux
from ullage.system.linux import where

WINDOW = 32
"""How many directories are held open at most; further up they are opened again by ``..`` and verified."""
_MOST = 8 << 20  # bytes of names of directories that wait in one directory; the others are listed again
_SHOWN = 500  # characters of a path that a person is shown
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_beneath(dir_fd: int, name: str) -> int:
    """A descriptor of the directory ``name`` in ``dir_fd``; reading it leaves its atime. Raises OSError."""
    try:
        return linux.openat2(dir_fd, name, _DIRECTORY | os.O_NOATIME)
    except PermissionError as error:
        if error.errno != errno.EPERM:  # O_NOATIME is for the owner
            raise
        return linux.openat2(dir_fd, name, _DIRECTORY)


def _step(dir_fd: int, name: str) -> int:
    """As ``open_beneath`` for ``.`` and ``..``: whoever goes up verifies where it came out."""
    try:
        return os.open(name, _DIRECTORY | os.O_NOATIME, dir_fd=dir_fd)
    except PermissionError as error:
        if error.errno != errno.EPERM:
            raise
        return os.open(name, _DIRECTORY, dir_fd=dir_fd)


@contextmanager
def entries(dir_fd: int) -> Iterator[Iterator[os.DirEntry[str]]]:
    """What is in an open directory now. Raises OSError.

    Through the descriptor itself btrfs shows what was there when it was opened (since Linux 6.5), or last rewound.
    """
    fd = _step(dir_fd, ".")
    try:
        with os.scandir(fd) as found:
            yield found
    finally:
        os.close(fd)


class Names:
    """A stack of names in a few bytes each: one directory may hold a million others."""

    def __init__(self) -> None:
        self._packed = bytearray()

    def push(self, name: str) -> None:
        """Puts a name on top."""
        self._packed += os.fsencode(name) + b"\0"

    @property
    def full(self) -> bool:
        """Whether no more should be pushed."""
        return len(self._packed) >= _MOST

    def pop(self) -> str | None:
        """The name on top, taken off; None where there is none."""
        if not self._packed:
            return None
        start = self._packed.rfind(b"\0", 0, -1) + 1
        name = os.fsdecode(bytes(self._packed[start:-1]))
        del self._packed[start:]
        return name


class Level:
    """One directory on the way: ``pending`` are the directories in it that are yet to be entered.

    ``more`` says that there are others for which there was no room.
    """

    __slots__ = ("_noted", "fd", "more", "name", "pending", "status")

    def __init__(self, fd: int, name: str) -> None:
        self.fd = fd
        self.name = name
        self.pending = Names()
        self.status = os.fstat(fd)
        self.more = False
        self._noted = 0

    def files(self) -> Iterator[os.DirEntry[str]]:
        """What is in it but its directories, which are noted; to be called once, before ``next``."""
        with os.scandir(self.fd) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    self._note(entry.name)
                else:
                    yield entry

    def next(self) -> str | None:
        """A directory that was noted, each once. Raises Changed where it could not be told which come next."""
        name = self.pending.pop()
        if name is None and self.more:
            self._note_others()
            name = self.pending.pop()
        return name

    def _note(self, name: str) -> None:
        if self.pending.full:
            self.more = True
        else:
            self.pending.push(name)
            self._noted += 1

    def _note_others(self) -> None:
        """Notes directories beyond those noted before: a directory that does not change is listed in one order."""
        self.more = False
        before = self._noted
        with os.scandir(self.fd) as entries:
            directories = (entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
            for number, name in enumerate(directories):
                if number >= before:
                    self._note(name)
        if os.fstat(self.fd).st_mtime_ns != self.status.st_mtime_ns:
            raise Changed(f"{where(self.fd)} changed while it was read; look again")

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        return self.status.st_dev, self.status.st_ino


class Descent:
    """The directories from ``fd`` down to where the walk stands. Closes what it opened; ``fd`` stays the caller's."""

    def __init__(self, fd: int) -> None:
        self._levels = [Level(_step(fd, "."), "")]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        while self._levels:
            _close(self._levels.pop())

    @property
    def level(self) -> Level:
        """Where the walk stands."""
        return self._levels[-1]

    @property
    def depth(self) -> int:
        """How far below the top that is."""
        return len(self._levels) - 1

    def enter(self, name: str) -> None:
        """Goes down into ``name``. Raises OSError; EXDEV at a mount and at another device (a btrfs subvolume)."""
        below = Level(open_beneath(self.level.fd, name), name)
        if below.status.st_dev != self.level.status.st_dev:
            _close(below)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
        self._levels.append(below)
        if len(self._levels) > WINDOW:
            _close(self._levels[-WINDOW - 1])

    def leave(self) -> str:
        """The name of the directory just left, in the one above. Raises Changed where that is no longer above it."""
        below = self._levels.pop()
        try:
            if self.level.fd < 0:
                self.level.fd = self._above(below.fd)
        finally:
            _close(below)
        return below.name

    def _above(self, fd: int) -> int:
        above = _step(fd, "..")
        status = os.fstat(above)
        if (status.st_dev, status.st_ino) == self.level.identity:
            return above
        os.close(above)
        raise Changed(f"{where(fd)} was moved out of {printable(self.path())} while it was read; look again")

    def path(self, name: str = "") -> str:
        """The path of ``name`` here, from the top, as the disk spells it; of a very long one the end."""
        path = "/".join([*(level.name for level in self._levels[1:]), *([name] if name else [])])
        return path if len(path) <= _SHOWN else f"…{path[-_SHOWN:]}"


def _close(level: Level) -> None:
    if level.fd >= 0:
        os.close(level.fd)
        level.fd = -1
