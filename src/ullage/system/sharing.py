"""What several trees hold: each of them alone, and which of them together (hard links, reflinks).

An inode comes back when all its links are in trees that go; a shared extent when all files that use it do.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from ullage.system.extents import Held, Meter
from ullage.system.walk import Descent

_BLOCK = 512  # bytes in a block of st_blocks, on every Linux filesystem
_COUNT = 32
"""Bits for the number of links that were met; those above say in which trees."""
_PIECES = 2_000_000
"""Shared extents that are told apart, in about 500 MB; further ones are taken to be shared with something else."""

Owners = int
"""A set of owners: the bit of each."""


class Sum(Struct):
    """Bytes of data, bytes of items of metadata (btrfs), inodes."""

    size: int = 0
    metadata: int = 0
    inodes: int = 0


class Sharing:
    """The inodes met so far, each with its owner: the number of the tree it was met in.

    ``most``: inodes with several links that are told apart.
    """

    def __init__(self, meter: Meter | None, most: int) -> None:
        self._meter = meter
        self._most = most
        self._links: dict[int, int] = {}
        self._incomplete = 0
        self._pieces: dict[tuple[int, int], tuple[int, int]] = {}
        self._chunks: dict[int, tuple[int, int]] = {}
        self._beyond = self._lost = False
        self._groups = _Groups()
        self._sums: defaultdict[int, Sum] = defaultdict(Sum)

    def plain(self, owner: int, dir_fd: int, name: str, status: os.stat_result) -> None:
        """Takes in an inode that has no other link; without a name the directory itself."""
        self._add(self._groups.joined(0, owner), dir_fd, name, status)

    def linked(self, owner: int, dir_fd: int, name: str, status: os.stat_result) -> int:
        """Takes in a link of an inode; how many of it were met. 0: it is beyond those that are told apart."""
        inode = status.st_dev << 64 | status.st_ino  # an int takes half the memory of a pair
        seen = self._links.get(inode, 0)
        if not seen:
            if len(self._links) >= self._most:
                self._beyond = True
                return 0
            self._incomplete += 1
        met = (seen & (1 << _COUNT) - 1) + 1
        group = self._groups.joined(seen >> _COUNT, owner)
        self._links[inode] = group << _COUNT | met
        if met == status.st_nlink:
            self._incomplete -= 1
            self._add(group, dir_fd, name, status)
        return met

    def tree(self, owner: int, fd: int) -> None:
        """Takes in the directory ``fd`` and all that it holds, but nothing mounted in it. Raises OSError, Changed."""
        with Descent(fd) as descent:
            self._level(owner, descent)
            while True:
                name = descent.level.next()
                if name is not None:
                    if _entered(descent, name):
                        self._level(owner, descent)
                elif descent.depth:
                    descent.leave()
                else:
                    return

    @property
    def linked_elsewhere(self) -> bool:
        """Whether an inode has links that were not met."""
        return self._incomplete > 0 or self._beyond

    @property
    def reflinked_elsewhere(self) -> bool:
        """Whether an extent is used by what was not met."""
        return self._lost or any(uses < 2 for _, _, uses, _ in self._segments())

    def sums(self) -> dict[Owners, Sum]:
        """What comes back with all of some owners, and with no fewer of them."""
        found = defaultdict(Sum, {group: Sum(s.size, s.metadata, s.inodes) for group, s in self._sums.items()})
        for begin, end, uses, group in self._segments():
            if uses > 1:  # it is shared, and known to be so with one at least: else somebody unknown holds it
                found[group].size += end - begin
                found[group].metadata += self._meter.items(end - begin) if self._meter else 0
        for chunk, (gone, group) in self._chunks.items():
            if self._meter and (size := self._meter.chunk_size(chunk, gone)):
                found[group].size += size
        return {self._groups.members(group): total for group, total in found.items()}

    def _level(self, owner: int, descent: Descent) -> None:
        level = descent.level
        self.plain(owner, level.fd, "", level.status)
        for entry in level.files():
            status = entry.stat(follow_symlinks=False)
            (self.linked if status.st_nlink > 1 else self.plain)(owner, level.fd, entry.name, status)

    def _add(self, group: int, dir_fd: int, name: str, status: os.stat_result) -> None:
        held = Held(status.st_blocks * _BLOCK) if self._meter is None else self._meter.weigh(dir_fd, name, status)
        to = self._sums[group]
        to.size += held.size
        to.metadata += held.metadata
        to.inodes += 1
        chunk = None if self._meter is None else self._meter.chunk(status.st_ino)
        if chunk is not None:
            gone, others = self._chunks.get(chunk, (0, 0))
            self._chunks[chunk] = gone + 1, self._groups.united(others, group)
        for piece in held.pieces:
            uses, others = self._pieces.get(piece, (0, 0))
            if uses or len(self._pieces) < _PIECES:
                self._pieces[piece] = uses + 1, self._groups.united(others, group)
            else:
                self._lost = True

    def _segments(self) -> Iterator[tuple[int, int, int, int]]:
        """(begin, end, how often it is used, by which group) of every run of blocks that is shared, in disk order."""
        edges = []
        for (start, length), (uses, group) in self._pieces.items():
            edges.append((start, uses, group))
            edges.append((start + length, -uses, group))
        using: dict[int, int] = {}
        before = uses = whole = 0
        for at, change, group in sorted(edges):
            if at > before and uses:
                yield before, at, uses, whole
            before, uses = at, uses + change
            left = using.pop(group, 0) + change
            if left:
                using[group] = left
                whole = self._groups.united(whole, group)
            else:
                whole = 0
                for one in using:
                    whole = self._groups.united(whole, one)


def _entered(descent: Descent, name: str) -> bool:
    """False at a mount and at a subvolume: what holds one cannot go before that does."""
    try:
        descent.enter(name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


class _Groups:
    """Sets of owners by small numbers, 0 the empty one: a number takes no more memory with ten thousand owners."""

    def __init__(self) -> None:
        self._members: list[Owners] = [0]
        self._numbers: dict[Owners, int] = {0: 0}
        self._joined: dict[tuple[int, int], int] = {}
        self._united: dict[tuple[int, int], int] = {}

    def members(self, group: int) -> Owners:
        return self._members[group]

    def joined(self, group: int, owner: int) -> int:
        """The group with one more owner."""
        found = self._joined.get((group, owner))
        if found is None:
            found = self._joined[group, owner] = self._number(self._members[group] | 1 << owner)
        return found

    def united(self, one: int, other: int) -> int:
        """The group of the owners of both."""
        if one == other or not one:
            return other
        found = self._united.get((one, other))
        if found is None:
            found = self._united[one, other] = self._number(self._members[one] | self._members[other])
        return found

    def _number(self, members: Owners) -> int:
        number = self._numbers.setdefault(members, len(self._members))
        if number == len(self._members):
            self._members.append(members)
        return number
