"""When a space fills up, by what its history did so often: simulated paths of whole weeks (or days) that really were.

The history is made into a growth curve first: what ullage itself gave back is added back, and of each day only the
peak counts, so that neither reclaims nor the nightly coming and going of backups look like a trend.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise, takewhile
from math import ceil, inf

from msgspec import Struct

from ullage.model.units import DAY

LEAST_DAYS = 3
"""Whole days of history without which nothing is said."""
MOST_DAYS = 91
"""Days of history that are looked at: thirteen weeks."""
PATHS = 240
"""Futures that are tried."""
CONFIDENCE = 0.8
"""The share of them between ``earliest`` and ``latest``."""
FIRST = 0.02
"""The share of them by which people are warned: to be told of nine in ten full disks takes the sooner futures. Of 164
replayed ones 96.3 % were told of in time by it, 93.9 % by the ``earliest``, with 0.21 and 0.19 false alarms a month."""
FAR = 365.0
"""Days beyond which nothing is in sight."""
_WEEK = 7
_FADE = 0.8
"""What the block before weighs against the one after it: last week says more than the one three months ago."""
_DAMP = 0.8
"""How much of a speeding-up is still believed a block later."""
_DOUBT = 0.4
"""How far the growth to come may be from that of the past, as a part of it: what it depends on changes too."""
_RAMP = 0.2
"""The share of the paths in which the last day's steady rise goes on as it is."""
_PARTS = 8
"""Parts of a day by which a steady rise is told from steps."""
_LONE = 3
"""Days so far out of the ordinary that there are fewer of them are no pattern: an import, a disk cleared by hand."""


class Point(Struct, frozen=True, kw_only=True, gc=False):
    """One hour of one space, in bytes or in inodes.

    ``at``: epoch seconds of its last look; ``used`` and ``usable`` then; ``peak``: the most that was used within it;
    ``freed``: what ullage itself gave back in it.
    """

    at: float
    used: int
    usable: int
    peak: int
    freed: int = 0


class Arrival(Struct, frozen=True, kw_only=True):
    """When a mark is reached, epoch seconds; None: not within a year. ``earliest`` and ``latest`` hold 80 % between.

    ``first``: one future in fifty is there by then; by that people are warned.
    """

    first: float | None = None
    earliest: float | None
    likely: float | None
    latest: float | None


class Basis(Struct, frozen=True, kw_only=True):
    """What a forecast stands on. ``per_day``: growth of late, in bytes or inodes; ``since``: when the rise began.

    ``missing``: what is lacking for a forecast; None where there is one.
    """

    days: float
    per_day: float | None = None
    since: float | None = None
    missing: str | None = None


class Forecast(Struct, frozen=True, kw_only=True):
    """When one space reaches its marks, in their order; none where ``basis.missing`` says why."""

    arrivals: tuple[Arrival, ...]
    basis: Basis


def forecast(points: Sequence[Point], marks: Sequence[float], *, now: float, far: float = FAR) -> Forecast:
    """When a space with this history (oldest first) reaches each of ``marks``, absolute and rising.

    ``far``: days to look ahead at most. What is not known is said to be missing, never taken for fine.
    """
    peaks = daily_peaks(points)
    days = len(peaks)
    if days < LEAST_DAYS:
        missing = f"{LEAST_DAYS} whole days of history; there {'is' if days == 1 else 'are'} {days}"
        return Forecast(arrivals=(), basis=Basis(days=days, missing=missing))
    rises = [newer - older for newer, older in pairwise(peaks)]
    usual = _without_lone(rises)
    blocks = _Blocks(usual)
    ramp = _ramp(points)
    reached = [_passages(peaks[0], marks, blocks, ramp, number, far) for number in range(PATHS)]
    end = points[-1].at
    arrivals = tuple(
        _arrival(sorted(path[place] for path in reached), end, far, points[-1].used >= mark, now)
        for place, mark in enumerate(marks)
    )
    lowest = min(range(days), key=lambda day: (peaks[day], day))
    return Forecast(
        arrivals=arrivals, basis=Basis(days=days, per_day=blocks.rate / blocks.length, since=end - lowest * DAY)
    )


