"""What a file holds where ``st_blocks`` does not tell: blocks shared by reflink (xfs, btrfs), compressed (btrfs).

Elsewhere (ext4, tmpfs) the blocks of the inode are the truth, and nothing is asked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import time
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple, Protocol

_BLOCK = 512
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# linux/fiemap.h
_FS_IOC_FIEMAP = 0xC020660B
_HEAD = struct.Struct("=QQIIII")
_EXTENT = struct.Struct("=QQQ16xI12x")
_AT_ONCE = 128
_SYNC = 0x1
_LAST, _DELAYED, _INLINE, _SHARED = 0x1, 0x4, 0x200, 0x2000
_UNWRITTEN = 120.0
"""Seconds after its last change in which a file may have data in memory alone (dirty_expire_centisecs: 30 s): its
place on the disk, and what of it is shared no more, is known once that is written, which asking brings about."""

# linux/btrfs.h, linux/btrfs_tree.h
_TREE_SEARCH_V2 = 0xC0709411
_SPACE_INFO = 0xC0109414
_KEY = struct.Struct("=QQQQQQQIIII32xQ")  # struct btrfs_ioctl_search_args_v2
_ITEM = struct.Struct("=QQQII")
_FILE_EXTENT = struct.Struct("=8x8x4xBQQQQ")
_ANSWER = 1 << 16
_EXTENT_DATA = 108
_MOST = (1 << 64) - 1
_SPACES = struct.Struct("=QQ")
_SPACE = struct.Struct("=QQQ")
_DATA, _METADATA = 1, 4
_COPIES = {1 << 4: 2, 1 << 5: 2, 1 << 6: 2, 1 << 9: 3, 1 << 10: 4}  # RAID1, DUP, RAID10, RAID1C3, RAID1C4

_XFS_GEOMETRY = 0x8100587E  # xfs_fs.h: XFS_IOC_FSGEOMETRY, struct xfs_fsop_geom
_XFS_INUMBERS = 0x80405880  # XFS_IOC_INUMBERS, struct xfs_inumbers_req, Linux 5.3
_REQUEST = struct.Struct("=QIIII40x")  # ino, flags, icount, ocount, agno
_CHUNK = struct.Struct("=QQB7x")  # startino, allocmask, alloccount
_CHUNK_BITS = 6
"""64 inodes are made at once, and given back when the last of them is free."""
_XFS_INODE_SIZE, _XFS_FLAGS, _XFS_REFLINK = 24, 92, 1 << 20

_ITEM_BYTES = 25  # a leaf's entry for an item: struct btrfs_item
_EXTENT_ITEM = _ITEM_BYTES + 53
"""An extent of its own, in the extent tree; its checksums take 4 bytes for each 4096."""
_INODE_BYTES = 400
"""Of the items of an inode, about, where they may not be looked at."""


class Held(NamedTuple):
    """What goes with an inode. ``size`` in bytes, those of ``pieces`` not among them: (start, length) on the disk.

    A piece is shared with another file, or with another place in this one, and comes back with the last of them.
    ``metadata`` are the bytes of its items in btrfs trees, before copies and half-filled leaves.
    """

    size: int
    metadata: int = 0
    pieces: tuple[tuple[int, int], ...] = ()


class Meter(Protocol):
    """How one filesystem tells what an inode holds."""

    def weigh(self, dir_fd: int, name: str, status: os.stat_result) -> Held:
        """What goes with the inode ``name`` in an open directory, or with the directory itself (no name)."""
        ...

    def items(self, length: int) -> int:
        """Bytes of metadata that go with a piece of that length."""
        ...

    def chunk(self, ino: int) -> int | None:
        """The number of the chunk of inodes that comes back as a whole; None where inodes are not given back so."""
        ...

    def chunk_size(self, chunk: int, gone: int) -> int:
        """Bytes that come back when so many inodes of a chunk go: none as long as one of it is left."""
        ...


def meter(fd: int, filesystem: str) -> Meter | None:
    """How to weigh inodes of the filesystem of ``fd``; None where ``st_blocks`` tells it all."""
    if filesystem == "xfs":
        return XfsMeter(fd)
    return BtrfsMeter() if filesystem == "btrfs" else None


class XfsMeter:
    """On xfs an inode takes bytes of the data area too, and files may share extents."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._inode, self._reflink = _xfs_geometry(fd)
        self._chunks = _xfs_allocated(fd, 0) is not None

    def weigh(self, dir_fd: int, name: str, status: os.stat_result) -> Held:
        """By the blocks of the inode, less those that are shared."""
        size, inode = status.st_blocks * _BLOCK, 0 if self._chunks else self._inode
        if not (self._reflink and size and name and stat.S_ISREG(status.st_mode)):
            return Held(size + inode)
        mapped = _extents(dir_fd, name, sync=_recent(status))
        pieces = tuple((start, length) for _, start, length, flags in mapped if flags & _SHARED)
        return Held(max(0, size - sum(length for _, length in pieces)) + inode, 0, pieces)

    def items(self, length: int) -> int:
        """None."""
        return 0

    def chunk(self, ino: int) -> int | None:
        """None where it may not be asked how many of its inodes are in use."""
        return ino >> _CHUNK_BITS if self._chunks else None

    def chunk_size(self, chunk: int, gone: int) -> int:
        """All of its inodes."""
        return self._inode << _CHUNK_BITS if _xfs_allocated(self._fd, chunk) == gone else 0


