"""What-if: the store as it would be at another time, or with more on it, and another goal than its level's."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from ullage.model.plans import View
from ullage.model.readings import Reading, Space
from ullage.model.settings import Free, Watermarks
from ullage.model.units import format_size, parse_size, rfc3339
from ullage.model.words import Kind
from ullage.policy.assess import METADATA_PER_INODE, Goal, missing, overrun, told

_PERCENT = re.compile(r"\s*([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%\s*(free|used)\s*", re.ASCII)
_FREE = re.compile(r"(.*[A-Za-z])\s+free\s*", re.DOTALL)
_AT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)[Zz]?)?", re.ASCII)


class Until(Struct, frozen=True, kw_only=True):
    """A goal of one's own: so many percent free, or, where that is None, so many bytes."""

    percent: float | None = None
    size: int = 0

    def __str__(self) -> str:
        return f"{format_size(self.size)} are free" if self.percent is None else f"{self.percent:g} % are free"


Want = Goal | Until
"""When a reclaim is done: a goal of a level, or one that was asked for."""


class Assumed(Struct, frozen=True, kw_only=True):
    """What is assumed in a plan that is not: another time (epoch seconds), so many bytes more used."""

    at: float | None = None
    fill: int = 0

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is assumed, and what is not, for a person."""
        found = []
        if self.at is not None:
            found.append(f"as if it were {rfc3339(self.at)}: ages, floors and confidence are those of then")
        if self.fill:
            found.append(f"as if {format_size(self.fill)} more were used")
        return (*found, "all else is as it is now") if found else ()


def parse_until(text: str) -> Until:
    """``"40 % free"``, ``"80 % used"``, ``"50 GiB free"``. Raises ValueError."""
    found = _PERCENT.fullmatch(text)
    if found is not None and float(found[1]) <= 100:
        return Until(percent=float(found[1]) if found[2] == "free" else round(100 - float(found[1]), 9))
    size = _FREE.fullmatch(text)
    if found is None and size is not None:
        return Until(size=parse_size(size[1]))
    raise ValueError(f'{text!r} is no goal like "40 % free", "80 % used" or "50 GiB free"')


def parse_at(text: str) -> float:
    """Epoch seconds of a date or a time in UTC: ``2026-12-24``, ``2026-12-24T18:00``, ``2026-12-24T18:00:00Z``.

    Raises ValueError.
    """
    found = _AT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f'{text!r} is no date like "2026-12-24" and no time like "2026-12-24T18:00:00Z"')
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}+00:00").astimezone(UTC).timestamp()
    except ValueError:
        raise ValueError(f"there is no {text!r} in the calendar") from None


def assume(view: View, assumed: Assumed) -> View:
    """The store as it would be."""
    now = view.now if assumed.at is None else assumed.at
    return replace(view, now=now, reading=shifted(view.reading, assumed.fill) if assumed.fill else view.reading)


def shifted(reading: Reading, size: int, inodes: int = 0) -> Reading:
    """The reading with so much more used, of every space of the backups; less, where it is negative. Of the metadata
    of btrfs inodes alone take something.

    What is overrun is over 100 %.
    """
    archive = reading.archive
    if archive is not None and reading.same_filesystem:
        archive = _shifted(archive, size, inodes)
    return replace(reading, backup=tuple(_shifted(space, size, inodes) for space in reading.backup), archive=archive)


def needed_for(want: Want, reading: Reading, marks: Watermarks) -> tuple[int, int]:
    """(bytes, inodes), the fewest that must be gained for what is wanted."""
    if isinstance(want, Goal):
        return missing(want, reading, marks)
    spaces = tuple(space for space in reading.backup if space.kind is not Kind.METADATA)  # nobody asked for that
    if want.percent is not None:
        inode = replace(marks.inode, target_free=want.percent, free=Free())
        alone = replace(marks, target_free=want.percent, free=Free(), inode=inode)
        return missing(Goal.TARGET, replace(reading, backup=spaces), alone)
    return max((max(0, want.size - _slack(space)) for space in spaces), default=0), 0


def of_disk_alone(want: Want, need: tuple[int, int], reading: Reading, marks: Watermarks) -> tuple[int, int] | None:
    """``need`` where the filesystem itself lacks it, and neither a capacity nor a quota does; else None."""
    own = tuple(space for space in reading.backup if space.kind in (Kind.CAPACITY, Kind.QUOTA))
    return None if any(needed_for(want, replace(reading, backup=own), marks)) else need


def when(want: Want, marks: Watermarks) -> str:
    """When that is, for a person."""
    return told(want, marks) if isinstance(want, Goal) else str(want)


def _slack(space: Space) -> int:
    return space.total_bytes - space.used_bytes if overrun(space) else space.available_bytes


def _shifted(space: Space, size: int, inodes: int) -> Space:
    if space.kind is Kind.METADATA:  # no data is in it, but what files take
        size = inodes * METADATA_PER_INODE
    available = space.total_bytes - space.used_bytes if overrun(space) else space.available_bytes
    more = max(-space.used_bytes, size)
    return replace(
        space,
        used_bytes=space.used_bytes + more,
        free_bytes=space.free_bytes - more,
        available_bytes=available - more,
        free_inodes=space.free_inodes - inodes if space.total_inodes > 0 else space.free_inodes,
    )
