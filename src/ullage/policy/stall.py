"""When deleting does not help: space that does not come back is not deleted for again and again (SPEC.md 7.6)."""

from __future__ import annotations

from msgspec import Struct

from ullage.model.units import DAY, format_age, format_size
from ullage.model.words import Unit

LIMIT = 2
"""Acts in a row that gained under half of what they promised, after which a reclaim stops."""
_LONGEST = DAY


class Stall(Struct, frozen=True, kw_only=True):
    """A reclaim that stopped because it gained nothing. Times in epoch seconds.

    ``missing`` and ``free`` are in bytes, or in inodes, as ``unit`` says. ``why``: who held it, where that was found.
    """

    until: float
    missing: int
    free: int
    times: int = 1
    unit: Unit = Unit.BYTES
    why: str = ""


_UNKNOWN = "Something else holds them: a process with deleted files open, a snapshot, links or reflinks outside"


def stall_after(
    before: Stall | None,
    *,
    missing: int,
    free: int,
    now: float,
    first: float,
    unit: Unit = Unit.BYTES,
    why: str | None = None,
) -> Stall:
    """The stall that a fruitless reclaim leads to; each in a row lasts twice as long as the one before, up to a day."""
    times = 1 if before is None else before.times + 1
    wait = min(first * 2.0 ** min(times - 1, 20), _LONGEST)
    return Stall(until=now + wait, missing=missing, free=free, times=times, unit=unit, why=why or "")


def stalled(stall: Stall | None, *, free: int, now: float) -> str | None:
    """Why nothing is reclaimed yet; None where nothing stands against it, or where the missing space has come back.

    An end further ahead than any was meant to be is of a clock that has been set back since.
    """
    if stall is None or not 0 < stall.until - now <= 2 * _LONGEST or 2 * (free - stall.free) >= stall.missing:
        return None
    return (
        f"the last deletions gained almost nothing: {_amount(stall)} did not come back. "
        f"{stall.why or _UNKNOWN}. No more is deleted for {format_age(stall.until - now)}, unless they come back or a "
        "person lifts that (ullage resume)"
    )


def _amount(stall: Stall) -> str:
    if stall.unit is Unit.INODES:
        return f"{stall.missing} inodes"
    return format_size(stall.missing) + (" of btrfs metadata" if stall.unit is Unit.METADATA else "")
