"""SPEC 7.6 and 7.8: what keeps a reclaim from going on: space that does not come back, another store, a clock."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from tests.conftest import LoopDisks
from tests.engine.acts import ACTS
from tests.engine.world import MIB, World, done
from ullage.app import open_app
from ullage.engine.caps import holds, resume
from ullage.engine.cycle import Act
from ullage.engine.daemon import Watch
from ullage.model.cycles import CycleRecord
from ullage.model.settings import AlertSettings, Secret, Settings
from ullage.model.words import Action, Level, Phase, Result, State, Trigger
from ullage.policy.cadence import Rhythm
from ullage.policy.clock import ClockMark
from ullage.sources.register import register


@contextmanager
def held_open(directory: Path) -> Iterator[None]:
    """Every file below it is open for reading, as by a process that serves it."""
    with ExitStack() as files:
        for path in directory.rglob("*"):
            if path.is_file():
                files.enter_context(path.open("rb"))
        yield


@pytest.mark.root
def test_space_that_does_not_come_back_ends_the_reclaim_after_two_and_the_next_ones_wait(loop_disk: LoopDisks) -> None:
    """faults.md: space does not come back: stop after two, alert, say what holds it."""
    disk = loop_disk("ext4", 200)
    world = World(disk.path, state=disk.path.parent / "state", archives=disk.path.parent / "archives")
    world.set(alerts=AlertSettings(webhook=Secret("http://127.0.0.1:9/")))
    ids = world.series(12, mib=14)
    with held_open(world.backups):
        first, second = world.cycle(), world.cycle()
    assert [backup_id for _, backup_id in done(first)] == ids[:2]
    assert done(second) == []
    assert "did not come back" in second.notes[0]
    assert not second.served
    with world.app() as app:
        told = [item for item in app.catalog.alerts(10) if "did not come back" in item.body]
        assert len(told) == 1
    assert done(world.cycle()), "the files are closed, the space is back: it goes on"


@pytest.mark.root
def test_a_person_may_go_on_where_the_daemon_waits(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 200)
    world = World(disk.path, state=disk.path.parent / "state", archives=disk.path.parent / "archives")
    world.series(12, mib=14)
    with held_open(world.backups):
        assert len(done(world.cycle())) == 2
        assert done(world.cycle()) == []
        assert done(world.emergency()) != []


@pytest.mark.root
def test_archives_whose_space_does_not_come_back_stop_going_after_two(loop_disk: LoopDisks, tmp_path: Path) -> None:
    disk = loop_disk("ext4", 200)
    world = World(tmp_path / "here", archives=disk.path / "archives")
    world.backup("w-20260901", State.CONFIRMED)
    month = world.archives / "2025/01"
    month.mkdir(parents=True)
    for day in range(1, 13):
        (month / f"w-202501{day:02d}.tar.gz").write_bytes(os.urandom(14 * MIB))
    world.set(watermarks={"warning": 40, "critical": 50})  # seven would have to go, were they not held
    with held_open(world.archives):
        assert len(done(world.cycle())) == 2
        assert done(world.cycle()) == []


def _fill(archives: Path) -> Path:
    """The disk of 200 MiB that the archives have to themselves comes to be over critical."""
    month = archives / "2025/01"
    month.mkdir(parents=True)
    for day in range(1, 13):
        (month / f"w-202501{day:02d}.tar.gz").write_bytes(os.urandom(14 * MIB))
    return archives


@pytest.mark.root
def test_archives_whose_space_does_not_come_back_hold_no_backup_up(loop_disk: LoopDisks, tmp_path: Path) -> None:
    """SPEC 7.7: they are on a filesystem of their own."""
    world = World(tmp_path / "here", archives=_fill(loop_disk("ext4", 200).path / "archives"))
    world.series(6, mib=0.5)
    with held_open(world.archives):
        assert len(done(world.cycle())) == 2
        with world.app() as app:
            site = app.sites["main"]
            (hold,) = holds(app.catalog, site.settings, site.read(), now=time.time())
            assert hold.reason.startswith("archives: ")
        world.press(90)
        record = world.cycle()
        assert {action for action, _ in done(record)} == {"delete"}
        assert any("did not come back" in note for note in record.notes)
        with world.app() as app:
            resume(app.catalog, "main")
        world.set(watermarks={"warning": 50.0, "critical": 60.0})  # more is needed than is held
        assert len([action for action, _ in done(world.cycle()) if action == "delete_archive"]) == 2


@pytest.mark.root
def test_backups_whose_space_does_not_come_back_hold_no_archive_up(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 200)
    world = World(disk.path, state=disk.path.parent / "state", archives=loop_disk("ext4", 200).path / "archives")
    world.set(archive={"before_delete": False})
    world.series(12, mib=14)
    with held_open(world.backups):
        assert len(done(world.cycle())) == 2
        _fill(world.archives)
        gone = done(world.cycle())
    assert {action for action, _ in gone} == {"delete_archive"}


@pytest.mark.root
@pytest.mark.parametrize("level", [Level.WARNING, Level.CRITICAL])
def test_what_was_deleted_in_another_store_on_the_filesystem_comes_before_a_choice(
    loop_disk: LoopDisks, level: Level
) -> None:
    """SPEC 7.6: at critical it goes first, at warning it counts as gained, whatever store it is of."""
    disk = loop_disk("ext4", 400)
    outside = disk.path.parent
    mine, other = (
        World(disk.path / name, archives=outside / f"archives-{name}", state=outside / "state") for name in "ab"
    )
    mine.backup("w-20260101", mib=20)
    mine.backup("w-20260901", State.CONFIRMED, age=1, mib=1)
    other.backup("x-20260101", mib=100)
    other.backup("x-20260901", State.CONFIRMED, age=1, mib=1)
    other.set(reclaim={"grace": 3600.0})
    stores = tuple(replace(world.store, name=name) for world, name in zip((mine, other), "ab", strict=True))
    with open_app(Settings(path="/ullage.toml", state_dir=str(outside / "state"), stores=stores)) as app:
        for store in stores:
            register(store, app.catalog, now=time.time())
        one, two = app.sites["a"], app.sites["b"]
        act = ACTS[Action.DELETE]
        with patch("tests.engine.acts.CHOSEN", "x-20260101"):
            assert app.engine.one(two, Act(), Trigger.USER, act, alone=True).actions[0].phase is Phase.TRASHED
        (disk.path / "others").write_bytes(os.urandom((165 if level is Level.WARNING else 185) * MIB))
        planned = app.engine.cycle(one, Act(dry_run=True))
        assert planned.level is level
        gone = [("delete", "x-20260101")] if level is Level.CRITICAL else []
        assert [(str(op.action), op.backup_id) for op in planned.actions] == gone
        assert done(app.engine.cycle(one, Act())) == gone
        assert (mine.live(), len(app.engine.trashed(two))) == (["w-20260101", "w-20260901"], 1 - len(gone))


@pytest.mark.root
def test_two_stores_on_one_filesystem_do_not_both_go_for_the_same_pressure(loop_disk: LoopDisks) -> None:
    """SPEC 7.6: nothing more than needed goes because two actors worked at once."""
    disk = loop_disk("ext4", 400)
    outside = disk.path.parent
    worlds = [World(disk.path / name, archives=outside / f"archives-{name}", state=outside / "state") for name in "ab"]
    for world in worlds:
        world.backup("w-20260101", mib=100)
        world.backup("w-20260901", State.CONFIRMED, age=1, mib=1)
    stores = tuple(replace(world.store, name=name) for world, name in zip(worlds, "ab", strict=True))
    (disk.path / "others").write_bytes(os.urandom(95 * MIB))
    records: list[CycleRecord] = []
    with open_app(Settings(path="/ullage.toml", state_dir=str(outside / "state"), stores=stores)) as app:
        for store in stores:
            register(store, app.catalog, now=time.time())
        threads = [
            Thread(target=lambda site=site: records.append(app.engine.cycle(site, Act())))
            for site in app.sites.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {record.level for record in records} <= {Level.WARNING, Level.CRITICAL, Level.OK}
    assert sum(len(done(record)) for record in records) == 1


def test_an_archive_that_was_made_a_moment_ago_does_not_go_in_the_same_cycle(ground: Path) -> None:
    """SPEC 4: where archives share the filesystem it is one pressure, handled once."""
    world = World(ground)
    ids = world.series(3, compressible=True)
    month = world.archives / "2025/01"
    month.mkdir(parents=True)
    (month / "old-20250101.tar.gz").write_bytes(b"x" * MIB)
    with world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.DISK_SPACE) as reclaim:
        oldest = reclaim.find(ids[0])
        assert oldest is not None
        assert reclaim.one(oldest, "a test", archive=True).result is Result.DONE
        gone = [op.backup_id for op in reclaim.delete_archives("a test", lambda _: False)]
    assert ids[0] not in gone


def _disbelieve(world: World) -> None:
    with world.app() as app:
        now = app.clock.mark()
        app.catalog.set_clock_mark(ClockMark(now.wall - 3650 * 86400, "another boot", now.boot_seconds))


def test_while_the_clock_is_not_believed_nobody_deletes_or_archives(ground: Path) -> None:
    """SPEC 7.8: a jump stops deletions until an operator confirms it."""
    world = World(ground)
    ids = world.series(3)
    world.press(97)
    _disbelieve(world)
    record = world.cycle()
    assert done(record) == []
    assert "nothing is deleted" in record.notes[0]
    with world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER) as reclaim:
        for archive in (True, False):
            backup = reclaim.find(ids[0])
            assert backup is not None
            op = reclaim.one(backup, "asked for", archive=archive)
            assert op.result is Result.SKIPPED
            assert "ullage clock accept" in op.reason
    assert ids[0] in world.live()


def test_the_trusted_moment_moves_on_while_all_is_well(ground: Path) -> None:
    """Else a machine that was well for a month, and booted, would not believe its right clock."""
    world = World(ground)
    world.series(1)
    with world.app() as app:
        now = app.clock.mark()
        app.catalog.set_clock_mark(ClockMark(now.wall - 100.0, now.boot_id, now.boot_seconds - 100.0))
        app.engine.cycle(app.sites["main"], Act())
        mark = app.catalog.clock_mark()
        assert mark is not None
        assert mark.wall > now.wall - 50.0


def test_a_restart_does_not_reclaim_again_within_the_interval(ground: Path) -> None:
    """SPEC 4: warning and critical reclaim at most once in cleanup_interval."""
    world = World(ground)
    world.series(60, mib=0.1)
    world.press(92)
    gone = []
    for _ in range(2):
        with world.app() as app:
            records: list[CycleRecord] = []
            Watch(app.sites["main"], app.engine, app.clock, records.append).look()
            gone.append(sum(len(done(record)) for record in records))
            assert app.catalog.rhythm("main") != Rhythm()
    assert gone == [10, 0]
