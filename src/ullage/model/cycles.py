"""What one cycle, or one command, did to a store."""

from __future__ import annotations

from msgspec import Struct

from ullage.model.backups import Operation
from ullage.model.words import Level


class QueuedAlert(Struct, frozen=True, kw_only=True):
    """An alert that was put into the outbox for one channel."""

    channel: str
    level: Level


class CycleRecord(Struct, frozen=True, kw_only=True):
    """One store, looked at and acted upon. Usage in percent, None where it could not be measured.

    ``notes`` are sentences for a person: why the store is unavailable, why nothing was done, what was recovered.
    ``served`` is False where something kept the cycle from being carried out.
    """

    store: str
    level: Level
    usage_before: float | None
    usage_after: float | None
    actions: tuple[Operation, ...] = ()
    alerts: tuple[QueuedAlert, ...] = ()
    notes: tuple[str, ...] = ()
    served: bool = True
