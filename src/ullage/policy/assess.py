"""What a reading means against the watermarks (SPEC.md 1, 4): the level, the goals, and how much is missing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from enum import StrEnum
from math import floor

from msgspec.structs import replace

from ullage.model.readings import Pressure, Reading, Space
from ullage.model.settings import Watermarks
from ullage.model.words import Level


class Goal(StrEnum):
    """When a reclaim is done."""

    LOW = "low"
    TARGET = "target"
    BELOW_CRITICAL = "below_critical"
    BELOW_EMERGENCY = "below_emergency"


def reached(goal: Goal, usage: float, marks: Watermarks) -> bool:
    """Whether ``usage`` (percent) is where the goal wants it: under its watermark, or at most 100 - target_free."""
    if goal is Goal.TARGET:
        return usage <= round(100.0 - marks.target_free, 9)
    under = {Goal.LOW: marks.warning, Goal.BELOW_CRITICAL: marks.critical, Goal.BELOW_EMERGENCY: marks.emergency}
    return usage < under[goal]


def level_of(usage: float, marks: Watermarks) -> Level:
    """The level whose watermark ``usage`` (percent) has reached; a watermark belongs to the level it begins."""
    if usage >= marks.emergency:
        return Level.EMERGENCY
    if usage >= marks.critical:
        return Level.CRITICAL
    return Level.WARNING if usage >= marks.warning else Level.OK


def usage_of(space: Space, marks: Watermarks) -> float:
    """Percent used of one space: the higher of bytes and, where they are counted and wanted, inodes."""
    return max(_percentages(space, marks))[0]


def assess(reading: Reading, marks: Watermarks) -> Pressure:
    """The pressure on the store, with a reason that names what binds. Nothing measured is unavailable, never 0 %."""
    archive, total = _usage(reading.archive, marks), _usage(reading.total, marks)
    if reading.fault is not None or not reading.backup:
        reason = reading.fault or "nothing was measured"
        return Pressure(level=Level.UNAVAILABLE, usage=None, archive_usage=archive, total_usage=total, reason=reason)
    usage, what = max(max(_percentages(space, marks)) for space in reading.backup)
    level = level_of(usage, marks)
    reason = f"{what} {shown_percent(usage)} % used, {_begins(level, marks)}"
    return Pressure(level=level, usage=usage, archive_usage=archive, total_usage=total, reason=reason)


def of_disk(reading: Reading) -> Reading:
    """The reading without a capacity: archives take nothing of that, only of the filesystem."""
    return replace(reading, backup=reading.backup[:1])


def archive_pressed(reading: Reading, marks: Watermarks) -> bool:
    """Whether the archives are a pressure of their own, at critical or above; never while the store is unavailable."""
    if reading.archive is None or reading.same_filesystem or reading.fault is not None:
        return False
    return usage_of(reading.archive, marks) >= marks.critical


def missing(goal: Goal, reading: Reading, marks: Watermarks) -> tuple[int, int]:
    """(bytes, inodes), the fewest that must be gained until every space of the backups has reached the goal."""

    def done(usage: float) -> bool:
        return reached(goal, usage, marks)

    sizes = [_gap(space.used_bytes, _usable(space), done) for space in reading.backup]
    counted = [space for space in reading.backup if marks.inodes and space.total_inodes > 0]
    inodes = [_gap(s.total_inodes - s.free_inodes, s.total_inodes, done) for s in counted]
    return max(sizes, default=0), max(inodes, default=0)


def shown_percent(usage: float) -> str:
    """One decimal, cut and not rounded: a watermark is not shown as reached before it is."""
    return f"{floor(round(usage * 10, 6)) / 10:.1f}"


def _usable(space: Space) -> int:
    """What the percentage is of. A ``capacity`` that is overrun stays what it is: the overrun must be gained too."""
    overrun = space.used_bytes > space.total_bytes
    return max(1, space.total_bytes if overrun else space.used_bytes + space.available_bytes)


def _gap(used: int, usable: int, done: Callable[[float], bool]) -> int:
    """The fewest units to gain until ``done`` says so. Searched, so that it agrees with ``done`` to the last bit."""
    return bisect_left(range(used), True, key=lambda gain: done(100.0 * (used - gain) / usable))


def _percentages(space: Space, marks: Watermarks) -> list[tuple[float, str]]:
    inodes = space.inode_percent if marks.inodes else None
    return [(space.usage_percent, "bytes")] + ([] if inodes is None else [(inodes, "inodes")])


def _usage(space: Space | None, marks: Watermarks) -> float | None:
    return None if space is None else usage_of(space, marks)


def _begins(level: Level, marks: Watermarks) -> str:
    shown = Level.WARNING if level is Level.OK else level
    mark = {Level.WARNING: marks.warning, Level.CRITICAL: marks.critical, Level.EMERGENCY: marks.emergency}[shown]
    return f"{shown} begins at {mark:g} %"
