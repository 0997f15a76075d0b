"""A backup of any depth and width in constant memory and descriptors: the whole command, measured (SPEC.md 7.2)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.engine.conftest import ground
from tests.engine.world import World
from ullage.model.words import State

__all__ = ["ground"]

MOST_MIB, MOST_DESCRIPTORS = 64, 64
CHOSEN = "db-20260101"
AT_ONCE = '[defaults.reclaim]\ngrace = "0 s"\n'
EVERY_BYTE = [bytes([number]) for number in range(1, 256) if number not in b"/."]
Furnish = Callable[[int, int], None]


def files(fd: int, count: int) -> None:
    for number in range(count):
        os.close(os.open(f"f{number:010}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))


def long_files(fd: int, count: int) -> None:
    for number in range(count):
        os.close(os.open(f"{number:0255}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))


def long_directories(fd: int, count: int) -> None:
    for number in range(count):
        os.mkdir(f"{number:0255}", dir_fd=fd)


def of_every_byte(fd: int, count: int) -> None:
    """Every byte as a name, and in one of 255 bytes."""
    del count
    for name in (*EVERY_BYTE, *(b"n" * 254 + name for name in EVERY_BYTE)):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=fd))


def levels(fd: int, count: int) -> None:
    here = os.dup(fd)
    for _ in range(count):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def measured(command: Command, *words: str, code: int = 0) -> str:
    """What it said; it took no more memory and descriptors than any may."""
    one = subprocess.Popen(command.words(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak = descriptors = 0
    while one.poll() is None:
        with suppress(OSError, IndexError):  # it has just ended
            descriptors = max(descriptors, len(os.listdir(f"/proc/{one.pid}/fd")))
            status = Path(f"/proc/{one.pid}/status").read_text()
            peak = max(peak, int(status.partition("VmHWM:")[2].split()[0]))
        with suppress(subprocess.TimeoutExpired):
            one.wait(0.02)
    assert one.stdout is not None
    said = one.stdout.read()
    print(f"{words}: {peak >> 10} MiB, {descriptors} descriptors")
    assert one.returncode == code, said
    assert "Traceback" not in said
    assert peak >> 10 < MOST_MIB
    assert descriptors < MOST_DESCRIPTORS
    return said


@pytest.fixture
def command(ground: Path) -> Command:
    world = World(ground)
    top = world.backup(CHOSEN, State.CLEANABLE, mib=0.01)
    (top / "many").mkdir()
    os.utime(top, (0, 0))
    world.backup("db-20260202", State.CONFIRMED, age=1, mib=0.01)
    command = Command(ground, AT_ONCE, main=world)
    command.run("init")
    return command


LONG = [pytest.mark.long, pytest.mark.timeout(3600)]
MANY = [
    (files, 5000),
    (of_every_byte, 0),
    pytest.param(files, 1_000_000, marks=LONG),
    pytest.param(long_files, 1_000_000, marks=LONG),
    pytest.param(long_directories, 300_000, marks=LONG),
]


@pytest.mark.root
@pytest.mark.parametrize(("furnish", "count"), MANY)
def test_a_wide_backup_is_listed_archived_restored_and_deleted(command: Command, furnish: Furnish, count: int) -> None:
    top = command.worlds["main"].backups / CHOSEN
    _furnish(top / "many", furnish, count)
    for words in (["list"], ["doctor"], ["archive", "--yes", CHOSEN], ["restore", CHOSEN]):
        measured(command, *words)
    assert sum(1 for _ in os.scandir(top / "many")) == (count or 2 * len(EVERY_BYTE))
    measured(command, "delete", "--yes", CHOSEN)
    assert (top.exists(), command.worlds["main"].leftovers()) == (False, [])


@pytest.mark.root
def test_a_backup_ten_thousand_levels_deep_is_deleted_and_not_archived(command: Command) -> None:
    top = command.worlds["main"].backups / CHOSEN
    _furnish(top / "many", levels, 10_000)
    measured(command, "list")
    measured(command, "doctor")
    assert "tar can extract none above 4095" in measured(command, "archive", "--yes", CHOSEN, code=1)
    assert (top / ".state").exists()
    measured(command, "delete", "--yes", CHOSEN)
    assert (top.exists(), command.worlds["main"].leftovers()) == (False, [])


def _furnish(directory: Path, furnish: Furnish, count: int) -> None:
    fd = os.open(directory, os.O_RDONLY)
    furnish(fd, count)
    os.close(fd)
    os.utime(directory, (0, 0))
