"""Retention floors beside ``keep_last``: the last of each day, week, month and year of a series, and ``min_age``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.cli import naive
from tests.policy.make import HOUR, NOW, archive, backup, backups
from ullage.model.backups import Backup
from ullage.model.settings import ReclaimSettings
from ullage.model.units import DAY
from ullage.model.words import Cause, State
from ullage.policy.keep import numbers, period_of, superfluous
from ullage.policy.protect import archive_floors, floors, floors_by_rule, holds
from ullage.policy.series import series_of

FLOORS = list(numbers(ReclaimSettings()))
KEEPS = [str(rule) for rule in FLOORS]


def keeping(**keeps: int) -> ReclaimSettings:
    """Settings that keep so many, and nothing that is not named."""
    return replace(ReclaimSettings(keep_last=0), **keeps)


def made(when: str, state: State = State.CONFIRMED, name: str = "db", **more: Any) -> Backup:
    """A backup of ``YYYY-MM-DD HH:MM`` in UTC, named after it."""
    at = datetime.strptime(when, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    return backup(f"{name}-{at:%Y%m%d-%H%M}", state, **{"created_at": int(at.timestamp()), **more})


def kept(*members: Backup, **keeps: int) -> list[str]:
    """Day and time of those that stay, oldest first."""
    return sorted(one.removeprefix("db-")[2:] for one in floors(members, keeping(**keeps), now=NOW))


def slowly(members: list[Backup], reclaim: ReclaimSettings) -> set[str]:
    """The same from its text alone."""
    held: set[str] = set()
    sure = [b for b in members if b.state in list(State)[:4] and b.fault is None and b.created_at is not None]
    sure = [b for b in sure if b.created_at is not None and b.created_at <= NOW + 60]
    for series in {series_of(b.id) for b in sure}:
        mine = [(b.good, b.created_at or 0, b.id) for b in sure if series_of(b.id) == series]
        held |= naive.floor(mine, {rule: getattr(reclaim, rule) for rule in naive.PERIODS})
    return held


few = st.sampled_from([0, 0, 1, 2, 3, 7])
settings = st.builds(keeping, **dict.fromkeys(KEEPS, few))


@st.composite
def runs(draw: st.DrawFn) -> list[Backup]:
    """A series or two over days, weeks or years, some of them several a day, most of them good."""
    found: dict[str, Backup] = {}
    at = NOW
    for number in range(draw(st.integers(0, 25))):
        at -= draw(st.sampled_from([HOUR, 6 * HOUR, DAY, DAY, DAY, 7 * DAY, 30 * DAY, 366 * DAY]))
        name = draw(st.sampled_from(["db", "db", "www"]))
        state = draw(st.sampled_from([State.CONFIRMED, State.CONFIRMED, State.CREATED, State.PENDING]))
        found[f"{name}{number}"] = backup(f"{name}-20260101-{number}", state, age=NOW - at)
    return list(found.values())


@given(st.one_of(runs(), backups()), settings)
def test_who_stays_is_who_a_slow_and_obvious_search_finds(members: list[Backup], reclaim: ReclaimSettings) -> None:
    assert set(floors(members, reclaim, now=NOW)) == slowly(members, reclaim)


@given(runs(), settings, st.sampled_from([State.CREATED, State.PENDING]), st.integers(-61, 400 * int(DAY)))
def test_one_that_is_not_good_releases_no_good_one(
    members: list[Backup], reclaim: ReclaimSettings, state: State, age: int
) -> None:
    good = {b.id for b in members if b.good}
    failed = backup("db-20260102-failed", state, age=age)
    before, after = floors(members, reclaim, now=NOW), floors([*members, failed], reclaim, now=NOW)
    assert good & before.keys() <= after.keys()


@given(runs(), settings, st.sampled_from(KEEPS), st.integers(1, 5))
def test_more_keep_never_holds_fewer(members: list[Backup], reclaim: ReclaimSettings, rule: str, more: int) -> None:
    greater = replace(reclaim, **{rule: getattr(reclaim, rule) + more})
    assert floors(members, reclaim, now=NOW).keys() <= floors(members, greater, now=NOW).keys()


@given(runs(), settings)
def test_the_newest_good_backup_stays_where_any_rule_speaks(members: list[Backup], reclaim: ReclaimSettings) -> None:
    held = floors(members, reclaim, now=NOW)
    for series in {series_of(b.id) for b in members}:
        mine = [b for b in members if series_of(b.id) == series]
        newest = max(mine, key=lambda b: (b.good, b.created_at, b.id))
        assert (newest.id in held) == any(getattr(reclaim, rule) for rule in KEEPS)


@given(runs(), settings)
def test_who_leaves_without_being_held_lets_nobody_go_and_holds_nobody(
    members: list[Backup], reclaim: ReclaimSettings
) -> None:
    """What the last look before a backup goes rests on: the holders alone are looked at again."""
    held = floors(members, reclaim, now=NOW)
    for gone in members:
        if gone.id not in held:
            assert floors([b for b in members if b is not gone], reclaim, now=NOW).keys() == held.keys()


@given(runs(), settings, st.data())
def test_who_comes_to_be_held_lets_others_go_and_holds_none_that_was_not(
    members: list[Backup], reclaim: ReclaimSettings, data: st.DataObject
) -> None:
    """The other half of that."""
    held = floors(members, reclaim, now=NOW)
    if free := [b for b in members if b.id not in held]:
        one = data.draw(st.sampled_from(free))
        changed = replace(one, state=State.CONFIRMED, created_at=int(NOW - data.draw(st.integers(0, 90)) * DAY))
        after = floors([changed if b is one else b for b in members], reclaim, now=NOW)
        assert after.keys() - held.keys() <= {one.id}


@given(runs(), settings)
def test_every_rule_that_holds_is_named_with_its_number_and_no_other(
    members: list[Backup], reclaim: ReclaimSettings
) -> None:
    for floor in floors_by_rule(members, reclaim, now=NOW).values():
        for rule in FLOORS[1:]:
            assert (f"({rule} {getattr(reclaim, rule)})" in floor.reason) == (rule in floor.rules)
        assert ("newest" in floor.reason) == (Cause.KEEP_LAST in floor.rules)


@given(runs(), st.builds(keeping, **dict.fromkeys(KEEPS, st.sampled_from([0, 1, 2, 8, 13, 32, 33, 367, 368]))))
def test_a_floor_that_is_said_to_be_superfluous_is(members: list[Backup], reclaim: ReclaimSettings) -> None:
    for rule, number, other in superfluous(reclaim):
        assert (number, number > 0) == (getattr(reclaim, rule), getattr(reclaim, other) > 0)
        without = floors(members, replace(reclaim, **{str(rule): 0}), now=NOW)
        assert floors(members, reclaim, now=NOW).keys() == without.keys()


@pytest.mark.parametrize(
    ("keeps", "expected"),
    [
        ({}, []),
        ({"keep_last": 1, "keep_daily": 1}, [("keep_daily", 1, "keep_last")]),
        ({"keep_last": 3, "keep_daily": 2}, []),
        ({"keep_last": 1, "keep_daily": 7, "keep_weekly": 4, "keep_monthly": 12, "keep_yearly": 3}, []),
        ({"keep_last": 1, "keep_yearly": 1}, [("keep_yearly", 1, "keep_last")]),
        ({"keep_yearly": 1}, []),
        ({"keep_daily": 8, "keep_weekly": 2}, [("keep_weekly", 2, "keep_daily")]),
        ({"keep_daily": 7, "keep_weekly": 2}, []),
        ({"keep_daily": 32, "keep_monthly": 2}, [("keep_monthly", 2, "keep_daily")]),
        ({"keep_daily": 31, "keep_monthly": 2}, []),
        ({"keep_weekly": 50, "keep_monthly": 2}, []),
        ({"keep_monthly": 13, "keep_yearly": 2}, [("keep_yearly", 2, "keep_monthly")]),
        ({"keep_monthly": 12, "keep_yearly": 2}, []),
    ],
)
def test_a_floor_that_another_covers_is_told(keeps: dict[str, int], expected: list[tuple[str, int, str]]) -> None:
    assert superfluous(keeping(**keeps)) == expected


def test_of_several_a_day_the_last_good_one_stays() -> None:
    day = [made("2026-11-24 03:00"), made("2026-11-24 15:00"), made("2026-11-24 23:59", State.PENDING)]
    assert kept(*day, made("2026-11-23 00:00"), keep_daily=1) == ["261124-1500"]
    assert kept(*day, made("2026-11-23 00:00"), keep_daily=2) == ["261123-0000", "261124-1500"]


def test_days_are_counted_that_have_a_good_backup_and_not_days_of_the_calendar() -> None:
    week = [made(f"2026-11-{day:02} 02:00") for day in (2, 9, 16, 23)]
    assert kept(*week, keep_daily=3) == ["261109-0200", "261116-0200", "261123-0200"]


def test_nights_that_fail_push_no_good_backup_out() -> None:
    good = [made(f"2026-11-0{day} 02:00") for day in (1, 2, 3)]
    failed = [made(f"2026-11-{day} 02:00", State.CREATED) for day in range(10, 20)]
    assert kept(*good, *failed, keep_daily=3) == ["261101-0200", "261102-0200", "261103-0200"]
    assert kept(*good, *failed, keep_daily=4)[3:] == ["261119-0200"]


@pytest.mark.parametrize(
    ("when", "day", "week", "month", "year"),
    [
        ("2026-12-31 23:59", "2026-12-31", "2026-W53", "2026-12", "2026"),
        ("2027-01-01 00:00", "2027-01-01", "2026-W53", "2027-01", "2027"),
        ("2027-01-03 23:59", "2027-01-03", "2026-W53", "2027-01", "2027"),
        ("2027-01-04 00:00", "2027-01-04", "2027-W01", "2027-01", "2027"),
        ("2024-12-29 23:59", "2024-12-29", "2024-W52", "2024-12", "2024"),
        ("2024-12-30 00:00", "2024-12-30", "2025-W01", "2024-12", "2024"),
        ("2024-02-29 12:00", "2024-02-29", "2024-W09", "2024-02", "2024"),
        ("1970-01-01 00:00", "1970-01-01", "1970-W01", "1970-01", "1970"),
    ],
)
def test_periods_at_the_borders_of_weeks_and_years(when: str, day: str, week: str, month: str, year: str) -> None:
    at = datetime.strptime(when, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp()
    assert [period_of(at, rule) for rule in FLOORS[1:]] == [day, week, month, year]


@given(st.integers(-(1 << 40), 1 << 40))
def test_every_time_there_can_be_has_its_periods(at: int) -> None:
    try:
        day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)).date()
    except OverflowError:
        day = date.min if at < 0 else date.max
    week = day.isocalendar()
    texts = [f"{day}", f"{week.year:04}-W{week.week:02}", f"{day}"[:7], f"{day}"[:4]]
    assert [period_of(at, rule) for rule in FLOORS[1:]] == texts


def test_the_last_of_a_week_may_be_of_another_year_and_both_stay() -> None:
    turn = [made("2026-12-30 02:00"), made("2026-12-31 02:00"), made("2027-01-01 02:00")]
    assert kept(*turn, keep_weekly=5) == ["270101-0200"]
    assert kept(*turn, keep_yearly=5) == ["261231-0200", "270101-0200"]


def test_the_day_is_that_of_utc_whatever_the_time_zone_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    evening, morning = made("2026-11-23 23:30"), made("2026-11-24 00:30")
    for zone in ("UTC", "Pacific/Kiritimati", "Etc/GMT+12"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            assert kept(evening, morning, keep_daily=2) == ["261123-2330", "261124-0030"]
        finally:
            monkeypatch.undo()
            time.tzset()


def test_every_series_keeps_its_own() -> None:
    members = [made("2026-11-23 02:00"), made("2026-11-24 02:00"), made("2026-11-22 02:00", name="www")]
    assert set(floors(members, keeping(keep_daily=1), now=NOW)) == {members[1].id, members[2].id}


def test_one_that_several_rules_hold_has_one_reason_that_names_them_all() -> None:
    members = [made("2026-11-23 02:00"), made("2026-11-24 02:00"), made("2026-11-25 02:00", State.CREATED)]
    reasons = floors(members, ReclaimSettings(keep_daily=7, keep_weekly=4), now=NOW)
    assert reasons == {
        members[0].id: 'the last good backup of 2026-11-23 (keep_daily 7) in the series "db"',
        members[1].id: 'the newest good backup of the series "db";'
        " its last of 2026-11-24 (keep_daily 7) and of 2026-W48 (keep_weekly 4)",
        members[2].id: 'the last that the series "db" has of 2026-11-25 (keep_daily 7) in the place of a good backup',
    }


def test_archives_of_a_series_without_a_live_backup_have_the_same_floors() -> None:
    found = [archive(f"db-{day}", age=day * DAY) for day in range(5)]
    floor = archive_floors(found, [], ReclaimSettings(keep_daily=3, keep_yearly=2), now=NOW)
    assert list(floor) == [one.path for one in found[:3]]
    day = f"{datetime.fromtimestamp(found[1].created_at, UTC):%Y-%m-%d}"
    assert floor[found[1].path] == (
        f"the last archive of {day} (keep_daily 3) in the series of names without a date, which has no live backup"
    )
    alive = archive_floors(found, [backup("db", State.CREATED)], ReclaimSettings(keep_daily=3), now=NOW)
    assert alive == {}


def test_an_archive_that_is_dated_ahead_stays_and_lets_no_other_go() -> None:
    ahead, last, old = archive("db-3", age=-61), archive("db-2", age=-60), archive("db-1", age=DAY)
    floor = archive_floors([ahead, last, old], [], ReclaimSettings(), now=NOW)
    assert set(floor) == {ahead.path, last.path}
    assert floor[ahead.path] == "its age is not known: it is dated ahead"


@pytest.mark.parametrize(
    ("age", "left"),
    [(-60, "7 d"), (0, "7 d"), (1, "6 d"), (7 * DAY - 1, "1 s"), (7 * DAY, None), (8 * DAY, None)],
)
def test_one_that_is_younger_than_min_age_stays_and_it_is_said_for_how_long(age: float, left: str | None) -> None:
    reclaim = ReclaimSettings(keep_last=0, min_age=7 * DAY)
    expected = () if left is None else (f"it is younger than 7 d (reclaim.min_age), for {left} more",)
    assert holds(backup(age=age), None, reclaim, now=NOW) == expected
    stored = archive("db-20260101", age=age)
    alive = [backup()]
    assert tuple(archive_floors([stored], alive, reclaim, now=NOW).values()) == expected


def test_min_age_says_nothing_of_one_whose_age_is_not_known() -> None:
    for doubtful in (backup(created_at=None), backup(age=-61)):
        (reason,) = holds(doubtful, None, ReclaimSettings(min_age=0.0), now=NOW)
        assert "age is not known" in reason


def test_min_age_of_0_holds_none_that_is_a_little_ahead() -> None:
    assert holds(backup(age=-60), None, ReclaimSettings(), now=NOW) == ()
    assert archive_floors([archive("db-20260101", age=-60)], [backup()], ReclaimSettings(), now=NOW) == {}
