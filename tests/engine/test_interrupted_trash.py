"""What a killed ``delete`` or ``undo`` left in the trash is shown, settled and brought back by the next command."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.engine.acts import ACTS
from tests.engine.test_trash import ONE, delete, trashed, undo
from tests.engine.world import World, fingerprint
from ullage.engine.cycle import Act
from ullage.model.backups import Operation
from ullage.model.words import Action, Phase, Result, State
from ullage.policy.clock import ClockMark
from ullage.sources.reclaimer import TreeReclaimer
from ullage.sources.trash import StoreTrash
from ullage.system.clock import SystemClock


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three backups of one series and a newer one that the floor holds; a grace of an hour."""
    world = World(tmp_path)
    world.series(3, mib=0.1)
    world.set(reclaim={"grace": 3600.0}, capacity=100 << 20)
    return world


def killed(act: Callable[[], object], owner: object, name: str) -> None:
    """The act, in a process that is killed right after it called ``name``."""
    child = os.fork()
    if child == 0:
        call = getattr(owner, name)

        def last(*arguments: object, **options: object) -> None:
            call(*arguments, **options)
            os._exit(9)

        with patch.object(owner, name, last):
            act()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def settle(world: World) -> list[Operation]:
    with world.app() as app:
        record = app.engine.settle(app.sites["main"], Act())
        return [] if record is None else list(record.actions)


def test_a_killed_delete_is_shown_and_settled(world: World) -> None:
    before = fingerprint(world.backups / ONE)
    killed(lambda: delete(world), TreeReclaimer, "stage")
    with world.app() as app:
        (shown,) = app.engine.trashed(app.sites["main"])
        assert (shown.backup_id, shown.result) == (ONE, None)
    (settled,) = settle(world)
    assert "back in its place" in settled.reason
    assert fingerprint(world.backups / ONE) == before
    assert (trashed(world), settle(world)) == ([], [])


def test_a_killed_undo_is_shown_and_settled(world: World) -> None:
    delete(world)
    killed(lambda: undo(world), StoreTrash, "whole")
    assert (trashed(world), settle(world)) == ([ONE], [])
    killed(lambda: undo(world), TreeReclaimer, "unstage")
    (settled,) = settle(world)
    assert settled.result is Result.UNDONE
    assert ONE in world.live()


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("kill", ["delete", "undo"])
def test_where_its_place_was_taken_meanwhile_it_waits_in_the_trash(world: World, kill: str, labelled: bool) -> None:
    before = fingerprint(world.backups / ONE)
    if kill == "delete":
        killed(lambda: delete(world), TreeReclaimer, "stage")
    else:
        token = delete(world).token
        with world.app() as app:
            (op,) = app.catalog.trashed("main")
            app.catalog.advance(op, Phase.STAGED, result=None)
        assert (world.backups / ".ullage/trash" / token).is_dir()
    world.backup(ONE, State.CREATED, age=1)
    if not labelled:
        for label in (world.backups / ".ullage/trash").glob("*.json"):
            label.unlink()
    assert [op.phase for op in settle(world)] == [Phase.TRASHED]
    assert trashed(world) == [ONE]
    assert len(list((world.backups / ".ullage/trash").glob("*.json"))) == 1
    shutil.rmtree(world.backups / ONE)
    undo(world)
    assert fingerprint(world.backups / ONE) == before


def test_what_another_host_has_begun_to_remove_is_not_brought_back(world: World) -> None:
    token = delete(world).token
    (world.backups / ".ullage/trash" / token / ".state").unlink()
    (refused,) = undo(world)
    assert (refused.result, "not whole" in refused.reason) == (Result.SKIPPED, True)
    assert ONE not in os.listdir(world.backups)
    assert trashed(world) == [ONE]


def test_what_another_host_brought_back_before_its_removal_was_finished_is_so_recorded(world: World) -> None:
    token = delete(world).token
    with world.app() as app:
        (op,) = app.catalog.trashed("main")
        app.catalog.advance(op, Phase.PURGING, result=None)
    (world.backups / ".ullage/trash" / token).rename(world.backups / ONE)
    (settled,) = settle(world)
    assert (settled.result, "back in its place" in settled.reason) == (Result.UNDONE, True)
    assert ONE in world.live()


@pytest.mark.parametrize("catalog", ["kept", "lost"])
def test_in_a_copied_store_the_trash_can_be_undone_but_does_not_go_by_itself(world: World, catalog: str) -> None:
    before = fingerprint(world.backups / ONE)
    token = delete(world).token
    inside = world.backups / ".ullage/trash" / token
    shutil.copytree(inside, inside.with_name("copy"))
    shutil.rmtree(inside)
    inside.with_name("copy").rename(inside)
    if catalog == "lost":
        for name in world.state.glob("catalog.db*"):
            name.unlink()
    assert trashed(world) == [ONE]
    with world.app() as app:
        (kept,) = app.engine.empty_trash(app.sites["main"], Act(), {token}).actions
    assert (kept.result, "was the store copied" in kept.reason) == (Result.FAILED, True)
    assert fingerprint(inside) == before
    assert [op.result for op in undo(world)] == [Result.UNDONE]
    assert fingerprint(world.backups / ONE) == before


def test_an_archive_that_comes_back_is_checked_by_its_own_digest(world: World) -> None:
    """Another of the same name stood in its place meanwhile, and lies in the trash too."""
    for _ in range(2):
        delete(world, Action.ARCHIVE)
        delete(world, Action.DELETE_ARCHIVE)
        world.backup(ONE, State.CLEANABLE, age=43)
    shutil.rmtree(world.backups / ONE)
    with world.app() as app:
        site = app.sites["main"]
        older, _ = app.engine.trashed(site)
        assert [op.result for op in app.engine.undo(site, Act(), {older.token}).actions] == [Result.UNDONE]
        (restored,) = app.engine.one(site, Act(), older.trigger, ACTS[Action.RESTORE], alone=True).actions
    assert restored.result is Result.DONE, restored.reason
    assert (world.backups / ONE / "data/content").is_file()


def test_of_two_of_one_name_the_newer_one_comes_back(world: World) -> None:
    delete(world)
    world.backup(ONE, State.CLEANABLE, age=43)
    newer = fingerprint(world.backups / ONE)
    delete(world)
    assert [op.result for op in undo(world)] == [Result.UNDONE, Result.SKIPPED]
    assert fingerprint(world.backups / ONE) == newer
    assert trashed(world) == [ONE]


def test_a_clock_that_was_behind_makes_the_grace_no_shorter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was set right by half an hour just after the delete."""
    with world.app():
        pass
    right, off = SystemClock.mark, 1800.0
    now = SystemClock.now
    with world.app() as app:
        app.engine.clock_fault()

    def behind(self: SystemClock) -> ClockMark:
        mark = right(self)
        return ClockMark(mark.wall - off, mark.boot_id, mark.boot_seconds)

    monkeypatch.setattr(SystemClock, "mark", behind)
    monkeypatch.setattr(SystemClock, "now", lambda self: now(self) - off)
    op = delete(world)
    assert time.time() - 5 <= op.at <= time.time() + 5
