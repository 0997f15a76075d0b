"""What a store with a ``capacity`` holds (SPEC.md 4 and 7.6): measured again after every step, and not walked again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.world import MIB, World

SLACK = MIB // 4
"""Bytes that directories and small files take."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, capacity=100 * MIB)
    world.backup("db-20260101", mib=3)
    world.backup("db-20260102", mib=5)
    return world


@contextmanager
def used(world: World) -> Iterator[Callable[[], int]]:
    """A function that gives the bytes in use, within one opening of the store."""
    with world.app() as app, app.sites["main"].open() as opened:
        yield lambda: opened.gauge.read().backup[-1].used_bytes


def is_about(found: int, mib: float) -> bool:
    return mib * MIB <= found < mib * MIB + SLACK


def test_the_bytes_of_every_backup_and_of_all_else_under_the_root_count(world: World) -> None:
    (world.backups / "notes.txt").write_bytes(b"x" * MIB)
    (world.backups / "no backup").mkdir()
    (world.backups / "no backup" / "data").write_bytes(b"x" * 2 * MIB)
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 11)


def test_a_backup_that_goes_while_the_store_is_open_counts_no_more(world: World) -> None:
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 8)
        shutil.rmtree(world.backups / "db-20260102")
        assert is_about(bytes_now(), 3)


def test_a_backup_that_is_only_in_the_trash_still_counts(world: World) -> None:
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 8)
        (world.backups / "db-20260102").rename(world.backups / ".ullage/trash/token")
        assert is_about(bytes_now(), 8)


def test_a_backup_that_comes_while_the_store_is_open_counts_at_once(world: World) -> None:
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 8)
        world.backup("db-20260103", mib=4)
        assert is_about(bytes_now(), 12)


def test_a_backup_that_grew_counts_when_the_store_is_opened_again(world: World) -> None:
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 8)
    (world.backups / "db-20260101" / "more").write_bytes(b"x" * MIB)
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 9)
