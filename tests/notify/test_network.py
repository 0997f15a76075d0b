"""Waiting that ends (SPEC.md 7.9)."""

from __future__ import annotations

import socket
import time
from threading import Event

import pytest

from ullage.notify.network import Deadline, bounded


def test_what_the_work_returns_or_raises_comes_through() -> None:
    assert bounded(lambda _: 7, 5.0) == 7
    with pytest.raises(KeyError):
        bounded(lambda _: dict[str, int]()["x"], 5.0)


def test_a_connection_that_comes_after_the_deadline_is_not_used() -> None:
    stopped = Event()

    def late(deadline: Deadline) -> None:
        time.sleep(0.3)  # a name that takes long to look up
        ours, _theirs = socket.socketpair()
        with ours, _theirs:
            try:
                deadline.watch(ours)
            except TimeoutError:
                stopped.set()

    with pytest.raises(TimeoutError):
        bounded(late, 0.05)
    assert stopped.wait(3)
