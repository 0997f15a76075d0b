"""SPEC.md 3: who may go."""

from __future__ import annotations

import random
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.cli.naive import PERIODS, floor
from tests.policy.make import HOUR, NOW, backup, backups, store, stores
from ullage.model.backups import Backup, Selection
from ullage.model.settings import ConfidenceSettings, StoreSettings
from ullage.model.units import DAY, MIB
from ullage.model.words import LIVE_STATES, CleanupLevel, State, Strategy
from ullage.policy.protect import floors
from ullage.policy.rank import oldest_first
from ullage.policy.select import recheck, select

STORE = store(keep_last=0)
LEVELS = {  # SPEC.md 3, in its words; not taken from the code
    "conservative": ("CLEANABLE", 0.75, 0),
    "gentle": ("CLEANABLE", 0.85, 0),
    "moderate": ("CLEANABLE CONFIRMED", 0.70, 0),
    "aggressive": ("CLEANABLE CONFIRMED PENDING", 0.50, 0),
    "nuclear": ("CLEANABLE CONFIRMED PENDING CREATED", 0.0, 3600),
}


def goes(one: Backup, level: CleanupLevel, settings: StoreSettings = STORE) -> bool:
    return not recheck(one, level, None, settings, now=NOW)


def ids(selection: Selection) -> list[str]:
    return [candidate.backup.id for candidate in selection.candidates]


@pytest.mark.parametrize("state", sorted(LIVE_STATES))
@pytest.mark.parametrize("level", CleanupLevel)
def test_a_level_takes_the_states_of_its_row(level: CleanupLevel, state: State) -> None:
    assert goes(backup(state=state, confirmed_at=1), level) == (state in LEVELS[level][0].split())


@pytest.mark.parametrize("level", CleanupLevel)
def test_a_level_takes_from_its_boosted_confidence_on(level: CleanupLevel) -> None:
    least = LEVELS[level][1]
    for boost in (0.0, 0.05, 0.15, 0.19, 0.2, 0.24, 0.25, 0.34, 0.35):  # with a base of 0.5: 0.7, 0.75, 0.85 and less
        settings = replace(STORE, confidence=ConfidenceSettings(pressure_boost=boost))
        boosted = (50 + round(boost * 100)) / 100
        assert goes(backup(age=0, created_at=int(NOW)), level, settings) == (boosted >= least and level != "nuclear")


@pytest.mark.parametrize(("age", "may_go"), [(3599, False), (3600, True)])
def test_nuclear_takes_what_is_an_hour_old(age: float, may_go: bool) -> None:
    assert goes(backup(age=age, state=State.CREATED), CleanupLevel.NUCLEAR) is may_go


def test_nuclear_takes_any_confidence() -> None:
    least = backup(age=HOUR, size_bytes=501 * MIB, last_read_at=NOW)
    assert goes(least, CleanupLevel.NUCLEAR)
    assert not goes(least, CleanupLevel.AGGRESSIVE)


def test_aggressive_goes_by_emergency_minimum() -> None:
    strict = replace(STORE, confidence=ConfidenceSettings(emergency_minimum=0.71))
    assert goes(backup(age=0), CleanupLevel.AGGRESSIVE)
    assert not goes(backup(age=0), CleanupLevel.AGGRESSIVE, strict)


@pytest.mark.parametrize("strategy", Strategy)
def test_the_states_of_a_level_hold_for_every_strategy(strategy: Strategy) -> None:
    members = [backup(f"{state}-20260101", state) for state in sorted(LIVE_STATES)]
    assert ids(select(members, CleanupLevel.GENTLE, None, store(strategy=strategy, keep_last=0), now=NOW)) == [
        "CLEANABLE-20260101"
    ]


def test_the_limit_is_applied_after_the_filters() -> None:
    members = [backup(f"db-{i}", State.PENDING, age=(90 - i) * DAY) for i in range(5)]
    members += [backup(f"www-{i}", age=(50 - i) * DAY) for i in range(5)]
    selection = select(members, CleanupLevel.GENTLE, 2, STORE, now=NOW)
    assert [c.backup.id for c in selection.chosen] == ["www-0", "www-1"]
    assert len(selection.candidates) == 5


def test_no_limit_takes_them_all() -> None:
    members = [backup(f"db-{i}") for i in range(70)]
    assert len(select(members, CleanupLevel.NUCLEAR, None, STORE, now=NOW).chosen) == 70


