"""What people are told beside a level: what was settled, that nothing more may go, that a series has no good backup."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from ullage.model.backups import Backup, Operation, Share
from ullage.model.readings import Reading
from ullage.model.shortfall import Shortfall
from ullage.model.units import printable
from ullage.model.words import Level
from ullage.policy import exhausted
from ullage.policy.holding import worth_a_word
from ullage.policy.unconfirmed import unconfirmed
from ullage.ports import OpenStore, Site, Source

LOOK = 3600.0
"""Seconds between two looks at whether backups are still confirmed: it takes a look at all of them."""
_NAMED = 3
"""So many operations are named, and the others counted."""


def settled(ops: Sequence[Operation], unsettled: Container[int]) -> list[str]:
    """What a recovery did with what an interrupted run had left; ``unsettled``: the operations that are so still."""
    done = [op for op in ops if op.id not in unsettled]
    names = [f"{op.action} of {printable(op.backup_id)} {op.result}" for op in done[:_NAMED]]
    names += [f"{len(done) - _NAMED} more"] if len(done) > _NAMED else []
    notes = [f"what an interrupted run had left was settled: {', '.join(names)}; see ullage history"] if done else []
    return notes + [
        f"{op.action} of {printable(op.backup_id)}, which an interrupted run had left, is tried again in the next"
        f" cycle: {op.reason}"
        for op in ops
        if op.id in unsettled
    ]


def nothing_more(site: Site, reading: Reading, level: Level, *, now: float) -> str | None:
    """What is missing where not enough of a store may go at this level; None where enough may. Raises Unavailable."""
    if level not in (Level.CRITICAL, Level.EMERGENCY):
        return None
    with site.open() as opened:
        archives = opened.source.archives() if reading.same_filesystem else []
        waiting = held_own(opened)

        def reckon(backups: Sequence[Backup], shares: Iterable[Share]) -> Shortfall | None:
            return exhausted.nothing_more(
                level, reading, backups, site.settings, now=now, archives=archives, shares=shares, waiting=waiting
            )

        short = reckoned(opened.source, reckon)
    return None if short is None else exhausted.told(short)


def reckoned(
    source: Source, reckon: Callable[[Sequence[Backup], Iterable[Share]], Shortfall | None]
) -> Shortfall | None:
    """What is missing by ``reckon``; what backups share takes a look of its own, and is asked for where it matters."""
    short = reckon(source.backups(), ())
    if short is not None and (shares := source.shares()):
        short = reckon(source.backups(), shares)
    return short


def held_own(opened: OpenStore) -> tuple[int, int]:
    """(bytes, inodes) of the store's own deleted files that processes still hold: they come back, and nothing goes for
    them. A ``capacity`` has them back already.
    """
    if opened.settings.capacity is not None:
        return 0, 0
    held = opened.gauge.holding()
    return held.own_bytes, held.own_files


def to_come(opened: OpenStore, trashed: Iterable[Operation], level: Level) -> tuple[int, int]:
    """(bytes, inodes) that come back before any backup goes: the trash, in an emergency the ballast, what is held."""
    size, inodes = held_own(opened)
    size += opened.gauge.ballast() if level is Level.EMERGENCY else 0
    lying = list(trashed)
    return size + sum(op.predicted_bytes for op in lying), inodes + sum(op.predicted_inodes for op in lying)


def not_confirmed(site: Site, *, now: float) -> str | None:
    """Which series had no good backup of late. Raises Unavailable."""
    with site.open() as opened:
        return unconfirmed(opened.source.backups(), now=now)


def still_open(opened: OpenStore, reading: Reading, level: Level) -> str | None:
    """Who has much open that is deleted, on the filesystem of the backups; None below warning, where it is no matter.

    Raises OSError, Changed.
    """
    if level not in (Level.WARNING, Level.CRITICAL, Level.EMERGENCY):
        return None
    return worth_a_word(opened.gauge.holding(), reading)
