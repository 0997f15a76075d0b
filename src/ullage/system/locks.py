"""Locks by flock(2): they go with the process that holds them, however it ends, and threads exclude each other too.

Between hosts: on NFS (Linux) the lock of a regular file holds against other hosts, that of a directory on this host
alone; so a store is locked by a file.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ullage.errors import Busy, Changed, Refused, Unavailable
from ullage.model.units import printable
from ullage.system import linux, mounts

_POLL = 0.05
_NOTE_BYTES = 256
"""The note is always as long as this: a shorter one covers a longer one without the file being cut."""

_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def lock_directory(descriptor: int) -> None:
    """Nothing; the open file or directory is locked until the descriptor is closed. Raises Busy, Unavailable."""
    if not _flock(descriptor):
        raise Busy("is locked by another process (flock)")


def flocked(root: int) -> frozenset[int]:
    """The inodes of the filesystem of ``root`` on which some process of this host holds an flock, no lock touched.

    Empty without /proc. ``/proc/locks`` names the device of the whole filesystem, as mountinfo does and ``st_dev`` of a
    btrfs does not; where it cannot be told (``umount -l``) every locked inode counts, which errs on the safe side.
    """
    try:
        lines = Path("/proc/locks").read_text("ascii").splitlines()
        device = mounts.device_of(root)
    except OSError:
        return frozenset()
    places = (fields[5].split(":") for fields in map(str.split, lines) if fields[1] == "FLOCK")
    return frozenset(
        int(inode)
        for major, minor, inode in places
        if device is None or device == os.makedev(int(major, 16), int(minor, 16))
    )


class FileLock:
    """A lock file in an open directory, held in a ``with`` block: against other processes, threads and (NFS) hosts.

    It waits up to ``wait`` seconds (0: not at all), then raises Busy naming the holder. ``note`` says what we are
    about. Children do not inherit it. Also raised: NoRoom where the file has to be made and cannot be, Refused where
    something else stands in its place, Unavailable where the filesystem cannot lock.
    """

    def __init__(self, directory: int, name: str, note: str, *, wait: float = 0.0) -> None:
        self._directory = directory
        self._name = name
        self._note = note
        self._wait = wait
        self._descriptor = -1

    def __enter__(self) -> Self:
        end = time.monotonic() + self._wait
        while (descriptor := self._try()) is None:
            if time.monotonic() >= end:
                raise Busy(f"{printable(self._name)} is held by {self.holder()}; try again when it is done")
            time.sleep(_POLL)
        self._descriptor = descriptor
        _write_note(descriptor, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # a forked child may hold the same description
        os.close(self._descriptor)
        self._descriptor = -1

    def holder(self) -> str:
        """Who wrote the note in the file last, fit for a person."""
        try:
            descriptor = os.open(self._name, _OPEN, dir_fd=self._directory)
        except OSError:
            return "another process"
        try:
            note = os.fsdecode(os.pread(descriptor, _NOTE_BYTES, 0)).strip("\0 \n")
        finally:
            os.close(descriptor)
        return printable(note) or "another process"

    def _try(self) -> int | None:
        """The descriptor of the file, locked; None where somebody else has it, or put another in its place."""
        descriptor = self._open()
        try:
            if _flock(descriptor) and self._in_place(descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _open(self) -> int:
        """The file, opened; made only where it is missing, for on a full disk it could not be."""
        for flags in (_OPEN, _OPEN | os.O_CREAT):
            try:
                descriptor = os.open(self._name, flags, 0o600, dir_fd=self._directory)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise linux.failure(
                    error, f"cannot open the lock file {linux.where(self._directory, self._name)}"
                ) from error
            return self._checked(descriptor)
        raise Changed(f"cannot make the lock file {printable(self._name)}: its directory is gone")

    def _checked(self, descriptor: int) -> int:
        """The descriptor, where writing a note into it harms nobody: a regular file that has no other name."""
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
            return descriptor
        os.close(descriptor)
        raise Refused(f"{printable(self._name)} is not a lock file: it is no regular file, or it has a second name")

    def _in_place(self, descriptor: int) -> bool:
        """Whether the locked file still has its name; else somebody removed it, and others lock another one."""
        try:
            there = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(descriptor))


def _flock(descriptor: int) -> bool:
    """Whether the lock is ours now; False where another holds it. Raises Unavailable where locks do not work."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise Unavailable(f"cannot lock: {error.strerror}; does the filesystem support flock?") from error
    return True


def _write_note(descriptor: int, note: str) -> None:
    """Nothing; the file says who holds it, where there is room for that. The lock does not depend on it."""
    line = printable(f"process {os.getpid()} on {os.uname().nodename} ({note})").encode()[: _NOTE_BYTES - 1]
    try:
        os.pwrite(descriptor, line.ljust(_NOTE_BYTES - 1) + b"\n", 0)
    except OSError:
        return
