"""faults.md, Mounts: what is not the registered store, or goes away in the middle, is left alone and told of."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.e2e.command import Command, wait_for
from tests.engine.world import World, fingerprint
from tests.faults.stage import PRESSED, QUICK, TOLD, Failing, alerts, daemon, needs_strace, stopped
from tests.loops import LoopDisk
from ullage.catalog.catalog import Catalog
from ullage.model.words import Level, Result, State

pytestmark = pytest.mark.root

ALL = ("db-20260101", "db-20260102", "db-20260103", "db-20260104", "db-20260105")
FIRST, SECOND, THIRD, _, NEWEST = ALL
_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN."""


def _filled(world: World) -> World:
    for number, name in enumerate(ALL):
        top = world.backup(name, State.CLEANABLE, age=60 - number, mib=0.2)
        for small in range(40):
            (top / "data" / str(small)).write_bytes(b"x")
        os.utime(top / "data", (1, 1))
    return world


@pytest.fixture
def disk(loop_disk: LoopDisks) -> LoopDisk:
    """A disk that turns read-only by itself when it finds itself damaged."""
    return loop_disk("ext4", 64, ("-e", "remount-ro"))


@pytest.fixture
def world(disk: LoopDisk, tmp_path: Path) -> World:
    """A store alone on its disk."""
    return _filled(World(disk.path, state=tmp_path / "state", archives=tmp_path / "archives"))


@pytest.fixture
def command(tmp_path: Path, world: World) -> Command:
    """Any use is too much; whoever is told is not there."""
    command = Command(tmp_path, TOLD + QUICK + PRESSED, main=world)
    command.run("init")
    return command


def _unmount_lazily(disk: LoopDisk) -> None:
    subprocess.run(["umount", "-l", str(disk.path)], check=True)


def _shut_down(disk: LoopDisk) -> None:
    fd = os.open(disk.path, os.O_RDONLY)
    with suppress(OSError):
        fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", 2))
    os.close(fd)


def _turn_read_only(disk: LoopDisk) -> None:
    """As the kernel does where it finds the filesystem damaged."""
    source = subprocess.run(
        ["findmnt", "-no", "SOURCE", str(disk.path)], capture_output=True, text=True, check=True
    ).stdout.strip()
    Path(f"/sys/fs/ext4/{Path(source).name}/trigger_fs_error").write_text("a test\n")


@needs_strace
@pytest.mark.parametrize("strike", [_unmount_lazily, _shut_down, pytest.param(_turn_read_only, marks=pytest.mark.long)])
def test_a_filesystem_that_goes_in_mid_removal_stops_it_and_the_next_start_finishes(
    command: Command, world: World, disk: LoopDisk, strike: Callable[[LoopDisk], None]
) -> None:
    with stopped(command.words("monitor"), "unlinkat", 15) as held:
        strike(disk)
        held.go()
    if strike is not _unmount_lazily:  # then the removal is on the right disk still, and may end
        assert (held.code, FIRST in held.out + held.err) == (1, True), (held.out, held.err)
        assert not [op for op in world.history() if op.result is Result.DONE]
        assert len({op.backup_id for op in world.history()}) <= 2
        assert "stopped after 2 failures of the disk" in alerts(world)[-1]
    command.run("monitor", code=1)
    _mount_again(disk)
    command.run("monitor")
    assert FIRST not in world.live()
    assert (FIRST, Result.DONE) in [(op.backup_id, op.result) for op in world.history()]
    assert world.leftovers() == []
    assert NEWEST in world.live()


def _mount_again(disk: LoopDisk) -> None:
    """As after a reboot: by a copy, for the old mount may live on in a namespace of somebody else."""
    disk.unmount()
    copy = disk.image.with_suffix(".copy")
    shutil.copy(disk.image, copy)
    copy.replace(disk.image)
    subprocess.run(["e2fsck", "-fy", str(disk.image)], check=False, capture_output=True)
    disk.mount()


@needs_strace
@pytest.mark.parametrize("strike", [pytest.param(_shut_down, marks=pytest.mark.long), _turn_read_only])
def test_under_the_daemon_it_is_told_once_and_not_tried_without_pause(
    command: Command, world: World, disk: LoopDisk, strike: Callable[[LoopDisk], None]
) -> None:
    with daemon(command) as one:
        wait_for(lambda: world.history() != [], 20)
        strike(disk)
        time.sleep(2.0)
        rows, told = len(world.history()), alerts(world)
        time.sleep(1.0)
        assert one.poll() is None
        assert len(world.history()) <= rows + 1
        assert len(told) <= 3, told
    _mount_again(disk)
    command.run("monitor")
    assert NEWEST in world.live()
    assert world.leftovers() == []