class BtrfsMeter:
    """On btrfs an extent goes whole, with its last user; its size on the disk is in the trees, for root alone."""

    def __init__(self) -> None:
        self._may_search = True
        self._buffer = bytearray(_KEY.size + _ANSWER)

    def weigh(self, dir_fd: int, name: str, status: os.stat_result) -> Held:
        """By the items of the inode; where they may not be looked at, by what is mapped."""
        regular = bool(name) and stat.S_ISREG(status.st_mode)
        mapped = _extents(dir_fd, name, sync=True) if regular and _recent(status) else None
        found = self._items(dir_fd, status.st_ino) if self._may_search else None
        if found is None:
            return _mapped(dir_fd, name) if regular and status.st_blocks else Held(0, _INODE_BYTES)
        metadata, extents = found
        if extents and mapped is None:
            mapped = _extents(dir_fd, name)
        return self._sorted(metadata, extents, mapped or [])

    def items(self, length: int) -> int:
        """Its item and its checksums."""
        return _EXTENT_ITEM + length // 1024

    def chunk(self, ino: int) -> int | None:
        """None."""
        return None

    def chunk_size(self, chunk: int, gone: int) -> int:
        """None."""
        return 0

    def _sorted(self, metadata: int, extents: dict[tuple[int, int], int], mapped: list[_Mapped]) -> Held:
        """``extents``: (start, length) on the disk, and where in the file it is used first."""
        size = sum(length for _, _, length, flags in mapped if flags & _DELAYED)
        begins = [begin for begin, _, _, _ in mapped]
        pieces = []
        for extent, at in extents.items():
            number = bisect_right(begins, at) - 1
            if number >= 0 and mapped[number][3] & _SHARED:
                pieces.append(extent)
            else:
                size += extent[1]
                metadata += self.items(extent[1])
        return Held(size, metadata, tuple(pieces))

    def _items(self, dir_fd: int, ino: int) -> tuple[int, dict[tuple[int, int], int]] | None:
        """(bytes of items, extents); None where we may not ask."""
        metadata, extents = 0, dict[tuple[int, int], int]()
        try:
            for kind, at, begin, length in self._search(dir_fd, ino):
                metadata += _ITEM_BYTES + length
                if kind == _EXTENT_DATA and length >= _FILE_EXTENT.size:
                    inline, start, size, _, _ = _FILE_EXTENT.unpack_from(self._buffer, begin)
                    if inline and start:
                        extents.setdefault((start, size), at)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTTY, errno.EINVAL):
                raise
            self._may_search = False
            return None
        return metadata, extents

    def _search(self, fd: int, ino: int) -> Iterator[tuple[int, int, int, int]]:
        """(type, offset, where in the buffer, length) of every item of an inode in the subvolume of ``fd``."""
        kind = offset = 0
        while True:
            _KEY.pack_into(self._buffer, 0, 0, ino, ino, offset, _MOST, 0, _MOST, kind, 255, 1 << 20, 0, _ANSWER)
            fcntl.ioctl(fd, _TREE_SEARCH_V2, self._buffer)
            count, begin = _KEY.unpack_from(self._buffer, 0)[9], _KEY.size
            for _ in range(count):
                _, _, offset, kind, length = _ITEM.unpack_from(self._buffer, begin)
                yield kind, offset, begin + _ITEM.size, length
                begin += _ITEM.size + length
            if not count:
                return
            kind, offset = (kind, offset + 1) if offset < _MOST else (kind + 1, 0)


