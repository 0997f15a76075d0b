"""faults.md, Processes: stopped, starved, doubled or replaced in the middle, nothing is lost and one acts at a time."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.command import Command, wait_for
from tests.engine.world import World, fingerprint
from tests.faults.stage import PRESSED, QUICK, daemon, needs_strace, stopped
from ullage.catalog.catalog import Catalog
from ullage.model.words import Level, Result, State

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
    command = Command(tmp_path, QUICK, main=world)
    command.run("init")
    return command


def _pin(command: Command, world: World) -> None:
    command.run("pin", FIRST)


def _lock(command: Command, world: World) -> None:
    fcntl.flock(os.open(world.backups / FIRST, os.O_RDONLY), fcntl.LOCK_SH)  # until the test's process ends


def _take_back(command: Command, world: World) -> None:
    (world.backups / FIRST / ".state").write_text("CONFIRMED\n")


def _write(command: Command, world: World) -> None:
    place = world.backups / FIRST
    (there,) = [place] if place.exists() else (world.backups / ".ullage" / "trash").iterdir()
    _WRITING.append((there / "data" / "content").open("ab"))


_WRITING: list[object] = []
# What happens while it is stopped, and behind which system call: the settings are read; the backup is in the trash.
STOPS: list[tuple[Callable[[Command, World], None], str]] = [
    (_pin, "flock"),
    (_lock, "flock"),
    (_take_back, "flock"),
    (_write, "flock"),
    (_write, "renameat2"),
]


@needs_strace
@pytest.mark.parametrize(("happens", "call"), STOPS)
def test_stopped_for_long_it_verifies_everything_again_before_it_acts(
    command: Command, world: World, happens: Callable[[Command, World], None], call: str
) -> None:
    before = fingerprint(world.backups / FIRST / "data")
    with stopped(command.words("cleanup", "conservative", "1", "--yes"), call) as held:
        happens(command, world)
        held.go()
    assert FIRST in world.live(), (held.out, held.err)
    assert fingerprint(world.backups / FIRST / "data") == before
    assert world.leftovers() == []
    _WRITING.clear()


@needs_strace
@pytest.mark.long  # the other waits 30 s for the lock
def test_a_stopped_holder_of_the_store_is_named_and_nobody_else_acts(command: Command, world: World) -> None:
    with stopped(command.words("delete", FIRST, "--yes"), "renameat2") as held:
        other = command.run("delete", SECOND, "--yes", code=1)
        assert f"process {held.pid} on {os.uname().nodename}" in other.stderr
        assert SECOND in world.live()
        held.go()
    assert held.code == 0
    assert world.live() == [SECOND, NEWEST]


def test_a_daemon_that_was_stopped_goes_on_by_what_stands_then(command: Command, world: World) -> None:
    with daemon(command) as one:
        wait_for(lambda: Level.OK in world.levels(), 10)
        one.send_signal(signal.SIGSTOP)
        command.run("pin", FIRST)
        command.write(QUICK + PRESSED)
        one.send_signal(signal.SIGHUP)
        one.send_signal(signal.SIGCONT)
        wait_for(lambda: SECOND not in world.live(), 10)
    assert world.live() == [FIRST, NEWEST]


def _starved(command: Command, words: tuple[str, ...], **limits: int) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        for name, value in limits.items():
            number = getattr(resource, name)
            resource.setrlimit(number, (value, value))

    return subprocess.run(
        command.words(*words),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limit,
    )


@pytest.mark.parametrize(
    "descriptors", [12, *(pytest.param(n, marks=pytest.mark.long) for n in (6, 8, 10, 14, 15, 16, 18))]
)
def test_out_of_descriptors_it_says_so_and_recovers(command: Command, world: World, descriptors: int) -> None:
    _assert_starved_well(command, world, RLIMIT_NOFILE=descriptors)


@pytest.mark.parametrize(
    "mib", [60, *(pytest.param(n, marks=pytest.mark.long) for n in (50, 70, 80, 90, 100, 120, 150))]
)
def test_out_of_memory_it_says_so_and_recovers(command: Command, world: World, mib: int) -> None:
    _assert_starved_well(command, world, RLIMIT_AS=mib << 20)


def _assert_starved_well(command: Command, world: World, **limits: int) -> None:
    whole = fingerprint(world.backups / FIRST)
    ran = _starved(command, ("archive", FIRST, "--yes"), **limits)
    started = "ullage" in ran.stderr + ran.stdout or ran.returncode == 0
    if started:
        assert "Traceback" not in ran.stderr, ran.stderr
        assert ran.returncode in (0, 1), ran
    if FIRST in world.live():
        assert fingerprint(world.backups / FIRST) == whole
    done = [op for op in world.history() if op.result is Result.DONE]
    assert bool(done) == (ran.returncode == 0)
    command.run("cleanup", "gentle", "1", "--yes", code=None)
    assert world.leftovers() == []
    with Catalog.open(str(world.state)) as catalog:
        assert catalog.unsettled("main") == []


@pytest.mark.root
@needs_strace
@pytest.mark.long  # the other waits 30 s for the lock
def test_of_two_hosts_on_one_store_one_acts_and_the_other_says_who_holds_it(command: Command, world: World) -> None:
    """The other host: a name and a state directory of its own, the same store."""
    other = World(world.backups.parent, state=world.state.parent / "other-state")
    elsewhere = Command(_made(world.state.parent / "elsewhere"), QUICK, main=other)
    host = ("unshare", "--uts", "sh", "-c", 'hostname other-host && exec "$@"', "sh")
    elsewhere.run("init", before=host)
    with stopped([*host, *elsewhere.words("delete", FIRST, "--yes")], "renameat2") as held:
        refused = command.run("delete", SECOND, "--yes", code=1)
        assert f"process {held.pid} on other-host" in refused.stderr
        held.go()
    assert (held.code, world.live()) == (0, [SECOND, NEWEST])


def _made(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path


@needs_strace
def test_a_newer_journal_is_not_touched_and_an_operation_under_way_waits_for_it(command: Command, world: World) -> None:
    """Upgraded, killed in the middle of a removal, downgraded, upgraded again."""
    with stopped(command.words("delete", FIRST, "--yes"), "unlinkat", 3) as held:
        os.kill(held.pid, signal.SIGKILL)
    database = world.state / "catalog.db"
    version = _versioned(database, 99)
    before = _contents(world)
    for words in (("monitor",), ("cleanup", "--yes"), ("emergency", "--yes"), ("delete", SECOND, "--yes"), ("status",)):
        refused = command.run(*words, code=1)
        assert "its schema is version 99" in refused.stderr, refused
    refused = command.run("start", code=1)
    assert _contents(world) == before
    _versioned(database, version)
    command.run("cleanup", "gentle", "1", "--yes", code=None)
    assert (FIRST in world.live(), world.leftovers()) == (False, [])
    assert "recovered" in next(op.reason for op in world.history() if op.backup_id == FIRST)


def _versioned(database: Path, version: int) -> int:
    connection = sqlite3.connect(database)
    (before,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    return int(before)


def _contents(world: World) -> tuple[str, bytes]:
    return fingerprint(world.backups), (world.state / "catalog.db").read_bytes()


@needs_strace
def test_a_journal_of_an_older_day_makes_nobody_remove_what_is_new(command: Command, world: World) -> None:
    """faults.md, Data: an older copy of the catalog, with an operation in it that has long been settled."""
    copy = world.state.parent / "copy"
    with stopped(command.words("delete", FIRST, "--yes"), "unlinkat", 3) as held:
        shutil.copytree(world.state, copy)
        held.go()
    assert FIRST not in world.live()
    world.backup(FIRST, State.CONFIRMED, age=1, mib=0.1)  # another backup of that name
    command.run("pin", SECOND)
    whole = fingerprint(world.backups / FIRST), fingerprint(world.backups / SECOND)
    shutil.rmtree(world.state)
    copy.rename(world.state)
    command.run("monitor")
    command.write(QUICK + PRESSED)
    command.run("monitor")
    assert (fingerprint(world.backups / FIRST), fingerprint(world.backups / SECOND)) == whole
    with Catalog.open(str(world.state)) as catalog:
        assert catalog.unsettled("main") == []
