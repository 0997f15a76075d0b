"""One daemon per state directory: held by a lock, found again by others, and never another process signalled.

``daemon.lock`` is held as long as the daemon lives and says who it is (pid and start time: a pid used again is not the
daemon); ``ullage.pid`` is there to be read.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from ullage.errors import Busy, CatalogError
from ullage.system import files

LOCK, PID, LOG = "daemon.lock", "ullage.pid", "ullage.log"
_LENGTH = 256
_BLOCK = 4096
"""Bytes of the lock file: too many to be kept in the inode, where some filesystems need room to write them again."""
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Running(Struct, frozen=True, kw_only=True):
    """A daemon: ``ticks`` is its start in clock ticks since boot, ``started_at`` in epoch seconds."""

    pid: int
    ticks: int
    started_at: float


def prepare(state_dir: str) -> None:
    """Nothing; lock file (with room for who holds it) and log are there: a full disk has none. Never raises."""
    for name in (LOCK, LOG):
        with suppress(OSError):
            fd = os.open(os.path.join(state_dir, name), _LOCK_FLAGS, 0o600)
            try:
                if name == LOCK and os.fstat(fd).st_size < _BLOCK:
                    os.pwrite(fd, b" " * (_BLOCK - _LENGTH), _LENGTH)
            finally:
                os.close(fd)


def note(state_dir: str, line: str) -> None:
    """One line more in the log, where a command does what the daemon's reader should know. Never raises."""
    with suppress(OSError):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(os.path.join(state_dir, LOG), flags, 0o600)
        try:
            os.write(fd, f"{line}\n".encode(errors="backslashreplace"))
        finally:
            os.close(fd)


@contextmanager
def claim(state_dir: str) -> Iterator[Running]:
    """The daemon's place, ours until the end of the block. Raises Busy where another daemon has it."""
    directory = _open(state_dir)
    fd = -1
    try:
        fd = os.open(LOCK, _LOCK_FLAGS, 0o600, dir_fd=directory)
        _lock(fd, state_dir)
        us = Running(pid=os.getpid(), ticks=_ticks(os.getpid()) or 0, started_at=time.time())
        with suppress(OSError):  # on a full disk; the lock is what counts
            os.pwrite(fd, msgspec.json.encode(us).ljust(_LENGTH), 0)
            _write_pid(directory, us.pid)
        yield us
        with suppress(OSError):
            os.unlink(PID, dir_fd=directory)
    finally:
        if fd >= 0:
            os.close(fd)
        os.close(directory)


def running(state_dir: str) -> Running | None:
    """The daemon of this state directory; None where none runs, and then a stale pid file is removed where we may."""
    try:
        directory = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fd = os.open(LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        os.close(directory)
        return None
    try:
        if _try(fd, fcntl.LOCK_SH):
            with suppress(OSError):
                os.unlink(PID, dir_fd=directory)
            return None
        return _decode(os.pread(fd, _LENGTH, 0))
    finally:
        os.close(fd)
        os.close(directory)


def send(daemon: Running, number: signal.Signals) -> bool:
    """Whether the signal was sent: only to the very process that holds the place, never to another that has its pid."""
    try:
        pidfd = os.pidfd_open(daemon.pid)
    except ProcessLookupError:
        return False
    try:
        if _ticks(daemon.pid) != daemon.ticks:
            return False
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def _open(state_dir: str) -> int:
    try:
        return os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CatalogError(f"cannot open the state directory {state_dir}: {error.strerror}") from error


def _lock(fd: int, state_dir: str) -> None:
    """Try for a second: somebody may just be looking whether a daemon runs."""
    until = time.monotonic() + 1.0
    while not _try(fd, fcntl.LOCK_EX):
        if time.monotonic() >= until:
            other = _decode(os.pread(fd, _LENGTH, 0))
            who = f"process {other.pid}" if other is not None else "another process"
            raise Busy(f"a daemon is already running for {state_dir}: {who}; stop it with: ullage stop")
        time.sleep(0.05)


def _try(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_pid(directory: int, pid: int) -> None:
    try:
        files.write_durable(directory, PID, f"{pid}\n".encode(), mode=0o644)
    except Exception as error:
        raise OSError(str(error)) from error


def _decode(text: bytes) -> Running | None:
    try:
        found = msgspec.json.decode(text.strip(b" \0\n"), type=Running)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if 0 < found.pid < 1 << 31 else None


def _ticks(pid: int) -> int | None:
    """When a process began, in clock ticks since boot (proc(5), field 22 of stat)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(text.rpartition(b")")[2].split()[19])
