"""SPEC 4: the archives' own disk, and what of it is one pressure with the backups'."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.engine.world import MIB, World, done
from tests.loops import LoopDisk
from ullage.engine.cycle import Act
from ullage.model.backups import Operation
from ullage.model.words import Action, Result, State, Trigger


def _archive(world: World, backup_id: str, age: float, mib: float) -> None:
    """An archive of the seed's making: only its name, place and age count here."""
    place = world.archives / "2026" / "01"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{backup_id}.tar.gz"
    path.write_bytes(os.urandom(int(mib * MIB)))
    made = time.time() - age * 86400
    os.utime(path, (made, made))


def _share(disk: LoopDisk, mib: float) -> float:
    """So many MiB in percent of the disk."""
    space = os.statvfs(disk.path)
    return 100 * mib * MIB / ((space.f_bavail + space.f_blocks - space.f_bfree) * space.f_frsize)


def _fill_to(disk: LoopDisk, percent: float) -> None:
    """A file by which so many percent of the disk are used."""
    os.sync()
    space = os.statvfs(disk.path)
    used = space.f_blocks - space.f_bfree
    wanted = int((percent / 100 * (used + space.f_bavail) - used) * space.f_frsize)
    with (disk.path / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, wanted)
    os.sync()


@pytest.mark.root
@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_the_oldest_archives_go_until_their_disk_is_under_critical(
    loop_disk: LoopDisks, ground: Path, fstype: str
) -> None:
    size = {"ext4": 64, "xfs": 320, "btrfs": 128}[fstype]
    disk = loop_disk(fstype, size)
    world = World(ground, archives=disk.path / "archives")
    world.backup("db-20991231", State.CONFIRMED, mib=0.1)
    for number in range(1, 8):
        _archive(world, f"db-2026010{number}", age=90 - number, mib=size / 25)
    with world.app():
        pass
    _fill_to(disk, 85 + 1.5 * _share(disk, size / 25))
    record = world.cycle()
    gone = [f"db-2026010{number}" for number in range(1, 3)]
    assert done(record) == [("delete_archive", one) for one in gone]
    assert len(world.archived()) == 5
    with world.app() as app:
        reading = app.sites["main"].read()
        hours = app.catalog.points("main", 0, time.time() + 86400)
    assert reading.archive is not None
    assert reading.archive.usage_percent < 85
    given_back = {what: sum(one.freed for one in found) for what, found in hours.items()}
    assert given_back.pop("archives' bytes") == sum(op.reclaimed_bytes for op in record.actions) > 0
    assert "bytes" in given_back
    assert not any(size for what, size in given_back.items() if "archives'" not in what)


@pytest.mark.root
def test_at_most_ten_archives_go_and_neither_pinned_ones_nor_the_floor(loop_disk: LoopDisks, ground: Path) -> None:
    from ullage.model.backups import Pin

    disk = loop_disk("ext4", 64)
    world = World(ground, archives=disk.path / "archives")
    for number in range(10, 29):
        _archive(world, f"db-202601{number}", age=90 - number, mib=0.1)
    _archive(world, "alone-20260101", age=99, mib=0.1)
    with world.app() as app, app.sites["main"].open() as opened:
        opened.source.pin(Pin(backup_id="db-20260110", at=time.time()))
    disk.fill()
    assert [i for _, i in done(world.cycle())] == [f"db-202601{number}" for number in range(11, 21)]


@pytest.mark.root
def test_on_one_filesystem_archives_go_only_when_nothing_else_helps(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 64)
    world = World(disk.path, state=disk.path.parent / "state")
    ids = world.series(2, State.CLEANABLE, mib=0.5)
    for number in range(1, 4):
        _archive(world, f"db-2025010{number}", age=200 - number, mib=2)
    with world.app():
        pass
    _fill_to(disk, 85 + _share(disk, 4))
    record = world.cycle()
    gone = [("delete_archive", "db-20250101"), ("delete_archive", "db-20250102")]
    assert done(record) == [("delete", i) for i in ids] + gone


def test_a_capacity_is_not_relieved_by_archives_and_takes_none(ground: Path) -> None:
    world = World(ground)
    world.backup("db-20260101", State.CONFIRMED, age=0.1)
    _archive(world, "db-20250101", age=200, mib=1)
    world.press(94)
    assert done(world.cycle()) == []
    assert len(world.archived()) == 1


def test_an_archive_says_what_it_really_gained(ground: Path) -> None:
    world = World(ground)
    world.backup("db-20260101", State.CLEANABLE, age=60, mib=1)
    world.backup("db-20260102", State.CLEANABLE, age=59, mib=1, compressible=True)
    world.backup("db-20260103", State.CONFIRMED, age=0.1, mib=0.1)
    world.set(watermarks={"target_free": 90.0})
    world.press(96)
    with world.app() as app:
        record = app.engine.cycle(app.sites["main"], Act())
        sizes = [app.catalog.archive_digest("main", op.path) for op in record.actions]
    random, plain = record.actions
    assert random.reclaimed_bytes < 0.1 * MIB
    assert 0.9 * MIB < plain.reclaimed_bytes <= MIB + 64 * 1024
    assert all(sizes)


def test_an_archive_stays_while_what_made_it_is_not_settled(ground: Path) -> None:
    world = World(ground)
    world.backup("db-20991231", State.CONFIRMED, mib=0.1)
    _archive(world, "db-20260101", age=90, mib=0.1)
    with world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER) as reclaim:
        found = reclaim.find_archive("db-20260101")
        assert found is not None
        made = Operation(
            at=time.time(),
            store="main",
            backup_id="db-20260101",
            action=Action.ARCHIVE,
            from_state=State.CONFIRMED,
            to_state=State.ARCHIVED,
            trigger=Trigger.DISK_SPACE,
            reason="under way",
            path=found.path,
        )
        app.catalog.begin(made)
        assert reclaim.one_archive(found, "asked for").result is Result.SKIPPED
    assert world.archived() == ["db-20260101.tar.gz"]