_Mapped = tuple[int, int, int, int]
"""Where in the file, where on the disk, length, flags."""


def _extents(dir_fd: int, name: str, *, sync: bool = False) -> list[_Mapped]:
    """What is mapped of a regular file; nothing where it may not be asked or is gone. Reading it leaves its atime.

    ``sync`` writes out what is in memory first, where that can be done.
    """
    try:
        fd = _opened(dir_fd, name)
    except OSError:
        return []
    try:
        return list(_fiemap(fd, _SYNC if sync else 0))
    except OSError:
        return _extents(dir_fd, name) if sync else []
    finally:
        os.close(fd)


def _recent(status: os.stat_result) -> bool:
    return time.time() - status.st_ctime < _UNWRITTEN


def _opened(dir_fd: int, name: str) -> int:
    try:
        return os.open(name, _FLAGS | os.O_NOATIME, dir_fd=dir_fd)
    except PermissionError as error:
        if error.errno != errno.EPERM:  # O_NOATIME is for the owner
            raise
        return os.open(name, _FLAGS, dir_fd=dir_fd)


def _fiemap(fd: int, how: int) -> Iterator[_Mapped]:
    buffer = bytearray(_HEAD.size + _AT_ONCE * _EXTENT.size)
    at = 0
    while True:
        _HEAD.pack_into(buffer, 0, at, _MOST - at, how, 0, _AT_ONCE, 0)
        fcntl.ioctl(fd, _FS_IOC_FIEMAP, buffer)
        count = _HEAD.unpack_from(buffer, 0)[3]
        flags = _LAST
        for number in range(count):
            logical, physical, length, flags = _EXTENT.unpack_from(buffer, _HEAD.size + number * _EXTENT.size)
            yield logical, physical, length, flags
            at = logical + length
        if flags & _LAST:
            return


def _mapped(dir_fd: int, name: str) -> Held:
    """What a file on btrfs holds by what is mapped of it alone: as if nothing were compressed, or half overwritten."""
    size, metadata, pieces = 0, _INODE_BYTES, []
    for _, start, length, flags in _extents(dir_fd, name):
        metadata += _EXTENT_ITEM + (length // 1024 if not flags & _INLINE else length)
        if flags & _SHARED:
            pieces.append((start, length))
        elif not flags & _INLINE:
            size += length
    return Held(size, metadata, tuple(pieces))


def _xfs_geometry(fd: int) -> tuple[int, bool]:
    """(bytes of an inode, whether files may share extents); the usual where it does not tell."""
    answer = bytearray(256)
    try:
        fcntl.ioctl(fd, _XFS_GEOMETRY, answer)
    except OSError:
        return 512, True
    size, flags = (struct.unpack_from("=I", answer, at)[0] for at in (_XFS_INODE_SIZE, _XFS_FLAGS))
    return size, bool(flags & _XFS_REFLINK)


def _xfs_allocated(fd: int, chunk: int) -> int | None:
    """How many inodes of a chunk are in use; None where we may not ask (CAP_SYS_ADMIN)."""
    answer = bytearray(_REQUEST.size + _CHUNK.size)
    _REQUEST.pack_into(answer, 0, chunk << _CHUNK_BITS, 0, 1, 0, 0)
    try:
        fcntl.ioctl(fd, _XFS_INUMBERS, answer)
    except OSError:
        return None
    start, _, count = _CHUNK.unpack_from(answer, _REQUEST.size)
    return count if start >> _CHUNK_BITS == chunk else 0


def metadata_copies(fd: int) -> float:
    """How much a byte of metadata of btrfs takes of what statvfs counts, over a byte of data (DUP: 2).

    statvfs divides what is used by the copies of the data (btrfs_statfs in fs/btrfs/super.c).
    """
    answer = bytearray(_SPACES.size + 64 * _SPACE.size)
    _SPACES.pack_into(answer, 0, 64, 0)
    try:
        fcntl.ioctl(fd, _SPACE_INFO, answer)
    except OSError:
        return 2.0  # as mkfs.btrfs makes it
    copies = {_DATA: 1, _METADATA: 1}
    for number in range(_SPACES.unpack_from(answer)[1]):
        flags = _SPACE.unpack_from(answer, _SPACES.size + number * _SPACE.size)[0]
        for kind in copies.keys() & {flags & 7}:
            copies[kind] = max((n for bit, n in _COPIES.items() if flags & bit), default=1)
    return copies[_METADATA] / copies[_DATA]
