"""Whether floors that are not full yet will leave room for the target once they are, by each series' rhythm. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from heapq import nlargest
from itertools import pairwise
from math import ceil
from statistics import median

from msgspec import Struct

from ullage.model.backups import Backup
from ullage.model.readings import Reading
from ullage.model.settings import ReclaimSettings, StoreSettings
from ullage.model.units import DAY, format_age, format_size
from ullage.model.words import Cause, Unit
from ullage.policy.assess import measures
from ullage.policy.keep import kept, numbers
from ullage.policy.protect import counted, floors
from ullage.policy.series import named, series_of

_LATEST = 10
"""So many of the newest good backups of a series tell how often one is made and how large it is."""
_LEAST = 3
"""So many good backups there must be for that."""
_ALIVE = 3.0
"""A series whose newest good backup is older than so many times its rhythm is made no more."""
_MOST = 4000
"""So many backups of one series are looked ahead at the most."""
_LENGTHS = {
    Cause.KEEP_DAILY: DAY,
    Cause.KEEP_WEEKLY: 7 * DAY,
    Cause.KEEP_MONTHLY: 31 * DAY,
    Cause.KEEP_YEARLY: 366 * DAY,
}


class Rhythm(Struct, frozen=True, kw_only=True):
    """A series that goes on: its newest backup, seconds between two, bytes of one; medians of the newest."""

    newest: float
    seconds: float
    size_bytes: int


def floors_to_come(store: StoreSettings, reading: Reading, backups: Sequence[Backup], *, now: float) -> str | None:
    """Why the floors, once they are full, leave no room for the target, and what to change; None where they do.

    What each backup gives back alone counts: of what several share less is expected than they will hold.
    """
    by_series: dict[str | None, list[Backup]] = defaultdict(list)
    for backup in backups:
        if counted(backup, now):
            by_series[series_of(backup.id)].append(backup)
    held = floors(backups, store.reclaim, now=now)
    size = sum(b.reclaimable_bytes for b in backups if b.pinned and b.id not in held)
    going_on: list[tuple[int, int, str]] = []
    for series, members in by_series.items():
        rhythm = rhythm_of(members, now=now)
        if rhythm is None:
            size += sum(b.reclaimable_bytes for b in members if b.id in held)
            continue
        count = full(rhythm, store.reclaim)
        size += count * rhythm.size_bytes
        told = f"{named(series)}, one in {format_age(rhythm.seconds)}, {count} of {format_size(rhythm.size_bytes)}"
        going_on.append((count * rhythm.size_bytes, count, told))
    room = _room(store, reading, sum(b.reclaimable_bytes for b in backups))
    if room is None or size <= room or not going_on:
        return None
    return (
        f"the floors (reclaim.keep_*, min_age) will hold about {format_size(size)} once they are full, and with"
        f" watermarks.target_free there is room for {format_size(max(0, room))}; the most: {max(going_on)[2]}:"
        " lower what is kept or target_free, or enlarge the disk"
    )


def rhythm_of(members: Sequence[Backup], *, now: float) -> Rhythm | None:
    """How a series goes on; None where that is not known, or it does not."""
    newest = nlargest(_LATEST, (b.created_at or 0 for b in members if b.good))
    if len(newest) < _LEAST:
        return None
    seconds = median(later - earlier for later, earlier in pairwise(newest))
    if seconds <= 0 or now - newest[0] > _ALIVE * seconds:
        return None
    sizes = [b.reclaimable_bytes for b in members if b.good and (b.created_at or 0) >= newest[-1]]
    return Rhythm(newest=newest[0], seconds=seconds, size_bytes=int(median(sizes)))


def full(rhythm: Rhythm, reclaim: ReclaimSettings) -> int:
    """How many backups of the series the floors and ``min_age`` hold once they are full."""
    of = numbers(reclaim)
    recent = min(_MOST, max(of[Cause.KEEP_LAST], ceil(reclaim.min_age / rhythm.seconds)))
    step = max(rhythm.seconds, DAY)  # of what lies behind, the last of a day is enough
    span = max(of[rule] * max(length, rhythm.seconds) for rule, length in _LENGTHS.items())
    times = {rhythm.newest - number * rhythm.seconds for number in range(recent)}
    times |= {rhythm.newest - number * step for number in range(min(_MOST, ceil(span / step) + 1))}
    young = {str(at) for at in times if rhythm.newest - at < reclaim.min_age}
    return len(young | kept([(True, int(at), str(at)) for at in times], reclaim).keys())


def _room(store: StoreSettings, reading: Reading, gain: int) -> int | None:
    """Bytes that backups may take with the target free; None where nothing was measured."""
    limits = [
        int(min(one.usable * (100 - one.marks.target_free) / 100, one.usable - one.marks.free.target_free))
        - (one.used - gain)
        for space in reading.backup
        for one in measures(space, store.watermarks)
        if one.unit is Unit.BYTES
    ]
    return min(limits, default=None)
