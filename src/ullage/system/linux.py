"""The few system calls that Python 3.11 lacks, through libc, and what their errors mean. Linux only.

Functions that call the kernel raise OSError with errno and name; ``failure`` turns one into an error of ullage.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from ullage.errors import Changed, NoRoom, Refused, UllageError, Unavailable
from ullage.model.units import printable

# linux/openat2.h, linux/fcntl.h, linux/stat.h, linux/fs.h
RESOLVE_BENEATH_ONE_MOUNT = 0x01 | 0x02 | 0x04 | 0x08
"""NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH: nothing that could lead out of the directory."""
_SYS_OPENAT2 = 437  # one number on every machine
_SYS_RENAMEAT2 = {"x86_64": 316, "aarch64": 276, "riscv64": 276}
_RENAME_NOREPLACE = 1
_AT_SYMLINK_NOFOLLOW, _AT_NO_AUTOMOUNT, _AT_EMPTY_PATH = 0x100, 0x800, 0x1000
_STATX_INO, _STATX_BTIME, _STATX_MNT_ID, _STATX_SUBVOL = 0x100, 0x800, 0x1000, 0x8000
_WANTED = _STATX_INO | _STATX_BTIME | _STATX_MNT_ID | _STATX_SUBVOL
_ATTR_IMMUTABLE, _ATTR_APPEND, _ATTR_MOUNT_ROOT = 0x10, 0x20, 0x2000
_STATX = struct.Struct("=I4xQ16xQ40xqI52xQ8xQ88x")  # mask, attributes, ino, btime (s, ns), mnt_id, subvol of statx
_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS, _FS_NOCOW_FL = 0x80086601, 0x40086602, 0x00800000
_FS_IOC_GETFSUUID = 0x80111500  # Linux 6.9; struct fsuuid2: length, 16 bytes

_libc = ctypes.CDLL(None, use_errno=True)


class Statx(Struct, frozen=True, kw_only=True):
    """What ``statx`` knows beyond ``os.stat``. ``birth_ns`` is None where the filesystem keeps no birth time, and
    ``subvolume`` where it has no subvolumes, or the kernel (before 6.10) does not tell.
    """

    ino: int
    birth_ns: int | None
    subvolume: int | None
    mount_id: int
    immutable: bool
    append_only: bool
    mount_root: bool


def openat2(dir_fd: int, name: str, flags: int) -> int:
    """A descriptor of ``name``, reached without a link, a mount or ``..``. Raises OSError; Refused before Linux 5.6."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, RESOLVE_BENEATH_ONE_MOUNT)
    path = os.fsencode(name)
    try:
        return _call(
            _libc.syscall,
            name,
            *(ctypes.c_long(_SYS_OPENAT2), ctypes.c_long(dir_fd), ctypes.c_char_p(path)),
            *(ctypes.c_char_p(how), ctypes.c_size_t(len(how))),
        )
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise Refused(
                "cannot walk a directory safely: openat2 is missing; ullage needs Linux 5.6 or newer"
            ) from error
        raise


def rename_noreplace(src_fd: int, src: str, dst_fd: int, dst: str) -> None:
    """Renames; never over something. Raises OSError: EEXIST; EINVAL where the filesystem cannot do it so."""
    arguments = (
        *(ctypes.c_int(src_fd), ctypes.c_char_p(os.fsencode(src))),
        *(ctypes.c_int(dst_fd), ctypes.c_char_p(os.fsencode(dst)), ctypes.c_uint(_RENAME_NOREPLACE)),
    )
    if hasattr(_libc, "renameat2"):
        _call(_libc.renameat2, src, *arguments)
    elif os.uname().machine in _SYS_RENAMEAT2:
        _call(_libc.syscall, src, ctypes.c_long(_SYS_RENAMEAT2[os.uname().machine]), *arguments)
    else:
        raise OSError(errno.EINVAL, "no renameat2 on this machine", src)


def statx(fd: int, name: str = "") -> Statx:
    """What is known of ``name`` in the directory ``fd``, links not followed; of ``fd`` itself without a name."""
    buffer = ctypes.create_string_buffer(256)
    flags = _AT_SYMLINK_NOFOLLOW | _AT_NO_AUTOMOUNT | (0 if name else _AT_EMPTY_PATH)
    _call(_libc.statx, name, fd, os.fsencode(name), flags, _WANTED, buffer)
    mask, attributes, ino, seconds, nanoseconds, mount_id, subvolume = _STATX.unpack(buffer.raw)
    return Statx(
        ino=ino,
        birth_ns=seconds * 10**9 + nanoseconds if mask & _STATX_BTIME else None,
        mount_id=mount_id,
        subvolume=subvolume if mask & _STATX_SUBVOL else None,
        immutable=bool(attributes & _ATTR_IMMUTABLE),
        append_only=bool(attributes & _ATTR_APPEND),
        mount_root=bool(attributes & _ATTR_MOUNT_ROOT),
    )


