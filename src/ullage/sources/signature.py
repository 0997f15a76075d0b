"""The cheapest sound sign that a backup's own files did not change: its directory's times, and those of each file.

A name that comes or goes moves the directory's times, so only the files that were there need to be looked at again.
What lies deeper is not in it: ``docs/decisions/0009`` says how that is bounded.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

OWN = (".state", ".created_at", ".pending_since", ".confirmed_at", ".cleanable_since", ".lock")
"""The files of a backup that ullage reads."""
_EACH = 3
_LAYOUT = struct.Struct(f"={3 + _EACH * len(OWN)}q")
_POSITIVE = (1 << 63) - 1
_ALL = range(len(OWN))


class Signature(NamedTuple):
    """``parts``: inode, mtime, ctime of the directory; inode, ctime, size of each own file, zeros where missing."""

    parts: tuple[int, ...]

    def encoded(self) -> bytes:
        """As the catalog keeps it."""
        return _LAYOUT.pack(*self.parts)

    @property
    def inodes(self) -> tuple[int, int]:
        """Of the directory and of its ``.lock`` (0: none): the places where producers lock."""
        return self.parts[0], self.parts[-_EACH]

    @property
    def changed_at(self) -> float:
        """The latest change it speaks of, epoch seconds."""
        return max(self.parts[1:3] + self.parts[4::_EACH]) / 1e9


def decoded(data: bytes) -> Signature | None:
    """A signature from the catalog; None where another version wrote it."""
    return Signature(_LAYOUT.unpack(data)) if len(data) == _LAYOUT.size else None


def signature(root_fd: int, name: str, known: Signature | None) -> Signature | None:
    """The signature of a backup as it is now; None where there is no ``.state``, or nothing at all."""
    try:
        head = _head(root_fd, name)
        same = known is not None and known.parts[:3] == head
        parts = [*head]
        for index in _ALL:
            if same and known is not None and not known.parts[3 + _EACH * index]:
                parts += (0, 0, 0)
            else:
                parts += _of(root_fd, name, OWN[index])
    except OSError:
        return None
    return Signature(tuple(parts)) if parts[3] else None


def unmoved(root_fd: int, name: str, before: Signature) -> bool:
    """Whether the backup has this signature still; quicker than making another to compare."""
    parts = before.parts
    try:
        if _head(root_fd, name) != parts[:3]:
            return False
        for index in _ALL:
            at = 3 + _EACH * index
            if parts[at] and _of(root_fd, name, OWN[index]) != parts[at : at + _EACH]:
                return False
    except OSError:
        return False
    return True


def _head(root_fd: int, name: str) -> tuple[int, int, int]:
    top = os.stat(name, dir_fd=root_fd, follow_symlinks=False)
    return top.st_ino & _POSITIVE, _held(top.st_mtime_ns), _held(top.st_ctime_ns)


def _held(nanoseconds: int) -> int:
    """Within 64 bits, which end in 1677 and 2262: on btrfs anybody may set a time far beyond."""
    return max(-_POSITIVE, min(_POSITIVE, nanoseconds))


def _of(root_fd: int, name: str, own: str) -> tuple[int, int, int]:
    try:
        one = os.stat(f"{name}/{own}", dir_fd=root_fd, follow_symlinks=False)
    except FileNotFoundError:
        return 0, 0, 0
    return one.st_ino & _POSITIVE, _held(one.st_ctime_ns), one.st_size
