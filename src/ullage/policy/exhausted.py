"""When what may go is not enough: how much is missing, what holds the rest, and what would have to give; in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from msgspec.structs import replace

from ullage.model.backups import Archive, Backup, Share
from ullage.model.readings import Reading
from ullage.model.settings import StoreSettings
from ullage.model.shortfall import Because, Shortfall
from ullage.model.units import format_size, printable
from ullage.model.words import Cause, CleanupLevel, Level
from ullage.policy.assess import Goal, missing, of_disk_bytes
from ullage.policy.protect import archive_floors
from ullage.policy.respond import archives_to_go, response
from ullage.policy.shortfall import Asked, Room, shortfall

_HELD_BY = {
    Cause.PINNED: "pinned",
    Cause.IN_USE: "in use",
    Cause.IN_DOUBT: "in doubt",
    Cause.LEVEL: "not ripe for it",
    Cause.ELSEWHERE: "held by other links, reflinks or snapshots",
}

_ELSE = "look what else fills the disk, or enlarge it"


def too_little(
    level: Level,
    reading: Reading,
    backups: Sequence[Backup],
    store: StoreSettings,
    *,
    now: float,
    archives: Sequence[Archive] = (),
    shares: Iterable[Share] = (),
    waiting: Room = (0, 0),
    asked: CleanupLevel | None = None,
    goal: Goal | None = None,
) -> Shortfall | None:
    """What is missing for the goal of a level when all went that may go at it, or at ``asked``; None where nothing is.

    ``archives``: those on the same filesystem, which go for its bytes, and until its usage is under critical; they
    are no part of a capacity. ``waiting``: what lies in the trash, and the ballast: they go before. ``goal``: in the
    place of the level's.
    """
    answer = response(level, store)
    if answer is None or answer.goal is None:
        return None
    goal, marks, disk = goal or answer.goal, store.watermarks, of_disk_bytes(reading)
    floors = archive_floors(archives, backups, store.reclaim, now=now)
    old = sum(archive.size_bytes for archive in archives_to_go(archives, floors))
    of_capacity = missing(goal, replace(reading, backup=reading.backup[1:]), marks)[0]
    on_disk, critical = missing(goal, disk, marks)[0], missing(Goal.BELOW_CRITICAL, disk, marks)[0]
    inodes = missing(goal, reading, marks)[1]

    def still(gain: Room) -> Room:
        size = gain[0] + waiting[0]
        from_archives = min(old, max(0, critical - size))
        return max(0, on_disk - size - from_archives, of_capacity - size), max(0, inodes - gain[1] - waiting[1])

    what = Asked(goal=goal, level=asked or answer.cleanup_level, last=level is Level.EMERGENCY)
    return shortfall(what, reading, backups, store, now=now, shares=shares, still=still)


def nothing_more(
    level: Level,
    reading: Reading,
    backups: Sequence[Backup],
    store: StoreSettings,
    *,
    now: float,
    archives: Sequence[Archive] = (),
    shares: Iterable[Share] = (),
    waiting: Room = (0, 0),
) -> Shortfall | None:
    """The same where people are to be told: not even the watermark of critical, or an emergency's target, is in reach.

    None under critical.
    """
    if level not in (Level.CRITICAL, Level.EMERGENCY):
        return None
    found = partial(
        too_little, level, reading, backups, store, now=now, archives=archives, shares=shares, waiting=waiting
    )
    if level is Level.CRITICAL and found(goal=Goal.BELOW_CRITICAL) is None:
        return None
    return found()


def told(short: Shortfall) -> str:
    """A shortfall in one sentence."""
    missing_ = _amount(short.size_bytes, short.inodes, short)
    what = "that nothing holds" if short.level is None else f"at {short.level}"
    if not short.because:
        gain = _amount(short.may_bytes, short.may_inodes, short)
        why = f"all backups ({short.count}) give back only {gain}" if short.count else "there is no backup left"
        return f"{missing_} short of {short.goal}: {why}; {_ELSE}"
    may = f"only {_amount(short.may_bytes, short.may_inodes, short)} ({short.count})" if short.count else "nothing more"
    because = ", ".join(_because(one, short) for one in short.because)
    largest = ", ".join(
        f"{printable(one.backup_id)} ({format_size(one.size_bytes)}, {held_by(one.cause)})" for one in short.largest
    )
    return f"{missing_} short of {short.goal}: {may} may go {what}; {because}; the largest: {largest}; {_give(short)}"


def _give(short: Shortfall) -> str:
    """What would have to give."""
    ways = " and ".join(short.ways)
    if short.enough:
        return f"{ways}, or enlarge the disk"
    return f"{ways}; even that is not enough: {_ELSE}" if ways else _ELSE


def held_by(cause: Cause) -> str:
    """A cause, as it is said of one backup."""
    return _HELD_BY.get(cause, f"held by reclaim.{cause}")


def _because(one: Because, short: Shortfall) -> str:
    """``reclaim.keep_daily holds 9.1 GiB (7)``, ``2 pinned hold 4.0 GiB``."""
    amount = _amount(one.size_bytes, one.inodes, short)
    if one.cause in _HELD_BY:
        return f"{amount} {'is' if one.count == 1 else 'are'} {_HELD_BY[one.cause]} ({one.count})"
    return f"reclaim.{one.cause} holds {amount} ({one.count})"


def _amount(size: int, inodes: int, short: Shortfall) -> str:
    """Of bytes, of inodes, or of both, as they are missing."""
    parts = [format_size(size)] if short.size_bytes else []
    return " and ".join([*parts, f"{inodes:,} inodes"] if short.inodes else parts)
