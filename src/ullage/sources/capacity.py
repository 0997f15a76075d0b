"""What everything below ``backup_root`` takes, as ``du`` says: what a ``capacity`` is measured by.

While no part shares files with another the parts' sizes are the sum. Where some do (snapshots by hard links), one walk
over all of it counts every inode once; it is remembered for as long as no part comes, goes or changes its size.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from typing import Protocol

from msgspec.structs import replace

from ullage.catalog.values import Summed
from ullage.errors import CatalogError, Changed, UllageError
from ullage.system import gauge, tree

_BLOCK = 512
_TRIES = 3
"""Walks over everything that begin, before it is said that directories are moved about all the time."""

_Part = tuple[int, int, bool]
"""Inode, allocated bytes, and whether it may share files with another part."""


class Remembering(Protocol):
    """The part of the catalog that remembers a sum."""

    def summed(self, store: str) -> Summed | None: ...

    def set_summed(self, store: str, summed: Summed) -> None: ...


class Total:
    """The sum over one opened store. ``know`` tells what is known of its backups; all else is looked at each time."""

    def __init__(self, store: str, root_fd: int, catalog: Remembering) -> None:
        self._store = store
        self._root_fd = root_fd
        self._catalog = catalog
        self._known: dict[str, _Part] = {}
        self._last: Summed | None = None

    def know(self, parts: dict[str, _Part]) -> None:
        """Nothing; these sizes are taken from now on."""
        self._known = parts

    def within(self, allowed: int) -> int | None:
        """The sum; None where the use of the filesystem moved by over ``allowed`` bytes that it does not explain."""
        self._last = self._last or self._catalog.summed(self._store) or Summed()
        if self._last.elsewhere is None:
            return None
        total = self._bytes(self._last)
        return None if abs(self._used() - total - self._last.elsewhere) > allowed else total

    def anew(self) -> int:
        """The sum where everything was walked just now; what else the filesystem holds is not ours."""
        total = self._bytes(Summed())
        self._remember(elsewhere=self._used() - total)
        return total

    def _bytes(self, last: Summed) -> int:
        """Every inode below the root once."""
        parts = self._parts()
        if not any(shared for _, _, shared in parts.values()):
            return sum(size for _, size, _ in parts.values())
        digest = blake2b(repr(sorted(parts.items())).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        if last.digest == digest:
            return last.bytes
        total = self._walked()
        self._remember(digest=digest, bytes=total)
        return total

    def _remember(self, **changes: object) -> None:
        self._last = replace(self._last or Summed(), **changes)
        with suppress(CatalogError):  # a cache: whoever looks next walks again
            self._catalog.set_summed(self._store, self._last)

    def _parts(self) -> dict[str, _Part]:
        with tree.entries(self._root_fd) as entries:
            return {e.name: self._known[e.name] if e.name in self._known else self._part(e) for e in entries}

    def _part(self, entry: os.DirEntry[str]) -> _Part:
        """What is no known backup; of 0 bytes where it cannot be looked through."""
        try:
            if not entry.is_dir(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                size = status.st_blocks * _BLOCK
                return status.st_ino, size, status.st_nlink > 1
            fd = tree.open_directory(self._root_fd, entry.name)
        except (UllageError, FileNotFoundError):
            return 0, 0, False
        try:
            found = tree.survey(fd)
            return entry.inode(), found.size_bytes, found.linked
        except UllageError:
            return 0, 0, False
        finally:
            os.close(fd)

    def _walked(self) -> int:
        """The bytes below the root by one walk. Raises Changed where directories are moved about all the time."""
        for last in (False,) * (_TRIES - 1) + (True,):
            try:
                return tree.survey(self._root_fd, tolerant=True).size_bytes - self._top()
            except Changed:
                if last:
                    raise
        raise AssertionError("the last turn returns or raises")

    def _top(self) -> int:
        """What the root itself takes, which was there before any backup."""
        return os.fstat(self._root_fd).st_blocks * _BLOCK

    def _used(self) -> int:
        return gauge.measure(self._root_fd).used_bytes
