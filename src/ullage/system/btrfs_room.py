"""What ``statvfs`` does not say of a btrfs: the room that its metadata has left, and the quota of a subvolume."""

from __future__ import annotations

import fcntl
import struct

from ullage.model.readings import Space
from ullage.model.units import MIB
from ullage.model.words import Kind

# linux/btrfs.h, linux/btrfs_tree.h
_IOC_SPACE_INFO, _IOC_FS_INFO, _IOC_DEV_INFO = 0xC0109414, 0x8400941F, 0xD000941E
_IOC_INO_LOOKUP, _IOC_TREE_SEARCH = 0xD0009412, 0xD0009411
_DATA, _METADATA, _GLOBAL_RESERVE = 1 << 0, 1 << 2, 1 << 49
_COPIES = {1 << 4: 2, 1 << 5: 2, 1 << 6: 2, 1 << 7: 2, 1 << 8: 2, 1 << 9: 3, 1 << 10: 4}
"""RAID1, DUP, RAID10, RAID5, RAID6 (at worst), RAID1C3, RAID1C4: bytes of disk that a byte of metadata takes."""
_QUOTA_TREE, _QGROUP_INFO, _QGROUP_LIMIT = 8, 242, 244
_FIRST_INODE = 256
_ROOM_TO_WORK = 4 * MIB
"""What is left where metadata is exhausted all the same, as ``btrfs_statfs`` reckons it (tried: 3.5 and 4.3 MiB)."""


def metadata(descriptor: int) -> Space | None:
    """What the trees of the filesystem of an open descriptor take, and may still take; None where data shares it.

    Raises OSError. Before unlinking fails nothing can be created any more: the reserve is left out of account.
    """
    groups = _groups(descriptor)
    shared = [flags for flags, _, _ in groups if flags & _METADATA and flags & _DATA]
    own = [group for group in groups if group[0] & _METADATA]
    if shared or not own:
        return None
    reserve = sum(total for flags, total, _ in groups if flags & _GLOBAL_RESERVE)
    copies = max(_COPIES.get(group[0] & bit, 1) for group in own for bit in _COPIES)
    total, used = sum(group[1] for group in own), sum(group[2] for group in own)
    free = max(0, total - used - reserve - _ROOM_TO_WORK) + _unallocated(descriptor) // copies
    return Space(kind=Kind.METADATA, total_bytes=used + free, used_bytes=used, free_bytes=free, available_bytes=free)


def quota(descriptor: int) -> Space | None:
    """The limit on the subvolume that an open descriptor lies in, as of the last commit; None where it has none.

    Of two (of all it refers to, and of what it alone holds) the nearer. None, too, where we may not look
    (CAP_SYS_ADMIN). Limits on groups of subvolumes are not seen. Raises OSError.
    """
    try:
        subvolume = struct.unpack_from("=Q", _page(descriptor, _IOC_INO_LOOKUP, struct.pack("=QQ", 0, _FIRST_INODE)))[0]
        limit, info = _item(descriptor, _QGROUP_LIMIT, subvolume), _item(descriptor, _QGROUP_INFO, subvolume)
    except (FileNotFoundError, PermissionError):
        return None
    if limit is None or info is None:
        return None
    flags, *largest = struct.unpack_from("=QQQ", limit)
    _, referred, _, exclusive = struct.unpack_from("=QQQQ", info)
    given = zip((1, 2), largest, (referred, exclusive), strict=True)
    spaces = [_limited(most, used) for bit, most, used in given if flags & bit and most > 0]
    return max(spaces, key=lambda space: space.usage_percent, default=None)


def _limited(most: int, used: int) -> Space:
    free = max(0, most - used)
    return Space(kind=Kind.QUOTA, total_bytes=most, used_bytes=used, free_bytes=free, available_bytes=free)


def _groups(descriptor: int) -> list[tuple[int, int, int]]:
    """(flags, total, used) of each kind of block group, in bytes."""
    count = struct.unpack("=QQ", fcntl.ioctl(descriptor, _IOC_SPACE_INFO, bytes(16)))[1]
    answer = bytearray(struct.pack("=QQ", count, 0) + bytes(24 * count))
    fcntl.ioctl(descriptor, _IOC_SPACE_INFO, answer, True)
    found = min(count, struct.unpack_from("=QQ", answer)[1])
    return [struct.unpack_from("=QQQ", answer, 16 + 24 * number) for number in range(found)]


def _unallocated(descriptor: int) -> int:
    """Bytes of the devices that no block group has yet."""
    highest, devices = struct.unpack_from("=QQ", fcntl.ioctl(descriptor, _IOC_FS_INFO, bytes(1024)))
    free = 0
    for device in range(1, highest + 1):
        try:
            answer = _page(descriptor, _IOC_DEV_INFO, struct.pack("=Q", device))
        except OSError:
            if devices == highest:
                raise
            continue  # numbers of devices that were taken out stay free
        used, total = struct.unpack_from("=QQ", answer, 24)
        free += max(0, total - used)
    return free


def _item(descriptor: int, kind: int, offset: int) -> bytes | None:
    """The item (0, kind, offset) of the quota tree; None where there is none. Raises FileNotFoundError without one."""
    last = (1 << 64) - 1
    key = struct.pack("=7Q4I4Q", _QUOTA_TREE, 0, 0, offset, offset, 0, last, kind, kind, 1, 0, 0, 0, 0, 0)
    answer = _page(descriptor, _IOC_TREE_SEARCH, key)
    if not struct.unpack_from("=I", answer, 64)[0]:
        return None
    length = struct.unpack_from("=I", answer, 104 + 28)[0]
    return bytes(answer[104 + 32 : 104 + 32 + length])


def _page(descriptor: int, request: int, asked: bytes) -> bytearray:
    """The answer to a request of 4 KiB that begins like this. Raises OSError."""
    answer = bytearray(asked.ljust(4096, b"\0"))
    fcntl.ioctl(descriptor, request, answer, True)
    return answer
