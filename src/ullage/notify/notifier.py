"""Puts alerts into the outbox; a delivery is another step, and never waited for."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Protocol

from ullage.catalog.values import OutboxItem
from ullage.model.settings import StoreSettings
from ullage.model.words import Level
from ullage.notify.message import Alert, message
from ullage.notify.send import channels
from ullage.ports import Clock


class Queue(Protocol):
    """The part of the outbox that takes alerts in."""

    def enqueue(self, item: OutboxItem) -> OutboxItem: ...


class OutboxNotifier:
    """Queues each alert once for every channel of its store."""

    def __init__(self, outbox: Queue, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    def notify(
        self, store: StoreSettings, level: Level, kind: str, usage: float | None, details: Iterable[str]
    ) -> list[str]:
        """The channels for which the alert now waits."""
        alert = Alert(
            store=store.name,
            level=level,
            kind=kind,
            usage=usage,
            backup_root=store.backup_root,
            host=socket.gethostname(),
            at=self._clock.now(),
            details=tuple(details),
        )
        title, body = message(alert)
        for channel in (found := channels(store.alerts)):
            self._outbox.enqueue(
                OutboxItem(store=store.name, level=level, channel=channel, title=title, body=body, at=alert.at)
            )
        return found
