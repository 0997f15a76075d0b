"""The trash: what a person deletes waits there whole, comes back as it was, and goes before anything else is chosen."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from tests.conftest import LoopDisks
from tests.engine.acts import ACTS
from tests.engine.world import World, done, fingerprint
from ullage.app import App
from ullage.engine.cycle import Act
from ullage.model.backups import Operation, Pin
from ullage.model.cycles import CycleRecord
from ullage.model.words import Action, CleanupLevel, Level, Phase, Result, State, Trigger

ONE, TWO = "db-20260101", "db-20260102"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Twelve backups of one series and a newer one that the floor holds; a grace of an hour."""
    world = World(tmp_path)
    world.series(12, mib=0.5)
    world.set(reclaim={"grace": 3600.0}, capacity=100 << 20)
    return world


def delete(world: World, act: Action = Action.DELETE) -> Operation:
    """``CHOSEN`` (``ONE``), deleted by a person; or the archive of it."""
    with world.app() as app:
        return app.engine.one(app.sites["main"], Act(), Trigger.USER, ACTS[act], alone=True).actions[0]


def cleanup(world: World, count: int, act: Act | None = None) -> CycleRecord:
    with world.app() as app:
        return app.engine.cleanup(app.sites["main"], CleanupLevel.MODERATE, count, act or Act())


def undo(world: World) -> list[Operation]:
    """All that lies in the trash, brought back."""
    return _all(world, lambda app: app.engine.undo)


def _all(world: World, run: Callable[[App], Callable[..., CycleRecord]]) -> list[Operation]:
    with world.app() as app:
        site = app.sites["main"]
        return list(run(app)(site, Act(), {op.token for op in app.engine.trashed(site)}).actions)


def trashed(world: World) -> list[str]:
    with world.app() as app:
        return [op.backup_id for op in app.engine.trashed(app.sites["main"])]


def later(world: World, seconds: float) -> None:
    """What lies in the trash was put there so long ago."""
    with world.app() as app:
        for op in app.catalog.trashed("main"):
            app.catalog.advance(replace(op, at=op.at - seconds), Phase.TRASHED)


Hold = Callable[[Path], AbstractContextManager[str]]
"""Something that stands against the removal of a file, and what is said of it."""


@contextmanager
def _writing(path: Path) -> Iterator[str]:
    with path.open("r+b"):
        yield "open"


