"""What a directory tree holds, and what would come back if it went: one walk that leaves every atime alone."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator

from msgspec import Struct

from ullage.errors import Interrupted
from ullage.model.units import printable
from ullage.system import linux
from ullage.system.extents import Meter
from ullage.system.linux import failure, where
from ullage.system.sharing import Sharing, Sum
from ullage.system.walk import Descent

_PASSED_OVER = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES})
_NAMED = 5  # obstacles, and files open for writing, that are named
_PACE = 256  # entries between two questions whether to stop
_BLOCK = 512  # bytes in a block of st_blocks, on every Linux filesystem
_LINKED = 2_000_000
"""Inodes with several links that are told apart, in about 300 MB; of further ones every link counts for its share."""

_OWNER = 0


class Survey(Struct, frozen=True, kw_only=True):
    """One look at a whole tree. Sizes are allocated bytes.

    ``size_bytes`` is what ``du`` says: every inode once, directories included. ``reclaimable_bytes`` and ``inodes``
    count only inodes all of whose links were met inside and, with a meter, extents that nothing else shares;
    ``metadata_bytes`` is what these take in the trees of btrfs. ``linked`` and ``reflinked``: hard links or shared
    extents lead out of it. ``entries`` are all below the top. Beyond 2 million inodes with several links, further
    ones count for the share of their links that were met, and none as reclaimable. ``newest_mtime`` is of any
    entry, the top included; ``last_read_at`` the newest atime of a regular file, None where there is none.
    ``obstacles`` are sentences: what forbids removal; ``written`` are paths, as the disk spells them, of what is in
    ``write_open``. At most 5 of either.
    """

    size_bytes: int
    reclaimable_bytes: int
    inodes: int
    entries: int
    newest_mtime: float
    last_read_at: float | None
    metadata_bytes: int = 0
    linked: bool = False
    reflinked: bool = False
    obstacles: tuple[str, ...] = ()
    written: tuple[str, ...] = ()


def survey(
    fd: int,
    *,
    write_open: frozenset[tuple[int, int]] = frozenset(),
    attributes: bool = False,
    tolerant: bool = False,
    should_stop: Callable[[], bool] | None = None,
    meter: Meter | None = None,
) -> Survey:
    """What the directory ``fd`` holds, in constant descriptors; memory grows with what is shared alone, bounded.

    ``attributes`` looks for immutable and append-only entries and for files that are mount points too; a mounted
    directory is always an obstacle and never entered. Raises Changed (a directory vanished or moved: a writer is at
    work), Refused (no permission; names the entry), Interrupted, Unavailable. ``tolerant`` passes over what vanished
    and what may not be looked at.
    """
    try:
        with Descent(fd) as descent:
            tally = _Tally(descent, write_open, attributes, tolerant, should_stop, meter)
            for _ in tally.directories():
                tally.look()
            return tally.result()
    except OSError as error:
        raise failure(error, f"cannot look through {where(fd)}") from error


class _Tally:
    """The sums so far, at the level where the descent stands."""

    def __init__(
        self,
        descent: Descent,
        write_open: frozenset[tuple[int, int]],
        attributes: bool,
        tolerant: bool,
        should_stop: Callable[[], bool] | None,
        meter: Meter | None,
    ) -> None:
        self._descent = descent
        self._device = descent.level.status.st_dev
        self._write_open = write_open
        self._attributes = attributes
        self._tolerant = tolerant
        self._should_stop = should_stop
        self._held = Sharing(meter, _LINKED)
        self._shares: Counter[int] = Counter()  # bytes of links beyond those told apart, by how many links there are
        self._size = 0
        self._entries = -1  # the top is not below itself
        self._newest_mtime = 0.0
        self._last_read_at: float | None = None
        self._obstacles: list[str] = []
        self._written: list[str] = []

    def result(self) -> Survey:
        """The sums as they are now."""
        alone = self._held.sums().get(1 << _OWNER, Sum())
        return Survey(
            size_bytes=self._size + sum(size // links for links, size in self._shares.items()),
            reclaimable_bytes=alone.size,
            inodes=alone.inodes,
            metadata_bytes=alone.metadata,
            linked=self._held.linked_elsewhere,
            reflinked=self._held.reflinked_elsewhere,
            entries=self._entries,
            newest_mtime=self._newest_mtime,
            last_read_at=self._last_read_at,
            obstacles=tuple(self._obstacles),
            written=tuple(self._written),
        )

    def directories(self) -> Iterator[None]:
        """Stands at every directory once, the top first."""
        yield
        while True:
            name = self._descent.level.next()
            if name is None:
                if self._descent.depth == 0:
                    return
                self._descent.leave()
            elif self._enter(name):
                yield

    def look(self) -> None:
        """Takes in the directory and all that is in it but its directories, which are noted."""
        level = self._descent.level
        self._count(level.status, "")
        if self._attributes:
            self._look_for_attributes("")
        for entry in level.files():
            self._meet(entry)

    def _enter(self, name: str) -> bool:
        try:
            self._descent.enter(name)
        except OSError as error:
            if self._tolerant and error.errno in _PASSED_OVER:
                return False
            if error.errno != errno.EXDEV:
                raise self._failure(error, name) from error
            self._hinders(name, "is the root of another filesystem or subvolume; unmount or remove it first")
            return False
        return True

    def _meet(self, entry: os.DirEntry[str]) -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # a writer's temporary file
            return
        except OSError as error:
            if self._tolerant and error.errno in _PASSED_OVER:
                return
            raise self._failure(error, entry.name) from error
        if status.st_nlink > 1:
            self._count_linked(status, entry.name)
        else:
            self._count(status, entry.name)
        if stat.S_ISREG(status.st_mode):
            self._last_read_at = max(self._last_read_at or status.st_atime, status.st_atime)
        if (status.st_dev, status.st_ino) in self._write_open and len(self._written) < _NAMED:
            self._written.append(self._descent.path(entry.name))
        if self._attributes or status.st_dev != self._device:
            self._look_for_attributes(entry.name)

    def _count(self, status: os.stat_result, name: str) -> None:
        """An inode that has no other link; a directory too."""
        self._step(status)
        self._size += status.st_blocks * _BLOCK
        self._held.plain(_OWNER, self._descent.level.fd, name, status)

    def _count_linked(self, status: os.stat_result, name: str) -> None:
        self._step(status)
        met = self._held.linked(_OWNER, self._descent.level.fd, name, status)
        if met == 0:
            self._shares[status.st_nlink] += status.st_blocks * _BLOCK
        elif met == 1:
            self._size += status.st_blocks * _BLOCK

    def _step(self, status: os.stat_result) -> None:
        self._entries += 1
        self._newest_mtime = max(self._newest_mtime, status.st_mtime)
        if self._should_stop is not None and self._entries % _PACE == 0 and self._should_stop():
            raise Interrupted(f"stopped looking through {where(self._descent.level.fd)}")

    def _look_for_attributes(self, name: str) -> None:
        try:
            status = linux.statx(self._descent.level.fd, name)
        except FileNotFoundError:
            return
        if status.immutable:
            self._hinders(name, "is immutable (chattr -i makes it removable)")
        if status.append_only:
            self._hinders(name, "is append-only (chattr -a makes it removable)")
        if status.mount_root and name:
            self._hinders(name, "has another file mounted over it; unmount that first")

    def _hinders(self, name: str, why: str) -> None:
        if len(self._obstacles) < _NAMED:
            self._obstacles.append(f"{printable(self._descent.path(name)) or 'the directory itself'} {why}")

    def _failure(self, error: OSError, name: str) -> Exception:
        return failure(error, f"cannot look at {where(self._descent.level.fd, name)}")
