"""Issue 4.2: what other links, reflinks and snapshots hold is named, and nothing is deleted for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.engine.world import MIB, World, done, fill
from ullage.engine.cycle import Act
from ullage.model.words import Level, State, Strategy

pytestmark = pytest.mark.root

EACH = 12
"""MiB that one backup takes."""


def _world(loop_disk: LoopDisks, fstype: str, strategy: Strategy) -> tuple[World, list[str], Path]:
    disk = loop_disk(fstype, 320)
    world = World(disk.path, state=disk.path.parent / "state", archives=disk.path.parent / "archives")
    world.set(reclaim={"strategy": strategy}, archive={"before_delete": False})
    return world, world.series(5, mib=EACH), disk.path


def _content(world: World, backup_id: str) -> Path:
    return world.backups / backup_id / "data" / "content"


@pytest.mark.parametrize("strategy", [Strategy.OLDEST_FIRST, Strategy.LEAST_HARM])
@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_backups_that_others_hold_too_do_not_go_for_nothing(
    loop_disk: LoopDisks, fstype: str, strategy: Strategy
) -> None:
    world, ids, root = _world(loop_disk, fstype, strategy)
    (root / "elsewhere").mkdir()
    for backup_id in ids[:4]:
        copy = ["ln"] if fstype == "ext4" else ["cp", "--reflink=always"]
        subprocess.run([*copy, _content(world, backup_id), root / "elsewhere" / backup_id], check=True)
    fill(root, 0.97)
    record = world.cycle()
    assert record.level is Level.EMERGENCY
    assert [backup_id for _, backup_id in done(record)] == [ids[4]]
    [short] = [note for note in record.notes if "short of" in note]
    assert f"{4 * EACH}.0 MiB are held by other links, reflinks or snapshots (4)" in short


def test_those_that_share_with_each_other_alone_go_together(loop_disk: LoopDisks) -> None:
    """Each alone would give nothing back: that is no reason to keep them all."""
    world, ids, root = _world(loop_disk, "ext4", Strategy.OLDEST_FIRST)
    for backup_id in ids[1:]:
        _content(world, backup_id).unlink()
        os.link(_content(world, ids[0]), _content(world, backup_id))
        os.utime(_content(world, backup_id), (1, 1))
    fill(root, 0.97)
    planned = [op.backup_id for op in world.cycle(Act(dry_run=True)).actions]
    assert planned == ids
    assert [backup_id for _, backup_id in done(world.cycle())] == ids


def test_what_a_snapshot_of_btrfs_holds_is_not_deleted_for(loop_disk: LoopDisks) -> None:
    world, ids, root = _world(loop_disk, "btrfs", Strategy.OLDEST_FIRST)
    os.sync()
    subprocess.run(["btrfs", "subvolume", "snapshot", "-r", root, root / "kept"], check=True, capture_output=True)
    newer = world.backup("db-20260901", age=39.5, mib=EACH).name
    fill(root, 0.97)
    assert [backup_id for _, backup_id in done(world.cycle())] == [newer]
    assert set(ids) <= set(world.live())


def test_nor_does_an_emergency_force_such_a_one_away_at_last(loop_disk: LoopDisks) -> None:
    world, ids, root = _world(loop_disk, "ext4", Strategy.OLDEST_FIRST)
    left = world.backup("db-20260701", State.CREATED, age=50, mib=EACH)
    (root / "elsewhere").hardlink_to(left / "data" / "content")
    fill(root, 0.99)
    (root / "more").write_bytes(b"x" * 2 * MIB)
    world.set(watermarks={"target_free": 60.0, "emergency": 70.0, "critical": 60.0, "warning": 50.0})
    assert [backup_id for _, backup_id in done(world.cycle())] == ids
    assert left.name in world.live()
