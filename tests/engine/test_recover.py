"""SPEC 7.4: what a start makes of what the last run left, where that is more than a kill at one call."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.world import World, fingerprint
from ullage.app import App
from ullage.engine.cycle import Act
from ullage.errors import CatalogError, Interrupted, Refused, Unavailable
from ullage.model.backups import Operation
from ullage.model.words import Action, Phase, Result, State, Trigger
from ullage.sources.reclaimer import TreeReclaimer
from ullage.system import tree

ONE = "db-20260101"


@pytest.fixture
def world(ground: Path) -> World:
    """Two backups."""
    world = World(ground)
    world.backup(ONE, State.CONFIRMED, mib=0.05)
    world.backup("db-20260102", State.CONFIRMED, age=1, mib=0.05)
    with world.app():
        pass
    return world


def _handle(world: World) -> str:
    fd = tree.open_root(str(world.backups / ONE))
    try:
        return tree.handle_of(fd)
    finally:
        os.close(fd)


def _left(world: World, phase: Phase, **more: object) -> Operation:
    """The row of a killed process."""
    told: dict[str, object] = {"action": Action.DELETE, "to_state": State.DELETED, "token": "0123456789abcdef"}
    with world.app() as app:
        op = Operation(
            at=time.time(),
            store="main",
            backup_id=ONE,
            from_state=State.CONFIRMED,
            trigger=Trigger.USER,
            reason="asked for",
            handle=_handle(world),
            **(told | more),  # type: ignore[arg-type]
        )
        begun = app.catalog.begin(op)
        return begun if phase is Phase.INTENT else app.catalog.advance(begun, phase)


def _start(world: World, act: Act | None = None) -> list[Operation]:
    """What the next start settled, as it is told."""
    told: list[Operation] = []
    with world.app() as app:
        act = act or Act()
        heard = Act(wait=act.wait, stop=act.stop, done=lambda _store, op: told.append(op))
        with app.engine.working(app.sites["main"], heard, Trigger.USER):
            return told


def test_what_was_to_be_removed_in_its_place_is_removed(world: World) -> None:
    _left(world, Phase.PURGING, token="")
    (told,) = _start(world)
    assert (told.result, ONE in world.live()) == (Result.DONE, False)
    assert "recovered: the removal was finished" in told.reason


def test_another_directory_of_that_name_is_not_the_one_that_was_to_go(world: World) -> None:
    _left(world, Phase.PURGING, token="")
    shutil.rmtree(world.backups / ONE)
    new = fingerprint(world.backup(ONE, State.CREATED, mib=0.05))
    assert [op.result for op in _start(world)] == [Result.DONE]
    assert fingerprint(world.backups / ONE) == new


def test_a_removal_that_was_undone_though_its_row_says_otherwise_stays_undone(world: World) -> None:
    _left(world, Phase.PURGING)  # the commit failed, yet came to the disk; the backup was brought back
    (told,) = _start(world)
    assert (told.result, ONE in world.live()) == (Result.UNDONE, True)


def test_a_backup_in_the_trash_whose_place_is_taken_waits_there_and_is_told_of(world: World) -> None:
    _left(world, Phase.INTENT)
    (world.backups / ONE).rename(world.backups / ".ullage/trash/0123456789abcdef")
    world.backup(ONE, State.CREATED, mib=0.05)
    (told,) = _start(world)
    assert told.phase is Phase.TRASHED
    assert len(world.leftovers()) == 2  # with its label
    assert _start(world) == []


def test_what_cannot_be_settled_now_is_told_of_and_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _left(world, Phase.PURGING)
    (world.backups / ONE).rename(world.backups / ".ullage/trash/0123456789abcdef")
    purge = TreeReclaimer.purge
    for error in (Unavailable("input/output error"), Refused("immutable"), OSError(5, "input/output error")):
        monkeypatch.setattr(TreeReclaimer, "purge", _raising(error))
        (told,) = _start(world)
        assert (told.result, "cannot be settled now" in told.reason) == (Result.FAILED, True)
    monkeypatch.setattr(TreeReclaimer, "purge", purge)
    assert [op.result for op in _start(world)] == [Result.DONE]
    assert world.leftovers() == []


def test_a_stop_in_the_middle_of_it_leaves_it_for_the_next_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _left(world, Phase.PURGING)
    (world.backups / ONE).rename(world.backups / ".ullage/trash/0123456789abcdef")
    with monkeypatch.context() as patched:
        patched.setattr(TreeReclaimer, "purge", _raising(Interrupted("stopped")))
        with pytest.raises(Interrupted):
            _start(world)
    assert [op.result for op in _start(world)] == [Result.DONE]


def _raising(error: Exception) -> object:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("torn", ["CLEAN", "CLEANABLE\nED\n", ""])
def test_a_state_torn_by_a_kill_on_a_full_disk_is_written_whole(world: World, torn: str) -> None:
    _left(world, Phase.INTENT, action=Action.TRANSITION, to_state=State.CLEANABLE, token="")
    (world.backups / ONE / ".state").write_text(torn)
    (told,) = _start(world)
    assert (told.result, world.state_of(ONE)) == (Result.DONE, "CLEANABLE")


def test_the_temporary_file_of_a_killed_transition_is_removed(world: World) -> None:
    _left(world, Phase.INTENT, action=Action.TRANSITION, to_state=State.CLEANABLE, token="")
    (world.backups / ONE / ".ullage-0123456789abcdef").write_text("CLEAN")
    assert [op.result for op in _start(world)] == [Result.FAILED]
    assert (world.leftovers(), world.state_of(ONE)) == ([], "CONFIRMED")


def test_a_transition_of_a_backup_that_is_gone_is_not_done(world: World) -> None:
    _left(world, Phase.INTENT, action=Action.TRANSITION, to_state=State.CLEANABLE, token="")
    shutil.rmtree(world.backups / ONE)
    assert [op.result for op in _start(world)] == [Result.FAILED]


def test_a_restore_to_another_place_is_told_of_and_not_removed(world: World) -> None:
    _left(world, Phase.INTENT, action=Action.RESTORE, to_state=State.CONFIRMED, path="/srv/there")
    (told,) = _start(world)
    assert (told.result, "look at /srv/there" in told.reason) == (Result.FAILED, True)


def test_the_daemons_cycle_settles_too_and_says_so(world: World) -> None:
    _left(world, Phase.PURGING, token="")
    record = world.cycle()
    note = f"what an interrupted run had left was settled: delete of {ONE} done; see ullage history"
    assert record.notes == (note,)
    assert ONE not in world.live()


def test_the_cycle_does_not_say_that_what_cannot_be_settled_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _left(world, Phase.PURGING)
    (world.backups / ONE).rename(world.backups / ".ullage/trash/0123456789abcdef")
    with monkeypatch.context() as patched:
        patched.setattr(TreeReclaimer, "purge", _raising(Unavailable("input/output error")))
        (note,) = world.cycle().notes
    assert note.startswith(f"delete of {ONE}, which an interrupted run had left, is tried again in the next cycle: ")
    assert note.endswith("cannot be settled now: input/output error")
    (note,) = world.cycle().notes
    assert "was settled" in note


def test_many_that_were_settled_are_counted(world: World) -> None:
    for _ in range(5):
        _left(world, Phase.INTENT, token="")
    (note,) = world.cycle().notes
    assert note.count(f"delete of {ONE} failed") == 3
    assert ", 2 more; see ullage history" in note


def test_an_archive_of_a_name_too_long_for_a_file_is_known_by_its_whole_name(world: World) -> None:
    long = "db-" + "n" * 240 + "-20260103"
    world.backup(long, State.CONFIRMED, age=2, mib=0.01)
    world.backup("db-" + "n" * 240 + "-20260104", State.CONFIRMED, age=1, mib=0.01)
    with world.app() as app:
        record = app.engine.one(app.sites["main"], Act(), Trigger.USER, lambda r: _archived(r, long), alone=True)
        assert record.actions[0].result is Result.DONE
        assert _archives(app) == [long]


def _archived(reclaim: object, backup_id: str) -> Operation:
    from ullage.engine.reclaim import Reclaim

    assert isinstance(reclaim, Reclaim)
    found = reclaim.find(backup_id)
    assert found is not None
    return reclaim.one(found, "asked for", archive=True)


def _archives(app: App) -> list[str]:
    with app.sites["main"].open() as opened:
        return [one.backup_id for one in opened.source.archives()]


def _archived_and_gone(world: World) -> Operation:
    """What was made of ONE: its archive stands, and the backup is gone; as it was in the journal just before that."""
    with world.app() as app:
        app.engine.one(app.sites["main"], Act(), Trigger.USER, lambda r: _archived(r, ONE), alone=True)
        op = next(op for op in app.catalog.history() if op.action is Action.ARCHIVE)
        return app.catalog.advance(app.catalog.begin(replace(op, id=0, result=None)), Phase.ARCHIVED, digest=op.digest)


def test_an_older_copy_of_the_catalog_does_not_take_the_archive_of_what_is_gone(world: World) -> None:
    _archived_and_gone(world)
    (told,) = _start(world)
    assert (told.result, world.archived()) == (Result.DONE, [f"{ONE}.tar.zst"])
    assert told.reason.endswith("the backup was gone already; its archive stays")
    with world.app() as app:
        assert _archives(app) == [ONE]
    assert _start(world) == []


def test_nor_where_another_bears_its_name_or_what_is_left_of_it_is_half_gone(world: World) -> None:
    op = _archived_and_gone(world)
    world.backup(ONE, State.CREATED, mib=0.05)
    assert [told.result for told in _start(world)] == [Result.DONE]
    (world.backups / ONE / ".state").unlink()
    with world.app() as app:
        again = app.catalog.begin(replace(op, id=0, handle=_handle(world)))
        app.catalog.advance(again, Phase.ARCHIVED, digest=op.digest)
    assert [told.result for told in _start(world)] == [Result.DONE]
    assert world.archived() == [f"{ONE}.tar.zst"]


def test_where_both_are_gone_it_is_told(world: World) -> None:
    _archived_and_gone(world)
    next(world.archives.glob("[0-9]*/*/*")).unlink()
    (told,) = _start(world)
    assert (told.result, "the backup is gone, and so is its archive" in told.reason) == (Result.FAILED, True)


def test_what_a_person_removes_while_it_is_archived_is_left_in_its_archive(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = TreeReclaimer.publish_archive

    def published(*arguments: Any, **options: Any) -> object:
        shutil.rmtree(world.backups / ONE)
        return publish(*arguments, **options)

    monkeypatch.setattr(TreeReclaimer, "publish_archive", published)
    with world.app() as app:
        record = app.engine.one(app.sites["main"], Act(), Trigger.USER, lambda r: _archived(r, ONE), alone=True)
        assert record.actions[0].result is Result.FAILED
        assert _archives(app) == [ONE]


def test_without_a_journal_nothing_is_begun(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from ullage.catalog.catalog import Catalog

    with world.app() as app:
        monkeypatch.setattr(Catalog, "begin", _raising(CatalogError("the disk is full")))
        with pytest.raises(CatalogError):
            app.engine.one(app.sites["main"], Act(), Trigger.USER, lambda r: _archived(r, ONE), alone=True)
    assert (len(world.live()), world.leftovers(), world.archived()) == (2, [], [])
