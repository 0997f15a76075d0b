"""When a level's alert goes out (SPEC.md 4): a change is told at once, a level that comes and goes only once.

What is worse is told at once. What is better is too, but only the first time within the repeat interval: after that
it has to have lasted, so that a usage that swings about a watermark does not send two alerts at every swing.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ullage.model.words import Level


class AlertState(Struct, frozen=True):
    """The level that was last told of, since when it lasts, and when an alert was last due; epoch seconds.

    ``calm``: each better level that was not passed since, and since when. ``eased_at``: when one was last told of.
    """

    level: Level
    since: float
    last_sent: float | None = None
    calm: dict[Level, float] = {}
    eased_at: float | None = None


def alert_due(
    state: AlertState | None, level: Level, *, now: float, repeat: float, settled: float
) -> tuple[AlertState, str | None]:
    """The state after this look, and the kind of the alert that is due: "entered", "repeat", "over"; None for none.

    ``settled``: seconds for which no look may have found a worse level, where a better one was told of within
    ``repeat`` seconds already.
    """
    before = AlertState(level=Level.OK, since=now) if state is None else seen(state, level, now=now)
    better = level in before.calm
    if level is not before.level:
        if better and _within(before.eased_at, repeat, now) and now - before.calm[level] < settled:
            return before, None
        kind = "over" if level is Level.OK else "entered"
        return AlertState(level=level, since=now, last_sent=now, eased_at=now if better else before.eased_at), kind
    if level is Level.OK or _within(before.last_sent, repeat, now):
        return before, None
    return AlertState(level=level, since=before.since, last_sent=now, eased_at=before.eased_at), "repeat"


def seen(state: AlertState, level: Level, *, now: float) -> AlertState:
    """The state after a look that tells nobody anything: from when on it was better, where it is."""
    calm = {
        better: min(state.calm.get(better, now), now)
        for better in Level
        if level.severity <= better.severity < state.level.severity
    }
    return replace(state, calm=calm)


def _within(at: float | None, seconds: float, now: float) -> bool:
    """Whether it was so shortly ago; a time in the future, from a clock since set back, says nothing."""
    return at is not None and 0 <= now - at < seconds