@contextmanager
def _locking(path: Path) -> Iterator[str]:
    fd = os.open(path.parent.parent if path.name == "content" else path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    yield "is locked by another process"
    os.close(fd)


@contextmanager
def _immutable(path: Path) -> Iterator[str]:
    subprocess.run(["chattr", "+i", str(path)], check=True)
    yield "immutable"
    subprocess.run(["chattr", "-i", str(path)], check=True)


@contextmanager
def _mounting(path: Path) -> Iterator[str]:
    inside = path.parent if path.name == "content" else path
    subprocess.run(["mount", "--bind", "/dev/null" if inside.is_file() else "/usr/share", str(inside)], check=True)
    yield "mounted"
    subprocess.run(["umount", str(inside)], check=True)


def test_what_a_person_deletes_waits_whole_and_comes_back_as_it_was(world: World) -> None:
    before = fingerprint(world.backups / ONE)
    op = delete(world)
    assert (op.result, op.phase, op.reclaimed_bytes) == (Result.DONE, Phase.TRASHED, 0)
    assert (ONE in world.live(), trashed(world)) == (False, [ONE])
    began = time.monotonic()
    (back,) = undo(world)
    assert time.monotonic() - began < 1
    assert back.result is Result.UNDONE
    assert fingerprint(world.backups / ONE) == before
    assert (trashed(world), world.leftovers()) == ([], [])
    assert [op.result for op in world.history()] == [Result.UNDONE]


def test_an_archive_that_a_person_deletes_comes_back_too(world: World) -> None:
    world.set(reclaim={"grace": 0.0})
    delete(world, Action.ARCHIVE)
    (path,) = world.archives.glob("[0-9]*/*/*")
    content = path.read_bytes()
    world.set(reclaim={"grace": 3600.0})
    assert delete(world, Action.DELETE_ARCHIVE).phase is Phase.TRASHED
    assert world.archived() == []
    assert undo(world)[0].result is Result.UNDONE
    assert path.read_bytes() == content
    with world.app() as app:
        assert app.catalog.archive_digest("main", str(path.relative_to(world.archives)))


def test_a_clean_up_by_hand_waits_in_the_trash_too(world: World) -> None:
    record = cleanup(world, 3)
    assert len(done(record)) == 3 == len(trashed(world))
    assert {op.result for op in undo(world)} == {Result.UNDONE}
    assert len(world.live()) == 13


@pytest.mark.parametrize("act", [Action.DELETE, Action.DELETE_ARCHIVE])
def test_when_its_time_is_over_it_goes_for_good(world: World, act: Action) -> None:
    if act is Action.DELETE_ARCHIVE:
        delete(world, Action.ARCHIVE)
    delete(world, act)
    later(world, 3590)
    assert done(world.cycle()) == []
    later(world, 20)
    assert done(world.cycle()) == [(str(act), ONE)]
    assert (trashed(world), world.leftovers(), world.archived()) == ([], [], [])
    gone = world.history()[-1]
    assert (gone.result, gone.phase) == (Result.DONE, Phase.SETTLED)
    assert "its time in the trash was over" in gone.reason


@pytest.mark.parametrize("usage", [86.0, 96.0])
def test_pressure_empties_the_trash_before_anything_else_is_chosen(world: World, usage: float) -> None:
    """And where that is enough, nothing else goes."""
    for _ in range(4):
        cleanup(world, 1)
    world.set(capacity=None)
    world.press(usage)
    assert world.cycle(Act(dry_run=True)).actions[0].result is Result.PLANNED
    record = world.cycle()
    gone = [backup_id for _, backup_id in done(record)]
    assert gone == [ONE, TWO, "db-20260103", "db-20260104"]
    assert all("the trash goes first" in op.reason for op in record.actions)


def test_where_what_was_over_its_time_is_enough_the_rest_of_the_trash_stays(world: World) -> None:
    world.backup("home-20260101", State.CLEANABLE, age=60, mib=3)
    world.backup("home-20260102", State.CONFIRMED, age=39, mib=0.01)
    world.press(50)
    cleanup(world, 3)
    with world.app() as app:
        (old,) = [op for op in app.catalog.trashed("main") if op.backup_id == "home-20260101"]
        app.catalog.advance(replace(old, at=old.at - 3600), Phase.TRASHED)
    young = sorted(set(trashed(world)) - {"home-20260101"})
    world.press(98)
    assert done(world.cycle()) == [("delete", "home-20260101")]
    assert world.usage() < 80
    assert sorted(trashed(world)) == young
    assert len(young) == 2


def test_where_the_trash_is_not_enough_the_others_go_after_it(world: World) -> None:
    cleanup(world, 1)
    world.press(96)
    actions = world.cycle().actions
    assert (actions[0].backup_id, "trash" in actions[0].reason) == (ONE, True)
    assert len(actions) > 1
    assert not any("trash" in op.reason for op in actions[1:])


def test_what_an_emergency_deletes_goes_at_once(world: World) -> None:
    world.press(96)
    assert done(world.emergency())
    assert trashed(world) == []


def test_what_a_person_deletes_under_pressure_goes_at_once(world: World) -> None:
    """It would be emptied by the next cycle."""
    world.press(90)
    assert delete(world).phase is Phase.SETTLED


def test_at_warning_the_trash_is_left_and_counts_as_gained(world: World) -> None:
    """SPEC 7.6: what it will give back is not deleted for a second time, by the daemon or by a person."""
    world.press(76)
    first = cleanup(world, 10)
    assert 1 <= len(done(first)) < 5
    waiting = trashed(world)
    assert world.levels() == [] and world.cycle().level is Level.WARNING
    assert done(cleanup(world, 10)) == []
    assert trashed(world) == waiting
    assert len(world.live()) == 13 - len(waiting)


def test_it_comes_back_over_nothing(world: World) -> None:
    delete(world)
    world.backup(ONE, State.CREATED, age=0)
    standing = fingerprint(world.backups / ONE)
    assert undo(world)[0].result is Result.SKIPPED
    assert (fingerprint(world.backups / ONE), trashed(world)) == (standing, [ONE])
    shutil.rmtree(world.backups / ONE)
    assert undo(world)[0].result is Result.UNDONE


def test_what_is_pinned_meanwhile_stays_in_the_trash(world: World) -> None:
    """SPEC 7.1: its archive, or another backup of its name, may be there to be pinned."""
    delete(world)
    world.backup(ONE)
    with world.app() as app, app.sites["main"].open() as opened:
        opened.source.pin(Pin(backup_id=ONE, at=time.time()))
    later(world, 4000)
    assert [op.result for op in world.cycle().actions] == [Result.SKIPPED]
    assert trashed(world) == [ONE]


def test_a_plan_says_that_what_is_pinned_stays_in_the_trash(world: World) -> None:
    delete(world)
    with world.app() as app, app.sites["main"].open() as opened:
        opened.source.pin(Pin(backup_id=ONE, at=time.time()))
    world.press(96)
    planned, really = world.cycle(Act(dry_run=True)).actions[0], world.cycle().actions[0]
    assert (planned.result, really.result) == (Result.SKIPPED, Result.SKIPPED)
    assert "pinned" in planned.reason == really.reason


def test_what_lies_in_the_trash_outlives_the_catalog(world: World) -> None:
    """Its label tells what it is; and by it, it goes in its time, and comes back."""
    before = fingerprint(world.backups / ONE)
    delete(world)
    cleanup(world, 1)
    shutil.rmtree(world.state)
    world.state.mkdir(mode=0o700)
    assert trashed(world) == [ONE, TWO]
    assert [op.result for op in undo(world)] == [Result.UNDONE] * 2
    assert fingerprint(world.backups / ONE) == before


@pytest.mark.parametrize(
    "change",
    [
        {"backup_id": "../../x"},
        {"token": "0" * 16},
        {"action": "restore"},
        {"path": "/etc"},
        {"at": "nan"},
        {"at": -1.0},
        {"predicted_bytes": 10**30},
        {"predicted_inodes": -5},
        {"x": 1},
    ],
    ids=str,
)
def test_a_label_that_does_not_fit_is_none(world: World, change: dict[str, object]) -> None:
    delete(world)
    (label,) = (world.backups / ".ullage/trash").glob("*.json")
    told = json.loads(label.read_text())
    label.write_text(json.dumps(told | change if change != {"x": 1} else [told]))
    shutil.rmtree(world.state)
    world.state.mkdir(mode=0o700)
    assert trashed(world) == []


@pytest.mark.parametrize("act", ["undo", "empty"])
def test_what_another_host_takes_out_of_the_trash_is_settled_as_it_is_found(
    world: World, tmp_path: Path, act: str
) -> None:
    """Its row would else say that it was deleted when its time is over, and stand for room that never comes."""
    other = World(tmp_path, state=tmp_path / "other")
    other.store = world.store
    delete(world)
    cleanup(other, 1)
    assert trashed(other) == [ONE, TWO]
    _all(world, lambda app: app.engine.undo if act == "undo" else app.engine.empty_trash)
    with other.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER):
        pass
    assert (trashed(other), ONE in world.live()) == ([], act == "undo")
    results = {op.backup_id: op.result for op in other.history() if op.phase is Phase.SETTLED}
    assert results[ONE] is (Result.UNDONE if act == "undo" else Result.DONE)


