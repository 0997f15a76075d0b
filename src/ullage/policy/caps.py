"""How much may go without a person (SPEC.md 7): in one cycle, any hour and any day, by count and by share of the bytes.

The bytes are those that the backups give back. A share is what went of what stands and what went together, so that a
store which shrinks does not make its own cap smaller. One backup may always go, however large its share: a cap slows
ullage down, and is no reason to let a disk fill up for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from ullage.model.settings import CapSettings
from ullage.model.units import DAY, rfc3339


class Window(StrEnum):
    """What is counted over; the longest first, for it is the one that holds the longest."""

    DAY = "day"
    HOUR = "hour"
    CYCLE = "cycle"


SECONDS = {Window.DAY: DAY, Window.HOUR: 3600.0}
"""How long each window is; a cycle is as long as it takes."""


class Taken(Struct, frozen=True, kw_only=True):
    """What went by itself in a window: so many backups, their bytes, and when the first of them went."""

    count: int = 0
    bytes: int = 0
    first: float | None = None


class Cap(Struct, frozen=True, kw_only=True):
    """A cap that stopped a reclaim ``at`` a time: ``limit`` backups, or percent where ``share``.

    ``taken`` is what had gone; ``percent`` what it would have come to with one more. ``until``: when the first of them
    leaves the window; None: until the next cycle.
    """

    window: Window
    share: bool
    limit: float
    at: float
    until: float | None
    taken: int
    percent: float
    archives: bool = False

    @property
    def key(self) -> str:
        """Its place in the settings."""
        return f"caps.{self.window}_share" if self.share else f"caps.{self.window}"


def limit_of(caps: CapSettings, window: Window, *, share: bool) -> float:
    """The limit in force: backups (0: any number), or percent (100: all)."""
    if share:
        return {Window.CYCLE: caps.cycle_share, Window.HOUR: caps.hour_share, Window.DAY: caps.day_share}[window]
    return {Window.CYCLE: caps.cycle, Window.HOUR: caps.hour, Window.DAY: caps.day}[window]


def binding(
    caps: CapSettings, windows: Mapping[Window, Taken], standing: int, following: int, *, now: float
) -> Cap | None:
    """The cap that forbids a backup of ``following`` bytes, one of the ``standing`` ones; None where it may go."""
    for window in Window:
        taken = windows[window]
        total = standing + taken.bytes
        percent = 100.0 * (taken.bytes + following) / total if total > 0 else 0.0
        for share in (False, True):
            limit = limit_of(caps, window, share=share)
            if _passed(taken, percent, limit, share=share):
                return Cap(
                    window=window,
                    share=share,
                    limit=limit,
                    at=now,
                    until=None if window is Window.CYCLE else (taken.first or now) + SECONDS[window],
                    taken=taken.count,
                    percent=percent,
                )
    return None


def _passed(taken: Taken, percent: float, limit: float, *, share: bool) -> bool:
    if share:
        return limit < 100.0 and taken.count > 0 and percent > limit
    return 0 < limit <= taken.count


def binds(cap: Cap | None, caps: CapSettings, *, now: float) -> bool:
    """Whether a cap that stopped the last reclaim still does: its time is not over, and nobody set another limit."""
    if cap is None or limit_of(caps, cap.window, share=cap.share) != cap.limit:
        return False
    return cap.until is None or now < cap.until


def told(cap: Cap) -> str:
    """What stopped a reclaim, and when it goes on, for a person."""
    window = f"one {cap.window}" if cap.until is None else f"one {cap.window} up to {rfc3339(cap.at)}"
    what = "archive" if cap.archives else "backup"
    went = f"1 {what} went by itself in {window}"
    if cap.taken != 1:
        went = f"{cap.taken} {what}s went by themselves in {window}"
    if cap.share:
        stop = f"with one more it would be {cap.percent:.1f} % of the bytes, over {cap.key} = {cap.limit:g}"
    else:
        stop = f"which is all that {cap.key} = {cap.limit:g} lets go"
    then = "the next cycle goes on" if cap.until is None else f"the first of them stop counting at {rfc3339(cap.until)}"
    return f"{went}, {stop}; {then}"
