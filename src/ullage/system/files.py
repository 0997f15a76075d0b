"""Small files in a directory that others write too: read without harm, written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ullage.errors import Refused
from ullage.model.units import printable
from ullage.system.linux import component, failure, where

_LEFTOVER = re.compile(r"\.ullage-[0-9a-f]{16}", re.ASCII)
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_small(dir_fd: int, name: str, *, limit: int = 4096) -> bytes | None:
    """The content of a regular file, its atime left alone where we may; None where it is missing.

    Raises ValueError saying what is wrong with it: a link, FIFO, device or directory (never opened), no permission,
    more than ``limit`` bytes. Refused where ``name`` is not one name, Unavailable where the disk fails.
    """
    try:
        _regular(os.stat(component(name), dir_fd=dir_fd, follow_symlinks=False), name)
        return _read(dir_fd, name, limit)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise ValueError(f"{printable(name)} cannot be read: permission denied") from error
    except OSError as error:
        if error.errno == errno.ELOOP:  # swapped since we looked
            raise ValueError(f"{printable(name)} is a symbolic link, not a file") from error
        raise failure(error, f"cannot read {where(dir_fd, name)}") from error


def stat_or_none(dir_fd: int, name: str) -> os.stat_result | None:
    """What ``lstat`` says of a name in a directory; None where it is missing. Raises OSError for all else."""
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _regular(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{printable(name)} is {_KINDS[stat.S_IFMT(status.st_mode)]}, not a file")


def _read(dir_fd: int, name: str, limit: int) -> bytes:
    fd = _open_to_read(dir_fd, name)
    try:
        _regular(os.fstat(fd), name)
        content = bytearray()
        while len(content) <= limit and (chunk := os.read(fd, limit + 1 - len(content))):
            content += chunk
    finally:
        os.close(fd)
    if len(content) > limit:
        raise ValueError(f"{printable(name)} holds more than {limit} bytes")
    return bytes(content)


def _open_to_read(dir_fd: int, name: str) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_NOATIME | _SAFE, dir_fd=dir_fd)
    except PermissionError as error:
        if error.errno != errno.EPERM:  # O_NOATIME is for the owner
            raise
        return os.open(name, os.O_RDONLY | _SAFE, dir_fd=dir_fd)


def write_durable(
    dir_fd: int,
    name: str,
    data: bytes,
    *,
    mode: int = 0o600,
    like: os.stat_result | None = None,
    keep_mtime: bool = True,
) -> None:
    """Puts ``data`` in the place of the file ``name``: after a crash there is the old one or the new one, whole.

    ``like`` gives owner, mode and the time of the last reading instead of ``mode``: to write is not to read.
    ``keep_mtime`` leaves the directory's own times as they were: the
    age of a backup may come from them. Raises NoRoom (nothing changed), Refused (no permission, a directory stands
    there, the owner cannot be given), Changed (the directory is gone), Unavailable.
    """
    try:
        with _times_kept(dir_fd, keep_mtime):
            _replace(dir_fd, component(name), data, mode, like)
        os.fsync(dir_fd)
    except OSError as error:
        raise failure(error, f"cannot write {where(dir_fd, name)}") from error


@contextmanager
def _times_kept(dir_fd: int, keep: bool) -> Iterator[None]:
    before = os.fstat(dir_fd)
    try:
        yield
    finally:
        if keep:
            with suppress(PermissionError):  # not its owner: it looks younger, which errs on the safe side
                os.utime(dir_fd, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(dir_fd: int, name: str, data: bytes, mode: int, like: os.stat_result | None) -> None:
    temporary = f".ullage-{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(temporary, flags, 0o600, dir_fd=dir_fd)  # it may be made, and an error be said all the same (NFS)
        try:
            _dress(fd, mode, like)
            _write(fd, data)
            if like is not None:
                os.utime(fd, ns=(like.st_atime_ns, os.fstat(fd).st_mtime_ns))
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=dir_fd)
        raise


def _dress(fd: int, mode: int, like: os.stat_result | None) -> None:
    if like is not None:
        mine = os.fstat(fd)
        if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
            os.fchown(fd, like.st_uid, like.st_gid)
        mode = stat.S_IMODE(like.st_mode)
    os.fchmod(fd, mode)


def _write(fd: int, data: bytes) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], done)


def overwrite(dir_fd: int, name: str, data: bytes) -> None:
    """Writes ``data`` over the old content, in place: for a filesystem too full for ``write_durable``.

    Not atomic: a crash in it can leave the new beginning with the old end, so the journal must know what was meant.
    Raises Refused (no regular file, or one with other names), Changed (missing), NoRoom (longer than it was, or btrfs).
    """
    try:
        _regular(os.stat(component(name), dir_fd=dir_fd, follow_symlinks=False), name)
        fd = os.open(name, os.O_WRONLY | _SAFE, dir_fd=dir_fd)
    except ValueError as error:
        raise Refused(f"cannot overwrite {where(dir_fd, name)}: {error}") from error
    except OSError as error:
        raise failure(error, f"cannot overwrite {where(dir_fd, name)}") from error
    try:
        _overwrite(fd, data, where(dir_fd, name))
    except OSError as error:
        raise failure(error, f"cannot overwrite {where(dir_fd, name)}") from error
    finally:
        os.close(fd)


def _overwrite(fd: int, data: bytes, shown: str) -> None:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise Refused(f"cannot overwrite {shown}: it has other names (hard links), which would change too")
    _write(fd, data)
    os.ftruncate(fd, len(data))
    os.fsync(fd)


def remove_leftovers(dir_fd: int) -> int:
    """How many temporary files of a crashed ``write_durable`` were unlinked; the caller holds the directory's lock.

    Only regular files of exactly our pattern of name go; the directory's own times stay. Raises Refused, Unavailable.
    """
    try:
        with os.scandir(dir_fd) as entries:
            leftovers = [e.name for e in entries if _LEFTOVER.fullmatch(e.name) and e.is_file(follow_symlinks=False)]
        if leftovers:
            with _times_kept(dir_fd, True):
                for name in leftovers:
                    os.unlink(name, dir_fd=dir_fd)
    except OSError as error:
        raise failure(error, f"cannot remove temporary files in {where(dir_fd)}") from error
    return len(leftovers)
