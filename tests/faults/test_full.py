"""faults.md, Full: whatever is full, a reclaim works and is recorded, or nothing goes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.e2e.command import Command, write_until_full
from tests.engine.world import World, fingerprint
from tests.faults.stage import QUICK, needs_strace, stopped
from tests.notify.servers import web_server
from ullage.catalog.catalog import Catalog
from ullage.model.words import Result, State

pytestmark = pytest.mark.root

FIRST, SECOND, NEWEST = "db-20260101", "db-20260102", "db-20260103"


def _filled(world: World, mib: float) -> World:
    for number, name in enumerate((FIRST, SECOND, NEWEST)):
        world.backup(name, State.CLEANABLE, age=60 - number, mib=mib)
    return world


def _registered(path: Path, world: World) -> Command:
    command = Command(path, QUICK, main=world)
    command.run("init")
    return command


def test_where_the_quota_is_used_up_a_reclaim_works(tmp_path: Path, loop_disk: LoopDisks) -> None:
    disk = loop_disk("btrfs", 200)
    store = disk.path / "store"
    for words in (f"quota enable {disk.path}", f"subvolume create {store}", f"qgroup limit 40M {store}"):
        subprocess.run(["btrfs", *words.split()], check=True, capture_output=True)
    world = _filled(World(store, state=tmp_path / "state", archives=tmp_path / "archives"), 8)
    command = _registered(tmp_path, world)
    write_until_full(store / "filler")
    with pytest.raises(OSError, match="quota"):
        (store / "more").write_bytes(os.urandom(1 << 20))
        os.sync()
        (store / "more").write_bytes(os.urandom(1 << 20))
    command.run("delete", FIRST, "--yes")
    command.run("archive", SECOND, "--yes")
    assert (world.live(), world.leftovers()) == ([NEWEST], [])
    assert [op.result for op in world.history()] == [Result.DONE, Result.DONE]


REFUSED = "inject=renameat2:error=ENOSPC:when="


@needs_strace
@pytest.mark.parametrize(
    "refused", [pytest.param("1", id="once", marks=pytest.mark.long), pytest.param("1+", id="always")]
)
def test_where_the_rename_into_the_trash_is_refused_the_ballast_goes_first_and_then_the_backup_in_its_place(
    tmp_path: Path, loop_disk: LoopDisks, refused: str
) -> None:
    """As xfs refuses it on a full disk, names of some length only; here by strace, so that it always does."""
    disk = loop_disk("xfs")
    world = _filled(World(disk.path, state=tmp_path / "state", archives=tmp_path / "archives"), 2)
    command = _registered(tmp_path, world)
    command.run("monitor")
    ballast = world.backups / ".ullage" / "ballast"
    assert ballast.exists()
    log = tmp_path / "calls"
    calls = ("strace", "-f", "-qq", "-o", str(log), "-e", "trace=renameat2", "-e", REFUSED + refused)
    command.run("delete", FIRST, "--yes", before=calls)
    assert not ballast.exists()
    assert (world.live(), world.leftovers()) == ([SECOND, NEWEST], [])
    assert world.history()[-1].result is Result.DONE
    assert len(log.read_text().splitlines()) == 2


def test_where_the_state_cannot_be_recorded_nothing_is_deleted(tmp_path: Path, loop_disk: LoopDisks) -> None:
    """The state's own filesystem is full, and somebody took the room that was kept in it; it is told at once."""
    disk = loop_disk("ext4", 16)
    world = _filled(World(tmp_path / "store", state=disk.path / "state"), 1)
    command = _registered(tmp_path, world)
    for reserve in (world.state / "reserve").iterdir():
        reserve.unlink()
    (world.state / "catalog.db-journal").unlink(missing_ok=True)
    disk.fill()
    before = world.live()
    for words in (("delete", FIRST, "--yes"), ("cleanup", "gentle", "2", "--yes"), ("emergency", "--yes")):
        ran = command.run(*words, code=None)
        assert ran.returncode in (0, 1), ran
    with web_server() as web:
        command.write(QUICK + f'[defaults.alerts]\nwebhook = "http://127.0.0.1:{web.port}/"\n')
        ran = command.run("monitor", code=1)
    assert "catalog" in ran.stderr
    assert any(b"no record of it" in request.body for request in web.requests)
    gone = sorted(set(before) - set(world.live()))
    (disk.path / "filler").unlink()
    assert gone == sorted(op.backup_id for op in world.history() if op.result is Result.DONE)
    assert world.leftovers() == []


@needs_strace
def test_an_archive_whose_disk_fills_up_is_removed_and_its_source_kept(tmp_path: Path, loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 64, ("-m", "0"))
    world = _filled(World(tmp_path / "store", archives=disk.path / "archives", state=tmp_path / "state"), 12)
    command = _registered(tmp_path, world)
    whole = fingerprint(world.backups / FIRST)
    command.write(QUICK + "[defaults.watermarks]\nwarning = 99.7\ncritical = 99.8\nemergency = 99.9\n")
    with stopped(command.words("archive", FIRST, "--yes"), "flock", 2) as held:
        filler = disk.fill()
        os.truncate(filler, filler.stat().st_size - (4 << 20))
        held.go()
    assert held.code == 1, (held.out, held.err)
    assert "room" in held.out + held.err
    assert fingerprint(world.backups / FIRST) == whole
    assert (world.archived(), world.leftovers()) == ([], [])
    with Catalog.open(str(world.state)) as catalog:
        assert catalog.unsettled("main") == []
