"""Puts alerts into the outbox; a delivery is another step, and never waited for, unless the outbox takes nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from ullage.catalog.values import OutboxItem
from ullage.errors import CatalogError, DeliveryError
from ullage.model.settings import AlertSettings, StoreSettings
from ullage.model.words import Level
from ullage.notify.message import Alert, message
from ullage.notify.send import channels, send
from ullage.ports import Clock


class Queue(Protocol):
    """The part of the outbox that takes alerts in."""

    def enqueue(self, item: OutboxItem) -> OutboxItem: ...


class OutboxNotifier:
    """Queues each alert once for every channel of its store; where the outbox is broken or full, sends it at once."""

    def __init__(self, outbox: Queue, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._sent: dict[tuple[str, str], float] = {}

    def notify(
        self, store: StoreSettings, level: Level, kind: str, usage: float | None, details: Iterable[str]
    ) -> list[str]:
        """The channels for which the alert now waits, or by which it was sent."""
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
        items = [
            OutboxItem(store=store.name, level=level, channel=channel, title=title, body=body, at=alert.at)
            for channel in channels(store.alerts)
        ]
        try:
            for item in items:
                self._outbox.enqueue(item)
        except CatalogError:
            self._send_now(items, store.alerts)
        return [item.channel for item in items]

    def _send_now(self, items: list[OutboxItem], settings: AlertSettings) -> None:
        """Nothing can be kept for later: the one thing to tell is that, and no more often than alerts are repeated."""
        now = self._clock.monotonic()
        for item in items:
            last = self._sent.get((item.store, item.channel))
            if last is not None and now - last < settings.repeat:
                continue
            with suppress(DeliveryError):
                send(item.channel, item.title, item.body, item.level, settings)
                self._sent[item.store, item.channel] = now
