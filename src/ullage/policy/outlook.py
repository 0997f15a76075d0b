"""What is seen coming of a whole store: each of its spaces by its own history, and whether people are to be warned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from ullage.model.readings import Reading
from ullage.model.settings import Watermarks
from ullage.model.units import DAY, format_age, format_size, rfc3339
from ullage.model.words import Level, Unit
from ullage.policy.assess import Measure, begins, measures
from ullage.policy.forecast import FAR, Arrival, Basis, Point, forecast

_NOTHING: Mapping[Unit, int] = MappingProxyType({})
MARKS = ("warning", "critical", "emergency", "full")
"""What is foreseen of a space, in the order in which a rising one comes to it."""
OF_ARCHIVES = "archives'"
"""Before the name of what can run out on the archives' own filesystem."""
GRAIN = DAY
"""A forecast is of days: to be sure of a warning so long before, it is given up to one day sooner."""
CALM = DAY
"""A warning is over when for so long no forecast has given a reason for it."""


class Sight(Struct, frozen=True, kw_only=True):
    """What is seen coming of one space. ``what`` as the level's reason names it: bytes, inodes, capacity; or with
    ``OF_ARCHIVES`` before it.

    ``arrivals`` stand in the order of ``MARKS``; there are none where ``basis.missing`` says why.
    """

    what: str
    unit: Unit
    used: int
    usable: int
    arrivals: tuple[Arrival, ...]
    basis: Basis

    @property
    def full(self) -> Arrival | None:
        """When it is full; None where that is not known."""
        return self.arrivals[-1] if self.arrivals else None


class Warned(Struct, frozen=True, kw_only=True):
    """A warning that stands: since when, and since when there is no reason for it any more."""

    since: float
    calm: float | None = None


class Outlook(Struct, frozen=True, kw_only=True):
    """What was seen coming of a store at ``at``, epoch seconds."""

    at: float
    sights: tuple[Sight, ...]
    warned: Warned | None = None


def fullest(reading: Reading, marks: Watermarks) -> dict[str, Measure]:
    """All that can run out, by its name; of several of one name the fullest. The archives' own filesystem too."""
    found: dict[str, Measure] = {}
    known = [one for space in reading.backup for one in measures(space, marks)]
    if reading.archive is not None and not reading.same_filesystem:
        known += [replace(one, what=f"{OF_ARCHIVES} {one.what}") for one in measures(reading.archive, marks)]
    for one in known:
        other = found.get(one.what)
        if one.usable > 0 and (other is None or one.usage > other.usage):
            found[one.what] = one
    return found


def measured(
    reading: Reading,
    marks: Watermarks,
    freed: Mapping[Unit, int] = _NOTHING,
    of_archives: Mapping[Unit, int] = _NOTHING,
) -> dict[str, Point]:
    """What is remembered of a look, by the name of what can run out.

    ``freed``: what ullage just gave back; ``of_archives``: on their own filesystem.
    """

    def back(what: str, unit: Unit) -> int:
        return (of_archives if what.startswith(OF_ARCHIVES) else freed).get(unit, 0)

    return {
        what: Point(at=reading.at, used=one.used, usable=one.usable, peak=one.used, freed=back(what, one.unit))
        for what, one in fullest(reading, marks).items()
    }


def outlook(
    histories: Mapping[str, Sequence[Point]],
    reading: Reading,
    marks: Watermarks,
    before: Outlook | None,
    warn: float,
    *,
    far: float = FAR,
) -> Outlook:
    """What is seen coming by these histories, each of what ``measured`` names, oldest first.

    ``warn``: seconds before a space is full by which people are to be told; 0: never. ``far``: days to look ahead.
    """
    now = fullest(reading, marks)
    sights = tuple(_sight(one, histories.get(what, ()), reading.at, far) for what, one in now.items())
    plain = Outlook(at=reading.at, sights=sights)
    return replace(plain, warned=_warned(plain, None if before is None else before.warned, warn))


def worth_keeping(before: Outlook, seen: Outlook) -> bool:
    """Whether an outlook stays beside the one after it, to be judged later: the last of its day (UTC), and where a
    warning began or ended.
    """
    if before.at // DAY != seen.at // DAY or (before.warned is None) != (seen.warned is None):
        return True
    return before.warned is not None and before.warned.since == before.at


