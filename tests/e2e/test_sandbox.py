"""``ullage.service``: what its sandbox is worth, and that the daemon does its work in it, law 7.10 and all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.e2e.command import Command, wait_for
from tests.engine.world import World
from ullage.model.words import Result, State

UNIT = Path(__file__).parents[2] / "deploy" / "ullage.service"
OWNER = 1234


def _analyze(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["systemd-analyze", *map(str, words)],
            capture_output=True,
            text=True,
            env=os.environ | environment,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("systemd-analyze is not here")


def test_the_exposure_of_the_service_is_at_most_two() -> None:
    ran = _analyze("security", "--offline=true", "--threshold=20", UNIT)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Overall exposure level for ullage.service: 2.0" in ran.stdout


@pytest.fixture
def command(tmp_path: Path, loop_disk: LoopDisks) -> Command:
    """A store on a disk of its own, whose backups belong to an ordinary user; registered."""
    disk = loop_disk("ext4", 64)
    world = World(disk.path, archives=tmp_path / "archives", state=tmp_path / "state")
    world.series(3, mib=1)
    for path in (*world.backups.glob("db-*"), *world.backups.glob("db-*/**/*")):
        os.chown(path, OWNER, OWNER)
        path.chmod(0o700 if path.is_dir() else 0o600)
    command = Command(tmp_path, '[defaults.monitor]\ninterval = "200 ms"\n', main=world)
    command.run("init")
    return command


def _installed(command: Command, path: Path, *, without: str = "") -> list[str]:
    """The words before a command that put it into the sandbox of the unit, with the drop-in for these settings."""
    _analyze("--version")
    unit, drop_in = path / "ullage.service", path / "stores.conf"
    unit.write_text(UNIT.read_text().replace(without, ""))
    drop_in.write_text(command.run("config", "systemd").stdout)
    return [sys.executable, "-m", "tests.e2e.sandbox", str(unit), str(drop_in), "--"]


@contextmanager
def _writer(file: Path) -> Iterator[None]:
    """An ordinary user's process with the file open for writing."""
    descriptor = os.open(file, os.O_RDWR)
    process = subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, pass_fds=[descriptor], user=OWNER, group=OWNER, extra_groups=[]
    )
    os.close(descriptor)
    try:
        yield
    finally:
        process.communicate()


@pytest.mark.root
def test_in_the_sandbox_backups_of_others_are_archived_and_deleted_and_one_that_is_written_is_left(
    command: Command, tmp_path: Path
) -> None:
    """SPEC 7.10: the daemon, with the unit's capabilities, mounts, hidden processes and filter of system calls."""
    world = command.worlds["main"]
    written, *others, _floor = world.live()
    with _writer(world.backups / written / "data" / "content"):
        command.write('[defaults.monitor]\ninterval = "200 ms"\n[defaults.watermarks]\nwarning = 0.001\n')
        words = [*_installed(command, tmp_path), *command.words("start", "--foreground")]
        daemon = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        try:
            wait_for(lambda: not set(others) & set(world.live()) or daemon.poll() is not None, 30)
        finally:
            daemon.terminate()
            said = daemon.communicate(timeout=30)[1]
        assert daemon.returncode == 0, said
        assert written in world.live()
        reasons = [op.reason for op in world.history() if op.backup_id == written]
        assert all("open for writing" in reason for reason in reasons), reasons
    emergency = [*_installed(command, tmp_path), *command.words("archive", written, "--yes")]
    ran = subprocess.run(emergency, capture_output=True, text=True, check=False)
    assert (ran.returncode, len(world.archived())) == (0, 1), ran.stderr
    assert {op.result for op in world.history()} <= {Result.DONE, Result.SKIPPED}


@pytest.mark.root
def test_without_the_capability_to_see_it_the_writer_would_not_be_known(command: Command, tmp_path: Path) -> None:
    """The control: this is what CAP_SYS_PTRACE is in the unit for."""
    world = command.worlds["main"]
    written = world.live()[0]
    words = command.words("delete", written, "--yes")
    with _writer(world.backups / written / "data" / "content"):
        ran = subprocess.run([*_installed(command, tmp_path), *words], capture_output=True, text=True, check=False)
        assert (ran.returncode, "open for writing" in ran.stdout) == (1, True), ran
        assert written in world.live()
        blind = _installed(command, tmp_path, without=" CAP_SYS_PTRACE")
        assert subprocess.run([*blind, *words], capture_output=True, check=False).returncode == 0
        assert written not in world.live()


@pytest.mark.root
def test_in_the_sandbox_a_state_is_changed_and_keeps_its_owner(command: Command, tmp_path: Path) -> None:
    world = command.worlds["main"]
    changed = world.live()[0]
    words = [*_installed(command, tmp_path), *command.words("transition", changed, "CONFIRMED")]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    status = (world.backups / changed / ".state").stat()
    assert (world.state_of(changed), status.st_uid, status.st_mode & 0o777) == (State.CONFIRMED, OWNER, 0o600)


@pytest.mark.root
def test_in_the_sandbox_nothing_but_stores_and_state_can_be_written(command: Command, tmp_path: Path) -> None:
    world = command.worlds["main"]
    script = 'for path; do touch "$path/new" && echo "$path"; done; ls /proc/sys; chown 1 "$path"; true'
    outside = [str(tmp_path), "/var/tmp", str(world.backups.parent)]
    inside = [str(world.backups), str(world.archives), str(world.state)]
    words = [*_installed(command, tmp_path), "sh", "-c", script, "sh", *outside, *inside]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == inside
