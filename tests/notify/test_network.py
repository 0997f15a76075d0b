"""Waiting that ends (SPEC.md 7.9)."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Event

import pytest

from ullage.notify.network import Deadline, bounded


def test_what_the_work_returns_or_raises_comes_through() -> None:
    assert bounded(lambda _: 7, 5.0) == 7
    with pytest.raises(KeyError):
        bounded(lambda _: dict[str, int]()["x"], 5.0)


def test_a_connection_that_comes_after_the_deadline_is_closed() -> None:
    closed = Event()

    def late(deadline: Deadline) -> None:
        time.sleep(0.3)  # a name that takes long to look up
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with suppress(TimeoutError):
                deadline.watch(ours)
            theirs.settimeout(1)
            if theirs.recv(1) == b"":
                closed.set()

    with pytest.raises(TimeoutError):
        bounded(late, 0.05)
    assert closed.wait(3)
