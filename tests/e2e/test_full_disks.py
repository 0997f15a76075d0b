"""SPEC 7.7: at 100 %, bytes or inodes, every reclaim and every record of it still succeeds, the state on that disk."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.e2e.command import Command
from tests.engine.world import World
from tests.loops import LoopDisk
from ullage.model.words import Result, State

pytestmark = pytest.mark.root

SIZES = {"ext4": 200, "xfs": 320, "btrfs": 260}
FULL = [("ext4", "bytes"), ("ext4", "inodes"), ("xfs", "bytes"), ("xfs", "inodes"), ("btrfs", "bytes")]
FULL += [("btrfs", "metadata")]


def _full(loop_disk: LoopDisks, fstype: str, what: str, *, text: str = "") -> tuple[Command, World, LoopDisk]:
    """A store and its state on one disk, registered while there was room, then filled to the last by root."""
    options = {"ext4": ("-N", "2048"), "xfs": ("-i", "maxpct=1") if what == "inodes" else ()}
    disk = loop_disk(fstype, SIZES[fstype], options.get(fstype, ()))
    world = World(disk.path)
    command = Command(disk.path.parent, text, main=world)
    for number in range(12):
        top = world.backup(f"db-202601{number + 10}", State.CLEANABLE, age=60 - number, mib=SIZES[fstype] / 30)
        for small in range(60):
            (top / "data" / f"small-{small}").write_bytes(b"s" * 1500)
            os.utime(top / "data" / f"small-{small}", (1, 1))
    world.backup("db-20991231", State.CONFIRMED, mib=0.1)
    world.backup("db-20260201", State.PENDING, age=45, mib=0.1)
    command.run("init")
    FILLERS[what](disk)
    os.sync()
    return command, world, disk


def _bytes(disk: LoopDisk) -> None:
    disk.fill()


def _small_files(disk: LoopDisk, content: bytes) -> None:
    crowd = disk.path / f"crowd{len(content)}"
    try:
        crowd.mkdir()
        for number in itertools.count():
            (crowd / str(number)).write_bytes(content)
    except OSError:
        return


def _inodes(disk: LoopDisk) -> None:
    _small_files(disk, b"")


def _metadata(disk: LoopDisk) -> None:
    disk.fill()
    for size in (2000, 200, 0):
        _small_files(disk, b"x" * size)


FILLERS: dict[str, Callable[[LoopDisk], None]] = {"bytes": _bytes, "inodes": _inodes, "metadata": _metadata}


def _assert_recorded(world: World, before: list[str]) -> None:
    """Every backup that went has one row that says DONE, and nothing is left half-way."""
    gone = sorted(set(before) - set(world.live()))
    told = sorted(op.backup_id for op in world.history() if op.result is Result.DONE and op.to_state != State.CLEANABLE)
    assert gone == told
    assert world.leftovers() == []
    with world.app() as app:
        assert app.catalog.unsettled("main") == []


@pytest.mark.parametrize(("fstype", "what"), FULL)
def test_an_emergency_reclaims_a_full_disk_to_the_target(loop_disk: LoopDisks, fstype: str, what: str) -> None:
    command, world, disk = _full(loop_disk, fstype, what)
    before = world.live()
    (store,) = command.json("emergency", "--yes", code=None)["stores"]
    _assert_recorded(world, before)
    assert store["level"] == "emergency" or what != "bytes"
    assert len(world.live()) < len(before)
    print(disk.fstype, what, store["usage_before"], store["usage_after"], [a["reason"] for a in store["actions"]])
