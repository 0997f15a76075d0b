"""Delivery out of the outbox: kept, tried again, one destination never in another's way (SPEC.md 4, 7.9)."""

from __future__ import annotations

import socket
import time
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, json

from tests.notify.servers import Mailbox, mail_server, raw_server, web_server
from ullage.model.settings import AlertSettings, Secret, SmtpSettings
from ullage.notify.outbox import backoff, deliver_due

NOW = 1_795_401_000.0
TOKEN = "T0KEN-of-the-hook"


class Item(Struct, kw_only=True):
    id: int
    channel: str
    store: str = "main"
    level: str = "critical"
    title: str = "T"
    body: str = "D"
    at: float = NOW
    attempts: int = 0
    next_at: float = NOW
    delivered_at: float | None = None
    error: str = ""


class Kept:
    """An outbox in memory, as the catalog keeps it on disk."""

    def __init__(self, *items: Item) -> None:
        self.items = {item.id: item for item in items}
        self._lock = Lock()

    def due(self, now: float) -> list[Item]:
        return [item for item in self.items.values() if item.delivered_at is None and item.next_at <= now]

    def delivered(self, id: int, at: float) -> None:  # noqa: A002
        with self._lock:
            self.items[id].delivered_at = at

    def retry(self, id: int, next_at: float, error: str) -> None:  # noqa: A002
        with self._lock:
            item = self.items[id]
            item.attempts, item.next_at, item.error = item.attempts + 1, next_at, error


def hook(port: int, timeout: float = 2.0, **more: object) -> AlertSettings:
    url = Secret(f"http://127.0.0.1:{port}/{TOKEN}")
    return AlertSettings(webhook=url, timeout=timeout, **more)  # type: ignore[arg-type]


def silent(caller: socket.socket) -> None:
    while caller.recv(4096):
        pass


def test_the_wait_doubles_from_30_seconds_to_an_hour() -> None:
    assert [backoff(n) for n in range(1, 10)] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


@given(st.integers(0, 10**9))
def test_the_wait_is_always_within_its_bounds(attempts: int) -> None:
    assert 30 <= backoff(attempts) <= backoff(attempts + 1) <= 3600


def test_what_is_delivered_is_done_with() -> None:
    outbox = Kept(Item(id=1, channel="webhook"))
    with web_server() as web:
        (delivery,) = deliver_due(outbox, {"main": hook(web.port)}, now=NOW)
    assert (delivery.channel, delivery.store, delivery.level, delivery.outcome) == (
        "webhook", "main", "critical", "delivered",
    )  # fmt: skip
    assert outbox.items[1].delivered_at == NOW
    assert outbox.due(NOW + 1e9) == []


def test_nothing_due_is_nothing_done() -> None:
    assert deliver_due(Kept(Item(id=1, channel="webhook", next_at=NOW + 1)), {"main": hook(1)}, now=NOW) == []


def test_what_fails_is_kept_tried_again_and_delivered_when_the_server_is_back() -> None:
    outbox = Kept(Item(id=1, channel="webhook"))
    with web_server() as web:
        web.status = 500
        (first,) = deliver_due(outbox, {"main": hook(web.port)}, now=NOW)
        assert first.outcome == "kept"
        assert "500" in first.error
        assert deliver_due(outbox, {"main": hook(web.port)}, now=NOW + 29) == []
        (second,) = deliver_due(outbox, {"main": hook(web.port)}, now=NOW + 30)
        assert second.outcome == "kept"
        assert outbox.items[1].next_at == NOW + 30 + 60
        web.status = 200
        (third,) = deliver_due(outbox, {"main": hook(web.port)}, now=NOW + 90)
    assert third.outcome == "delivered"
    assert len(web.requests) == 3


def test_no_secret_is_kept_with_the_error() -> None:
    outbox = Kept(Item(id=1, channel="webhook"))
    with web_server() as web:
        web.status = 500
        (delivery,) = deliver_due(outbox, {"main": hook(web.port)}, now=NOW)
    assert TOKEN not in repr(delivery) + repr(outbox.items)


def test_what_comes_late_says_so() -> None:
    outbox = Kept(Item(id=1, channel="webhook", at=NOW - 7200))
    with web_server() as web:
        deliver_due(outbox, {"main": hook(web.port)}, now=NOW)
    details = json.decode(web.requests[0].body)["details"]
    assert details.startswith("D\nSent late: this was so at 2026-11-23T00:30:00Z")


