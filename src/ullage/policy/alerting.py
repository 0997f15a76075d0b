"""When a level's alert goes out (SPEC.md 4): what is worse at once, what is better once it has lasted."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ullage.model.words import Level


class AlertState(Struct, frozen=True):
    """The level that was last told of, since when it lasts, and when an alert was last due; epoch seconds.

    ``calm``: each better level that was not passed since, and since when.
    """

    level: Level
    since: float
    last_sent: float | None = None
    calm: dict[Level, float] = {}


def alert_due(
    state: AlertState | None, level: Level, *, now: float, repeat: float, settled: float
) -> tuple[AlertState, str | None]:
    """The state after this look, and the kind of the alert that is due: "entered", "repeat", "over"; None for none.

    A worse level than was told is entered at once; a better one is entered, or all is over, when no look for
    ``settled`` seconds found a worse one: what comes and goes within that is told once. ``repeat`` in seconds.
    """
    before = AlertState(level=Level.OK, since=now) if state is None else seen(state, level, now=now)
    lasted = level not in before.calm or now - before.calm[level] >= settled
    if level is not before.level and lasted:
        return AlertState(level=level, since=now, last_sent=now), "over" if level is Level.OK else "entered"
    if level is not before.level or level is Level.OK or _sent_within(before, repeat, now):
        return before, None
    return AlertState(level=level, since=before.since, last_sent=now), "repeat"


def seen(state: AlertState, level: Level, *, now: float) -> AlertState:
    """The state after a look that tells nobody anything: from when on it was better, where it is."""
    calm = {
        better: min(state.calm.get(better, now), now)
        for better in Level
        if level.severity <= better.severity < state.level.severity
    }
    return replace(state, calm=calm)


def _sent_within(state: AlertState, repeat: float, now: float) -> bool:
    """An alert dated in the future, from a clock since set back, says nothing."""
    return state.last_sent is not None and 0 <= now - state.last_sent < repeat
