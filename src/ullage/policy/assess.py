"""What a reading means against the watermarks (SPEC.md 1, 4): the level, the goals, and how much is missing.

Everything that compares a usage with a watermark asks here, so that levels, goals and what is missing agree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from enum import StrEnum
from math import floor

from msgspec import Struct
from msgspec.structs import replace

from ullage.model.readings import Pressure, Reading, Space
from ullage.model.settings import Free, InodeMarks, Marks, Watermarks
from ullage.model.units import exact_size, format_size
from ullage.model.words import Kind, Level, Unit

METADATA_PER_INODE = 1024
"""Bytes of btrfs metadata that a file gives back, by which a plan reckons (notes of 2026); a reclaim measures them."""


class Goal(StrEnum):
    """When a reclaim is done."""

    LOW = "low"
    TARGET = "target"
    BELOW_CRITICAL = "below_critical"
    BELOW_EMERGENCY = "below_emergency"


class Measure(Struct, frozen=True, kw_only=True):
    """One thing of one space that can run out, its name for a person and its marks.

    ``slack``: what may still be used, negative where it is overrun.
    """

    what: str
    used: int
    usable: int
    slack: int
    usage: float
    marks: Marks
    unit: Unit


_WORDS = {Kind.FILESYSTEM: "bytes", Kind.CAPACITY: "capacity", Kind.QUOTA: "quota", Kind.METADATA: "btrfs metadata"}


def measures(space: Space, marks: Watermarks) -> list[Measure]:
    """What of a space can run out: bytes and, where they are counted and wanted, inodes."""
    metadata, usable = space.kind is Kind.METADATA, _usable(space)
    size = Measure(
        what=_WORDS[space.kind],
        used=space.used_bytes,
        usable=usable,
        slack=usable - space.used_bytes,
        usage=space.usage_percent,
        marks=_of_metadata(marks) if metadata else marks.of_bytes,
        unit=Unit.METADATA if metadata else Unit.BYTES,
    )
    if not marks.inodes or space.inode_percent is None:
        return [size]
    inodes = Measure(
        what="inodes",
        used=space.total_inodes - space.free_inodes,
        usable=space.total_inodes,
        slack=space.free_inodes,
        usage=space.inode_percent,
        marks=marks.of_inodes,
        unit=Unit.INODES,
    )
    return [size, inodes]


def reached(goal: Goal, reading: Reading, marks: Watermarks) -> bool:
    """Whether every space of the backups is where the goal wants it: below its level, or with the target free."""
    return all(_done(goal, one) for one in _all(reading, marks))


def told(goal: Goal, marks: Watermarks) -> str:
    """When a goal is reached, for a person; of inodes too where they have marks of their own that say another."""
    size, inodes = _goal_told(goal, marks.of_bytes, Unit.BYTES), _goal_told(goal, marks.of_inodes, Unit.INODES)
    alike = not marks.inodes or marks.inode == InodeMarks() or inodes == size
    return size if alike else f"{size}, and of inodes {inodes}"


def _goal_told(goal: Goal, marks: Marks, unit: Unit) -> str:
    if goal is Goal.TARGET:
        percent, free, more = marks.target_free, marks.free.target_free, ""
        parts = [f"{percent:g} % are free"] if percent > 0 or not free else []
    else:
        (percent, free), more = _limits(goal, marks), "more than "
        parts = [f"usage is under {percent:g} %"] if percent < 100 or not free else []
    parts += [f"{more}{free_told(unit, free).removesuffix(' free')} are free"] if free else []
    return " and ".join(parts)


def level_of(space: Space, marks: Watermarks) -> Level:
    """The worst level that any limit of the space gives; a watermark belongs to the level it begins."""
    return _level(worst_of(space, marks))


def worst_of(space: Space, marks: Watermarks) -> Measure:
    """What presses the most of one space."""
    return max(measures(space, marks), key=_pressing)


def usage_of(space: Space, marks: Watermarks) -> float:
    """Percent used of one space: the higher of bytes and, where they are counted and wanted, inodes."""
    return max(one.usage for one in measures(space, marks))


def assess(reading: Reading, marks: Watermarks) -> Pressure:
    """The pressure on the store, with a reason that names what binds. Nothing measured is unavailable, never 0 %."""
    archive, total = _usage(reading.archive, marks), _usage(reading.total, marks)
    if reading.fault is not None or not reading.backup:
        reason = reading.fault or "nothing was measured"
        return Pressure(level=Level.UNAVAILABLE, usage=None, archive_usage=archive, total_usage=total, reason=reason)
    known = _all(reading, marks)
    worst = max(known, key=_pressing)
    return Pressure(
        level=_level(worst),
        usage=_highest(known),
        archive_usage=archive,
        total_usage=total,
        reason=why(worst),
        brief=_brief(worst),
    )


def usage(reading: Reading, marks: Watermarks) -> float | None:
    """The usage alone that ``assess`` gives, several times as quickly."""
    return None if reading.fault is not None or not reading.backup else _highest(_all(reading, marks))


def binding(reading: Reading, marks: Watermarks) -> Space | None:
    """The space of the backups that presses the most; None where none was measured."""
    return max(reading.backup, key=lambda space: _pressing(worst_of(space, marks)), default=None)


def why(one: Measure) -> str:
    """How much is used, and where the level begins that this is; of ok, where the next one does."""
    level = _level(one)
    shown = Level.WARNING if level is Level.OK else level
    percent, free = _limits(_FROM[shown], one.marks)
    told = [f"{percent:g} %"] if not free or (percent < 100 and (one.usage >= percent or level is Level.OK)) else []
    if free and (one.slack <= free or level is Level.OK):
        told.append(free_told(one.unit, free))
    room = f", {_left(one)} free;" if free else ","
    return f"{one.what} {shown_percent(one.usage)} % used{room} {shown} begins at {' or '.join(told)}"


def begins(level: Level, one: Measure) -> float:
    """How much is used where the level begins: in bytes or inodes, by the stricter of its limits."""
    percent, free = _limits(_FROM[level], one.marks)
    by_percent = percent / 100.0 * one.usable
    return min(by_percent, one.usable - free) if free else by_percent


def _brief(one: Measure) -> str:
    """How full that is which binds; of what is free, where that is what counts."""
    what = "" if one.what == _WORDS[Kind.FILESYSTEM] else f"{one.what} "
    percent, free = _limits(_FROM.get(_level(one), Goal.LOW), one.marks)
    left = f", {_left(one)} free" if one.slack <= free and one.usage < percent else ""
    return f"{what}{shown_percent(one.usage)} % used{left}"


def _left(one: Measure) -> str:
    left = max(0, one.slack)
    return str(left) if one.unit is Unit.INODES else format_size(left)


def free_told(unit: Unit, free: int) -> str:
    """A limit of what is free, as settings have it."""
    return f"{free if unit is Unit.INODES else exact_size(free)} free"


def of_disk(reading: Reading) -> Reading:
    """The reading of the filesystem alone: archives take nothing of a capacity."""
    return replace(reading, backup=reading.backup[:1])


def of_disk_bytes(reading: Reading) -> Reading:
    """The same without inodes: an archive gives back a single one."""
    return replace(reading, backup=tuple(replace(space, total_inodes=0) for space in reading.backup[:1]))


def archive_pressed(reading: Reading, marks: Watermarks) -> bool:
    """Whether the archives are a pressure of their own, at critical or above; never while the store is unavailable."""
    if reading.archive is None or reading.same_filesystem or reading.fault is not None:
        return False
    return level_of(reading.archive, marks).severity >= Level.CRITICAL.severity


def missing(goal: Goal, reading: Reading, marks: Watermarks) -> tuple[int, int]:
    """(bytes, inodes), the fewest that must be gained until every space of the backups has reached the goal.

    What is missing of btrfs metadata counts as inodes, by an estimate: only measuring tells when it is enough.
    """
    sizes, inodes = [0], [0]
    for one in _all(reading, marks):
        gap = _gap(goal, one)
        if one.unit is Unit.METADATA:
            inodes.append(-(-gap // METADATA_PER_INODE))
        else:
            (inodes if one.unit is Unit.INODES else sizes).append(gap)
    return max(sizes), max(inodes)


def lacking(goal: Goal, reading: Reading, marks: Watermarks) -> frozenset[Unit]:
    """Of what there is too little; empty where the goal is reached."""
    return frozenset(one.unit for one in _all(reading, marks) if not _done(goal, one))


def room(goal: Goal | None, reading: Reading, marks: Watermarks) -> Iterator[tuple[float, bool]]:
    """What each space may still take until it has the goal no more (None: until it is full), and whether inodes."""
    for one in _all(reading, marks):
        percent, free = (100.0, 0) if goal is None else _limits(goal, one.marks)
        yield min(percent / 100.0 * one.usable - one.used, one.slack - free), one.unit is Unit.INODES


def overrun(space: Space) -> bool:
    """Whether more is used than there is, and nothing left; where that is assumed only, there is less than nothing."""
    return space.used_bytes > space.total_bytes and space.available_bytes >= 0


def shown_percent(usage: float) -> str:
    """One decimal, cut and not rounded: a watermark is not shown as reached before it is."""
    return f"{floor(round(usage * 10, 6)) / 10:.1f}"


def _all(reading: Reading, marks: Watermarks) -> list[Measure]:
    return [one for space in reading.backup for one in measures(space, marks)]


def _usable(space: Space) -> int:
    """What the percentage is of. A ``capacity`` that is overrun stays what it is: the overrun must be gained too."""
    return space.total_bytes if overrun(space) else space.used_bytes + space.available_bytes


def _of_metadata(marks: Watermarks) -> Marks:
    """Metadata stands for inodes, which btrfs does not count. It begins at emergency: where all of the disk is
    allocated nine tenths of it are used for long, which harms nobody, and no backup need go for that."""
    own = marks.of_inodes
    return replace(own, warning=own.emergency, critical=own.emergency, free=Free())


_FROM = {Level.WARNING: Goal.LOW, Level.CRITICAL: Goal.BELOW_CRITICAL, Level.EMERGENCY: Goal.BELOW_EMERGENCY}
"""What is not reached while a level lasts."""


def _limits(goal: Goal, marks: Marks) -> tuple[float, int]:
    """(percent used, units free) at which the level begins that the goal is below; a worse level is that level too."""
    free = marks.free
    if goal is Goal.BELOW_EMERGENCY:
        return marks.emergency, free.emergency
    if goal is Goal.BELOW_CRITICAL:
        return min(marks.critical, marks.emergency), max(free.critical, free.emergency)
    return min(marks.warning, marks.critical, marks.emergency), max(free.warning, free.critical, free.emergency)


def _done(goal: Goal, one: Measure, gain: int = 0) -> bool:
    """Whether the goal is reached once so much is gained."""
    usage = 100.0 * (one.used - gain) / one.usable if one.usable > 0 else 100.0
    if goal is Goal.TARGET and one.unit is not Unit.METADATA:
        return usage <= round(100.0 - one.marks.target_free, 9) and one.slack + gain >= one.marks.free.target_free
    # Metadata comes back bit by bit and in the background: enough of it is what is no emergency any more.
    percent, free = _limits(Goal.BELOW_CRITICAL if goal is Goal.TARGET else goal, one.marks)
    return usage < percent and one.slack + gain > free


def _level(one: Measure) -> Level:
    worst = (Level.EMERGENCY, Level.CRITICAL, Level.WARNING)
    return next((level for level in worst if not _done(_FROM[level], one)), Level.OK)


def _pressing(one: Measure) -> tuple[int, bool, float, str]:
    """A sort key; metadata that gives no level comes before all else."""
    severity = _level(one).severity
    return severity, severity > 0 or one.unit is not Unit.METADATA, one.usage, one.what


def _gap(goal: Goal, one: Measure) -> int:
    """The fewest units to gain until the goal is reached. Searched, so that it agrees with it to the last bit."""
    return bisect_left(range(one.used), True, key=lambda gain: _done(goal, one, gain))


def _highest(known: list[Measure]) -> float:
    """Percent used; that of metadata where it presses the most."""
    if any(one.unit is Unit.METADATA for one in known):
        worst = max(known, key=_pressing)
        known = [one for one in known if one.unit is not Unit.METADATA or one is worst]
    return max(one.usage for one in known)


def _usage(space: Space | None, marks: Watermarks) -> float | None:
    return None if space is None else usage_of(space, marks)
