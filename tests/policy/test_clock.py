"""SPEC.md 7.8: a clock that jumps makes no backup old."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ullage.model.units import DAY
from ullage.policy.clock import ClockMark, check_clock

YEAR = 365 * DAY
WALL = 1_800_000_000.0
TRUSTED = ClockMark(WALL, "boot-1", 1000.0)


def same_boot(wall: float, passed: float) -> ClockMark:
    return ClockMark(WALL + wall, "boot-1", 1000.0 + passed)


def test_the_first_look_is_believed() -> None:
    verdict = check_clock(None, TRUSTED)
    assert (verdict.ok, verdict.mark, verdict.reason) == (True, TRUSTED, "")


@pytest.mark.parametrize(
    ("wall", "passed", "ok"),
    [
        (60, 60, True), (60 + 3600, 60, True), (60 - 3600, 60, True),
        (60 + 3601, 60, False), (60 - 3601, 60, False),
        (100 * DAY + 3600 + 8640, 100 * DAY, True), (100 * DAY + 3600 + 8641, 100 * DAY, False),
        (10 * YEAR, 60, False), (-20 * YEAR, 60, False),
    ],
)  # fmt: skip
def test_within_a_boot_the_wall_clock_goes_as_the_time_since_boot(wall: float, passed: float, ok: bool) -> None:
    assert check_clock(TRUSTED, same_boot(wall, passed)).ok is ok


@pytest.mark.parametrize(
    ("wall", "ok"),
    [(0, True), (-3600, True), (-3601, False), (30 * DAY, True), (30 * DAY + 1, False), (-WALL, False)],
    ids=["at once", "an hour back", "more", "off for 30 days", "longer", "1970"],
)
def test_after_another_boot_the_wall_clock_may_have_gone_on_for_30_days(wall: float, ok: bool) -> None:
    current = ClockMark(WALL + wall, "boot-2", 5.0)
    verdict = check_clock(TRUSTED, current)
    assert (verdict.ok, verdict.mark) == (ok, current if ok else TRUSTED)


def test_while_frozen_the_trusted_mark_stays_so_that_setting_it_right_lifts_it() -> None:
    frozen = check_clock(TRUSTED, same_boot(10 * YEAR, 60))
    assert (frozen.ok, frozen.mark) == (False, replace(TRUSTED, doubted=True))
    right = check_clock(frozen.mark, same_boot(120, 120))
    assert (right.ok, right.mark.doubted) == (True, False)


def test_a_clock_that_was_seen_ahead_is_not_believed_because_the_machine_booted() -> None:
    """A jump of ten days would else pass for ten days switched off."""
    later = ClockMark(WALL + 10 * DAY, "boot-2", 5.0)
    assert check_clock(TRUSTED, later).ok
    doubted = check_clock(TRUSTED, same_boot(10 * DAY, 60)).mark
    again = check_clock(doubted, later)
    assert (again.ok, check_clock(again.mark, later).ok) == (False, False)
    assert check_clock(doubted, ClockMark(WALL + 600, "boot-2", 5.0)).ok


def test_a_clock_that_was_seen_behind_may_be_set_right_by_another_boot() -> None:
    behind = check_clock(TRUSTED, same_boot(-10 * DAY, 60)).mark
    assert check_clock(behind, ClockMark(WALL + DAY, "boot-2", 5.0)).ok


def test_a_frozen_clock_says_what_it_says_and_what_is_wrong() -> None:
    assert check_clock(TRUSTED, same_boot(DAY + 60, 60)).reason == (
        "the clock says 2027-01-16T08:01:00Z, 1 d ahead of what it should be; "
        "nothing is deleted until that is confirmed or set right"
    )
    assert "2 h behind what it should be" in check_clock(TRUSTED, same_boot(-7200, 0)).reason
    assert "40 d after it was last seen" in check_clock(TRUSTED, ClockMark(WALL + 40 * DAY, "boot-2", 5.0)).reason
    assert "1 d before it was last seen" in check_clock(TRUSTED, ClockMark(WALL - DAY, "boot-2", 5.0)).reason


@pytest.mark.parametrize("wall", [1e18, -1e18])
def test_a_clock_beyond_all_calendars_freezes_too(wall: float) -> None:
    assert not check_clock(TRUSTED, same_boot(wall, 60)).ok


def test_steps_that_are_each_small_enough_are_seen_when_they_add_up() -> None:
    mark, wall, verdicts = TRUSTED, 0.0, []
    for check in range(1, 60):
        wall += 60 + 300  # five minutes too many at every check
        verdict = check_clock(mark, same_boot(wall, 60.0 * check))
        mark = verdict.mark
        verdicts.append(verdict.ok)
    assert verdicts.index(False) == 12
    assert not any(verdicts[12:])


@given(st.lists(st.tuples(st.floats(1, 100_000), st.floats(-4000, 4000)), max_size=40))
def test_however_it_is_set_a_believed_clock_is_within_an_hour_and_a_thousandth_of_the_truth(
    looks: list[tuple[float, float]],
) -> None:
    mark, passed, off = TRUSTED, 0.0, 0.0
    for seconds, step in looks:
        passed, off = passed + seconds, off + step
        verdict = check_clock(mark, same_boot(passed + off, passed))
        mark = verdict.mark
        assert not verdict.ok or abs(off) <= 3600 + 0.001 * passed + 1e-3


def test_a_clock_that_drifts_like_a_poor_quartz_is_followed_for_years() -> None:
    mark = TRUSTED
    for day in range(1, 5 * 365):
        verdict = check_clock(mark, same_boot(day * DAY * 1.0005, day * DAY))
        assert verdict.ok
        mark = verdict.mark
    assert check_clock(mark, ClockMark(mark.wall + 3600, "boot-2", 5.0)).ok
