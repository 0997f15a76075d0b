"""faults.md, Time, and SPEC 7.8: a clock that jumps makes no backup old, and everybody hears of it.

The real command and daemon under libfaketime, which moves the wall clock and not the time since boot, as when somebody
sets the clock. Another boot is a boot id mounted over the kernel's, a suspend a time namespace with a later boot time.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.command import Command, wait_for
from tests.engine.world import DAY, World
from tests.faults.stage import PRESSED, QUICK, TOLD, FakeClock, alerts, daemon, needs_faketime
from ullage.catalog.catalog import Catalog
from ullage.model.words import State

pytestmark = needs_faketime

YEAR = 365 * DAY
OLD, YOUNG, NEWEST = "db-20260101", "db-20260102", "db-20260103"
JUMPS = {"10 years ahead": lambda: 10 * YEAR, "20 years back": lambda: -20 * YEAR, "1970": lambda: 60 - time.time()}

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def jumps(quick: str) -> pytest.MarkDecorator:
    """All the jumps, of which the others than ``quick`` are for the long run."""
    rows = [pytest.param(JUMPS[one], id=one, marks=() if one == quick else pytest.mark.long) for one in JUMPS]
    return pytest.mark.parametrize("jump", rows)


@pytest.fixture
def clock(tmp_path: Path) -> FakeClock:
    """The true time until it is set otherwise."""
    return FakeClock(tmp_path)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Under pressure at every look; one may go, one is too young by the true time, one is the floor."""
    world = World(tmp_path)
    world.backup(OLD, State.CLEANABLE, age=60, mib=0.1)
    world.backup(YOUNG, State.CLEANABLE, age=2, mib=0.1, confirmed=False)
    world.backup(NEWEST, State.CONFIRMED, age=1, mib=0.1)
    return world


@pytest.fixture
def command(tmp_path: Path, world: World) -> Command:
    """Registered, and its clock believed."""
    command = Command(tmp_path, TOLD + QUICK, main=world)
    command.run("init")
    command.run("monitor")
    command.write(TOLD + QUICK + PRESSED)
    return command


def _clock_alerts(world: World) -> list[str]:
    return [text for text in alerts(world) if "the clock says" in text]


def _assert_frozen(command: Command, world: World, before: tuple[str, ...]) -> None:
    """Nobody deletes, whoever asks, and all say why."""
    for words in (("monitor",), ("cleanup", "aggressive", "--yes"), ("emergency", "--yes"), ("delete", OLD, "--yes")):
        ran = command.run(*words, code=1, before=before)
        assert "nothing is deleted until that is confirmed or set right" in ran.stdout + ran.stderr, words
    said = command.run("status", before=before).stdout
    assert "clock: the clock says" in said
    assert world.live() == [OLD, YOUNG, NEWEST]
    (told,) = _clock_alerts(world)
    assert "ullage clock accept" in told


@jumps("20 years back")
def test_a_jump_between_two_runs_freezes_until_the_clock_is_right_again(
    command: Command, world: World, clock: FakeClock, jump: Callable[[], float]
) -> None:
    clock.set(jump())
    _assert_frozen(command, world, clock.before)
    clock.set(0)
    command.run("monitor", before=clock.before)
    assert world.live() == [YOUNG, NEWEST]
    assert "believed again" in alerts(world)[-1]


@jumps("1970")
def test_a_jump_over_a_reboot_freezes_until_the_clock_is_right_again(
    command: Command, world: World, clock: FakeClock, tmp_path: Path, jump: Callable[[], float]
) -> None:
    before = (*_rebooted(tmp_path), *clock.before)
    clock.set(jump())
    _assert_frozen(command, world, before)
    clock.set(120)
    command.run("monitor", before=before)
    assert world.live() == [YOUNG, NEWEST]


