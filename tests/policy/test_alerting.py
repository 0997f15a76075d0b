"""SPEC.md 4: when an alert goes out."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ullage.model.words import Level
from ullage.policy.alerting import AlertState, alert_due, seen

REPEAT = 3600.0
SETTLED = 60.0
OK, WARNING, CRITICAL, EMERGENCY, UNAVAILABLE = Level

Told = list[tuple[float, str]]


def told(looks: list[tuple[float, Level]], state: AlertState | None = None, *, repeat: float = REPEAT) -> Told:
    """The alerts of these looks."""
    sent = []
    for now, level in looks:
        state, kind = alert_due(state, level, now=now, repeat=repeat, settled=SETTLED)
        sent += [] if kind is None else [(now, kind)]
    return sent


@pytest.mark.parametrize("level", [level for level in Level if level is not OK])
def test_entering_a_level_is_told_once(level: Level) -> None:
    assert told([(0, OK), (10, level), (20, level)]) == [(10, "entered")]
    assert told([(0, level)]) == [(0, "entered")]


def test_a_first_look_that_is_ok_is_told_to_nobody() -> None:
    assert alert_due(None, OK, now=5.0, repeat=REPEAT, settled=SETTLED) == (AlertState(OK, 5.0), None)


@pytest.mark.parametrize("before", list(Level))
@pytest.mark.parametrize("after", list(Level))
@pytest.mark.parametrize("eased", [False, True])
def test_worse_is_told_at_once_and_better_too_but_the_second_time_when_it_has_lasted(
    before: Level, after: Level, eased: bool
) -> None:
    rank = list(Level).index
    state = AlertState(before, 0.0, 0.0, {}, 0.0 if eased else None)
    sent = told([(10.0 + second, after) for second in range(100)], state)
    if rank(after) == rank(before):
        assert sent == []
    elif rank(after) > rank(before):
        assert sent == [(10, "entered")]
    else:
        assert sent == [(10 + SETTLED if eased else 10, "over" if after is OK else "entered")]


def test_worsening_is_told() -> None:
    assert told([(0, WARNING), (10, CRITICAL), (20, EMERGENCY)]) == [(0, "entered"), (10, "entered"), (20, "entered")]


def test_it_is_told_again_after_the_repeat_interval_while_it_lasts() -> None:
    looks = [(float(at), WARNING) for at in range(0, 7300, 60)]
    assert told(looks) == [(0, "entered"), (3600, "repeat"), (7200, "repeat")]


def test_the_end_is_told_once_and_ok_never_again() -> None:
    assert told([(0, WARNING), (10, OK), (70, OK), (80, OK), (9000, OK)]) == [(0, "entered"), (10, "over")]


def test_a_level_that_comes_and_goes_is_told_of_no_more_after_the_first_time() -> None:
    looks = [(tick / 10, CRITICAL if tick % 3 else WARNING) for tick in range(80)]
    assert [at for at, _ in told(looks)] == [0, 0.1, 0.3, 0.4]
    looks = [(tick / 10, EMERGENCY if tick % 3 == 0 else OK) for tick in range(5000)]
    assert told(looks) == [(0, "entered"), (0.1, "over"), (0.3, "entered")]


def test_a_way_down_by_steps_is_told_at_its_end() -> None:
    looks = [(0.0, EMERGENCY), (10.0, CRITICAL), (20.0, WARNING), *((30.0 + second, OK) for second in range(100))]
    assert told(looks) == [(0, "entered"), (10, "entered"), (90, "over")]


def test_what_comes_and_goes_below_the_level_that_was_told_is_told_as_its_worst() -> None:
    looks = [(0.0, EMERGENCY), *((float(at), WARNING if at // 10 % 2 else OK) for at in range(10, 200, 10))]
    assert told(looks) == [(0, "entered"), (10, "entered")]


def test_a_repeat_keeps_since_when_it_lasts() -> None:
    state, _ = alert_due(AlertState(WARNING, 5.0, 5.0), WARNING, now=4000.0, repeat=REPEAT, settled=SETTLED)
    assert state == AlertState(WARNING, 5.0, 4000.0)


def test_an_alert_dated_in_the_future_holds_nothing_up() -> None:
    assert told([(0, WARNING)], AlertState(WARNING, 0.0, 1e9)) == [(0, "repeat")]


def test_a_clock_that_is_set_back_delays_the_end_by_no_more_than_the_settling() -> None:
    state = AlertState(WARNING, 1e9, 1e9, {}, 1e9)
    assert told([(1e9 + 10, OK), (100.0, OK), (100.0 + SETTLED, OK)], state) == [(100.0, "over")]


def test_a_level_never_told_of_is_told() -> None:
    assert told([(1, WARNING)], AlertState(WARNING, 0.0, None)) == [(1, "repeat")]


def test_two_looks_at_one_moment_tell_once() -> None:
    assert told([(0, WARNING), (0, WARNING)]) == [(0, "entered")]


def test_a_look_after_a_reclaim_tells_nothing_and_starts_the_settling() -> None:
    state = seen(AlertState(WARNING, 0.0, 0.0), OK, now=5.0)
    assert told([(5.0 + SETTLED, OK)], state) == [(5.0 + SETTLED, "over")]
    assert seen(AlertState(WARNING, 0.0, 0.0), CRITICAL, now=5.0) == AlertState(WARNING, 0.0, 0.0)


def test_a_state_that_an_earlier_ullage_stored_is_understood() -> None:
    old = b'{"level":"warning","since":1.0,"last_sent":2.0}'
    assert msgspec.json.decode(old, type=AlertState) == AlertState(WARNING, 1.0, 2.0)
    new = AlertState(CRITICAL, 1.0, 2.0, {OK: 4.0, WARNING: 3.0}, 1.0)
    assert msgspec.json.decode(msgspec.json.encode(new), type=AlertState) == new


_LOOKS = st.lists(st.tuples(st.floats(0.0, 2 * SETTLED), st.sampled_from(Level)), max_size=60)


@given(_LOOKS)
def test_once_a_better_level_was_told_another_alert_within_the_settling_is_for_what_is_worse_than_all_told(
    steps: list[tuple[float, Level]],
) -> None:
    now, state, sent = 0.0, AlertState(OK, 0.0, None, {}, 0.0), list[tuple[float, Level]]()
    for step, level in steps:
        now += step
        state, kind = alert_due(state, level, now=now, repeat=1e9, settled=SETTLED)
        if kind is not None:
            lately = [other for at, other in sent if now - at < SETTLED]
            assert all(level.severity > other.severity for other in lately)
            sent.append((now, level))


@given(_LOOKS)
def test_whatever_happened_a_level_that_lasts_is_the_one_that_was_told(steps: list[tuple[float, Level]]) -> None:
    now, state = 0.0, AlertState(OK, 0.0)
    for step, level in [*steps, (1.0, CRITICAL), (SETTLED + 1.0, CRITICAL)]:
        now += step
        state, _ = alert_due(state, level, now=now, repeat=REPEAT, settled=SETTLED)
    assert state.level is CRITICAL


def test_the_state_says_since_when_its_level_lasts() -> None:
    state, kind = alert_due(AlertState(OK, 5.0), WARNING, now=10.0, repeat=REPEAT, settled=SETTLED)
    assert (state.since, kind) == (10.0, "entered")


def test_a_repeat_does_not_forget_when_it_was_last_told_that_things_are_better() -> None:
    state = AlertState(WARNING, 0.0, last_sent=0.0, eased_at=3000.0)
    after, kind = alert_due(state, WARNING, now=REPEAT, repeat=REPEAT, settled=SETTLED)
    assert (after.eased_at, after.last_sent, kind) == (3000.0, REPEAT, "repeat")


def test_only_better_levels_are_calm() -> None:
    assert seen(AlertState(CRITICAL, 0.0), WARNING, now=9.0).calm == {WARNING: 9.0}
    assert seen(AlertState(CRITICAL, 0.0), OK, now=9.0).calm == {OK: 9.0, WARNING: 9.0}
    assert seen(AlertState(CRITICAL, 0.0), CRITICAL, now=9.0).calm == {}
