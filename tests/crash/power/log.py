"""What a disk was told, and what it may hold after its power was cut."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from struct import Struct

HEADER = Struct("<cBQI")
"""Kind, disk, offset and length of what follows, in the file that ``device.py`` writes."""
WRITE, FLUSH, MARK = b"w", b"f", b"m"
Spans = tuple[tuple[int, int], ...]
"""(start, end) of the bytes of one write that reached the disk."""


@dataclass(frozen=True)
class Entry:
    """A write, a flush or a mark."""

    kind: bytes
    disk: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Cut:
    """The power went after ``at`` entries; of the writes in ``kept`` only those spans are on the disk."""

    at: int
    kept: Mapping[int, Spans]

    def __str__(self) -> str:
        return f"cut after {self.at} entries, not whole: {dict(self.kept)}"


class Log:
    """The entries of one recording, of all its disks, in their order."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self._flushed = list(_flushed(entries))

    @classmethod
    def read(cls, path: Path) -> Log:
        """The log that ``device.py`` wrote."""
        return cls(tuple(_entries(path.read_bytes())))

    def __len__(self) -> int:
        return len(self.entries)

    def flushed(self, disk: int, at: int) -> int:
        """So many of the first ``at`` entries stand before the last flush of that disk among them."""
        return self._flushed[at].get(disk, 0)

    def volatile(self, at: int) -> list[int]:
        """The writes among the first ``at`` entries that no flush of their disk followed."""
        first = min((self.flushed(disk, at) for disk in {entry.disk for entry in self.entries}), default=0)
        return [
            n
            for n, entry in enumerate(self.entries[first:at], first)
            if entry.kind == WRITE and n >= self.flushed(entry.disk, at)
        ]

    def marks(self, at: int) -> list[str]:
        """What had been said when the power went."""
        return [entry.data.decode() for entry in self.entries[:at] if entry.kind == MARK]

    def prefixes(self) -> Iterator[Cut]:
        """A cut after every entry, with nothing lost."""
        return (Cut(at, {}) for at in range(len(self) + 1))

    def just_said(self, lossless: Collection[int] = ()) -> Iterator[Cut]:
        """A cut at every mark, with all that was not flushed lost."""
        for at, entry in enumerate(self.entries, 1):
            if entry.kind == MARK:
                yield Cut(at, dict.fromkeys(self._lossy(at, lossless), ()))

    def losses(self, count: int, random: Random, atom: int, lossless: Collection[int] = ()) -> list[Cut]:
        """So many cuts with unflushed writes lost, or torn at multiples of ``atom`` bytes; none on the ``lossless``."""
        lossy = {at: self._lossy(at, lossless) for at in range(len(self) + 1)}
        places = [at for at, writes in lossy.items() if writes]
        cuts: list[Cut] = []
        while len(cuts) < count:
            at = random.choice(places)
            kept = self._lost(lossy[at], random, atom)
            if kept:
                cuts.append(Cut(at, kept))
        return cuts

    def _lossy(self, at: int, lossless: Collection[int]) -> list[int]:
        return [n for n in self.volatile(at) if self.entries[n].disk not in lossless]

    def _lost(self, writes: Sequence[int], random: Random, atom: int) -> dict[int, Spans]:
        """What is left of those that are not whole; each disk loses all, nothing, or some."""
        share = {entry.disk: random.choice((0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)) for entry in self.entries}
        kept: dict[int, Spans] = {}
        for n in writes:
            if random.random() < share[self.entries[n].disk]:
                kept[n] = () if random.random() < 0.8 else _torn(len(self.entries[n].data), random, atom)
        return kept


def _entries(raw: bytes) -> Iterator[Entry]:
    at = 0
    while at < len(raw):
        kind, disk, offset, length = HEADER.unpack_from(raw, at)
        at += HEADER.size
        yield Entry(kind, disk, offset, raw[at : at + length])
        at += length


def _flushed(entries: Sequence[Entry]) -> Iterator[dict[int, int]]:
    last: dict[int, int] = {}
    yield last
    for n, entry in enumerate(entries):
        if entry.kind == FLUSH:
            last = {**last, entry.disk: n}
        yield last


def _torn(length: int, random: Random, atom: int) -> Spans:
    return tuple((start, min(start + atom, length)) for start in range(0, length, atom) if random.random() < 0.5)