@pytest.mark.parametrize(
    ("strategy", "order"),
    [
        (Strategy.OLDEST_FIRST, ["old", "a-twin", "b-twin", "large", "sure"]),
        (Strategy.LARGEST_FIRST, ["large", "a-twin", "b-twin", "old", "sure"]),
        (Strategy.CONFIDENCE_BASED, ["sure", "old", "a-twin", "b-twin", "large"]),
    ],
)
def test_each_strategy_has_its_order_and_ties_end_at_the_id(strategy: Strategy, order: list[str]) -> None:
    members = [
        backup("b-twin", age=12 * DAY),
        backup("large", age=11 * DAY, reclaimable_bytes=9, size_bytes=1),
        backup("a-twin", age=12 * DAY),
        backup("old", age=13 * DAY, size_bytes=5),
        backup("sure", age=10 * DAY, confirmed_at=1),
    ]
    assert ids(select(members, CleanupLevel.MODERATE, None, store(strategy=strategy, keep_last=0), now=NOW)) == order


def test_equal_confidence_goes_by_age_and_not_by_the_noise_of_floats() -> None:
    settings = store(strategy=Strategy.CONFIDENCE_BASED, keep_last=0)
    # 0.5 + 0.3 and 0.5 + 0.1 + 0.2: as sums of floats they are not the same number.
    aged, good = backup("z-aged", age=30 * DAY), backup("a-good", age=10 * DAY, confirmed_at=1)
    assert ids(select([good, aged], CleanupLevel.MODERATE, None, settings, now=NOW)) == ["z-aged", "a-good"]


def test_a_candidate_brings_the_reasons_why_it_may_go() -> None:
    [candidate] = select([backup(age=41 * DAY)], CleanupLevel.GENTLE, None, STORE, now=NOW).candidates
    assert candidate.reasons == ("state CLEANABLE", "confidence 0.80 + 0.20 = 1.00", "age 41 d")
    assert candidate.age_seconds == 41 * DAY


def test_a_candidate_dated_a_little_ahead_is_of_no_age() -> None:
    [candidate] = select([backup(age=-30)], CleanupLevel.AGGRESSIVE, None, STORE, now=NOW).candidates
    assert candidate.age_seconds == 0.0


def test_what_stays_says_every_reason() -> None:
    stays = select([backup("x", State.CREATED, age=600, pinned=True)], CleanupLevel.NUCLEAR, None, STORE, now=NOW).stays
    assert stays == {"x": ("it is pinned", "age 10 min is under 1 h")}
    stays = select([backup("x", State.PENDING, age=0)], CleanupLevel.GENTLE, None, STORE, now=NOW).stays
    assert stays == {
        "x": ("state PENDING is not for gentle, which takes CLEANABLE", "confidence 0.50 + 0.20 = 0.70 is under 0.85")
    }
    assert recheck(backup(state=None), CleanupLevel.GENTLE, None, STORE, now=NOW) == (
        "its state is not known",
        "state unknown is not for gentle, which takes CLEANABLE",
    )


def test_a_confidence_just_under_is_not_shown_as_enough() -> None:
    nearly = backup(age=15 * DAY - 60)
    assert recheck(nearly, CleanupLevel.GENTLE, None, STORE, now=NOW) == (
        "confidence 0.64 + 0.20 = 0.84 is under 0.85",
    )


def test_the_floor_of_the_series_stays_at_every_level() -> None:
    members = [backup("db-20260101", age=9 * DAY, confirmed_at=1), backup("db-20260102", age=8 * DAY)]
    selection = select(members, CleanupLevel.NUCLEAR, None, store(), now=NOW)
    assert ids(selection) == ["db-20260102"]
    assert selection.stays == {"db-20260101": ('the newest good backup of the series "db"',)}


@given(backups(), stores(), st.sampled_from(CleanupLevel), st.randoms(use_true_random=False))
def test_the_same_store_always_gives_the_same_plan(
    members: list[Backup], settings: StoreSettings, level: CleanupLevel, shuffler: random.Random
) -> None:
    first = select(members, level, 5, settings, now=NOW)
    shuffled = list(members)
    shuffler.shuffle(shuffled)
    again = select(shuffled, level, 5, settings, now=NOW)
    assert again == first
    assert list(again.stays) == list(first.stays)


@given(backups(), stores(), st.sampled_from(CleanupLevel))
def test_pinned_busy_doubtful_and_floor_never_go_at_any_level(
    members: list[Backup], settings: StoreSettings, level: CleanupLevel
) -> None:
    held = floors(members, settings.reclaim, now=NOW)
    for candidate in select(members, level, None, settings, now=NOW).candidates:
        one = candidate.backup
        assert not one.pinned
        assert one.busy is None
        assert one.fault is None
        assert one.state in LIVE_STATES
        assert one.created_at is not None
        assert one.created_at <= NOW + 60
        assert one.id not in held


@given(backups(), stores(), st.sampled_from(CleanupLevel))
def test_everyone_is_judged_once_and_looking_again_gives_the_same(
    members: list[Backup], settings: StoreSettings, level: CleanupLevel
) -> None:
    selection = select(members, level, None, settings, now=NOW)
    assert sorted([*ids(selection), *selection.stays]) == sorted(b.id for b in members)
    held = floors(members, settings.reclaim, now=NOW)
    for one in members:
        assert recheck(one, level, held.get(one.id), settings, now=NOW) == selection.stays.get(one.id, ())


