"""The file that is given up first when a filesystem is nearly full, so that there is room to work."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from ullage.model.units import MIB

_LARGEST = 64 * MIB
_BLOCK = 4096
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def size_for(total_bytes: int) -> int:
    """Bytes of ballast for a filesystem of ``total_bytes``: 2 %, at most 64 MiB, whole blocks of 4096."""
    return min(total_bytes // 50, _LARGEST) // _BLOCK * _BLOCK


class Ballast:
    """A file of real blocks in an open directory of ours. It helps neither inodes nor the metadata of btrfs."""

    def __init__(self, directory: int, name: str = "ballast") -> None:
        self._directory = directory
        self._name = name

    @property
    def size(self) -> int:
        """Bytes that giving it up would free: its blocks; 0 where there is none. Raises OSError."""
        try:
            status = os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return 0
        return status.st_blocks * 512 if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0

    def give_up(self) -> int:
        """The bytes given up, 0 where there was no ballast. Needs no room. Raises OSError."""
        size = self.size
        with suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._directory)
        return size

    def restore(self, size: int) -> bool:
        """Whether ``size`` bytes of ballast stand now; False, with nothing left behind, where there is no room.

        Raises OSError. What root may take from the reserve of the filesystem is not taken.
        """
        if self.size >= size:
            return True
        self.give_up()
        space = os.fstatvfs(self._directory)
        return size <= space.f_bavail * space.f_frsize and self._allocate(size)

    def _allocate(self, size: int) -> bool:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._name, flags, 0o600, dir_fd=self._directory)
            try:
                os.posix_fallocate(descriptor, 0, size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.give_up()
            if error.errno in _NO_ROOM:
                return False
            raise
        return True
