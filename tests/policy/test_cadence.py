"""SPEC.md 4: when to look, when to reclaim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import reading, space
from ullage.model.readings import Reading
from ullage.model.settings import Free, MonitorSettings, Watermarks
from ullage.model.units import GIB, TIB
from ullage.model.words import Level
from ullage.policy.assess import assess
from ullage.policy.cadence import SHORTEST, Rhythm, next_look, reclaim_due

MARKS, MONITOR = Watermarks(), MonitorSettings()
FASTEST = 2e9


def look(what: Reading | None, fastest: float = FASTEST) -> float:
    level = Level.UNAVAILABLE if what is None else assess(what, MARKS).level
    return next_look(what, level, MARKS, MONITOR, fastest)


@pytest.mark.parametrize(
    ("used", "bytes_to_go"),
    [(650, 100), (750, 100), (800, 50), (850, 100), (900, 50), (950, 50), (990, 10)],
)
def test_the_next_look_comes_before_the_next_mark_can_be_reached(used: int, bytes_to_go: int) -> None:
    assert look(reading(space(used)), fastest=100.0) == pytest.approx(bytes_to_go / 100.0)


def test_an_idle_disk_is_looked_at_once_in_an_interval() -> None:
    assert look(reading(space(TIB, 4 * TIB))) == 60.0


def test_an_emergency_is_looked_at_in_its_own_interval() -> None:
    assert look(reading(space(96 * TIB, 100 * TIB))) == 10.0


def test_the_shortest_wait_is_two_milliseconds() -> None:
    assert look(reading(space(749_999, 1_000_000))) == SHORTEST == 0.002


def test_what_is_full_already_is_not_watched_any_closer() -> None:
    assert look(reading(space(1000))) == 10.0
    assert look(reading(space(1000), space(995)), fastest=5.0) == 1.0


def test_of_several_spaces_the_nearest_to_its_mark_counts() -> None:
    assert look(reading(space(100), space(700)), fastest=10.0) == 5.0


def test_inodes_run_out_too() -> None:
    nearly = space(GIB, 4 * TIB, inodes=(740_000, 1_000_000))
    assert look(reading(nearly)) == pytest.approx(0.05)
    assert next_look(reading(nearly), Level.OK, Watermarks(inodes=False), MONITOR, FASTEST) == 60.0


@pytest.mark.parametrize(
    ("free", "level", "bytes_to_go"),
    [(800, Level.OK, 200), (600, Level.WARNING, 200), (400, Level.CRITICAL, 200), (200, Level.EMERGENCY, 200)],
)
def test_what_must_be_free_is_a_mark_too(free: int, level: Level, bytes_to_go: int) -> None:
    marks = Watermarks(free=Free(warning=600, critical=400, emergency=200))
    what = reading(space(1000 - free))
    marks = replace(marks, warning=100, critical=100, emergency=100)
    assert (assess(what, marks).level, next_look(what, level, marks, MONITOR, 100.0)) == (level, bytes_to_go / 100.0)


@pytest.mark.parametrize(
    ("what", "level"),
    [(None, Level.UNAVAILABLE), (reading(fault="gone"), Level.UNAVAILABLE),
     (reading(space(749), fault="gone"), Level.OK),
     (None, Level.OK), (reading(space(749)), Level.UNAVAILABLE)],
)  # fmt: skip
def test_what_does_not_answer_is_asked_again_after_an_interval(what: Reading | None, level: Level) -> None:
    assert next_look(what, level, MARKS, MONITOR, FASTEST) == 60.0


@given(st.integers(0, 10**6), st.floats(1.0, 1e12))
def test_no_mark_is_crossed_between_two_looks_unless_the_wait_is_the_shortest(used: int, fastest: float) -> None:
    before = space(used, 10**6)
    wait = look(reading(before), fastest)
    assert SHORTEST <= wait <= MONITOR.interval
    level = assess(reading(before), MARKS).level
    if wait > SHORTEST and level is not Level.EMERGENCY:
        after = min(10**6, int(used + wait * fastest * 0.999999))
        assert assess(reading(space(after, 10**6)), MARKS).level is level


def reclaims(looks: list[tuple[float, Level]], rhythm: Rhythm | None = None) -> list[float]:
    """When a reclaim was due, of these looks."""
    due_at, state = [], rhythm or Rhythm()
    for now, level in looks:
        state, due = reclaim_due(state, level, MONITOR, now=now)
        due_at += [now] if due else []
    return due_at


def every(step: int, end: int, level: Level, start: int = 0) -> list[tuple[float, Level]]:
    return [(float(at), level) for at in range(start, end + 1, step)]


@pytest.mark.parametrize("level", [Level.WARNING, Level.CRITICAL])
def test_warning_and_critical_reclaim_at_once_and_then_once_in_a_cleanup_interval(level: Level) -> None:
    assert reclaims(every(60, 900, level)) == [0.0, 300.0, 600.0, 900.0]


@pytest.mark.parametrize("level", [Level.OK, Level.UNAVAILABLE])
def test_ok_and_unavailable_never_reclaim(level: Level) -> None:
    assert reclaims(every(60, 900, level)) == []


def test_a_level_that_worsens_is_reclaimed_at_once() -> None:
    looks = [(0.0, Level.WARNING), (10.0, Level.CRITICAL), (20.0, Level.EMERGENCY), (30.0, Level.EMERGENCY)]
    assert reclaims(looks) == [0.0, 10.0, 20.0]


def test_a_level_that_comes_and_goes_is_reclaimed_once_in_a_cleanup_interval() -> None:
    looks = [
        (0.0, Level.WARNING),
        (10.0, Level.OK),
        (20.0, Level.WARNING),
        (299.0, Level.WARNING),
        (300.0, Level.WARNING),
    ]
    assert reclaims(looks) == [0.0, 300.0]


def test_a_level_that_improves_waits_for_the_cleanup_interval() -> None:
    looks = [(0.0, Level.CRITICAL), (10.0, Level.WARNING), (290.0, Level.CRITICAL), (300.0, Level.WARNING)]
    assert reclaims(looks) == [0.0, 300.0]


def test_an_emergency_reclaims_on_entering_and_at_every_third_check() -> None:
    assert reclaims(every(10, 100, Level.EMERGENCY)) == [0.0, 30.0, 60.0, 90.0]


def test_an_emergency_entered_again_is_reclaimed_at_once() -> None:
    assert reclaims([(0.0, Level.EMERGENCY), (10.0, Level.CRITICAL), (20.0, Level.EMERGENCY)]) == [0.0, 20.0]


def test_after_thirty_checks_an_emergency_goes_in_the_ordinary_rhythm() -> None:
    assert reclaims(every(10, 950, Level.EMERGENCY)) == [*map(float, range(0, 301, 30)), 600.0, 900.0]


def test_a_reclaim_dated_in_the_future_holds_nothing_up() -> None:
    rhythm = Rhythm(level=Level.WARNING, reclaimed_at=1e9, reclaimed_for=Level.WARNING)
    assert reclaims([(5.0, Level.WARNING), (6.0, Level.WARNING)], rhythm) == [5.0]


def test_two_looks_at_one_moment_reclaim_once() -> None:
    assert reclaims([(0.0, Level.WARNING), (0.0, Level.WARNING)]) == [0.0]


def test_an_emergency_that_lasts_is_counted_from_its_own_beginning() -> None:
    """SPEC 4: every third check, for 30 checks; then as seldom as the others. Times are of any epoch."""
    entered = 1_800_000_000.0
    rhythm, due = reclaim_due(Rhythm(level=Level.WARNING, since=entered - 500.0), Level.EMERGENCY, MONITOR, now=entered)
    assert (rhythm.since, due) == (entered, True)
    reclaims = [0.0]
    for after in range(10, 1000, 10):
        rhythm, due = reclaim_due(rhythm, Level.EMERGENCY, MONITOR, now=entered + after)
        assert rhythm.since == entered
        reclaims += [float(after)] if due else []
    assert reclaims == [*(30.0 * third for third in range(11)), 600.0, 900.0]