@given(backups(), stores())
def test_moderate_takes_all_that_conservative_takes_and_aggressive_all_of_that(
    members: list[Backup], settings: StoreSettings
) -> None:
    rising = [CleanupLevel.GENTLE, CleanupLevel.CONSERVATIVE, CleanupLevel.MODERATE, CleanupLevel.AGGRESSIVE]
    taken = [set(ids(select(members, level, None, settings, now=NOW))) for level in rising]
    assert taken == sorted(taken, key=len)
    assert all(less <= more for less, more in pairwise(taken))


@given(backups(), stores(), st.sampled_from(CleanupLevel), st.one_of(st.none(), st.integers(0, 4)))
def test_select_agrees_with_section_3_written_down_a_second_time(
    members: list[Backup], settings: StoreSettings, level: CleanupLevel, limit: int | None
) -> None:
    found = select(members, level, limit, settings, now=NOW)
    if settings.reclaim.strategy is Strategy.LEAST_HARM:  # whose order has tests of its own
        assert sorted(ids(found)) == sorted(naive(members, level, None, settings))
    else:
        assert [c.backup.id for c in found.chosen] == naive(members, level, limit, settings)


def naive(members: list[Backup], level: CleanupLevel, limit: int | None, settings: StoreSettings) -> list[str]:
    """Section 3 as slow and plain as can be, with confidence in whole hundred-thousandths of a per cent."""
    live = [
        b
        for b in members
        if b.state in LIVE_STATES and not b.fault and b.created_at is not None and b.created_at <= NOW + 60
    ]
    going: list[tuple[Any, str]] = []
    for one in live:
        assert one.created_at is not None
        states, least, age = LEVELS[level]
        mine = [(b.good, b.created_at or 0, b.id) for b in live if name(b.id) == name(one.id)]
        stays = one.id in floor(mine, {rule: getattr(settings.reclaim, rule) for rule in PERIODS})
        young = max(0, NOW - one.created_at) < settings.reclaim.min_age
        written = one.state == "CREATED" and NOW - one.newest_mtime < 300
        if one.pinned or one.busy or written or stays or young:
            continue
        sure = min(100.0, percent(one) + 20)
        if one.state not in states.split() or sure < round(least * 100, 6) or max(0, NOW - one.created_at) < age:
            continue
        ranks = {
            "oldest_first": (one.created_at,),
            "largest_first": (-one.reclaimable_bytes,),
            "confidence_based": (-sure, one.created_at),
        }
        going.append((ranks.get(settings.reclaim.strategy, ()), one.id))
    return [backup_id for _, backup_id in sorted(going)][:limit]


def percent(one: Backup) -> float:
    assert one.created_at is not None
    result = 50 + min(30.0, max(0.0, (NOW - one.created_at) / 86400)) + (20 if one.good else 0)
    result -= 10 * (one.size_bytes > 100 * MIB) + 10 * (one.size_bytes > 500 * MIB)
    result -= 20 if one.last_read_at is not None and one.last_read_at >= NOW - 7 * 86400 else 0
    return round(min(100.0, max(0.0, result)), 7)


def name(backup_id: str) -> str | None:
    """The series, for the names that these tests make up."""
    for date in ("20260101", "2026-02-01", "20260301"):
        if date in backup_id:
            before = backup_id[: backup_id.index(date)]
            return before[:-1] if before.endswith(("-", "_", ".")) else before
    return None


def test_ten_thousand_backups_are_selected_in_a_blink() -> None:
    many = [backup(f"db{i % 20}-20260101-{i}", age=i * 600.0, size_bytes=i * MIB // 10) for i in range(10_000)]
    began = time.process_time()
    select(many, CleanupLevel.GENTLE, 5, store(), now=NOW)
    assert time.process_time() - began < 1.0  # 0.07 s when nothing else runs


def test_floors_that_are_known_already_are_those_that_count() -> None:
    one, other = backup("db-20260101"), backup("db-20260102")
    selection = select([one, other], CleanupLevel.MODERATE, 3, store(), now=NOW, kept={one.id: "it is held"})
    assert (ids(selection), selection.stays) == ([other.id], {one.id: ("it is held",)})


def test_a_selection_says_for_what_and_how_it_was_made() -> None:
    selection = select([], CleanupLevel.GENTLE, 3, store(strategy=Strategy.LARGEST_FIRST), now=NOW)
    assert (selection.level, selection.strategy, selection.limit) == (CleanupLevel.GENTLE, Strategy.LARGEST_FIRST, 3)


def test_what_has_no_known_age_comes_last() -> None:
    unknown, old = backup("a", age=0.0), backup("b", age=90 * DAY)
    assert sorted([replace(unknown, created_at=None), old, unknown], key=oldest_first) == [
        *(old, unknown, replace(unknown, created_at=None))
    ]