def syncfs(fd: int) -> None:
    """Writes out the filesystem of ``fd``, and so hands back what btrfs has yet to. Raises OSError."""
    _call(_libc.syncfs, "", fd)


def free_bytes(descriptor: int) -> int:
    """What statvfs says is free, the reserve counted in."""
    stat = os.fstatvfs(descriptor)
    return stat.f_bfree * stat.f_frsize


def set_nocow(fd: int) -> bool:
    """True where the empty file will be overwritten in place (btrfs, ``chattr +C``), False where that means nothing."""
    try:
        flags = struct.unpack("=Q", fcntl.ioctl(fd, _FS_IOC_GETFLAGS, bytes(8)))[0]
        fcntl.ioctl(fd, _FS_IOC_SETFLAGS, struct.pack("=Q", flags | _FS_NOCOW_FL))
    except OSError as error:
        if error.errno in _NO_SUCH_IOCTL:
            return False
        raise
    return True


def filesystem_uuid(fd: int) -> str | None:
    """The UUID of the filesystem of ``fd``; None where it or the kernel (before 6.9) does not tell. Raises OSError."""
    try:
        answer = fcntl.ioctl(fd, _FS_IOC_GETFSUUID, bytes(17))
    except OSError as error:
        if error.errno in _NO_SUCH_IOCTL:
            return None
        raise
    return str(uuid.UUID(bytes=answer[1:17])) if answer[0] == 16 else None


_NO_SUCH_IOCTL = frozenset({errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})


def filesystem_type(fd: int) -> str:
    """The kernel's name of the filesystem (``ext4``, ``nfs4``); empty where it is no longer mounted (``umount -l``)."""
    wanted = str(statx(fd).mount_id).encode()
    with Path("/proc/self/mountinfo").open("rb") as mounts:
        for line in mounts:
            if line.split(b" ", 1)[0] == wanted:
                return os.fsdecode(line.partition(b" - ")[2].split(b" ", 1)[0])
    return ""


def _call(function: Callable[..., Any], name: str, *arguments: object) -> int:
    while True:
        result = int(function(*arguments))
        if result >= 0:
            return result
        code = ctypes.get_errno()
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code), name)


_MEANINGS: dict[int, tuple[type[UllageError], str]] = {
    errno.ENOSPC: (NoRoom, "the filesystem has no room left, in bytes or inodes"),
    errno.EDQUOT: (NoRoom, "the quota is used up"),
    errno.ENOENT: (Changed, "it is not there (any more); look again"),
    errno.EEXIST: (Changed, "there is something of that name already; look again"),
    errno.ENOTEMPTY: (Changed, "there is something of that name already; look again"),
    errno.EXDEV: (Refused, "another filesystem is mounted there; unmount it first"),
    errno.EBUSY: (Refused, "something is mounted on it or uses it; unmount it first"),
    errno.ELOOP: (Refused, "it is a symbolic link"),
    errno.ENOTDIR: (Refused, "it is a symbolic link or not a directory"),
    errno.EISDIR: (Refused, "it is a directory"),
    errno.EACCES: (Refused, "permission denied; run as its owner or as root"),
    errno.EPERM: (Refused, "not permitted; is it immutable or append-only (lsattr), or somebody else's?"),
}


def failure(error: OSError, doing: str) -> UllageError:
    """The error to raise in place of ``error``: ``doing`` ("cannot open X"), why, what to do."""
    kind, why = _MEANINGS.get(
        error.errno or 0, (Unavailable, f"{error.strerror or error}; look at the disk and at the kernel's log")
    )
    return kind(f"{doing}: {why}")


def where(dir_fd: int, name: str = "") -> str:
    """The path of ``name`` in an open directory, as it is now, fit for a person."""
    try:
        return printable(str(Path(os.readlink(f"/proc/self/fd/{dir_fd}")) / name))
    except OSError:  # deeper than a path may be long
        return printable(name)


def component(name: str) -> str:
    """The name itself, where it is the name of one entry. Raises Refused where it could lead elsewhere."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Refused(f"'{printable(name)}' is not the name of one entry: use a name without a slash")
    return name