def soonest(seen: Outlook) -> Sight | None:
    """The space that is full first; None where none is in sight."""
    first = first_full(seen.sights)
    return None if first is None or first.full is None or first.full.earliest is None else first


def first_full(sights: Iterable[Sight]) -> Sight | None:
    """The one that is full first, by its earliest and then its likely time, before those of which that is unknown."""
    return min(sights, key=_when, default=None)


def summary(seen: Outlook) -> str:
    """What is seen coming, for a person, the soonest first."""
    return "; ".join(describe(sight, seen.at) for sight in sorted(seen.sights, key=_when))


def why_warned(seen: Outlook) -> str | None:
    """What to tell people of a warning that stands: what runs full, when, and since when it has been rising."""
    if seen.warned is None:
        return None
    sight = min((one for one in seen.sights if _first(one) is not None), key=_nearest, default=None)
    if sight is None:
        return "it looked as if the disk would soon be full; that is not so now, but it is too early to be sure"
    first = _ahead(_first(sight), seen.at)
    earliest = None if sight.full is None else _ahead(sight.full.earliest, seen.at)
    soonest_ = "" if first == earliest else f", at the soonest in {first}"
    return f"{describe(sight, seen.at)}{soonest_}; {_growth(sight)}"


def describe(sight: Sight, now: float) -> str:
    """When a space is full, or why nobody knows, for a person: ``bytes full in about 9 d (6 d to 15 d)``."""
    if sight.full is None:
        return f"{sight.what}: no forecast yet: it needs {sight.basis.missing}"
    if sight.full.earliest is None:
        return f"{sight.what}: not full within a year"
    if sight.full.latest == sight.full.earliest == now:
        return f"{sight.what} full now"
    earliest, likely, latest = (_ahead(at, now) for at in (sight.full.earliest, sight.full.likely, sight.full.latest))
    about = f"in about {likely}" if likely is not None else "perhaps within a year"
    return f"{sight.what} full {about} ({earliest} to {latest or 'over a year'})"


def _sight(one: Measure, history: Sequence[Point], now: float, far: float) -> Sight:
    marks = [*(begins(level, one) for level in (Level.WARNING, Level.CRITICAL, Level.EMERGENCY)), one.usable]
    seen = forecast(history, marks, now=now, far=far)
    return Sight(
        what=one.what, unit=one.unit, used=one.used, usable=one.usable, arrivals=seen.arrivals, basis=seen.basis
    )


def _warned(seen: Outlook, before: Warned | None, warn: float) -> Warned | None:
    """A reason begins a warning at once; without one it stands for another day, and for twice the time ahead.

    Where nothing is known it stays as it is: that is not the news that all is well.
    """
    if warn <= 0:
        return None
    if not any(sight.arrivals for sight in seen.sights):
        return before
    left = min(map(_nearest, seen.sights)) - seen.at
    within = warn + GRAIN if before is None else 2 * (warn + GRAIN)
    if left <= within:
        return Warned(since=seen.at if before is None else before.since)
    if before is None:
        return None
    calm = seen.at if before.calm is None else before.calm
    return None if seen.at - calm >= CALM else replace(before, calm=calm)


def _first(sight: Sight) -> float | None:
    return None if sight.full is None else sight.full.first


def _nearest(sight: Sight) -> float:
    first = _first(sight)
    return float("inf") if first is None else first


def _when(sight: Sight) -> tuple[float, float]:
    far = float("inf")
    full = sight.full
    if full is None or full.earliest is None:
        return far, far
    return full.earliest, far if full.likely is None else full.likely


def _ahead(at: float | None, now: float) -> str | None:
    return None if at is None else format_age(max(0.0, at - now))


def _growth(sight: Sight) -> str:
    rate = sight.basis.per_day or 0.0
    shown = f"{rate:,.0f} inodes" if sight.unit is Unit.INODES else format_size(rate)
    since = "" if sight.basis.since is None else f", rising since {rfc3339(sight.basis.since)}"
    return f"{shown} a day of late{since}"