def test_a_hanging_server_delays_no_other_channel() -> None:
    box = Mailbox()
    hung = [Item(id=n, channel="webhook") for n in range(20)]
    outbox = Kept(*hung, Item(id=20, channel="email"))
    with raw_server(silent) as (port, _), mail_server(box) as smtp:
        settings = hook(port, 0.5, email="a@example.org", smtp=SmtpSettings(host="127.0.0.1", port=smtp))
        began = time.monotonic()
        deliveries = deliver_due(outbox, {"main": settings}, now=NOW)
        took = time.monotonic() - began
    assert len(box.mails) == 1
    assert took < 1.2, "more than one of the hung ones was waited for"
    assert [(each.channel, each.outcome) for each in deliveries] == [("webhook", "kept"), ("email", "delivered")]


def test_several_hanging_servers_delay_no_other_server_either() -> None:
    box = Mailbox()
    with raw_server(silent) as (one, _), raw_server(silent) as (two, _), mail_server(box) as smtp:
        hung = SmtpSettings(host="127.0.0.1", port=two)
        fine = SmtpSettings(host="127.0.0.1", port=smtp)
        alerts = {
            "a": hook(one, 0.5, email="a@example.org", smtp=hung),
            "b": hook(two, 0.5, email="b@example.org", smtp=fine),
        }
        keys = [("webhook", "a"), ("webhook", "b"), ("email", "a"), ("email", "b")]
        outbox = Kept(*(Item(id=n, channel=channel, store=store) for n, (channel, store) in enumerate(keys)))
        began = time.monotonic()
        deliveries = deliver_due(outbox, alerts, now=NOW)
        assert time.monotonic() - began < 1.0
    assert [each.outcome for each in deliveries] == ["kept", "kept", "kept", "delivered"]
    assert len(box.mails) == 1


def test_stores_that_share_a_server_wait_for_it_once() -> None:
    stores = [f"s{n}" for n in range(8)]
    outbox = Kept(*(Item(id=n, channel="webhook", store=store) for n, store in enumerate(stores)))
    with web_server() as web:
        web.status = 503
        deliver_due(outbox, dict.fromkeys(stores, hook(web.port)), now=NOW)
    assert len(web.requests) == 1


def test_a_mail_that_is_refused_does_not_hold_up_the_next_for_good() -> None:
    outbox = Kept(Item(id=1, channel="email", store="bad"), Item(id=2, channel="email", store="good"))
    box = Mailbox()
    box.unknown = {"gone@example.org"}
    with mail_server(box) as port:
        smtp = SmtpSettings(host="127.0.0.1", port=port)
        alerts = {
            "bad": AlertSettings(email="gone@example.org", smtp=smtp),
            "good": AlertSettings(email="ops@example.org", smtp=smtp),
        }
        deliver_due(outbox, alerts, now=NOW)
        deliver_due(outbox, alerts, now=NOW + 1)
    assert [mail.rcpt_tos for mail in box.mails] == [["ops@example.org"]]


def test_a_slow_server_takes_its_share_of_a_call_and_no_more() -> None:
    outbox = Kept(*(Item(id=n, channel="webhook") for n in range(20)))

    def slow(caller: socket.socket) -> None:
        caller.recv(65536)
        time.sleep(0.15)
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with raw_server(slow) as (port, _):
        began = time.monotonic()
        deliveries = deliver_due(outbox, {"main": hook(port, 0.4)}, now=NOW)
        assert time.monotonic() - began < 1.0
    assert {each.outcome for each in deliveries} == {"delivered"}
    assert 2 <= len(deliveries) <= 4


@pytest.mark.parametrize(
    "alerts", [{}, {"main": AlertSettings(email="a@b")}, {"main": AlertSettings(webhook=Secret("x"), enabled=False)}]
)
def test_an_alert_whose_channel_is_gone_is_given_up_and_said(alerts: dict[str, AlertSettings]) -> None:
    outbox = Kept(Item(id=1, channel="webhook"))
    (delivery,) = deliver_due(outbox, alerts, now=NOW)
    assert delivery.outcome == "given up"
    assert "no longer set" in delivery.error
    assert outbox.due(NOW) == []
