"""SPEC.md 7.7: what cannot be said, on a full disk or to nobody, keeps nothing from being done."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO

import pytest

from tests.cli.workplace import Workplace


@contextmanager
def _full() -> Iterator[IO[bytes]]:
    with open("/dev/full", "wb") as file:  # noqa: PTH123 - not a file
        yield file


@contextmanager
def _unread() -> Iterator[IO[bytes]]:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as file:
        yield file


@pytest.mark.parametrize(
    ("words", "usage"),
    [("emergency --yes", 99.5), ("emergency --yes --json", 99.5), ("monitor", 99.5), ("cleanup --yes", 50)],
)
@pytest.mark.parametrize("where", [_full, _unread])
def test_a_reclaim_that_cannot_print_is_done_all_the_same(
    store: Workplace, words: str, usage: float, where: Callable[[], AbstractContextManager[IO[bytes]]]
) -> None:
    """Every backup that may go has gone, not the first alone; exit 1, for what was to be printed was not."""
    for number in range(4, 9):
        store.backup(f"db-2025010{number}", "CLEANABLE", age=90 * 86400, size=50_000)
    store.press(usage)
    with where() as nowhere:
        ran = subprocess.run(
            store.command(words.split()),
            stdin=subprocess.DEVNULL,
            stdout=nowhere,
            stderr=nowhere,
            env=store.environment(),
            check=False,
        )
    assert ran.returncode == 1
    assert store.state_of("db-20250104") is None
    assert store.state_of("db-20250105") is None


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_with_a_closed_standard_stream_a_reclaim_is_done(store: Workplace, closed: str) -> None:
    """And no file of ours takes its number: what others say would be written into it."""
    store.press(99.5)
    line = f'exec "$@" {closed}'
    command = ["sh", "-c", line, "sh", *store.command(["emergency", "--yes"])]
    ran = subprocess.run(command, env=store.environment(), capture_output=True, check=False)
    assert ran.returncode == 0, ran
    assert store.state_of("db-20260101") is None
