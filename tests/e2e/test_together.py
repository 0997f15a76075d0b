"""Many at work on one store: each backup goes once, no more than needed go, who waits says for whom (SPEC.md 7.6)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.command import Command, wait_for
from tests.engine.conftest import ground
from tests.engine.world import World
from ullage.model.backups import Operation
from ullage.model.words import Result

__all__ = ["ground"]

QUICK = '[defaults.monitor]\ninterval = "200 ms"\n[defaults.reclaim]\ngrace = "0 s"\n'
COUNT = 24
TARGET = 80.0


@pytest.fixture
def world(ground: Path) -> World:
    """A store of equal backups at 96 % of a capacity: an emergency."""
    world = World(ground)
    world.series(COUNT, mib=0.25)
    world.press(96)
    return world


def at_once(command: Command, *words: str, count: int = 8) -> list[tuple[int, str]]:
    """(exit code, what it said) of so many of one command."""
    started = [
        subprocess.Popen(command.words(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(count)
    ]
    said = [one.communicate(timeout=110)[0] for one in started]
    assert not any("Traceback" in text for text in said), said
    return [(one.returncode, text) for one, text in zip(started, said, strict=True)]


def commands(world: World, tmp_path: Path, *hosts: str) -> list[Command]:
    """The command as on each of these hosts: one store, a state directory each."""
    made = []
    for host in hosts:
        (tmp_path / host / "state").mkdir(parents=True)
        world.state = tmp_path / host / "state"
        command = Command(tmp_path / host, QUICK, main=world)
        with command.config.open("a") as config:
            config.write(f'capacity = "{world.store.capacity} B"\n')
        command.run("init")
        made.append(command)
    return made


def assert_no_more_than_needed(world: World, commands: list[Command], goal: float) -> None:
    """Each backup went once, whoever took it; and with one less of them the goal would not have been reached."""
    operations: list[Operation] = []
    for command in commands:
        world.state = command.state
        operations += [op for op in world.history() if op.result is Result.DONE]
    times = Counter(op.backup_id for op in operations)
    assert set(times.values()) == {1}, times
    assert len(world.live()) == COUNT + 1 - len(operations)
    assert world.leftovers() == []
    one = world.usage() / (len(world.live()) - 1)  # all but the floor's are equal
    assert world.usage() <= TARGET
    assert world.usage() + one > goal


@pytest.mark.root
def test_eight_at_once_take_each_backup_once_and_no_more_than_are_needed(world: World, tmp_path: Path) -> None:
    (command,) = commands(world, tmp_path, "one")
    at_once(command, "emergency", "--yes")
    assert_no_more_than_needed(world, [command], TARGET)


@pytest.mark.root
def test_two_hosts_with_daemons_and_commands_take_each_backup_once(world: World, tmp_path: Path) -> None:
    hosts = commands(world, tmp_path, "one", "two")
    daemons = [host.daemon() for host in hosts]
    try:
        wait_for(lambda: all((host.state / "ullage.pid").exists() for host in hosts), 60)
        for host in hosts:
            at_once(host, "emergency", "--yes", count=2)
    finally:
        for one in daemons:
            one.terminate()
            assert "Traceback" not in one.communicate(timeout=60)[1]
    assert_no_more_than_needed(world, hosts, world.store.watermarks.warning)


@pytest.mark.root
def test_one_backup_that_eight_delete_at_once_goes_once(world: World, tmp_path: Path) -> None:
    (command,) = commands(world, tmp_path, "one")
    (chosen, *_) = world.live()
    said = at_once(command, "delete", "--yes", chosen)
    assert [code for code, _ in said].count(0) == 1, said
    rows = [op for op in world.history() if op.result is Result.DONE]
    assert [op.backup_id for op in rows] == [chosen]
    assert len(world.live()) == COUNT


def test_a_second_daemon_says_who_is_the_first_and_ends(tmp_path: Path) -> None:
    world = World(tmp_path / "w")
    world.series(2)
    command = Command(tmp_path, QUICK, main=world)
    command.run("init")
    first = command.daemon()
    try:
        wait_for((command.state / "ullage.pid").exists, 60)
        second = command.daemon()
        assert (
            f"a daemon is already running for {command.state}: process {first.pid}" in second.communicate(timeout=60)[1]
        )
        assert second.returncode == 1
        assert first.poll() is None
    finally:
        first.terminate()
        first.communicate(timeout=60)


@pytest.mark.root
@pytest.mark.long  # the others wait half a minute for a lock
@pytest.mark.timeout(300)
def test_one_that_was_stopped_in_the_middle_is_waited_for_and_goes_on(world: World, tmp_path: Path) -> None:
    first, second, *_ = world.live()
    for number in range(6000):
        (world.backups / first / "data" / f"f{number}").touch()
    os.utime(world.backups / first / "data", (0, 0))
    (command,) = commands(world, tmp_path, "one")
    trash = world.backups / ".ullage" / "trash"
    one = subprocess.Popen(command.words("delete", "--yes", first), stdout=subprocess.DEVNULL)
    wait_for(lambda: any(trash.iterdir()), 60)
    one.send_signal(signal.SIGSTOP)
    other = command.run("delete", "--yes", second, code=1)
    assert str(one.pid) in other.stderr, other.stderr
    one.send_signal(signal.SIGCONT)
    assert one.wait(timeout=100) == 0
    assert {op.backup_id for op in world.history() if op.result is Result.DONE} == {first}
    assert (second in world.live(), first in world.live(), world.leftovers()) == (True, False, [])
