"""Measures a filesystem through an open descriptor, and waits for space that is handed back in the background."""

from __future__ import annotations

import fcntl
import os
import struct
import time

from ullage.model.readings import Space
from ullage.system import btrfs, linux
from ullage.system.linux import free_bytes
from ullage.system.mounts import device_of

_AT_ONCE = frozenset({"ext2", "ext3", "ext4", "tmpfs", "ramfs"})
"""Where all of the space is visible when unlink returns (tried: notes of 2026 on Linux 6.18)."""

_POLL = 0.01
_QUIET = 0.25
"""Seconds without a change after which a gain that began is taken to be over; xfs frees 56,000 extents a second."""

_XFS_IOC_FREE_EOFBLOCKS = 0x8080583A  # _IOR('X', 58, struct xfs_fs_eofblocks), xfs_fs.h
_EOF_FLAGS_MINFILESIZE = 1 << 4
_EOFBLOCKS = struct.pack("=IIIIIIQ96x", 1, _EOF_FLAGS_MINFILESIZE, 0, 0, 0, 0, (1 << 63) - 1)
"""Version 1, only files larger than any is: no preallocation is trimmed, the background inactivation is awaited."""


def measure(descriptor: int) -> Space:
    """The space of the filesystem of an open descriptor, in bytes and inodes; the kernel's own numbers. Raises OSError.

    ``f_files`` of xfs is not a fixed number: it is the inodes there are, and those for which the free blocks would
    do, capped by ``imaxpct``. It is used as it is: an inode takes an eighth of a block or more, so its percentage stays
    below that of the bytes unless the cap binds, and then it is the truth. btrfs says 0: it counts none.
    """
    stat = os.fstatvfs(descriptor)
    return Space(
        total_bytes=stat.f_blocks * stat.f_frsize,
        used_bytes=(stat.f_blocks - stat.f_bfree) * stat.f_frsize,
        free_bytes=stat.f_bfree * stat.f_frsize,
        available_bytes=stat.f_bavail * stat.f_frsize,
        total_inodes=stat.f_files,
        free_inodes=min(stat.f_ffree, stat.f_files),
    )


def same_filesystem(one: int, other: int) -> bool:
    """Whether two open descriptors draw on one filesystem; subvolumes of one btrfs do, though ``st_dev`` differs."""
    if os.fstat(one).st_dev == os.fstat(other).st_dev:
        return True
    device = device_of(one)
    return device is not None and device == device_of(other)


def settle(
    descriptor: int, filesystem: str, *, pending: int, timeout: float, longest: float = 60.0, before: int | None = None
) -> bool:
    """Whether all that was removed can be seen in ``measure`` now; waits for it. Raises OSError.

    ``pending`` bytes are expected over ``before``, the ``free_bytes`` before the removal (None: those of now). False:
    time ran out, or less came than was expected; what is missing may still come. ``timeout``: seconds for which nothing
    comes at all, ``longest``: in all. Both bound the polling alone: the kernel's own flushing takes as long as the disk
    does, and whoever must not hang asks through a ``Guard``.
    """
    if filesystem in _AT_ONCE:
        return True
    target = (free_bytes(descriptor) if before is None else before) + pending
    if filesystem == "btrfs":
        return btrfs.settle(descriptor, target if pending else None, timeout=timeout, longest=longest)
    if filesystem == "xfs" and _flush_xfs(descriptor):
        return True
    linux.syncfs(descriptor)
    return _wait_until(descriptor, target, timeout, longest)


def _flush_xfs(descriptor: int) -> bool:
    """Await the background inactivation of xfs; False where we may not (CAP_SYS_ADMIN) or it cannot."""
    try:
        fcntl.ioctl(descriptor, _XFS_IOC_FREE_EOFBLOCKS, _EOFBLOCKS)
    except OSError:
        return False
    return True


def _wait_until(descriptor: int, target: int, timeout: float, longest: float) -> bool:
    """Poll until ``target`` bytes are free; no longer than bounded, nor after a gain that came to an end."""
    last = free_bytes(descriptor)
    began = time.monotonic()
    end = began + timeout
    while last < target:
        now = time.monotonic()
        if now >= min(end, began + longest):
            return False
        time.sleep(_POLL)
        free = free_bytes(descriptor)
        if free > last:
            end = time.monotonic() + _QUIET
        last = free
    return True
