"""What an alert says. Pure."""

from __future__ import annotations

from msgspec import Struct

from ullage.model.units import printable, rfc3339
from ullage.model.words import Level
from ullage.policy.assess import shown_percent


class Alert(Struct, frozen=True, kw_only=True):
    """One thing to tell people about a store.

    ``kind`` is ``entered``, ``repeat``, ``over``, ``test`` or ``notice``. ``usage`` in percent, None where it is not
    known. ``details`` are sentences: what is wrong, what was done. Names are as the disk gives them.
    """

    store: str
    level: Level
    kind: str
    usage: float | None
    backup_root: str
    host: str
    at: float
    details: tuple[str, ...] = ()


_OPENINGS = {
    "entered": "The store has come to this level.",
    "repeat": "The store is still at this level.",
    "over": "It is over: the store is back to normal.",
    "test": "This is a test of the alerts; nothing is wrong.",
    "notice": "This needs to be known; the level has not changed.",
}
_ADVICE = {
    Level.OK: "nothing.",
    Level.WARNING: "nothing now; `ullage plan` shows which backups go next.",
    Level.CRITICAL: "see `ullage status` and `ullage plan`; if the usage stays, enlarge the disk or unpin backups.",
    Level.EMERGENCY: "see `ullage status` and `ullage history` now; if the usage stays, make room by hand.",
    Level.UNAVAILABLE: "see `ullage doctor`, and mount the disk that was registered; until then nothing is deleted.",
}


def message(alert: Alert) -> tuple[str, str]:
    """Title and details of an alert, in the seed's words; every line of both is printable."""
    return _title(alert), "\n".join(printable(line) for line in _lines(alert))


def _title(alert: Alert) -> str:
    usage = "usage unknown" if alert.usage is None else f"{shown_percent(alert.usage)}% usage"
    remark = f" ({alert.kind})" if alert.kind in {"test", "notice"} else ""
    return f"BACKUP DISK ALERT: {alert.level} level - {usage}{remark}"


def _lines(alert: Alert) -> list[str]:
    usage = "unknown" if alert.usage is None else f"{shown_percent(alert.usage)}%"
    facts = [
        f"Store: {alert.store}",
        f"Host: {alert.host}",
        f"Backup Directory: {alert.backup_root}",
        f"Timestamp: {rfc3339(alert.at)}",
        f"Usage: {usage}",
    ]
    advice = [] if alert.kind in {"test", "notice"} else [f"What to do: {_ADVICE[alert.level]}"]
    return [*facts, "", _OPENINGS[alert.kind], *filter(None, alert.details), *advice]
