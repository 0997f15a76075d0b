"""Delivering what waits in the outbox: each destination by itself, again and again, later and later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Protocol

from msgspec import Struct

from ullage.errors import DeliveryError
from ullage.model.settings import AlertSettings
from ullage.model.units import rfc3339
from ullage.notify.send import channels, send

_FIRST, _LONGEST = 30.0, 3600.0
_LATE = 60.0


class OutboxItem(Protocol):
    """An alert that waits for one channel; ``attempts`` so far."""

    @property
    def id(self) -> int: ...
    @property
    def store(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def at(self) -> float: ...
    @property
    def attempts(self) -> int: ...


class Outbox(Protocol):
    """Where alerts are kept until they are delivered. Called from several threads at once."""

    def due(self, now: float) -> Sequence[OutboxItem]:
        """Those whose time has come, oldest first."""
        ...

    def delivered(self, id: int, at: float) -> None:  # noqa: A002
        """This one is done with."""
        ...

    def retry(self, id: int, next_at: float, error: str) -> None:  # noqa: A002
        """This one failed once more, and is due again at ``next_at``."""
        ...


class Delivery(Struct, frozen=True, kw_only=True):
    """What became of one alert: ``delivered``, ``kept`` (tried again later) or ``given up`` (its channel is gone).

    ``error`` says why not, or whom the server refused though it was delivered to others.
    """

    channel: str
    store: str
    level: str
    outcome: str
    error: str = ""


def backoff(attempts: int) -> float:
    """Seconds to wait after so many failed attempts: 30 s, doubling, up to an hour."""
    return min(_FIRST * 2.0 ** min(max(attempts - 1, 0), 10), _LONGEST)


def deliver_due(outbox: Outbox, alerts_by_store: Mapping[str, AlertSettings], *, now: float) -> list[Delivery]:
    """What became of every alert that was tried or given up; some of those due may wait for the next call.

    Destinations are served side by side, and one that fails, or has used up its time-out, is left until the next
    call: so a call takes two time-outs at most. An alert may arrive twice where a server takes it but does not say
    so in time.
    """
    lanes: dict[object, list[OutboxItem]] = {}
    gone: list[Delivery] = []
    for item in outbox.due(now):
        settings = alerts_by_store.get(item.store)
        if settings is None or item.channel not in channels(settings):
            gone.append(_give_up(outbox, item, now))
        else:
            lanes.setdefault(_destination(item.channel, settings), []).append(item)
    if not lanes:
        return gone
    with ThreadPoolExecutor(max_workers=len(lanes)) as pool:
        served = [pool.submit(_serve, outbox, items, alerts_by_store, now) for items in lanes.values()]
    return gone + [delivery for lane in served for delivery in lane.result()]


def _destination(channel: str, settings: AlertSettings) -> object:
    """What two alerts share that wait for the same server."""
    if channel == "email":
        return channel, settings.smtp
    return channel, settings.webhook if channel == "webhook" else settings.slack


def _serve(
    outbox: Outbox, items: Sequence[OutboxItem], alerts_by_store: Mapping[str, AlertSettings], now: float
) -> list[Delivery]:
    started, deliveries = monotonic(), list[Delivery]()
    for item in items:
        settings = alerts_by_store[item.store]
        if monotonic() - started >= settings.timeout:
            break
        deliveries.append(_attempt(outbox, item, settings, now))
        if deliveries[-1].outcome == "kept":
            break
    return deliveries


def _attempt(outbox: Outbox, item: OutboxItem, settings: AlertSettings, now: float) -> Delivery:
    try:
        remark = send(item.channel, item.title, _dated(item, now), item.level, settings)
    except DeliveryError as error:
        outbox.retry(item.id, now + backoff(item.attempts + 1), str(error))
        return _became(item, "kept", str(error))
    outbox.delivered(item.id, now)
    return _became(item, "delivered", remark)


def _dated(item: OutboxItem, now: float) -> str:
    """The body, saying so where it comes late: a later alert may have overtaken it."""
    if now - item.at < _LATE:
        return item.body
    return f"{item.body}\nSent late: this was so at {rfc3339(item.at)}, and could not be delivered then."


def _give_up(outbox: Outbox, item: OutboxItem, now: float) -> Delivery:
    outbox.delivered(item.id, now)
    return _became(item, "given up", f"alerts.{item.channel} is no longer set for this store")


def _became(item: OutboxItem, outcome: str, error: str) -> Delivery:
    return Delivery(channel=item.channel, store=item.store, level=item.level, outcome=outcome, error=error)