def daily_peaks(points: Sequence[Point]) -> list[float]:
    """The most that was used in each whole day before the last point, newest first, as if what ullage gave back since
    had not been there; days without a look in between are filled evenly.
    """
    if not points:
        return []
    end, freed = points[-1].at, 0
    found: dict[int, float] = {}
    for point in reversed(points):
        day = int((end - point.at) // DAY)
        if day >= MOST_DAYS:
            break
        # the peak came before what was freed in the same hour went
        high = max(point.used, point.peak - point.freed) - freed
        found[day] = max(found.get(day, -inf), high)
        freed += point.freed
    oldest = max(found)
    if oldest + 1 > (end - points[0].at) / DAY + 0.1 and oldest > 0:
        del found[oldest]  # the part of a day has not shown its peak
    return _filled(found)


def _filled(found: dict[int, float]) -> list[float]:
    peaks = [found[0]]
    for newer, older in pairwise(sorted(found)):
        if older - newer > _WEEK:
            break  # what was before so long an absence says nothing of now
        step = (found[older] - found[newer]) / (older - newer)
        peaks += [found[newer] + step * number for number in range(1, older - newer + 1)]
    return peaks


def _without_lone(rises: Sequence[float]) -> list[float]:
    """The rises with those put down to the ordinary that were a single event: no trend comes of them.

    What is as often in the same phase of the week is a cycle. Falls out of the ordinary never count otherwise: nobody
    relies on being rescued.
    """
    middle = median(rises) if len(rises) > 2 else min(rises, key=abs)
    spread = 1.4826 * median(abs(rise - middle) for rise in rises)
    bound = max(6.0 * spread, 0.5 * abs(middle))
    odd = [abs(rise - middle) > bound for rise in rises]
    if len(rises) <= _WEEK:
        odd = _standing_out(rises)
    ups = sum(1 for rise, strange in zip(rises, odd, strict=True) if strange and rise > middle)

    def ordinary(day: int) -> bool:
        if not odd[day] or _weekly(odd, day):
            return True
        return rises[day] > middle and ups >= _LONE

    return [rise if ordinary(day) else middle for day, rise in enumerate(rises)]


def _standing_out(rises: Sequence[float]) -> list[bool]:
    """In less than a week there is no telling what is ordinary; one that is over twice the next is not."""
    largest, *others = sorted((abs(rise) for rise in rises), reverse=True)
    return [abs(rise) == largest and bool(others) and largest > 2.0 * others[0] for rise in rises]


def _weekly(odd: Sequence[bool], day: int) -> bool:
    same = odd[day % _WEEK :: _WEEK]
    return len(same) > 1 and 2 * sum(same) > len(same)


class _Blocks:
    """The past in whole weeks, or in days where there are not three weeks of it; the newest first."""

    def __init__(self, rises: Sequence[float]) -> None:
        self.length = _WEEK if len(rises) >= 3 * _WEEK else 1
        whole = len(rises) // self.length
        self.rises = [tuple(reversed(rises[n * self.length : (n + 1) * self.length])) for n in range(whole)]
        self.totals = [sum(block) for block in self.rises]
        self.highest = [max(accumulate(block)) for block in self.rises]
        self.faster = _speeding(self.totals)
        self.rate = self.totals[0] if self.faster else _weighted(self.totals)
        weights = list(accumulate(_FADE**n for n in range(whole)))
        self.bounds = [weight / weights[-1] for weight in weights]

    def pick(self, chance: float) -> int:
        """Which block a path takes next, for a number in 0..1; rather a newer one."""
        return min(bisect_right(self.bounds, chance), len(self.bounds) - 1)


def median(values: Iterable[float]) -> float:
    """The middle one, or the mean of the two in the middle. The library's takes longer to load than ``status`` may."""
    ranked = sorted(values)
    return (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2


def _weighted(totals: Sequence[float]) -> float:
    weights = [_FADE**n for n in range(len(totals))]
    return sum(t * w for t, w in zip(totals, weights, strict=True)) / sum(weights)


def _speeding(totals: Sequence[float]) -> float:
    """By how much each block grew more than the one before: Theil and Sen's slope; 0 where it is not clear."""
    late = totals[:8]
    slopes = [
        (late[newer] - late[older]) / (older - newer)
        for newer in range(len(late))
        for older in range(newer + 1, len(late))
    ]
    if len(late) < 4:
        return 0.0
    rising = sum(slope > 0 for slope in slopes) - sum(slope < 0 for slope in slopes)
    return max(0.0, median(slopes)) if rising >= 0.6 * len(slopes) else 0.0


def _ramp(points: Sequence[Point]) -> float:
    """Units a day by which the last day rose, all through it; 0 where it did so in steps only.

    Of the medians of its eighths: what comes at once moves two of the seven steps between them at most, and what comes
    and goes four, some up and some down.
    """
    end, freed = points[-1].at, 0
    parts: list[list[float]] = [[] for _ in range(_PARTS)]
    for point in takewhile(lambda point: end - point.at < DAY, reversed(points)):
        parts[int((end - point.at) // (DAY / _PARTS))].append(point.used - freed)
        freed += point.freed
    if not all(parts):
        return 0.0
    return _PARTS * max(0.0, median(newer - older for newer, older in pairwise([median(part) for part in parts])))


def _draws(seed: int) -> Iterator[float]:
    """Numbers in 0..1 that are the same every time (Numerical Recipes' quick generator, its high bits)."""
    state = seed * 2654435761 % 4294967296
    while True:
        state = (1664525 * state + 1013904223) % 4294967296
        yield (state >> 8) / 16777216.0


def _passages(
    level: float, marks: Sequence[float], blocks: _Blocks, ramp: float, number: int, far: float
) -> list[float]:
    """Days until each mark is reached on one path."""
    found: list[float] = []
    draws = _draws(number + 1)
    trust = 2.0 * next(draws) * blocks.faster
    drift = _DOUBT * (2.0 * next(draws) - 1.0) * blocks.rate / blocks.length
    ramping = number < _RAMP * PATHS and ramp * blocks.length > blocks.rate
    day, ahead = 0, 0.0
    while len(found) < len(marks) and day < far:
        block = blocks.pick(next(draws))
        more = drift + trust * (block + 1 + ahead) / blocks.length
        ahead = ahead * _DAMP + 1.0
        if not ramping and level + blocks.highest[block] + max(0.0, more) * blocks.length < marks[len(found)]:
            level += blocks.totals[block] + more * blocks.length
            day += blocks.length
            continue
        for rise in blocks.rises[block]:
            step = ramp if ramping else rise + more
            while len(found) < len(marks) and level + step >= marks[len(found)]:
                found.append(day + max(0.0, min(1.0, (marks[len(found)] - level) / step if step > 0 else 0.0)))
            level += step
            day += 1
    return found + [inf] * (len(marks) - len(found))


def _arrival(days: Sequence[float], end: float, far: float, reached: bool, now: float) -> Arrival:
    if reached:
        return Arrival(first=now, earliest=now, likely=now, latest=now)
    tail = (1.0 - CONFIDENCE) / 2
    at = [days[int(share * len(days))] for share in (FIRST, tail, 0.5, 1.0 - tail)]
    at[3] = ceil(at[3]) if at[3] <= far else inf  # the peak of that day may be its last hour
    first, earliest, likely, latest = (None if one > far else max(now, end + one * DAY) for one in at)
    return Arrival(first=first, earliest=earliest, likely=likely, latest=latest)
