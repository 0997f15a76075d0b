"""Issue 4, SPEC 7.6: space that is freed and not back is named, waited for, and no other backup goes for it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.conftest import LoopDisks
from tests.engine.acts import ACTS
from tests.engine.test_restraint import held_open
from tests.engine.world import MIB, World, done
from tests.loops import LoopDisk
from ullage.engine.cycle import Act
from ullage.model.backups import Pin
from ullage.model.holding import Holding
from ullage.model.readings import Reading
from ullage.model.settings import AlertSettings, Secret
from ullage.model.words import Action, CleanupLevel, Level, Phase, State, Trigger
from ullage.policy.assess import Goal, assess
from ullage.policy.plan import plan
from ullage.policy.respond import response
from ullage.sources import site
from ullage.sources.site import StoreGauge
from ullage.system import gauge

pytestmark = pytest.mark.root


def _world(disk: LoopDisk, **settings: Any) -> World:
    outside = disk.path.parent
    world = World(disk.path, state=outside / "state", archives=outside / "archives")
    world.set(alerts=AlertSettings(webhook=Secret("http://127.0.0.1:9/")), archive={"before_delete": False}, **settings)
    return world


def _pressed(world: World, disk: LoopDisk, count: float) -> None:
    """So many backups of the 14 MiB that each takes must go until the mark is passed; then it is at critical."""
    os.sync()
    space = os.statvfs(disk.path)
    used, free = (space.f_blocks - space.f_bfree) * space.f_frsize, space.f_bavail * space.f_frsize
    mark = 100 * (used - count * 14 * MIB) / (used + free)
    world.set(watermarks={"warning": mark, "critical": mark + 0.01, "emergency": 99.5, "target_free": 100 - mark})


def planned(world: World) -> list[str]:
    """What a dry run, and a plan, would have go."""
    acts = [op.backup_id for op in world.cycle(Act(dry_run=True)).actions if op.action is Action.DELETE]
    with world.app() as app:
        view = app.engine.view(app.sites["main"])
    asked = response(assess(view.reading, world.store.watermarks).level, world.store)
    assert asked is not None
    assert [step.candidate.backup.id for step in plan(view, asked, world.store).taken] == acts
    return acts


def _told(world: World, words: str) -> int:
    with world.app() as app:
        return len([item for item in app.catalog.alerts(50) if words in item.body])


def test_what_one_backup_does_not_give_back_is_no_reason_for_another(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 200)
    world = _world(disk)
    ids = world.series(8, mib=14)
    _pressed(world, disk, 0.5)
    me = f"process {os.getpid()}, "
    with held_open(world.backups / ids[0]):
        record = world.cycle()
        assert done(record) == [("delete", ids[0])]
        assert not record.served
        assert "nothing more is deleted for 14.0 MiB that were deleted already" in record.notes[0]
        assert me in record.notes[0]
        (op,) = [op for op in world.history() if op.backup_id == ids[0]]
        assert f"of 14.0 MiB: 14.0 MiB still held by {me}" in op.reason
        assert op.reclaimed_bytes < MIB
        assert _told(world, me) == 1
        assert planned(world) == [], "nor is it planned"
        assert done(world.cycle()) == [], "nor does it later"
        assert done(world.emergency()) == []
        assert _told(world, me) == 1
    assert done(world.cycle()) == []
    assert world.cycle().level is Level.OK
    assert world.live() == [*ids[1:], "db-20991231"]


def test_what_others_hold_does_not_keep_a_backup(loop_disk: LoopDisks) -> None:
    """Only what stood in the store is on its way back to it; else a log that was never closed would fill the disk."""
    disk = loop_disk("ext4", 200)
    world = _world(disk)
    ids = world.series(8, mib=14)
    log = disk.path / "log"
    log.write_bytes(os.urandom(30 * MIB))
    _pressed(world, disk, 1.5)
    with log.open("rb"):
        log.unlink()
        assert [backup_id for _, backup_id in done(world.cycle())] == ids[:2]


def test_more_goes_where_what_is_held_would_not_be_enough(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 200)
    world = _world(disk)
    ids = world.series(8, mib=14)
    _pressed(world, disk, 2.5)
    with held_open(world.backups / ids[0]):
        assert [backup_id for _, backup_id in done(world.cycle())] == ids[:3]


def test_what_is_held_is_no_part_of_a_shortfall(loop_disk: LoopDisks) -> None:
    """Three are needed: one is held, one may go and one is pinned, so that one of 14 MiB is missing."""
    disk = loop_disk("ext4", 200)
    world = _world(disk)
    ids = world.series(3, mib=14)
    _pressed(world, disk, 2.9)
    with world.app() as app, app.sites["main"].open() as opened:
        opened.source.pin(Pin(backup_id=ids[2], at=time.time()))
    with held_open(world.backups / ids[0]):
        shutil.rmtree(world.backups / ids[0])
        assert planned(world) == [ids[1]]
        record = world.cycle()
        assert [backup_id for _, backup_id in done(record)] == [ids[1]]
        (short,) = [note for note in record.notes if "short of" in note]
        assert 11 < float(short.split(" MiB short")[0]) < 15, short


def test_a_capacity_has_the_space_of_held_files_back(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 200)
    world = _world(disk)
    ids = world.series(8, mib=14)
    world.set(capacity=int(8 * 14 * MIB / 0.895))
    with held_open(world.backups / ids[0]):
        assert world.cycle().level is Level.CRITICAL
        (world.backups / "filler").mkdir()
        (world.backups / "filler" / ".state").write_text("CREATED")
        (world.backups / "filler" / "content").write_bytes(os.urandom(20 * MIB))
        assert done(world.cycle())


def test_the_stall_says_who_holds_it(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 200)
    world = _world(disk)
    world.series(8, mib=14)
    _pressed(world, disk, 5)
    with held_open(world.backups):
        assert len(done(world.cycle())) == 2
        with world.app() as app:
            stall = app.catalog.stall("main")
        assert stall is not None
        assert f"still held by process {os.getpid()}, " in stall.why
        assert stall.why in world.cycle().notes[0]
        assert _told(world, stall.why) == 1


def test_an_archive_that_somebody_reads_is_no_reason_for_another(loop_disk: LoopDisks, tmp_path: Path) -> None:
    disk = loop_disk("ext4", 200)
    world = World(tmp_path / "here", archives=disk.path / "archives")
    world.backup("w-20260901", State.CONFIRMED)
    month = world.archives / "2025/01"
    month.mkdir(parents=True)
    for day in range(1, 13):
        (month / f"w-202501{day:02d}.tar.gz").write_bytes(os.urandom(14 * MIB))
    _pressed(world, disk, 0.5)
    with held_open(month):
        record = world.cycle()
        assert done(record) == [("delete_archive", "w-20250101")]
        assert "nothing more is deleted for 14.0 MiB" in record.notes[0]
        assert done(world.cycle()) == []


@contextmanager
def _hidden(disk: LoopDisk, mib: int) -> Iterator[None]:
    """What another has deleted, and xfs or btrfs do not show as free yet."""
    other = disk.path / "other"
    other.write_bytes(os.urandom(mib * MIB))
    os.sync()
    yield
    before = os.statvfs(disk.path).f_bfree
    other.unlink()
    assert os.statvfs(disk.path).f_bfree < before + mib * 200, "visible at once: this test proves nothing"


def test_what_others_have_just_deleted_counts_before_anything_is_chosen(loop_disk: LoopDisks) -> None:
    disk = loop_disk("btrfs", 300)
    world = _world(disk)
    world.series(6, mib=14)
    with world.app(), _hidden(disk, 30):
        _pressed(world, disk, 1.0)
    with world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER) as reclaim:
        assert list(reclaim.clean(CleanupLevel.GENTLE, 5, Goal.TARGET, "a test")) == []


def test_what_others_have_just_deleted_keeps_the_trash(loop_disk: LoopDisks) -> None:
    """At critical what a person deleted goes first: not for a pressure that is over."""
    disk = loop_disk("btrfs", 300)
    world = _world(disk, reclaim={"grace": 3600.0})
    ids = world.series(6, mib=14)
    with world.app() as app, patch("tests.engine.acts.CHOSEN", ids[-1]):
        site_, act = app.sites["main"], ACTS[Action.DELETE]
        assert app.engine.one(site_, Act(), Trigger.USER, act, alone=True).actions[0].phase is Phase.TRASHED
    with _hidden(disk, 30):
        _pressed(world, disk, 1.0)
    assert done(world.cycle()) == []
    with world.app() as app:
        assert len(app.engine.trashed(app.sites["main"])) == 1


def test_the_ballast_takes_no_room_that_is_written_to_and_not_shown_yet(loop_disk: LoopDisks) -> None:
    """No backup goes for the sake of the ballast: btrfs hides what is written until it is on the disk."""
    disk = loop_disk("btrfs", 300)
    world = _world(disk)
    world.series(3, mib=14)
    os.sync()
    space = os.statvfs(disk.path)
    used, free = (space.f_blocks - space.f_bfree) * space.f_frsize, space.f_bavail * space.f_frsize
    mark = 100 * (used + 20 * MIB) / (used + free)
    world.set(watermarks={"warning": mark, "critical": mark + 0.01, "emergency": 99.5})
    (disk.path / "written").write_bytes(os.urandom(19 * MIB))
    assert world.cycle().level is Level.OK
    os.sync()
    assert world.cycle().level is Level.OK
    assert not (world.backups / ".ullage/ballast").exists()


def _settling(come: Any) -> Any:
    """A ``StoreGauge.settle`` that gives up before it knows, after ``come``."""

    def settle(self: StoreGauge, before: Reading, pending: int, *, archives: bool = False) -> bool:
        come(pending)
        return not pending and come is not _free_some

    return patch.object(StoreGauge, "settle", settle)


def _free_some(_: int) -> None:
    shutil.rmtree(_FREED.pop()) if _FREED else None


_FREED: list[Path] = []


def test_while_freed_space_still_comes_back_nothing_is_chosen(loop_disk: LoopDisks) -> None:
    """The wait was not long enough: the next cycle goes on."""
    disk = loop_disk("ext4", 200)
    world = _world(disk)
    ids = world.series(8, mib=14)
    _FREED.clear()
    for number in range(3):
        (disk.path / f"other{number}").mkdir()
        (disk.path / f"other{number}" / "content").write_bytes(os.urandom(4 * MIB))
        _FREED.append(disk.path / f"other{number}")
    _pressed(world, disk, 1.5)
    with _settling(_free_some):
        record = world.cycle()
    assert done(record) == []
    assert "still coming back (4.0 MiB so far)" in record.notes[0]
    for left in _FREED:
        shutil.rmtree(left)
    assert [backup_id for _, backup_id in done(world.cycle())] == ids[:1]


def test_what_may_still_come_of_one_is_no_reason_for_another(loop_disk: LoopDisks) -> None:
    """The wait was not long enough for a filesystem that hands back slowly."""
    disk = loop_disk("ext4", 200)
    world = _world(disk)
    ids = world.series(8, mib=14)
    _pressed(world, disk, 2.5)
    with held_open(world.backups), _settling(lambda _: None):
        assert [backup_id for _, backup_id in done(world.cycle())] == ids[:1]
        assert done(world.cycle()) == []


def test_a_part_that_may_still_come_counts_as_gained(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 200)
    world = _world(disk)
    ids = world.series(8, mib=8)
    with ExitStack() as files:
        for backup_id in ids:
            (world.backups / backup_id / "data" / "rest").write_bytes(os.urandom(6 * MIB))
            files.enter_context((world.backups / backup_id / "data" / "rest").open("rb"))
            os.utime(world.backups / backup_id / "data" / "rest", (1, 1))
        _pressed(world, disk, 0.9)
        with _settling(lambda _: None), patch.object(StoreGauge, "holding", lambda *_, **__: Holding()):
            assert [backup_id for _, backup_id in done(world.cycle())] == ids[:1]


def test_a_disk_that_takes_for_ever_to_write_out_is_measured_as_it_is(loop_disk: LoopDisks) -> None:
    """Bounded: the kernel's own flushing may hang."""
    disk = loop_disk("ext4", 200)
    world = _world(disk)
    ids = world.series(8, mib=14)
    _pressed(world, disk, 1.5)

    def never(*_: object, **__: object) -> bool:
        time.sleep(3.0)
        return True

    with patch.object(gauge, "settle", never), patch.object(site, "_WRITTEN", 0.1):
        began = time.monotonic()
        assert [backup_id for _, backup_id in done(world.cycle())] == ids[:2]
    assert time.monotonic() - began < 60
