"""When to look again, and when to reclaim again (SPEC.md 4).

A look is bound by what the device *could* write, not by what it wrote lately: a burst begins between two looks.
"""

from __future__ import annotations

from msgspec import Struct

from ullage.model.readings import Reading
from ullage.model.settings import MonitorSettings, Watermarks
from ullage.model.words import Level
from ullage.policy.assess import Goal, room

SHORTEST = 0.002
"""Seconds between two looks at least; a look costs microseconds."""
INODES_PER_SECOND = 200_000.0
"""Files that could be made in a second at best: four times the rate at which one thread unlinks them."""
EMERGENCY_CHECKS = 30
"""Checks of an emergency before it falls back to the ordinary rhythm (SPEC.md 4)."""
CHECKS_PER_RECLAIM = 3


class Rhythm(Struct, frozen=True, kw_only=True):
    """What the rhythm of reclaims remembers of a store. Times by whatever clock ``now`` is of.

    ``level`` and ``since``: of the last look; ``reclaimed_at`` and ``reclaimed_for``: of the last reclaim.
    """

    level: Level = Level.OK
    since: float = 0.0
    reclaimed_at: float | None = None
    reclaimed_for: Level = Level.OK


def next_look(
    reading: Reading | None, level: Level, marks: Watermarks, monitor: MonitorSettings, fastest: float
) -> float:
    """Seconds until a look is due: no later than the next watermark can be reached at ``fastest`` bytes/s (over 0).

    At most ``interval``, in an emergency ``emergency_interval``. What is full already cannot get worse.
    """
    latest = monitor.emergency_interval if level is Level.EMERGENCY else monitor.interval
    if reading is None or reading.fault is not None or level is Level.UNAVAILABLE:
        return latest
    following = {Level.OK: Goal.LOW, Level.WARNING: Goal.BELOW_CRITICAL, Level.CRITICAL: Goal.BELOW_EMERGENCY}
    bounds = [
        left / (INODES_PER_SECOND if inodes else fastest) for left, inodes in room(following.get(level), reading, marks)
    ]
    if level is Level.EMERGENCY:
        bounds = [seconds for seconds in bounds if seconds > 0]
    return max(SHORTEST, min([latest, *bounds]))


def reclaim_due(rhythm: Rhythm, level: Level, monitor: MonitorSettings, *, now: float) -> tuple[Rhythm, bool]:
    """The rhythm after this look, and whether a reclaim is due; the rhythm takes it that a due one is made.

    A worse level than the last reclaim was for, and every beginning of an emergency, is due at once. Then warning and
    critical wait for ``cleanup_interval``; an emergency goes again at every third check, after 30 checks like them.
    """
    entered = level is not rhythm.level
    since = now if entered else rhythm.since
    due = _is_due(rhythm, level, monitor, now - since, now) or (entered and level is Level.EMERGENCY)
    if due:
        return Rhythm(level=level, since=since, reclaimed_at=now, reclaimed_for=level), True
    return Rhythm(level=level, since=since, reclaimed_at=rhythm.reclaimed_at, reclaimed_for=rhythm.reclaimed_for), False


def _is_due(rhythm: Rhythm, level: Level, monitor: MonitorSettings, lasting: float, now: float) -> bool:
    if level in (Level.OK, Level.UNAVAILABLE):
        return False
    if rhythm.reclaimed_at is None or level.severity > rhythm.reclaimed_for.severity:
        return True
    return not 0 <= now - rhythm.reclaimed_at < _period(level, monitor, lasting)


def _period(level: Level, monitor: MonitorSettings, lasting: float) -> float:
    """Seconds from one reclaim to the next of a level that has been lasting for so many seconds."""
    if level is Level.EMERGENCY and lasting <= EMERGENCY_CHECKS * monitor.emergency_interval:
        return CHECKS_PER_RECLAIM * monitor.emergency_interval
    return monitor.cleanup_interval
