"""What presses a store beside bytes, on the real thing: inodes, what is free, a quota, the metadata of btrfs."""

from __future__ import annotations

import os
from contextlib import suppress
from math import ceil, floor
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.engine.world import MIB, World, done
from tests.loops import LoopDisk, run
from tests.system.test_btrfs_room import heavy, opened
from ullage.engine.cycle import Act
from ullage.model.settings import Free
from ullage.model.words import Level, Result, State, Strategy
from ullage.system.btrfs_room import metadata
from ullage.system.linux import syncfs

pytestmark = pytest.mark.root


def on(path: Path, outside: Path | None = None) -> World:
    """A store there, its archives and state elsewhere; nothing is archived first."""
    outside = outside or path.parent
    world = World(path, archives=outside / "archives", state=outside / "state")
    world.set(archive={"before_delete": False})
    return world


def inodes(disk: LoopDisk) -> tuple[int, int]:
    """(used, total)."""
    stat = os.statvfs(disk.path)
    return stat.f_files - stat.f_ffree, stat.f_files


def many(world: World, backup_id: str, files: int, mib: float = 0.01) -> None:
    """An old CLEANABLE backup of so many inodes."""
    top = world.backup(backup_id, mib=mib)
    for number in range(files - 6):  # itself, data, content, .state, .created_at, .confirmed_at
        (top / "data" / f"f{number}").touch()
    for entry in (*top.rglob("*"), top):
        os.utime(entry, (top.stat().st_mtime - 40 * 86400,) * 2)


def full_of_files(disk: LoopDisk, per: int = 60) -> tuple[World, list[str]]:
    """A store that takes 96 % of the inodes and 1 % of the bytes of its disk."""
    world, ids = on(disk.path), list[str]()
    world.backup("db-20991231", State.CONFIRMED, age=39, mib=0.01)
    with world.app():
        pass
    while inodes(disk)[0] + per < 0.96 * inodes(disk)[1]:
        ids.append(f"db-2026{1 + len(ids) // 28:02d}{1 + len(ids) % 28:02d}")
        many(world, ids[-1], per)
    used, total = inodes(disk)
    for number in range(ceil(0.96 * total) - used):
        (disk.path / f"other{number}").touch()
    return world, ids


def test_an_emergency_of_inodes_takes_just_as_many_as_they_need(loop_disk: LoopDisks) -> None:
    """SPEC 4, 7.6: at 96 % of the inodes and hardly any bytes, down to the target and no further."""
    disk = loop_disk("ext4", 200, ["-N", "1600", "-I", "256"])
    world, ids = full_of_files(disk)
    used, total = inodes(disk)
    stat = os.statvfs(disk.path)
    assert (stat.f_blocks - stat.f_bfree) / stat.f_blocks < 0.02
    needed = ceil((used - floor(0.8 * total)) / 60)
    record = world.cycle()
    assert record.level is Level.EMERGENCY
    assert done(record) == [("delete", one) for one in sorted(ids)[:needed]]
    assert inodes(disk)[0] <= 0.8 * total < inodes(disk)[0] + 60
    counted = {(op.predicted_inodes, op.reclaimed_inodes) for op in world.history() if op.result is Result.DONE}
    assert counted == {(60, 59)}, "its own directory goes when its lock is let go"
    assert all(item.reason.startswith("emergency level cleanup: inodes 96.") for item in record.actions)


def test_a_plan_for_inodes_is_what_is_done(loop_disk: LoopDisks) -> None:
    world, _ = full_of_files(loop_disk("ext4", 200, ["-N", "1600", "-I", "256"]))
    planned = [(str(op.action), op.backup_id) for op in world.cycle(Act(dry_run=True)).actions]
    assert planned == done(world.cycle()) != []


def test_the_largest_are_those_with_the_most_inodes_where_those_are_missing(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 200, ["-N", "1600", "-I", "256"])
    world, ids = full_of_files(disk)
    world.set(reclaim={"strategy": Strategy.LARGEST_FIRST})
    many(world, "db-20260999", 30, mib=20)
    first = world.cycle().actions[0]
    assert (first.backup_id in ids, first.predicted_inodes) == (True, 60)


def test_what_must_be_free_is_made_free_and_no_more(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 200)
    world = on(disk.path)
    ids = world.series(8, mib=10)
    free = os.statvfs(disk.path).f_bavail * os.statvfs(disk.path).f_frsize
    world.set(watermarks={"emergency": 100, "free": Free(emergency=free + MIB, target_free=free + 15 * MIB)})
    record = world.cycle()
    assert (record.level, record.usage_before and record.usage_before < 60) == (Level.EMERGENCY, True)
    assert [backup_id for _, backup_id in done(record)] == ids[:2]


def test_a_store_is_pressed_by_the_quota_of_its_subvolume(loop_disk: LoopDisks) -> None:
    """EDQUOT comes with most of the disk free: what statvfs says would be ok."""
    disk = loop_disk("btrfs", 400)
    run("btrfs", "quota", "enable", str(disk.path))
    run("btrfs", "subvolume", "create", str(disk.path / "store"))
    run("btrfs", "qgroup", "limit", "60M", str(disk.path / "store"))
    world = on(disk.path / "store", disk.path.parent)
    ids = world.series(7, mib=8.2)
    with opened(disk.path) as fd:
        syncfs(fd)
    with pytest.raises(OSError, match="quota"):
        (disk.path / "store/more").write_bytes(os.urandom(8 * MIB))
    (disk.path / "store/more").unlink()
    record = world.cycle()
    assert record.level is Level.EMERGENCY
    assert [backup_id for _, backup_id in done(record)] == ids[:2]
    assert record.actions[0].reason.startswith("emergency level cleanup: quota 9")


def allocate(disk: LoopDisk) -> None:
    """All of the disk is given to data, a quarter of which is used."""
    files: list[Path] = []
    with suppress(AssertionError):
        while True:
            files.append(disk.path / f"data{len(files)}")
            run("fallocate", "-l", "3M", str(files[-1]))
    for number, file in enumerate(files):
        if number % 4:
            file.unlink()


def test_metadata_that_is_exhausted_is_an_emergency_and_just_enough_goes(loop_disk: LoopDisks) -> None:
    """SPEC 7.6, 7.7: nothing can be created there, df says that there is room, and no more goes than ends it."""
    disk = loop_disk("btrfs", 256)
    allocate(disk)
    with opened(disk.path) as fd:
        syncfs(fd)
        world = on(disk.path)
        world.backup("db-20991231", State.CONFIRMED, age=39, mib=0.01)
        with world.app():
            pass
        ids = []
        for number in range(100):
            ids.append(f"db-202601{number + 1:02d}")
            try:
                top = world.backup(ids[-1], mib=0.001)
                heavy(top / "heavy")
                for entry in (*top.rglob("*"), top):
                    os.utime(entry, (1, 1))
            except OSError:
                break
        syncfs(fd)
        before = metadata(fd)
        assert before is not None and before.usage_percent > 95
        record = world.cycle()
        after = metadata(fd)
        assert after is not None
    assert record.level is Level.EMERGENCY
    gone = done(record)
    assert gone == [("delete", backup_id) for backup_id in ids[: len(gone)]]
    assert 1 <= len(gone) <= 3
    assert record.actions[0].reason.startswith("emergency level cleanup: btrfs metadata 9")
    assert after.usage_percent < 95
    assert (after.used_bytes + 2.2 * MIB) / (after.used_bytes + after.available_bytes) > 0.95, "one fewer is too few"
