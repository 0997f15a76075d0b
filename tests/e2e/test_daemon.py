"""The daemon as a process: started, stopped, reloaded, killed; a store that hangs; what systemd hears of it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.e2e.command import Command, wait_for
from tests.engine.world import MIB, World
from ullage.model.words import Level, Result, State

Start = Callable[..., "subprocess.Popen[str]"]
QUICK = '[defaults.monitor]\ninterval = "200 ms"\ntimeout = "500 ms"\n'


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A store at ease."""
    world = World(tmp_path)
    world.series(3)
    return world


@pytest.fixture
def command(tmp_path: Path, world: World) -> Command:
    """The command on it, registered."""
    command = Command(tmp_path, QUICK, main=world)
    command.run("init")
    return command


@pytest.fixture
def daemon() -> Iterator[Start]:
    """``daemon(command)``: a daemon that looks at its stores; ended after the test, whatever became of it."""
    with _daemons() as start:
        yield start


@contextmanager
def _daemons() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(command: Command, **environment: str) -> subprocess.Popen[str]:
        started.append(command.daemon(**environment))
        wait_for(lambda: started[-1].poll() is not None or _pid(command) == started[-1].pid, 20)
        assert started[-1].poll() is None, started[-1].communicate()
        return started[-1]

    yield start
    for one in started:
        if one.poll() is None:
            one.kill()
        one.wait()