def test_a_root_that_is_unmounted_under_the_daemon_is_unavailable_told_and_back_by_itself(
    command: Command, world: World, disk: LoopDisk
) -> None:
    command.write(TOLD + QUICK)
    with daemon(command):
        wait_for(lambda: Level.OK in world.levels(), 10)
        disk.unmount()
        wait_for(lambda: Level.UNAVAILABLE in world.levels(), 10)
        wait_for(lambda: any("unavailable" in text for text in alerts(world)), 10)
        disk.mount()
        wait_for(lambda: world.levels()[-1] is Level.OK, 10)
    assert world.live() == list(ALL)


def test_another_disk_at_the_same_path_is_unavailable(command: Command, world: World, disk: LoopDisk) -> None:
    other = disk.image.with_name("other.img")
    disk.unmount()
    shutil.copy(disk.image, other)
    subprocess.run(["e2fsck", "-fy", str(other)], check=False, capture_output=True)
    subprocess.run(["tune2fs", "-U", "random", str(other)], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", str(other), str(disk.path)], check=True)
    ran = command.run("monitor", code=1)
    assert "a copy?" in ran.stdout + ran.stderr, ran
    command.run("emergency", "--yes", code=1)
    assert "unavailable" in alerts(world)[-1]
    assert world.live() == list(ALL)


def test_an_identity_in_two_places_is_refused(command: Command, world: World, tmp_path: Path) -> None:
    shutil.copytree(world.backups, tmp_path / "copy" / "backups", symlinks=True)
    copy = World(tmp_path / "copy", state=world.state)
    two = Command(tmp_path, TOLD + QUICK + PRESSED, main=world, copy=copy)
    refused = two.run("init", code=1).stderr
    assert "registered already, as the backup root of store main" in refused or "a copy?" in refused
    two.run("emergency", "--yes", "--store", "copy", code=1)
    assert copy.live() == list(ALL)


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Failing]:
    """A filesystem that fails on demand."""
    failing = Failing(tmp_path / "fuse")
    yield failing
    failing.close()


def _beside(tmp_path: Path, failing: Failing) -> tuple[Command, World, World]:
    """A store on the filesystem that fails, and one on an honest one, that is under no pressure."""
    bad = _filled(World(failing.path, state=tmp_path / "state", archives=tmp_path / "archives"))
    good = World(tmp_path / "good", state=tmp_path / "state")
    command = Command(tmp_path, TOLD + QUICK, bad=bad, good=good)
    command.run("init")
    return command, bad, good


@pytest.mark.parametrize("word", ["dead", "hang", pytest.param("eio", marks=pytest.mark.long)])
def test_a_filesystem_that_stops_answering_is_unavailable_and_the_others_are_served_on_time(
    tmp_path: Path, failing: Failing, word: str
) -> None:
    command, bad, good = _beside(tmp_path, failing)
    with daemon(command):
        wait_for(lambda: Level.OK in bad.levels("bad"), 30)
        failing.die() if word == "dead" else failing.be(word)
        wait_for(lambda: Level.UNAVAILABLE in bad.levels("bad"), 40)
        looks = len(good.levels("good"))
        wait_for(lambda: len(good.levels("good")) > looks + 4, 20)
        if word != "hang":  # no process ends while the kernel waits for the answer to its question
            status = command.json("status", code=None)
            assert [store["level"] for store in status["stores"]] == ["unavailable", "ok"]
        failing.be("well")
    told = [text for text in alerts(bad) if "unavailable" in text]
    assert len(told) == 1


def test_a_filesystem_that_fails_in_mid_removal_is_told_by_name_and_recovered(tmp_path: Path, failing: Failing) -> None:
    world = _filled(World(failing.path, state=tmp_path / "state", archives=tmp_path / "archives"))
    command = Command(tmp_path, TOLD + QUICK + PRESSED, main=world)
    command.run("init")
    whole = fingerprint(world.backups / THIRD)
    failing.be("removal")
    ran = command.run("monitor", code=1)
    assert "Input/output error" in ran.stdout + ran.stderr
    assert "stopped after 2 failures of the disk" in alerts(world)[-1]
    assert not [op for op in world.history() if op.result is Result.DONE]
    assert fingerprint(world.backups / THIRD) == whole
    failing.be("well")
    command.run("monitor")
    with Catalog.open(str(world.state)) as catalog:
        assert catalog.unsettled("main") == []
    assert FIRST not in world.live()
    assert (world.live()[-1], world.leftovers()) == (NEWEST, [])
