"""faults.md, Data: a catalog or an archive that is not what it was leads to no deletion, and is found."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.engine.world import World, fingerprint
from tests.faults.stage import PRESSED, QUICK, TOLD, alerts, needs_strace, stopped
from ullage.model.words import Result, State

FIRST, SECOND, NEWEST = "db-20260101", "db-20260102", "db-20260103"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two that may go, and the floor."""
    world = World(tmp_path)
    for number, name in enumerate((FIRST, SECOND, NEWEST)):
        world.backup(name, State.CLEANABLE, age=60 - number, mib=0.1)
    return world


@pytest.fixture
def command(tmp_path: Path, world: World) -> Command:
    """Registered."""
    command = Command(tmp_path, TOLD + QUICK, main=world)
    command.run("init")
    return command


def _missing(catalog: Path) -> None:
    catalog.unlink()


def _corrupt(catalog: Path) -> None:
    catalog.write_bytes(os.urandom(catalog.stat().st_size))


@pytest.mark.parametrize("damage", [_missing, pytest.param(_corrupt, marks=pytest.mark.long)])
def test_without_its_catalog_nothing_is_deleted_until_it_is_rebuilt_from_the_disk(
    command: Command, world: World, damage: Callable[[Path], None]
) -> None:
    command.run("archive", FIRST, "--yes")
    command.run("pin", SECOND)
    before = fingerprint(world.backups / SECOND), fingerprint(world.backups / NEWEST)
    damage(world.state / "catalog.db")
    command.write(TOLD + QUICK + PRESSED)
    for words in (("monitor",), ("cleanup", "nuclear", "--yes"), ("emergency", "--yes"), ("delete", SECOND, "--yes")):
        refused = command.run(*words, code=1)
        assert "ullage init" in refused.stdout + refused.stderr, words
    assert (fingerprint(world.backups / SECOND), fingerprint(world.backups / NEWEST)) == before
    command.run("init")
    listed = {one["backup_id"]: one["state"] for one in command.json("list")["stores"][0]["backups"]}
    assert listed == {FIRST: "ARCHIVED", SECOND: "CLEANABLE", NEWEST: "CLEANABLE"}
    command.run("cleanup", "nuclear", "--yes", code=None)
    assert world.live() == [SECOND, NEWEST]  # the pin is in the store


def _flip(path: Path) -> None:
    """One bit, in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))
        os.fsync(file.fileno())


@needs_strace
def test_a_flipped_bit_is_found_before_the_source_goes(command: Command, world: World) -> None:
    whole = fingerprint(world.backups / FIRST)
    with stopped(command.words("archive", FIRST, "--yes"), "fadvise64") as held:
        (part,) = (world.archives / ".ullage" / "parts").iterdir()
        _flip(part)
        held.go()
    assert held.code == 1, (held.out, held.err)
    assert fingerprint(world.backups / FIRST) == whole
    assert (world.archived(), world.leftovers()) == ([], [])
    assert world.history()[-1].result is Result.FAILED


def test_a_flipped_bit_is_found_by_doctor_later(command: Command, world: World) -> None:
    command.run("archive", FIRST, "--yes")
    (archive,) = world.archives.glob("[0-9]*/*/*")
    _flip(archive)
    said = command.run("doctor", code=1).stdout
    assert archive.name in next(line for line in said.splitlines() if line.startswith("fault"))
    command.run("restore", FIRST, code=1)
    assert world.live() == [SECOND, NEWEST]


@needs_strace
def test_a_source_that_changes_while_it_is_archived_is_kept_and_archived_later(command: Command, world: World) -> None:
    with stopped(command.words("archive", FIRST, "--yes"), "fadvise64") as held:
        (world.backups / FIRST / "data" / "more").write_text("x")
        held.go()
    assert (held.code is not None, world.archived()) == (True, [])
    assert (world.backups / FIRST / "data" / "more").exists()
    assert "changed" in world.history()[-1].reason
    command.run("archive", FIRST, "--yes")
    assert world.archived() == [f"{FIRST}.tar.zst"]


def test_where_every_recent_backup_failed_the_floor_holds_and_it_is_told(command: Command, world: World) -> None:
    """None of the newer ones was ever confirmed: the newest good one stays, however old, whatever the pressure."""
    for name in (FIRST, SECOND, NEWEST):
        shutil.rmtree(world.backups / name)
    world.backup("db-20250101", State.CONFIRMED, age=400, mib=0.1)
    for day in range(1, 8):
        world.backup(f"db-2026020{day}", State.CREATED, age=10 - day, mib=0.01)
    command.write(TOLD + QUICK + "[defaults.watermarks]\nwarning = 0.001\ncritical = 0.002\nemergency = 0.003\n")
    for words in (("monitor",), ("cleanup", "nuclear", "100", "--yes"), ("delete", "db-20250101", "--yes")):
        command.run(*words, code=None)
    assert "db-20250101" in world.live()
    assert any("emergency" in text for text in alerts(world))