def _pid(command: Command) -> int | None:
    try:
        return int((command.state / "ullage.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None


def _ended(one: subprocess.Popen[str], within: float = 30.0) -> str:
    """What it said; it ended well, in time."""
    said = one.communicate(timeout=within)[1]
    assert one.returncode == 0, said
    assert "Traceback" not in said
    return said


def test_it_is_started_once_and_stopped(command: Command) -> None:
    command.run("start")
    pid = _pid(command)
    again = command.run("start", code=1)
    assert f"already running: process {pid}" in again.stderr
    assert command.json("status")["daemon"]["pid"] == pid
    command.run("stop")
    assert _pid(command) is None
    assert not command.json("status")["daemon"]["running"]


def test_it_runs_no_code_of_the_directory_that_it_is_started_in_and_does_not_keep_it(
    command: Command, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("ullage", "click", "msgspec", "logging"):
        (trap / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n")
    words = [sys.executable, "-P", "-m", "ullage", "--config", f"../{command.config.name}"]
    started = subprocess.run([*words, "start"], cwd=trap, capture_output=True, text=True, timeout=60, check=False)
    pid = _pid(command)
    try:
        assert (started.returncode, (tmp_path / "sprung").exists()) == (0, False), started.stderr
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
    finally:
        command.run("stop")


def test_a_daemon_whose_log_cannot_be_written_says_so_and_goes_on(command: Command) -> None:
    log = command.state / "ullage.log"
    log.unlink()
    log.mkdir()
    assert f"cannot write the log {log}" in command.run("start").stderr
    try:
        wait_for(lambda: Level.OK in command.worlds["main"].levels(), 10)
        log.rmdir()
        command.write(QUICK + "[defaults.watermarks]\nwarning = 0.001\n")
        os.kill(_pid(command) or 0, signal.SIGHUP)
        wait_for(lambda: log.exists() and "settings reloaded" in log.read_text(), 10)
        assert log.stat().st_mode & 0o077 == 0
    finally:
        command.run("stop")


def test_a_daemon_that_nobody_hears_reclaims(command: Command) -> None:
    world = command.worlds["main"]
    world.backup("db-20250101", State.CLEANABLE, age=90)
    before = world.live()
    command.write(QUICK + "[defaults.watermarks]\nwarning = 0.001\n")
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - not a file
        one = subprocess.Popen(command.words("start", "--foreground"), stdin=subprocess.DEVNULL, stderr=full)
        try:
            wait_for(lambda: len(world.live()) < len(before) - 1, 20)
        finally:
            one.terminate()
        one.wait(timeout=20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(command: Command, daemon: Start, number: signal.Signals) -> None:
    one = daemon(command)
    one.send_signal(number)
    assert "stopped" in _ended(one, 5)
    assert _pid(command) is None


def test_a_reload_takes_valid_settings_and_ignores_invalid_ones(command: Command, daemon: Start) -> None:
    one = daemon(command)
    world = command.worlds["main"]
    wait_for(lambda: Level.OK in world.levels(), 10)
    command.write("nonsense = 1\n")
    one.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    command.write(QUICK + "[defaults.watermarks]\nwarning = 0.001\n")
    one.send_signal(signal.SIGHUP)
    wait_for(lambda: Level.WARNING in world.levels(), 10)
    one.terminate()
    said = _ended(one, 10)
    assert "the old ones stay in force" in said
    assert "nonsense" in said
    assert "settings reloaded" in said


def test_killed_and_started_again_it_goes_on(command: Command, daemon: Start) -> None:
    one = daemon(command)
    one.kill()
    one.communicate()
    assert _pid(command) == one.pid
    other = daemon(command)
    assert _pid(command) == other.pid
    other.terminate()
    _ended(other, 10)


def test_a_pid_that_belongs_to_another_process_is_never_signalled(command: Command) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (command.state / "ullage.pid").write_text(f"{bystander.pid}\n")
        lock = f'{{"pid":{bystander.pid},"ticks":1,"started_at":1.0}}'
        (command.state / "daemon.lock").write_text(lock.ljust(256))
        assert "not running" in command.run("stop").stderr
        assert _pid(command) is None
        holder = os.open(command.state / "daemon.lock", os.O_RDWR)  # the place is held, by one that is not it
        fcntl.flock(holder, fcntl.LOCK_EX)
        stopping = subprocess.Popen(command.words("stop"), stderr=subprocess.DEVNULL)
        time.sleep(1.0)
        assert bystander.poll() is None
        os.close(holder)
        stopping.wait(timeout=40)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.root
def test_stopped_in_the_middle_of_an_archive_it_is_rolled_back(
    tmp_path: Path, loop_disk: LoopDisks, daemon: Start
) -> None:
    disk = loop_disk("ext4", 700)
    world = World(disk.path, state=tmp_path / "state", archives=tmp_path / "archives")
    world.backup("db-20260101", State.CLEANABLE, age=60, mib=400)
    world.backup("db-20260102", State.CONFIRMED, age=1, mib=240)
    command = Command(tmp_path, QUICK, main=world)
    command.run("init")
    one = daemon(command)
    parts = world.archives / ".ullage" / "parts"
    wait_for(lambda: bool(list(parts.iterdir())), 20)
    one.terminate()
    _ended(one, 30)
    assert list(parts.iterdir()) == []
    assert (world.archived(), len(world.live())) == ([], 2)
    assert [(op.result, "stopped" in op.reason) for op in world.history()] == [(Result.FAILED, True)]


def test_systemd_hears_that_it_is_ready_lives_and_stops(command: Command, tmp_path: Path, daemon: Start) -> None:
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        address = tmp_path / "notify"
        channel.bind(str(address)[-100:] if len(str(address)) < 100 else "\0ullage-test-notify")
        name = channel.getsockname()
        spelled = "@" + name[1:].decode() if isinstance(name, bytes) else name
        one = daemon(command, NOTIFY_SOCKET=spelled)
        channel.settimeout(10)
        while not any("STATUS=main ok" in word for word in heard):
            heard.append(channel.recv(4096).decode())
        one.terminate()
        _ended(one, 10)
        channel.settimeout(0.2)
        with suppress(TimeoutError):
            while True:
                heard.append(channel.recv(4096).decode())
    assert heard[0] == "READY=1"
    assert any(word.startswith("WATCHDOG=1") for word in heard)
    assert heard[-1] == "STOPPING=1"


@contextmanager
def _hung_over(path: Path) -> Iterator[None]:
    """A FUSE filesystem over ``path`` whose server never answers: open and statfs of it hang."""
    server = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(b"hung", os.fsencode(path), b"fuse", 0, options.encode()):
        os.close(server)
        pytest.skip("cannot mount FUSE here")
    try:
        yield
    finally:
        libc.umount2(os.fsencode(path), 2)  # MNT_DETACH; closing the server ends whoever waits for it
        os.close(server)


@pytest.fixture
def two(tmp_path: Path, loop_disk: LoopDisks) -> tuple[Command, World, World]:
    """A quiet store, and one on a disk of its own; in one state directory."""
    quiet = World(tmp_path / "quiet", state=tmp_path / "state")
    disk = loop_disk("ext4", 64)
    own = World(disk.path, state=tmp_path / "state", archives=tmp_path / "archives")
    command = Command(tmp_path, QUICK, quiet=quiet, own=own)
    command.run("init")
    return command, quiet, own


@pytest.mark.root
def test_a_store_that_hangs_is_unavailable_and_holds_up_nobody(
    two: tuple[Command, World, World], daemon: Start
) -> None:
    command, quiet, own = two
    with _hung_over(quiet.backups):
        one = daemon(command)
        wait_for(lambda: Level.UNAVAILABLE in own.levels("quiet"), 10)
        before = len(own.levels("own"))
        wait_for(lambda: len(own.levels("own")) > before + 2, 5)  # on time, five times a second
        one.terminate()
        _ended(one, 10)


@pytest.mark.root
def test_a_frozen_disk_holds_up_its_own_emergency_alone(tmp_path: Path, loop_disk: LoopDisks, daemon: Start) -> None:
    stores = {}
    for name in ("frozen", "moving"):
        disk = loop_disk("ext4", 48)
        stores[name] = World(disk.path, state=tmp_path / "state", archives=tmp_path / f"archives-{name}")
        for number in range(1, 10):
            stores[name].backup(f"db-2026010{number}", State.CLEANABLE, age=60 - number, mib=1)
    command = Command(tmp_path, QUICK + "[defaults.archive]\nbefore_delete = false\n", **stores)
    command.run("init")
    for world in stores.values():
        with (world.backups.parent / "filler").open("wb") as filler:
            space = os.statvfs(world.backups)
            os.posix_fallocate(filler.fileno(), 0, space.f_bavail * space.f_frsize - MIB // 2)
    frozen = stores["frozen"].backups.parent
    os.sync()
    subprocess.run(["fsfreeze", "-f", str(frozen)], check=True)
    try:
        one = daemon(command)
        wait_for(lambda: len(stores["moving"].live()) < 9, 10)
        assert len(stores["frozen"].live()) == 9
    finally:
        subprocess.run(["fsfreeze", "-u", str(frozen)], check=True)
    wait_for(lambda: len(stores["frozen"].live()) < 9, 10)
    one.terminate()
    _ended(one, 10)


@pytest.mark.root
def test_a_writer_never_meets_a_full_disk(tmp_path: Path, loop_disk: LoopDisks, daemon: Start) -> None:
    disk = loop_disk("ext4", 512)
    world = World(disk.path, state=tmp_path / "state", archives=tmp_path / "archives")
    for number in range(10, 28):
        world.backup(f"db-202601{number}", State.CLEANABLE, age=90 - number, mib=20)
    world.backup("db-20991231", State.CONFIRMED, age=1, mib=0.1)
    command = Command(tmp_path, "[defaults.archive]\nbefore_delete = false\n", main=world)
    command.run("init")
    daemon(command)
    content = os.urandom(MIB)
    began = time.monotonic()
    with (disk.path / "stream").open("wb", buffering=0) as stream:
        for written in range(200):  # 200 MiB onto 130 that are free, at 60 MB/s
            stream.write(content)
            time.sleep(max(0.0, began + written * MIB / 60e6 - time.monotonic()))
    wait_for(lambda: world.leftovers() == [], 10)
    assert len(world.live()) < 19


@pytest.mark.root
def test_four_commands_at_once_take_no_backup_twice(tmp_path: Path, loop_disk: LoopDisks, daemon: Start) -> None:
    disk = loop_disk("ext4", 64)
    world = World(disk.path, state=tmp_path / "state", archives=tmp_path / "archives")
    ids = world.series(36, mib=1)
    command = Command(tmp_path, QUICK + "[defaults.watermarks]\nwarning = 60\ncritical = 70\n", main=world)
    command.run("init")
    before = world.live()
    daemon(command)
    words = ("cleanup", "moderate", "20", "--yes")
    four = [threading.Thread(target=command.run, args=words, kwargs={"code": None}) for _ in range(4)]
    for one in four:
        one.start()
    for one in four:
        one.join()
    gone = sorted(set(before) - set(world.live()))
    deleted = sorted(op.backup_id for op in world.history() if op.result is Result.DONE)
    assert gone == deleted == sorted(ids)[: len(gone)]
    space = os.statvfs(disk.path)
    used = space.f_blocks - space.f_bfree
    usage = 100 * used / (used + space.f_bavail)
    share = 100 * 1.02 * MIB / ((used + space.f_bavail) * space.f_frsize)
    assert usage < 60 <= usage + share, (usage, share)  # and not one more than that took
    assert world.leftovers() == []
