"""Issue 4.7: what is seen coming of a store, when people are warned, how long that stands, and what it says."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.policy.make import HOUR, NOW, reading, space
from ullage.model.readings import Reading, Space
from ullage.model.settings import Free, Watermarks
from ullage.model.units import DAY
from ullage.model.words import Kind, Unit
from ullage.policy.forecast import Arrival, Basis, Point
from ullage.policy.outlook import (
    Outlook,
    Sight,
    Warned,
    describe,
    measured,
    outlook,
    soonest,
    summary,
    why_warned,
    worth_keeping,
)

MARKS = Watermarks()
SIZE = 1_000_000


def rising(left: float, rate: float, days: int = 40) -> list[Point]:
    """Hours of growth by ``rate`` percent a day, ``left`` percent short of full now."""
    used = [(100 - left - rate * hours / 24) * SIZE / 100 for hours in range(days * 24, -1, -1)]
    return [
        Point(at=NOW - HOUR * (len(used) - 1 - n), used=round(one), usable=SIZE, peak=round(one))
        for n, one in enumerate(used)
    ]


def seen(left: float, rate: float, before: Outlook | None = None, *, warn: float = DAY, later: float = 0.0) -> Outlook:
    """What is seen of such a disk."""
    points = [replace(point, at=point.at + later) for point in rising(left, rate)]
    now = replace(reading(space(points[-1].used, SIZE)), at=NOW + later)
    return outlook({"bytes": points}, now, MARKS, before, warn)


def capacity(used: int) -> Space:
    """So much of a capacity of 80."""
    return replace(space(used, total=80), kind=Kind.CAPACITY)


def arrival(
    earliest: float | None, likely: float | None = None, latest: float | None = None, first: float | None = None
) -> Arrival:
    """Days from now; ``first`` is the earliest where it is not given."""
    days = (earliest if first is None else first, earliest, likely, latest)
    first, earliest, likely, latest = (None if one is None else NOW + one * DAY for one in days)
    return Arrival(first=first, earliest=earliest, likely=likely, latest=latest)


def sight(full: Arrival | None, what: str = "bytes", **basis: object) -> Sight:
    """A space of which only the full mark matters."""
    plain = Basis(days=40, per_day=3 * 2**30, since=NOW - 20 * DAY)
    arrivals = () if full is None else (full,) * 4
    unit = Unit.INODES if what == "inodes" else Unit.BYTES
    return Sight(what=what, unit=unit, used=1, usable=2, arrivals=arrivals, basis=replace(plain, **basis))


def test_bytes_inodes_and_a_capacity_are_measured_each_by_itself() -> None:
    found = measured(reading(space(300, inodes=(40, 50)), capacity(20)), MARKS)
    assert {what: (one.used, one.usable, one.peak, one.at) for what, one in found.items()} == {
        "bytes": (300, 1000, 300, NOW),
        "inodes": (40, 50, 40, NOW),
        "capacity": (20, 80, 20, NOW),
    }


def test_of_two_of_one_name_the_fullest_is_measured() -> None:
    disk = space(300, inodes=(40, 50))
    for spaces in ((disk, capacity(20), capacity(30)), (disk, capacity(30), capacity(20))):
        assert measured(reading(*spaces), MARKS)["capacity"].used == 30


def test_inodes_that_are_not_counted_or_not_wanted_are_not_measured() -> None:
    assert measured(reading(space(300)), MARKS).keys() == {"bytes"}
    assert measured(reading(space(300, inodes=(1, 2))), Watermarks(inodes=False)).keys() == {"bytes"}


def test_nothing_is_measured_of_a_store_that_is_not_there() -> None:
    assert measured(Reading(at=NOW, fault="gone"), MARKS) == {}


def test_every_mark_is_foreseen_by_the_watermarks() -> None:
    (found,) = seen(30, 1).sights
    days = [(one.likely - NOW) / DAY for one in found.arrivals if one.likely is not None]
    assert days == pytest.approx([5, 15, 25, 30], abs=2)


def test_a_mark_of_what_is_free_is_foreseen_where_it_is_the_stricter() -> None:
    points = rising(30, 1)
    marks = Watermarks(warning=75, critical=85, emergency=95, free=Free(critical=200_000, emergency=20_000))
    (found,) = outlook({"bytes": points}, reading(space(points[-1].used, SIZE)), marks, None, DAY).sights
    days = [(one.likely - NOW) / DAY for one in found.arrivals if one.likely is not None]
    assert days == pytest.approx([5, 10, 25, 30], abs=2)


def test_what_ullage_gave_back_is_counted_by_its_unit() -> None:
    now = reading(space(300, inodes=(40, 50)), capacity(20))
    found = measured(now, MARKS, {Unit.BYTES: 7, Unit.INODES: 3})
    assert {what: one.freed for what, one in found.items()} == {"bytes": 7, "inodes": 3, "capacity": 7}


def test_inodes_have_a_forecast_of_their_own() -> None:
    now = reading(space(10, SIZE, inodes=(990_000, SIZE)))
    found = outlook({"inodes": rising(1, 1), "bytes": rising(90, 0)}, now, MARKS, None, DAY)
    assert found.warned == Warned(since=NOW)
    first = soonest(found)
    assert first is not None
    assert first.what == "inodes"


@pytest.mark.parametrize(
    ("left", "rate", "warned"), [(1.5, 1, True), (0.8, 0.25, False), (3, 1, False), (30, 20, True)]
)
def test_people_are_warned_once_it_may_be_full_within_the_time_and_the_grain_of_a_day(
    left: float, rate: float, warned: bool
) -> None:
    assert (seen(left, rate).warned == Warned(since=NOW)) is warned
    assert seen(left, rate, warn=0).warned is None


def test_the_archives_own_filesystem_is_seen_coming_too() -> None:
    points = rising(1.5, 1)
    apart = reading(space(1, SIZE), archive=space(points[-1].used, SIZE), same_filesystem=False)
    assert measured(apart, MARKS, {Unit.BYTES: 7}, {Unit.BYTES: 9}) == {
        "bytes": Point(at=NOW, used=1, usable=SIZE, peak=1, freed=7),
        "archives' bytes": Point(at=NOW, used=points[-1].used, usable=SIZE, peak=points[-1].used, freed=9),
    }
    found = outlook({"archives' bytes": points}, apart, MARKS, None, DAY)
    assert found.warned == Warned(since=NOW)
    assert (why_warned(found) or "").startswith("archives' bytes full in about 1 d")
    shared = replace(apart, same_filesystem=True)
    assert measured(shared, MARKS).keys() == {"bytes"}


def test_a_longer_time_warns_sooner() -> None:
    assert seen(6, 1).warned is None
    assert seen(6, 1, warn=7 * DAY).warned is not None


def test_a_warning_that_stands_stands_for_twice_the_time_ahead() -> None:
    first = seen(1.5, 1)
    assert seen(3, 1, first, later=HOUR).warned == Warned(since=NOW)


def test_it_is_over_when_there_was_no_reason_for_a_day_and_a_new_reason_in_between_begins_the_day_anew() -> None:
    first = seen(1.5, 1)
    calm = seen(40, 1, first, later=HOUR)
    assert calm.warned == Warned(since=NOW, calm=NOW + HOUR)
    still = seen(40, 1, calm, later=DAY)
    assert still.warned == Warned(since=NOW, calm=NOW + HOUR)
    assert seen(40, 1, still, later=DAY + HOUR).warned is None
    assert seen(1.5, 1, still, later=DAY).warned == Warned(since=NOW)


def test_where_nothing_is_known_a_warning_stays_as_it_is_and_none_begins() -> None:
    now = reading(space(990, 1000))
    assert outlook({}, now, MARKS, None, DAY).warned is None
    assert outlook({}, now, MARKS, seen(1.5, 1), DAY).warned == Warned(since=NOW)


def test_the_soonest_is_the_one_whose_earliest_time_comes_first_then_whose_likely_does() -> None:
    a, b, c = sight(arrival(3, 9), "bytes"), sight(arrival(3, 8), "inodes"), sight(arrival(None), "capacity")
    assert soonest(Outlook(at=NOW, sights=(c, a, b))) == b
    assert soonest(Outlook(at=NOW, sights=(c, sight(None)))) is None
    assert soonest(Outlook(at=NOW, sights=())) is None
    assert soonest(Outlook(at=NOW, sights=(sight(arrival(3)), a))) == a


@pytest.mark.parametrize(
    ("full", "text"),
    [
        (arrival(6, 9, 15), "bytes full in about 9 d (6 d to 15 d)"),
        (arrival(0.5, 1.1, None), "bytes full in about 1 d (12 h to over a year)"),
        (arrival(6), "bytes full perhaps within a year (6 d to over a year)"),
        (arrival(0, 0, 0), "bytes full now"),
        (arrival(None), "bytes: not full within a year"),
    ],
)
def test_it_is_said_for_a_person(full: Arrival, text: str) -> None:
    assert describe(sight(full), NOW) == text


def test_what_is_not_known_is_said_to_be_so_after_what_is() -> None:
    unknown = sight(None, "inodes", missing="3 whole days of history; there are 0")
    assert summary(Outlook(at=NOW, sights=(unknown, sight(arrival(6, 9, 15))))) == (
        "bytes full in about 9 d (6 d to 15 d); inodes: no forecast yet: it needs 3 whole days of history; there are 0"
    )


def test_a_warning_says_what_when_how_fast_and_since_when() -> None:
    standing = Outlook(at=NOW, sights=(sight(arrival(1, 2, 3)),), warned=Warned(since=NOW))
    assert why_warned(standing) == (
        "bytes full in about 2 d (1 d to 3 d); 3.0 GiB a day of late, rising since 2026-12-26T08:00:00Z"
    )
    sooner = Outlook(at=NOW, sights=(sight(arrival(3, 5, 9, first=1.5)),), warned=Warned(since=NOW))
    assert why_warned(sooner) == (
        "bytes full in about 5 d (3 d to 9 d), at the soonest in 1 d; 3.0 GiB a day of late, rising since"
        " 2026-12-26T08:00:00Z"
    )
    rare = Outlook(at=NOW, sights=(sight(arrival(None, first=1.5), since=None),), warned=Warned(since=NOW))
    assert why_warned(rare) == "bytes: not full within a year, at the soonest in 1 d; 3.0 GiB a day of late"
    inodes = Outlook(
        at=NOW, sights=(sight(arrival(1, 2, 3), "inodes", per_day=12345.6, since=None),), warned=Warned(since=NOW)
    )
    assert why_warned(inodes) == "inodes full in about 2 d (1 d to 3 d); 12,346 inodes a day of late"


def test_a_warning_without_a_reason_any_more_says_so_until_it_is_over_and_none_says_nothing() -> None:
    calm = Outlook(at=NOW, sights=(sight(arrival(None)),), warned=Warned(since=NOW, calm=NOW))
    assert (
        why_warned(calm)
        == "it looked as if the disk would soon be full; that is not so now, but it is too early to be sure"
    )
    assert why_warned(replace(calm, warned=None)) is None


def test_the_last_of_a_day_is_kept_and_those_about_a_warning() -> None:
    noon, plain = NOW // DAY * DAY + DAY / 2, Outlook(at=0.0, sights=())

    def kept(before: Warned | None, after: Warned | None, hours: int = 1) -> bool:
        return worth_keeping(
            replace(plain, at=noon, warned=before), replace(plain, at=noon + hours * HOUR, warned=after)
        )

    assert not kept(None, None)
    assert kept(None, None, hours=12)
    assert kept(None, Warned(since=noon + HOUR))
    assert kept(Warned(since=noon), Warned(since=noon))
    assert not kept(Warned(since=noon - HOUR), Warned(since=noon - HOUR))
    assert kept(Warned(since=noon - HOUR), None)
