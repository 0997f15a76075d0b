"""SPEC.md 4: when an alert goes out."""

from __future__ import annotations

import pytest

from ullage.model.words import Level
from ullage.policy.alerting import AlertState, alert_due

REPEAT = 3600.0


def told(looks: list[tuple[float, Level]], state: AlertState | None = None) -> list[tuple[float, str]]:
    """The alerts of these looks."""
    sent = []
    for now, level in looks:
        state, kind = alert_due(state, level, now=now, repeat=REPEAT)
        sent += [] if kind is None else [(now, kind)]
    return sent


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.OK])
def test_entering_a_level_is_told_once(level: Level) -> None:
    assert told([(0, Level.OK), (10, level), (20, level)]) == [(10, "entered")]
    assert told([(0, level)]) == [(0, "entered")]


def test_a_first_look_that_is_ok_is_told_to_nobody() -> None:
    assert alert_due(None, Level.OK, now=5.0, repeat=REPEAT) == (AlertState(Level.OK, 5.0), None)


def test_worsening_is_told() -> None:
    assert told([(0, Level.WARNING), (10, Level.CRITICAL), (20, Level.EMERGENCY)]) == [
        (0, "entered"), (10, "entered"), (20, "entered"),
    ]  # fmt: skip


def test_improving_to_what_is_not_ok_is_told_as_entered() -> None:
    assert told([(0, Level.CRITICAL), (10, Level.WARNING)]) == [(0, "entered"), (10, "entered")]


def test_it_is_told_again_after_the_repeat_interval_while_it_lasts() -> None:
    looks = [(float(at), Level.WARNING) for at in range(0, 7300, 60)]
    assert told(looks) == [(0, "entered"), (3600, "repeat"), (7200, "repeat")]


def test_the_end_is_told_once_and_ok_never_again() -> None:
    looks = [(0.0, Level.WARNING), (10.0, Level.OK), (20.0, Level.OK), (9000.0, Level.OK)]
    assert told(looks) == [(0, "entered"), (10, "over")]


def test_a_repeat_keeps_since_when_it_lasts() -> None:
    state, _ = alert_due(AlertState(Level.WARNING, 5.0, 5.0), Level.WARNING, now=4000.0, repeat=REPEAT)
    assert state == AlertState(Level.WARNING, 5.0, 4000.0)


def test_an_alert_dated_in_the_future_holds_nothing_up() -> None:
    assert told([(0, Level.WARNING)], AlertState(Level.WARNING, 0.0, 1e9)) == [(0, "repeat")]


def test_a_level_never_told_of_is_told() -> None:
    assert told([(1, Level.WARNING)], AlertState(Level.WARNING, 0.0, None)) == [(1, "repeat")]


def test_two_looks_at_one_moment_tell_once() -> None:
    assert told([(0, Level.WARNING), (0, Level.WARNING)]) == [(0, "entered")]