def _rebooted(path: Path) -> tuple[str, ...]:
    """What makes the command after it believe that the machine booted since."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount over the boot id")
    boot_id = path / "boot_id"
    boot_id.write_text("00000000-0000-4000-8000-000000000000\n")
    return ("unshare", "--mount", "sh", "-c", f'mount --bind "{boot_id}" {BOOT_ID} && exec "$@"', "sh")


def test_a_confirmed_clock_is_believed_and_deletions_go_on(command: Command, world: World, clock: FakeClock) -> None:
    clock.set(10 * YEAR)
    _assert_frozen(command, world, clock.before)
    assert "There is no terminal" in command.run("clock", "accept", code=1, before=clock.before).stderr
    assert "nothing is deleted" in command.run("clock", before=clock.before).stdout
    command.run("clock", "accept", "--yes", before=clock.before)
    command.run("monitor", code=None, before=clock.before)  # others may fill the disk meanwhile, and nothing be gained
    assert world.live() == [NEWEST]
    assert "clock:" not in command.run("status", before=clock.before).stdout


@jumps("10 years ahead")
def test_a_jump_under_the_daemon_freezes_it_until_the_clock_is_right_again(
    command: Command, world: World, clock: FakeClock, jump: Callable[[], float]
) -> None:
    command.write(TOLD + QUICK)
    with daemon(command, **clock.environment) as running:
        looked = len(world.levels())
        wait_for(lambda: len(world.levels()) > looked, 30)
        clock.set(jump())
        wait_for(lambda: len(_clock_alerts(world)) == 1, 30)  # although nothing was to be deleted
        command.write(TOLD + QUICK + PRESSED)
        running.send_signal(1)
        time.sleep(1.0)
        assert world.live() == [OLD, YOUNG, NEWEST]
        assert "clock: the clock says" in command.run("status", before=clock.before).stdout
        clock.set(0)
        wait_for(lambda: world.live() == [YOUNG, NEWEST], 30)
        wait_for(lambda: "believed again" in "".join(alerts(world)), 30)
    assert len(_clock_alerts(world)) == 1


def test_a_clock_that_is_confirmed_while_the_daemon_runs_is_believed_by_it(
    command: Command, world: World, clock: FakeClock
) -> None:
    clock.set(10 * YEAR)
    with daemon(command, **clock.environment):
        wait_for(lambda: len(_clock_alerts(world)) == 1, 30)
        assert world.live() == [OLD, YOUNG, NEWEST]
        command.run("clock", "accept", "--yes", before=clock.before)
        wait_for(lambda: world.live() == [NEWEST], 30)


def test_small_steps_are_seen_when_they_add_up(command: Command, world: World, clock: FakeClock) -> None:
    command.write(TOLD + QUICK)
    for step in range(1, 4):
        clock.set(step * 1190)
        command.run("monitor", before=clock.before)
    command.write(TOLD + QUICK + PRESSED)
    clock.set(4 * 1190)
    assert "nothing is deleted" in command.run("monitor", code=1, before=clock.before).stderr
    assert world.live() == [OLD, YOUNG, NEWEST]


def test_a_step_too_small_to_freeze_makes_no_backup_old(
    command: Command, world: World, clock: FakeClock, tmp_path: Path
) -> None:
    """A nuclear clean-up takes what is an hour old, and what nobody wrote to for five minutes."""
    half_an_hour = world.backup("other-20260101", State.CREATED, age=0.5 / 24, mib=0.1).name
    world.backup("other-20260102", State.CONFIRMED, age=0, mib=0.1)
    clock.set(3540)
    ran = command.run("cleanup", "nuclear", "--yes", before=clock.before)
    assert half_an_hour in world.live()
    assert OLD not in world.live(), ran.stdout
    command.run("delete", world.backup("third-20260101", State.CREATED, age=0.0, mib=0.1).name, "--yes", code=1)


def test_a_suspend_is_no_jump(command: Command, world: World, clock: FakeClock) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root for a time namespace")
    clock.set(10 * DAY)
    asleep = ("unshare", "--time", "--boottime", str(10 * DAY), "--fork", *clock.before)
    command.run("monitor", before=asleep)
    assert world.live() == [YOUNG, NEWEST]
    assert _clock_alerts(world) == []


def test_a_backup_dated_in_the_future_is_not_eligible_for_anything(command: Command, world: World) -> None:
    ahead = world.backups / OLD
    (ahead / ".created_at").write_text(f"{int(time.time() + 30 * DAY)}\n")
    for words in (("monitor",), ("cleanup", "nuclear", "--yes"), ("emergency", "--yes")):
        command.run(*words, code=None)
    assert OLD in world.live()
    refused = command.run("delete", OLD, "--yes", code=1)
    assert "dated ahead" in refused.stdout + refused.stderr
    assert "dated ahead" in command.run("show", OLD).stdout


def test_a_wrong_clock_and_a_lost_network_lose_no_alert(command: Command, world: World, clock: FakeClock) -> None:
    """1970 at boot, before the network is there: the alert is not old when the clock is set right."""
    clock.set(60 - time.time())
    command.run("monitor", code=1, before=clock.before)
    clock.set(0)
    command.run("monitor", before=clock.before)
    with Catalog.open(str(world.state)) as catalog:
        assert {item.outcome for item in catalog.alerts(10)} == {"waiting"}
