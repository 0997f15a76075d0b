"""What btrfs alone knows: subvolumes that are deleted and not gone yet, and snapshots that keep what was deleted.

By the ioctls of linux/btrfs.h, and by looking into its tree of tree roots (linux/btrfs_tree.h), which takes
CAP_SYS_ADMIN: without it none of that is known.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterator

from ullage.system import linux

_IOC_SYNC = 0x9408
"""Commits, and wakes the cleaner, which syncfs does not: a deleted subvolume waited 58 s for it (Linux 6.18)."""
_IOC_TREE_SEARCH, _SEARCH_SIZE = 0xD0009411, 4096
_IOC_GET_SUBVOL_INFO, _INFO_SIZE, _INFO_UUID = 0x81F8943C, 504, slice(296, 312)
_KEY, _HEADER = struct.Struct("=7Q4I32x"), struct.Struct("=3Q2I")
_ANY = (1 << 64) - 1
_ROOT_TREE, _ORPHANS, _ORPHAN_ITEM, _ROOT_ITEM, _ROOT_BACKREF = 1, _ANY - 4, 48, 132, 144
_TOP, _LAST = 5, _ANY - 255
"""The ids of subvolumes: the top is 5, the others begin at 256."""
_PARENT_UUID = slice(263, 279)  # in btrfs_root_item
_NAME = 18  # where it begins in btrfs_root_ref
_ITEMS = 20_000
"""Of the tree of roots, so many are looked at: enough for thousands of snapshots."""
_POLL = 0.02


def settle(descriptor: int, target: int | None, *, timeout: float, longest: float) -> bool:
    """Whether all that was deleted is handed back, whoever deleted it, or ``target`` bytes are free. Raises OSError.

    Deleted subvolumes are waited for: no longer than ``longest`` seconds, nor ``timeout`` without any progress. One
    that somebody has open (we do, until it is all over) does not go, and keeps next to nothing where it was emptied.
    """
    if not _dead(descriptor):
        linux.syncfs(descriptor)
        return True
    fcntl.ioctl(descriptor, _IOC_SYNC)
    began = changed = time.monotonic()
    last: object = None
    while dead := _dead(descriptor):
        now, free = time.monotonic(), linux.free_bytes(descriptor)
        if target is not None and free >= target:
            return True
        if last not in (None, (dead, free)):
            changed = now
        last = (dead, free)
        if now - changed >= timeout or now - began >= longest:
            return False
        time.sleep(_POLL)
    linux.syncfs(descriptor)  # the last of it shows after one more commit
    return True


def snapshots_of(descriptor: int) -> tuple[str, ...]:
    """``home-2026 (id 260)`` of every snapshot of the subvolume of an open descriptor, by id; none where not known."""
    try:
        info = fcntl.ioctl(descriptor, _IOC_GET_SUBVOL_INFO, bytes(_INFO_SIZE))
        names, found = {}, []
        for subvolume, kind, data in _roots(descriptor):
            if kind == _ROOT_BACKREF:
                names[subvolume] = os.fsdecode(data[_NAME:])
            elif kind == _ROOT_ITEM and data[_PARENT_UUID] == info[_INFO_UUID]:
                found.append(subvolume)
    except OSError:
        return ()
    return tuple(f"{names.get(subvolume, '?')} (id {subvolume})" for subvolume in sorted(found))


def _dead(descriptor: int) -> frozenset[int]:
    """The ids of the subvolumes that are deleted and not gone yet."""
    try:
        items = _search(descriptor, (_ORPHANS, _ORPHAN_ITEM, 0), (_ORPHANS, _ORPHAN_ITEM, _ANY))
    except OSError:
        return frozenset()
    return frozenset(offset for _objectid, _kind, offset, _data in items)


def _roots(descriptor: int) -> Iterator[tuple[int, int, bytes]]:
    """(subvolume, kind, data) of the root items and back references of all subvolumes, as many as are looked at."""
    start, seen = (_TOP, 0, 0), 0
    while seen < _ITEMS:
        items = _search(descriptor, start, (_LAST, _ROOT_BACKREF, _ANY))
        if not items:
            return
        seen += len(items)
        yield from ((objectid, kind, data) for objectid, kind, _offset, data in items)
        objectid, kind, offset, _data = items[-1]
        start = (objectid, kind, offset + 1)


def _search(
    descriptor: int, first: tuple[int, int, int], last: tuple[int, int, int]
) -> list[tuple[int, int, int, bytes]]:
    """(objectid, kind, offset, data) of the first items of the tree of roots between two keys, as many as fit."""
    key = (_ROOT_TREE, first[0], last[0], first[2], last[2], 0, _ANY, first[1], last[1], 1 << 16, 0)
    buffer = bytearray(_SEARCH_SIZE)
    _KEY.pack_into(buffer, 0, *key)
    fcntl.ioctl(descriptor, _IOC_TREE_SEARCH, buffer)
    at, items = _KEY.size, []
    for _ in range(_KEY.unpack_from(buffer)[9]):
        _transid, objectid, offset, kind, size = _HEADER.unpack_from(buffer, at)
        at += _HEADER.size
        items.append((objectid, kind, offset, bytes(buffer[at : at + size])))
        at += size
    return items
