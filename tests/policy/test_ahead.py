"""Floors that are not full yet: ``config check`` says before it bites that they will leave no room for the target."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import HOUR, NOW, backup, reading, space, store
from ullage.model.backups import Backup
from ullage.model.readings import Reading
from ullage.model.settings import ReclaimSettings
from ullage.model.units import DAY, GIB
from ullage.model.words import State
from ullage.policy.ahead import Rhythm, floors_to_come, full, rhythm_of
from ullage.policy.keep import kept
from ullage.policy.reach import out_of_reach


def nights(count: int, every: float = DAY, **more: Any) -> list[Backup]:
    """So many backups of one series, a GiB each, the newest an hour old."""
    fields = {"reclaimable_bytes": GIB, **more}
    return [
        backup(f"db-20260101-{number:03}", State.CONFIRMED, age=HOUR + number * every, **fields)
        for number in range(count)
    ]


def disk(used: int) -> Reading:
    """Of 100 GiB."""
    return reading(space(used * GIB, total=100 * GIB))


def test_a_target_that_full_floors_put_out_of_reach_is_told_while_it_still_is_in_reach() -> None:
    members, plan = nights(5), store(keep_daily=90)
    assert out_of_reach(plan, disk(20), members, now=NOW) is None
    assert floors_to_come(plan, disk(20), members, now=NOW) == (
        "the floors (reclaim.keep_*, min_age) will hold about 90.0 GiB once they are full, and with"
        ' watermarks.target_free there is room for 65.0 GiB; the most: the series "db", one in 1 d, 90 of 1.0 GiB:'
        " lower what is kept or target_free, or enlarge the disk"
    )
    assert floors_to_come(store(keep_daily=65), disk(20), members, now=NOW) is None
    assert floors_to_come(store(keep_daily=66), disk(20), members, now=NOW) is not None


@pytest.mark.parametrize(
    "members",
    [
        pytest.param(nights(2), id="too few to know how it goes on"),
        pytest.param([b for b in nights(30) if b.created_at is not None and NOW - b.created_at > 5 * DAY], id="ended"),
        pytest.param(nights(5, every=0), id="all at once"),
        pytest.param(nights(5, fault="unreadable"), id="in doubt"),
    ],
)
def test_a_series_of_which_it_is_not_known_how_it_goes_on_counts_as_it_stands(members: list[Backup]) -> None:
    assert floors_to_come(store(keep_daily=90), disk(40), members, now=NOW) is None


def test_pins_and_series_that_ended_take_of_the_room() -> None:
    ended = [backup(f"www-2025010{n}", State.CONFIRMED, age=(90 + n) * DAY, reclaimable_bytes=GIB) for n in range(3)]
    pinned = backup("one", State.PENDING, age=DAY, reclaimable_bytes=GIB, pinned=True)
    young = backup("two", State.CONFIRMED, age=DAY, reclaimable_bytes=0)
    plan = store(keep_daily=65)
    assert floors_to_come(plan, disk(20), nights(5), now=NOW) is None
    for more in (ended, [pinned, young]):
        used = 20 + sum(b.reclaimable_bytes for b in more) // GIB
        assert floors_to_come(plan, disk(used), [*nights(5), *more], now=NOW) is not None


def test_nothing_is_said_of_a_store_that_was_not_measured() -> None:
    assert floors_to_come(store(keep_daily=90), Reading(at=NOW), nights(5), now=NOW) is None


def test_the_rhythm_is_the_median_and_one_night_that_failed_changes_nothing() -> None:
    members = [b for b in nights(8) if b.id != "db-20260101-003"]
    found = rhythm_of(members, now=NOW)
    assert found is not None
    assert (found.seconds, found.size_bytes) == (DAY, GIB)


@pytest.mark.parametrize("every", [6 * HOUR, DAY, 7 * DAY])
@pytest.mark.parametrize("rule", ["keep_last", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"])
def test_a_floor_alone_holds_as_many_as_it_says_once_it_is_full(rule: str, every: float) -> None:
    reclaim = replace(ReclaimSettings(keep_last=0), **{rule: 9})
    assert full(Rhythm(newest=NOW, seconds=every, size_bytes=1), reclaim) == 9


few = st.sampled_from([0, 0, 1, 2, 5, 9])


@settings(max_examples=60)
@given(
    st.builds(
        ReclaimSettings,
        keep_last=few,
        keep_daily=few,
        keep_weekly=few,
        keep_monthly=few,
        keep_yearly=st.sampled_from([0, 0, 1, 2]),
        min_age=st.sampled_from([0.0, 3 * HOUR, 5 * DAY]),
    ),
    st.sampled_from([6 * HOUR, DAY, 2 * DAY, 7 * DAY]),
    st.integers(0, 400),
)
def test_it_is_what_a_series_holds_that_went_on_for_years(reclaim: ReclaimSettings, every: float, shift: int) -> None:
    """Night for night over three years, all that nothing holds taken away; months and weeks begin where they do."""
    newest = int(NOW) + shift * int(DAY)
    members: list[tuple[bool, int, str]] = []
    for number in range(int(3 * 366 * DAY / every), -1, -1):
        at = int(newest - number * every)
        members.append((True, at, f"{at:012}"))
        if number % 20 == 0:
            held = kept(members, reclaim)
            members = [one for one in members if one[2] in held or at - one[1] < reclaim.min_age]
    expected = full(Rhythm(newest=newest, seconds=every, size_bytes=1), reclaim)
    assert abs(len(members) - expected) <= 2