@pytest.mark.parametrize("act", [Action.DELETE, Action.DELETE_ARCHIVE])
@pytest.mark.parametrize("hold", [_writing, _locking, _immutable, _mounting])
def test_what_cannot_go_as_a_whole_stays_in_the_trash_as_a_whole(loop_disk: LoopDisks, act: Action, hold: Hold) -> None:
    """SPEC 7.4, 7.10: by hand, by its time and under pressure; when nothing stands against it any more, it goes."""
    disk = loop_disk("ext4", 64)
    world = World(disk.path)
    world.series(3, mib=0.5)
    world.set(reclaim={"grace": 3600.0}, capacity=100 << 20)
    if act is Action.DELETE_ARCHIVE:
        delete(world, Action.ARCHIVE)
    before = fingerprint(world.backups / ONE) if act is Action.DELETE else ""
    op = delete(world, act)
    root = world.archives if act is Action.DELETE_ARCHIVE else world.backups
    content = root / ".ullage/trash" / op.token
    with hold(content / "data" / "content" if act is Action.DELETE else content) as reason:
        (kept,) = _all(world, lambda app: app.engine.empty_trash)
        assert kept.result in (Result.SKIPPED, Result.FAILED)
        assert reason in kept.reason
        later(world, 3600)
        assert done(world.cycle()) == []
        world.set(capacity=1 << 20)
        assert ONE not in [backup_id for _, backup_id in done(world.cycle())]
        world.set(capacity=100 << 20)
        assert trashed(world) == [ONE]
        assert (world.backups / ".ullage/trash" / f"{op.token}.json").exists()
    if act is Action.DELETE:
        assert fingerprint(content) == before
    assert (str(act), ONE) in done(world.cycle())
    assert trashed(world) == []


