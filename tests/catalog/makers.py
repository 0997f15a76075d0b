"""Values with the fields that a test does not care about filled in."""

from __future__ import annotations

from msgspec.structs import replace

from ullage.catalog.values import OutboxItem
from ullage.model.backups import Operation
from ullage.model.words import Action, Level, State, Trigger

NAUGHTY = "-rf \x1b[31m\n\udcff\udcfe"
"""A name as a disk may hold it: leading dash, escape, newline, bytes that are not UTF-8."""

_OPERATION = Operation(
    at=1000.0,
    store="main",
    backup_id="db-20260101",
    action=Action.DELETE,
    from_state=State.CLEANABLE,
    to_state=State.DELETED,
    trigger=Trigger.DISK_SPACE,
    reason="emergency: 97.1 % used",
)
_ITEM = OutboxItem(store="main", level=Level.CRITICAL, channel="email", title="a title", body="a body", at=1000.0)


def operation(**changes: object) -> Operation:
    """A deletion for disk space, and what is different about it."""
    return replace(_OPERATION, **changes)


def alert(**changes: object) -> OutboxItem:
    """An alert by e-mail, and what is different about it."""
    return replace(_ITEM, **changes)
