"""SPEC 7.7: at 100 %, bytes or inodes, every reclaim and every record of it still succeeds, the state on that disk."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

import pytest

from tests.conftest import LoopDisks
from tests.e2e.command import Command, as_nobody_on, wait_for
from tests.engine.world import World
from tests.loops import LoopDisk
from ullage.model.words import Level, Result, State

pytestmark = pytest.mark.root

SIZES = {"ext4": 200, "xfs": 320, "btrfs": 260}


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def fstype(request: pytest.FixtureRequest) -> str:
    """Each of the three."""
    return str(request.param)


FULL = [("ext4", "bytes"), ("ext4", "inodes"), ("xfs", "bytes"), ("xfs", "inodes"), ("btrfs", "bytes")]
FULL += [("btrfs", "metadata")]


def _full(loop_disk: LoopDisks, fstype: str, what: str) -> tuple[Command, World, LoopDisk]:
    """A store and its state on one disk, registered while there was room, then filled to the last by root."""
    options = {"ext4": ("-N", "2048"), "xfs": ("-i", "maxpct=1") if what == "inodes" else ()}
    disk = loop_disk(fstype, SIZES[fstype], options.get(fstype, ()))
    world = World(disk.path)
    command = Command(disk.path.parent, main=world)
    for number in range(12):
        top = world.backup(f"db-202601{number + 10}", State.CLEANABLE, age=60 - number, mib=SIZES[fstype] / 30)
        for small in range(60):
            (top / "data" / f"small-{small}").write_bytes(b"s" * 1500)
            os.utime(top / "data" / f"small-{small}", (1, 1))
    world.backup("db-20991231", State.CONFIRMED, mib=0.1)
    world.backup("db-20260201", State.PENDING, age=45, mib=0.1)
    os.sync()  # xfs counts what is not on the disk yet too high, and then makes no ballast before the next cycle
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


FILLERS: dict[str, Callable[[LoopDisk], None]] = {
    "bytes": _bytes,
    "inodes": _inodes,
    "metadata": _metadata,
    "nothing": lambda _: None,
}


def _assert_recorded(world: World, before: list[str]) -> None:
    """Every backup that went has one row that says DONE, and nothing is left half-way."""
    gone = sorted(set(before) - set(world.live()))
    told = sorted(op.backup_id for op in world.history() if op.result is Result.DONE and op.to_state != State.CLEANABLE)
    assert gone == told
    assert world.leftovers() == []
    with world.app() as app:
        assert app.catalog.unsettled("main") == []


def _usage(disk: LoopDisk) -> float:
    """As df means it, measured here."""
    space = os.statvfs(disk.path)
    used = space.f_blocks - space.f_bfree
    return 100.0 * used / (used + space.f_bavail)


@pytest.mark.parametrize(("fstype", "what"), FULL)
def test_an_emergency_reclaims_a_full_disk_to_the_target(loop_disk: LoopDisks, fstype: str, what: str) -> None:
    command, world, disk = _full(loop_disk, fstype, what)
    before = world.live()
    (store,) = command.json("emergency", "--yes")["stores"]
    assert (store["level"], store["usage_before"] > 99.9) == ("emergency", True)
    if (fstype, what) != ("xfs", "inodes"):  # there the inodes are the crowd's: all that may go has gone
        assert store["usage_after"] <= 80
    if what == "bytes":
        assert _usage(disk) == pytest.approx(store["usage_after"], abs=1.0)
    assert set(world.live()) >= {"db-20991231"}
    _assert_recorded(world, before)


def test_a_disk_that_an_ordinary_user_filled_is_reclaimed_by_the_daemon(loop_disk: LoopDisks, fstype: str) -> None:
    command, world, disk = _full(loop_disk, fstype, "nothing")
    as_nobody_on(disk)
    assert _usage(disk) > 99.9
    before = world.live()
    daemon = command.daemon()
    try:
        wait_for(lambda: _usage(disk) <= 80 and not world.leftovers(), 30)
    finally:
        daemon.terminate()
        said = daemon.communicate(timeout=30)[1]
    assert "Traceback" not in said
    _assert_recorded(world, before)
    assert world.levels()[0] is Level.EMERGENCY


@pytest.mark.parametrize(("fstype", "what"), FULL)
def test_the_daemon_is_started_on_a_full_disk(loop_disk: LoopDisks, fstype: str, what: str) -> None:
    command, world, _disk = _full(loop_disk, fstype, what)
    before = world.live()
    assert "the daemon is running" in command.run("start").stderr
    try:
        assert command.json("status")["daemon"]["running"]
        wait_for(lambda: len(world.live()) < len(before), 20)
    finally:
        command.run("stop")


def test_on_a_full_disk_a_backup_is_moved_along(loop_disk: LoopDisks, fstype: str) -> None:
    command, world, _disk = _full(loop_disk, fstype, "bytes")
    command.run("transition", "db-20260201", "CLEANABLE", "--force")
    assert world.state_of("db-20260201") == "CLEANABLE"
    assert world.history()[-1].to_state is State.CLEANABLE
    assert world.history()[-1].result is Result.DONE


def test_on_a_full_disk_a_backup_is_pinned_and_stays(loop_disk: LoopDisks, fstype: str) -> None:
    command, world, _disk = _full(loop_disk, fstype, "bytes")
    command.run("pin", "db-20260110")
    command.run("emergency", "--yes")
    assert "db-20260110" in world.live()
    assert "db-20260111" not in world.live()