def test_an_emergency_by_hand_leaves_the_trash_where_its_target_is_free(world: World) -> None:
    delete(world)
    assert (done(world.emergency()), trashed(world)) == ([], [ONE])
    world.press(85.0)
    assert done(world.emergency())[0] == ("delete", ONE)
    assert trashed(world) == []


def test_what_is_locked_by_its_lock_file_stays_in_the_trash(world: World) -> None:
    (world.backups / ONE / ".lock").touch()
    op = delete(world, Action.DELETE)
    with (world.backups / ".ullage/trash" / op.token / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        (kept,) = _all(world, lambda app: app.engine.empty_trash)
        assert (kept.result, f"{ONE} is locked by another process" in kept.reason) == (Result.SKIPPED, True)
        assert trashed(world) == [ONE]
    assert [op.result for op in _all(world, lambda app: app.engine.empty_trash)] == [Result.DONE]


@pytest.mark.parametrize("act", [Action.DELETE, Action.DELETE_ARCHIVE])
def test_what_was_put_in_its_place_in_the_trash_stays(world: World, act: Action) -> None:
    """Between the look at the whole trash and the look at this one."""
    if act is Action.DELETE_ARCHIVE:
        delete(world, Action.ARCHIVE)
    op = delete(world, act)
    content = (world.archives if act is Action.DELETE_ARCHIVE else world.backups) / ".ullage/trash" / op.token

    def exchange(*_: object) -> set[str]:
        content.rename(content.with_name("elsewhere"))
        content.write_text("mine") if act is Action.DELETE_ARCHIVE else content.mkdir()
        return set()

    with patch("ullage.sources.states.StateSource.pins", exchange):
        (kept,) = _all(world, lambda app: app.engine.empty_trash)
    assert (kept.result, "is not what was put there" in kept.reason) == (Result.FAILED, True)
    assert content.exists() and content.with_name("elsewhere").exists()


def test_what_cannot_leave_the_trash_counts_for_nothing(world: World) -> None:
    """SPEC 7.7: a pinned one would else keep an emergency from taking anything."""
    for _ in range(6):
        cleanup(world, 1)
    with world.app() as app, app.sites["main"].open() as opened:
        for backup_id in trashed(world):
            opened.source.pin(Pin(backup_id=backup_id, at=time.time()))
    world.set(capacity=None)
    world.press(96)
    record = world.cycle()
    assert [op.result for op in record.actions if "pinned" in op.reason] == [Result.SKIPPED] * 6
    assert len(done(record)) >= 1


def test_where_one_place_is_taken_the_others_come_back(world: World) -> None:
    cleanup(world, 2)
    world.backup(ONE, State.CREATED, age=0)
    assert [op.result for op in undo(world)] == [Result.UNDONE, Result.SKIPPED]
    assert trashed(world) == [ONE]


def test_an_archive_comes_back_though_its_month_was_tidied_away(world: World) -> None:
    world.set(reclaim={"grace": 0.0})
    delete(world, Action.ARCHIVE)
    world.set(reclaim={"grace": 3600.0})
    delete(world, Action.DELETE_ARCHIVE)
    for month in world.archives.glob("[0-9]*/*"):
        month.rmdir()
    assert undo(world)[0].result is Result.UNDONE
    assert len(world.archived()) == 1
