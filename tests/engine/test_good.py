"""SPEC 3 and 7.1: a backup that was confirmed counts as good for its floor whatever it becomes later."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.engine.world import World, done
from ullage.engine.cycle import Act
from ullage.engine.reclaim import Reclaim
from ullage.model.backups import Operation
from ullage.model.words import CleanupLevel, Result, State, Trigger

GOOD, NEWER = "db-20260101", "db-20260102"


def _world(place: Path, state: State = State.CONFIRMED, journal: Path | None = None) -> World:
    """A backup that says when it was made and not when it was confirmed, and a newer one that failed."""
    world = World(place, state=journal)
    world.backup(GOOD, state, age=40, confirmed=False, mib=0.01)
    world.backup(NEWER, State.CREATED, age=2, mib=0.01)
    return world


def _moved(world: World, to_state: State, *, forced: bool = False) -> Operation:
    def run(reclaim: Reclaim) -> Operation:
        found = reclaim.find(GOOD)
        assert found is not None
        return reclaim.move(found, to_state, "asked for", forced=forced)

    with world.app() as app:
        return app.engine.one(app.sites["main"], Act(), Trigger.USER, run, alone=False).actions[0]


def _cleaned(world: World) -> list[tuple[str, str]]:
    with world.app() as app:
        return done(app.engine.cleanup(app.sites["main"], CleanupLevel.NUCLEAR, 10, Act()))


@pytest.mark.parametrize(("to_state", "forced"), [(State.CLEANABLE, False), (State.PENDING, True)])
def test_what_was_confirmed_stays_good_without_a_file_that_said_so(ground: Path, to_state: State, forced: bool) -> None:
    world = _world(ground)
    top = world.backups / GOOD
    before = top.stat().st_mtime
    assert _moved(world, to_state, forced=forced).result is Result.DONE
    assert (top / ".confirmed_at").read_text() == (top / ".created_at").read_text()
    assert top.stat().st_mtime == before
    assert _cleaned(world) == [("delete", NEWER)]


def test_its_time_is_that_before_it_and_one_that_stands_is_left_alone(ground: Path) -> None:
    world = _world(ground)
    top = world.backups / GOOD
    (top / ".pending_since").write_text("1700000000\n")
    _moved(world, State.CLEANABLE)
    assert (top / ".confirmed_at").read_text() == "1700000000\n"
    (top / ".confirmed_at").write_text("1700000001\n")
    _moved(world, State.CONFIRMED)
    (top / ".confirmed_at").write_text("1700000002\n")
    _moved(world, State.CLEANABLE)
    assert (top / ".confirmed_at").read_text() == "1700000002\n"


@pytest.mark.parametrize("state", [State.CREATED, State.PENDING])
def test_what_never_was_confirmed_is_not_good_by_being_cleanable(ground: Path, state: State) -> None:
    world = _world(ground, state)
    assert _moved(world, State.CLEANABLE, forced=True).result is Result.DONE
    assert not (world.backups / GOOD / ".confirmed_at").exists()
    assert _cleaned(world) == [("delete", GOOD)]


@pytest.mark.root
def test_where_there_is_no_room_to_say_so_it_is_not_moved_along(loop_disk: LoopDisks, ground: Path) -> None:
    disk = loop_disk("ext4", 32)
    world = _world(disk.path, journal=ground / "state")
    with world.app():
        pass
    disk.fill()
    op = _moved(world, State.CLEANABLE)
    assert (op.result, world.state_of(GOOD)) == (Result.FAILED, "CONFIRMED"), op
    os.unlink(disk.path / "filler")
    assert _moved(world, State.CLEANABLE).result is Result.DONE
    assert (world.backups / GOOD / ".confirmed_at").exists()
