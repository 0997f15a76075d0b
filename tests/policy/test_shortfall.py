"""Where floors and target cannot both be had the floors win: what is missing, why, and what would have to give."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import NOW, archive, backup, backups, reading, space, store, stores
from ullage.model.backups import Backup, Share
from ullage.model.readings import Reading
from ullage.model.settings import Free, InodeMarks, StoreSettings, Watermarks
from ullage.model.shortfall import Shortfall
from ullage.model.units import DAY, GIB, MIB
from ullage.model.words import Cause, CleanupLevel, EmergencyStrategy, Level, State, Unit
from ullage.policy.assess import Goal, missing
from ullage.policy.exhausted import too_little
from ullage.policy.gain import gain_of
from ullage.policy.reach import out_of_reach
from ullage.policy.select import select
from ullage.policy.shortfall import Asked, shortfall
from ullage.policy.shortfall import named as goal_named


def named(night: int, **more: Any) -> Backup:
    """A backup of a series "db" that is good."""
    fields = {"reclaimable_bytes": GIB, "inodes": 10, "confirmed_at": 1, **more}
    return backup(f"db-20260101-{night:03}", age=(40 + night) * DAY, **fields)


def full(lacks: float) -> Reading:
    """A disk of 100 GiB that needs so many GiB to go to be 20 % free."""
    return reading(space(int((80 + lacks) * GIB), total=100 * GIB))


def at(
    members: list[Backup], settings: StoreSettings, lacks: float, level: Level = Level.EMERGENCY, **more: Any
) -> Shortfall | None:
    return too_little(level, full(lacks), members, settings, now=NOW, **more)


def keeping(**reclaim: Any) -> StoreSettings:
    """An emergency there is nuclear: only floors and pins hold."""
    return store(emergency_strategy=EmergencyStrategy.NUCLEAR, **{"keep_last": 0, **reclaim})


NIGHTS = [named(night) for night in range(14)]


def test_what_may_go_is_enough_or_it_is_said_to_the_byte_what_is_missing() -> None:
    assert at(NIGHTS, keeping(keep_daily=4), 10) is None
    short = at(NIGHTS, keeping(keep_daily=4), 10.5)
    assert short is not None
    assert (short.goal, short.size_bytes, short.inodes, short.count) == ("20 % free", GIB // 2, 0, 10)
    assert [(one.cause, one.count, one.size_bytes) for one in short.because] == [(Cause.KEEP_DAILY, 4, 4 * GIB)]
    assert (short.ways, short.enough) == (("lower reclaim.keep_daily from 4 to 3",), True)


def test_the_largest_gives_first_and_no_more_of_each_than_is_needed() -> None:
    pinned = [named(night, pinned=True) for night in range(20, 23)]
    short = at([*NIGHTS, *pinned], keeping(keep_daily=14), 5)
    assert short is not None
    assert short.ways == ("lower reclaim.keep_daily from 14 to 9",)
    assert [(one.cause, one.count) for one in short.because] == [(Cause.KEEP_DAILY, 14), (Cause.PINNED, 3)]
    short = at([*NIGHTS, *pinned], keeping(keep_daily=14), 15.5)
    assert short is not None
    assert short.ways == ("lower reclaim.keep_daily from 14 to 1", "unpin what may go")


def test_two_rules_that_hold_the_same_must_both_give() -> None:
    short = at(NIGHTS, keeping(keep_daily=2, keep_monthly=1, keep_yearly=1), 14)
    assert short is not None
    assert set(short.ways) == {
        "lower reclaim.keep_daily from 2 to 0",
        "lower reclaim.keep_monthly from 1 to 0",
        "lower reclaim.keep_yearly from 1 to 0",
    }


def test_keep_last_gives_after_all_others() -> None:
    pinned = named(20, pinned=True, reclaimable_bytes=MIB)
    short = at([*NIGHTS, pinned], keeping(keep_last=1), 13 + 1 / 1024)
    assert short is not None
    assert short.because[0].cause is Cause.KEEP_LAST
    assert short.ways == ("unpin what may go",)
    short = at([*NIGHTS, pinned], keeping(keep_last=1), 13.5)
    assert short is not None
    assert short.ways == ("lower reclaim.keep_last from 1 to 0",)


def test_min_age_would_be_lowered_to_the_age_that_lets_enough_go() -> None:
    short = at(NIGHTS, keeping(min_age=50 * DAY), 8)
    assert short is not None
    assert [(one.cause, one.count) for one in short.because] == [(Cause.MIN_AGE, 10)]
    assert short.ways == ("lower reclaim.min_age from 50 d to 46 d",)


def test_where_nothing_would_be_enough_it_is_said() -> None:
    short = at(NIGHTS, keeping(keep_daily=4), 15)
    assert short is not None
    assert (short.ways, short.enough) == (("lower reclaim.keep_daily from 4 to 0",), False)
    short = at([], keeping(), 15)
    assert short is not None
    assert (short.because, short.ways, short.enough) == ((), (), False)
    useless = at([named(1, pinned=True, reclaimable_bytes=0)], keeping(), 15)
    assert useless is not None
    assert (useless.ways, useless.enough) == ((), False)


def test_what_the_level_does_not_take_is_its_own_cause() -> None:
    young = [named(night, state=State.PENDING, confirmed_at=None) for night in range(3)]
    short = at(young, store(keep_last=0), 2, Level.CRITICAL)
    assert short is not None
    assert (short.level, short.goal) == (CleanupLevel.MODERATE, "a usage under 75 %")
    assert [(one.cause, one.count) for one in short.because] == [(Cause.LEVEL, 3)]
    assert at(young, store(keep_last=0), -4, Level.CRITICAL, asked=CleanupLevel.AGGRESSIVE) is None


def test_use_and_doubt_are_causes_too() -> None:
    members = [named(1, busy="process 1"), named(2, fault="unreadable"), named(3, created_at=None)]
    short = at(members, keeping(), 3)
    assert short is not None
    assert {one.cause: one.count for one in short.because} == {Cause.IN_USE: 1, Cause.IN_DOUBT: 2}
    assert short.ways == ("mend what is in doubt (ullage list)", "wait for what is in use")


def test_what_is_shared_comes_back_with_the_last_of_its_owners() -> None:
    members = [named(night, reclaimable_bytes=0) for night in range(4)]
    shares = (Share(owners=tuple(b.id for b in members), size_bytes=4 * GIB, inodes=1),)
    short = at(members, keeping(keep_last=2), 3, shares=shares)
    assert short is not None
    assert (short.size_bytes, short.may_bytes, short.because[0].size_bytes) == (3 * GIB, 0, 4 * GIB)
    assert short.ways == ("lower reclaim.keep_last from 2 to 0",)


def test_inodes_are_missing_as_bytes_are() -> None:
    pressed = reading(space(0, total=100 * GIB, inodes=(9_050, 10_000)))
    short = too_little(Level.EMERGENCY, pressed, NIGHTS, keeping(keep_daily=14), now=NOW)
    assert short is not None
    assert (short.size_bytes, short.inodes) == (0, 1050)
    held = [named(night, inodes=night, reclaimable_bytes=GIB - night, pinned=night > 2) for night in range(1, 5)]
    short = too_little(Level.EMERGENCY, pressed, held, keeping(keep_last=2), now=NOW)
    assert short is not None
    assert [(one.cause, one.inodes) for one in short.because] == [(Cause.PINNED, 7), (Cause.KEEP_LAST, 3)]


def test_archives_on_the_same_filesystem_go_until_it_is_under_critical_for_no_capacity_and_the_trash_before() -> None:
    old = [archive("db-20260101", age=90 * DAY, size_bytes=20 * GIB)]
    alive = [named(0)]
    short = at(alive, keeping(keep_last=1), 15, archives=old)
    assert short is not None
    assert short.size_bytes == 5 * GIB - 1
    bound = replace(full(15), backup=(space(50 * GIB, total=100 * GIB), space(95 * GIB, total=100 * GIB)))
    short = too_little(Level.EMERGENCY, bound, alive, keeping(keep_last=1), now=NOW, archives=old)
    assert short is not None
    assert short.size_bytes == 15 * GIB
    held = [archive("www-20260101", age=90 * DAY, size_bytes=20 * GIB)]
    short = at(alive, keeping(keep_last=1), 15, archives=held)
    assert short is not None
    assert short.size_bytes == 15 * GIB
    short = at(alive, keeping(keep_last=1), 15, waiting=(14 * GIB, 0))
    assert short is not None
    assert short.size_bytes == GIB


def test_the_goal_is_named_as_the_settings_have_it() -> None:
    marks = Watermarks(
        free=Free(warning=30 * GIB, target_free=50 * GIB),
        target_free=0.0,
        critical=100.0,
        inode=InodeMarks(target_free=10.0, free=Free(target_free=5_000)),
    )
    assert goal_named(Goal.TARGET, marks, Unit.BYTES) == "50 GiB free"
    assert goal_named(Goal.TARGET, marks, Unit.INODES) == "10 % free and 5000 free"
    assert goal_named(Goal.LOW, marks, Unit.BYTES) == "a usage under 75 % and 30 GiB free"
    assert goal_named(Goal.BELOW_CRITICAL, marks, Unit.BYTES) == "a usage under 100 %"
    assert goal_named(Goal.BELOW_EMERGENCY, Watermarks(), Unit.BYTES) == "a usage under 95 %"


def test_nothing_is_missing_where_nothing_is_wanted() -> None:
    assert too_little(Level.OK, full(0), [], keeping(), now=NOW) is None
    assert at([], keeping(), 0) is None


def test_the_target_is_out_of_reach_by_what_holds_for_long_alone() -> None:
    passing = [named(1, busy="process 1"), named(2, state=State.CREATED, newest_mtime=NOW)]
    assert out_of_reach(keeping(), full(2), passing, now=NOW) is None
    for settings in (keeping(keep_weekly=1), keeping(min_age=60 * DAY)):
        told = out_of_reach(settings, full(2), passing, now=NOW)
        assert told is not None
        assert told.startswith("watermarks.target_free is out of reach: ")
    told = out_of_reach(keeping(), full(2), [named(1, pinned=True), named(2)], now=NOW)
    assert told is not None
    assert "1.0 GiB short of 20 % free: only 1.0 GiB (1) may go that nothing holds; 1.0 GiB is pinned (1);" in told


level_and_goal = st.sampled_from([(level, goal) for level in CleanupLevel for goal in Goal])


@given(backups(), stores(), level_and_goal, st.integers(0, 1000))
def test_the_shortfall_is_what_the_goal_needs_less_what_all_candidates_give(
    members: list[Backup], settings: StoreSettings, what: tuple[CleanupLevel, Goal], used: int
) -> None:
    pressed = reading(space(used * MIB, total=1000 * MIB))
    level, goal = what
    candidates = select(members, level, None, settings, now=NOW).candidates
    gain, _ = gain_of([c.backup.id for c in candidates], members)
    wanted, _ = missing(goal, pressed, settings.watermarks)
    short = shortfall(Asked(goal=goal, level=level), pressed, members, settings, now=NOW)
    assert (0 if short is None else short.size_bytes) == max(0, wanted - gain)
    if short is not None:
        assert (short.count, short.may_bytes) == (len(candidates), gain)
        held = sum(b.reclaimable_bytes for b in members) - gain
        assert all(one.size_bytes <= held for one in short.because)
        assert {b.id for b in members} - {c.backup.id for c in candidates} or not short.because


def _given(text: str, members: list[Backup], settings: StoreSettings) -> tuple[list[Backup], StoreSettings] | None:
    """The store after a person did what the sentence says; None where that is not a matter of settings and pins."""
    if text == "unpin what may go":
        return [replace(b, pinned=False) for b in members], settings
    found = re.fullmatch(r"lower reclaim\.(keep_\w+) from (\d+) to (\d+)", text)
    if found is None or getattr(settings.reclaim, found[1]) != int(found[2]):
        return None
    return members, replace(settings, reclaim=replace(settings.reclaim, **{found[1]: int(found[3])}))


@given(backups(), stores(), st.integers(0, 1000))
def test_who_does_what_is_said_reaches_the_goal_and_no_step_can_be_left_out_or_be_smaller(
    members: list[Backup], settings: StoreSettings, used: int
) -> None:
    pressed = reading(space(used * MIB, total=1000 * MIB))
    asked = Asked(goal=Goal.TARGET, level=None, counting={Cause.PINNED, Cause.MIN_AGE})
    settings = replace(settings, reclaim=replace(settings.reclaim, min_age=0.0))
    short = shortfall(asked, pressed, members, settings, now=NOW)
    if short is None or not short.enough:
        return
    assert short.ways
    there: tuple[list[Backup], StoreSettings] = (members, settings)
    for text in short.ways:
        done = _given(text, *there)
        assert done is not None, text
        there = done
    assert shortfall(asked, pressed, *there, now=NOW) is None
    for text in short.ways:
        if text.startswith("lower"):
            rule = text.split(".")[1].split(" ")[0]
            reclaim = there[1].reclaim
            more = replace(there[1], reclaim=replace(reclaim, **{rule: getattr(reclaim, rule) + 1}))
            assert shortfall(asked, pressed, there[0], more, now=NOW) is not None, text
        else:
            assert shortfall(asked, pressed, members, there[1], now=NOW) is not None, text
