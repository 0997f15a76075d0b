"""What the backups of a store hold together: found by one walk over all of them, then followed while they go.

A backup that goes leaves what it shared with one other to that one alone, though nothing in the other moved. So what
was found is kept for as long as those that stand are what they were, and no other shares anything; see decision 20.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from ullage.catalog.values import Together
from ullage.errors import CatalogError, UllageError
from ullage.model.backups import Backup, Share
from ullage.model.words import State
from ullage.policy import metadata
from ullage.policy.metadata import Sample
from ullage.sources.signature import Signature
from ullage.system import extents, sharing, tree
from ullage.system.extents import Meter

_LINKED = 2_000_000
"""Inodes with several links that are told apart, in about 400 MB; what further ones hold is not counted on."""
_CLASSES = 10_000
"""Sets of owners that are remembered, those that hold the most; what the others hold is not counted on."""
_WRITTEN = 300.0
"""Seconds after its newest mtime for which a CREATED backup may still be written (``reclaim.settle``), and is left out:
what it links to by now is held by it, and nobody can count on that."""

Looked = list[tuple[Backup, Signature]]


class Remembering(Protocol):
    """The part of the catalog that remembers what is shared, and what metadata takes."""

    def together(self, store: str) -> Together | None: ...

    def remember_together(self, store: str, found: Together) -> None: ...

    def learnt(self, store: str) -> tuple[Sample, ...]: ...

    def set_learnt(self, store: str, samples: tuple[Sample, ...]) -> None: ...


class _Held(NamedTuple):
    """Of one backup alone or of several together: bytes of data, bytes of metadata, inodes."""

    data: int
    items: int
    inodes: int

    def plus(self, other: _Held) -> _Held:
        """Both."""
        return _Held(self.data + other.data, self.items + other.items, self.inodes + other.inodes)


class Measure:
    """How much of a store comes back: inodes weighed as its filesystem has them, metadata as it was learnt."""

    def __init__(self, store: str, root_fd: int, filesystem: str, catalog: Remembering) -> None:
        self._store = store
        self._root_fd = root_fd
        self._catalog = catalog
        self.meter: Meter | None = extents.meter(root_fd, filesystem)
        self._factor: float | None = None
        self._together: Together | None = None

    def whole(self, backup: Backup) -> Backup:
        """The backup as it was walked, its metadata added to what comes back."""
        if not backup.metadata_bytes:
            return backup
        return replace(backup, reclaimable_bytes=backup.reclaimable_bytes + self._taken_by(backup.metadata_bytes))

    def learn(self, gone: Backup, gained: int) -> None:
        """Nothing; the next prediction knows what this one, as ``whole`` gave it, really gave back."""
        if not gone.metadata_bytes:
            return
        data = gone.reclaimable_bytes - self._taken_by(gone.metadata_bytes)
        with suppress(CatalogError):  # the next one teaches as much
            samples = self._catalog.learnt(self._store)
            self._catalog.set_learnt(self._store, metadata.with_sample(samples, gone.metadata_bytes, gained - data))
        self._factor = None

    def alone(self, looked: Looked, now: float) -> list[Backup]:
        """The backups, each with what comes back when it alone goes, as far as that is known without a walk."""
        found = self._followed(looked, now)
        own = {} if found is None else found.alone
        return [self.whole(_with(backup, own.get(backup.id))) for backup, _ in looked]

    def shares(self, looked: Looked, now: float) -> tuple[Share, ...]:
        """What several of them hold together; walks over all of them where it is not known."""
        found = self._followed(looked, now)
        if found is None:
            steady = [(backup, sign) for backup, sign in looked if not _being_written(backup, now)]
            self._together, whole = _walked(self._root_fd, steady, self.meter)
            if whole:
                self._catalog.remember_together(self._store, self._together)
            found = _follow(self._together, steady) or _Followed({}, {})
        names = [os.fsdecode(name) for name in self._together.names] if self._together else []
        return tuple(
            Share(
                owners=tuple(sorted(names[number] for number in _numbers(owners))),
                size_bytes=held.data + self._taken_by(held.items),
                inodes=held.inodes,
            )
            for owners, held in found.shared.items()
        )

    def _followed(self, looked: Looked, now: float) -> _Followed | None:
        """What is known of those that stand; None where something shares and it is not known with whom."""
        steady = [(backup, sign) for backup, sign in looked if not _being_written(backup, now)]
        if self._together is None:
            self._together = self._catalog.together(self._store) or Together()
        return _follow(self._together, steady)

    def _taken_by(self, items: int) -> int:
        """Bytes that items of metadata take."""
        if not items:
            return 0
        if self._factor is None:
            self._factor = metadata.factor(self._catalog.learnt(self._store), extents.metadata_copies(self._root_fd))
        return int(items * self._factor)


class _Followed(NamedTuple):
    """What each holds alone, by id, of those that share something; and what sets of them hold, by their bits."""

    alone: dict[str, _Held]
    shared: dict[int, _Held]


def _follow(together: Together, looked: Looked) -> _Followed | None:
    """What was found, for those of them that stand; None where one is not what it was, or another shares something."""
    index = {os.fsdecode(name): number for number, name in enumerate(together.names)}
    standing: dict[int, str] = {}
    for backup, sign in looked:
        number = index.get(backup.id)
        if number is None:
            if backup.shared:
                return None
            continue
        standing[number] = backup.id
        if together.keys[number] != _key(backup, sign):
            return None
        if backup.reclaimable_bytes < min(together.seen[number], together.alone[number][0]):
            return None  # something new holds a part of it
    alone = {backup_id: _Held(*together.alone[number]) for number, backup_id in standing.items()}
    shared: dict[int, _Held] = {}
    left = sum(1 << number for number in standing)
    for bits, *held in together.shared:
        owners = int(bits, 16) & left
        if owners & owners - 1:
            shared[owners] = shared.get(owners, _Held(0, 0, 0)).plus(_Held(*held))
        elif owners:
            last = standing[owners.bit_length() - 1]
            alone[last] = alone[last].plus(_Held(*held))
    return _Followed(alone, shared)


def _walked(root_fd: int, looked: Looked, meter: Meter | None) -> tuple[Together, bool]:
    """What they hold together, and whether all of them could be walked: what could not is nobody's to give back."""
    found, failed, among = sharing.Sharing(meter, _LINKED), 0, 0
    for number, (backup, _) in enumerate(looked):
        try:
            _take_in(found, number, root_fd, backup.id)
            among |= backup.shared << number
        except (UllageError, OSError):
            failed |= 1 << number
    sums = {owners: held for owners, held in found.sums().items() if not owners & failed}
    several = {owners: held for owners, held in sums.items() if owners & owners - 1}
    for owners in several:
        among |= owners
    order = _numbers(among & ~failed)
    place = {number: at for at, number in enumerate(order)}
    own = [sums.get(1 << number, sharing.Sum()) for number in order]
    most = sorted(several.items(), key=lambda one: one[1].size, reverse=True)[:_CLASSES]
    together = Together(
        names=tuple(os.fsencode(looked[number][0].id) for number in order),
        keys=tuple(_key(*looked[number]) for number in order),
        seen=tuple(looked[number][0].reclaimable_bytes for number in order),
        alone=tuple((one.size, one.metadata, one.inodes) for one in own),
        shared=tuple(
            (f"{sum(1 << place[number] for number in _numbers(group)):x}", one.size, one.metadata, one.inodes)
            for group, one in most
        ),
    )
    return together, not failed


def _numbers(bits: int) -> list[int]:
    """Those whose bits are set, the lowest first."""
    return [at for at, bit in enumerate(reversed(f"{bits:b}")) if bit == "1"]


def _take_in(found: sharing.Sharing, number: int, root_fd: int, backup_id: str) -> None:
    fd = tree.open_directory(root_fd, backup_id)
    try:
        found.tree(number, fd)
    finally:
        os.close(fd)


def _key(backup: Backup, sign: Signature) -> bytes:
    """What stands for a backup as it was walked."""
    return blake2b(sign.encoded() + str(backup.size_bytes).encode(), digest_size=8).digest()


def _being_written(backup: Backup, now: float) -> bool:
    return backup.state is State.CREATED and now - backup.newest_mtime < _WRITTEN


def _with(backup: Backup, own: _Held | None) -> Backup:
    if own is None:
        return backup
    return replace(backup, reclaimable_bytes=own.data, metadata_bytes=own.items, inodes=own.inodes)
