"""Backups as directories with a ``.state`` (SPEC.md 1, 2 and 7.10): what is believed, and for how long."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from tests.engine.world import DAY, MIB, World
from ullage.model.backups import Backup
from ullage.model.words import State

ONE = "db-20260101"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def look(world: World) -> dict[str, Backup]:
    """Every backup by id, as a look of its own finds it."""
    with world.app() as app, app.sites["main"].open() as opened:
        return {backup.id: backup for backup in opened.source.backups()}


def test_a_state_with_a_second_name_is_not_believed(world: World) -> None:
    state = world.backup(ONE) / ".state"
    (world.state / "template").hardlink_to(state)
    backup = look(world)[ONE]
    assert (backup.state, "second name" in (backup.fault or "")) == (None, True)


def test_a_state_that_gets_a_second_name_after_it_was_looked_at_is_not_believed_any_more(world: World) -> None:
    state = world.backup(ONE) / ".state"
    time.sleep(1.1)
    assert look(world)[ONE].state is State.CLEANABLE
    (world.state / "template").hardlink_to(state)
    assert look(world)[ONE].state is None
    (world.state / "template").unlink()
    assert look(world)[ONE].state is State.CLEANABLE


@pytest.mark.parametrize(("written", "seen"), [(1800, True), (DAY, False)])
def test_a_created_backup_written_to_within_the_hour_is_walked_at_every_look(
    world: World, written: int, seen: bool
) -> None:
    content = world.backup(ONE, State.CREATED) / "data" / "content"
    then = time.time() - written
    os.utime(content, (then, then))
    time.sleep(1.1)
    first = look(world)[ONE]
    with content.open("ab") as file:
        file.write(b"x" * MIB)
    second = look(world)[ONE]
    assert (second.size_bytes > first.size_bytes, second.newest_mtime > first.newest_mtime) == (seen, seen)


def test_a_backup_is_busy_while_its_directory_is_locked(world: World) -> None:
    fd = os.open(world.backup(ONE), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        assert "flock" in (look(world)[ONE].busy or "")
    finally:
        os.close(fd)
    assert look(world)[ONE].busy is None
