"""When a level's alert goes out (SPEC.md 4)."""

from __future__ import annotations

from msgspec import Struct

from ullage.model.words import Level


class AlertState(Struct, frozen=True):
    """The level that was last told of, since when it lasts, and when an alert was last due; epoch seconds."""

    level: Level
    since: float
    last_sent: float | None = None


def alert_due(state: AlertState | None, level: Level, *, now: float, repeat: float) -> tuple[AlertState, str | None]:
    """The state after this look, and the kind of the alert that is due: "entered", "repeat", "over"; None for none.

    Another level is entered also where it is a better one that is not ok yet. ``repeat`` in seconds.
    """
    before = AlertState(level=Level.OK, since=now) if state is None else state
    if level is not before.level:
        return AlertState(level=level, since=now, last_sent=now), "over" if level is Level.OK else "entered"
    if level is Level.OK or _sent_within(before, repeat, now):
        return before, None
    return AlertState(level=level, since=before.since, last_sent=now), "repeat"


def _sent_within(state: AlertState, repeat: float, now: float) -> bool:
    """An alert dated in the future, from a clock since set back, says nothing."""
    return state.last_sent is not None and 0 <= now - state.last_sent < repeat
