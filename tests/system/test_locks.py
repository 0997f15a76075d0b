"""One at a time, whoever asks: processes, threads, children (SPEC.md 2, 7.6, 7.10)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from ullage.errors import Busy, NoRoom, Refused
from ullage.system.locks import FileLock, flocked, lock_directory

HOLDS = """
import os, sys
from ullage.system.locks import FileLock, lock_directory
directory = os.open(sys.argv[1], os.O_RDONLY)
if sys.argv[2] == "directory":
    lock_directory(directory)
else:
    lock = FileLock(directory, sys.argv[2], sys.argv[3])
    lock.__enter__()
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(path: Path, what: str, note: str = "") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path), what, note], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.communicate()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def test_a_directory_that_another_process_has_locked_is_busy_until_that_ends(tmp_path: Path, directory: int) -> None:
    with held_elsewhere(tmp_path, "directory"), pytest.raises(Busy, match=r"is locked by another process \(flock\)"):
        lock_directory(directory)
    lock_directory(directory)


def test_a_lock_is_free_again_when_its_holder_is_killed(tmp_path: Path, directory: int) -> None:
    with held_elsewhere(tmp_path, "lock") as process:
        process.kill()
        process.wait()
        with FileLock(directory, "lock", "test"):
            pass


def test_a_lock_file_held_elsewhere_is_busy_and_says_by_whom(tmp_path: Path, directory: int) -> None:
    with held_elsewhere(tmp_path, "lock", "daemon\x1b[2J\n" + "x" * 300) as process, pytest.raises(Busy) as raised:
        FileLock(directory, "lock", "test").__enter__()
    message = str(raised.value)
    assert f"process {process.pid} on {socket.gethostname()} (daemon" in message
    assert message.isprintable()


def test_the_note_of_a_longer_holder_leaves_nothing_behind(tmp_path: Path, directory: int) -> None:
    with FileLock(directory, "lock", "x" * 1000):
        pass
    with FileLock(directory, "lock", "short") as lock:
        assert lock.holder() == f"process {os.getpid()} on {socket.gethostname()} (short)"
    assert (tmp_path / "lock").stat().st_size == 256


def test_threads_exclude_each_other_and_waiting_ends_when_the_lock_is_free(directory: int) -> None:
    first = FileLock(directory, "lock", "first")
    first.__enter__()
    with pytest.raises(Busy):
        FileLock(directory, "lock", "second").__enter__()
    release = threading.Timer(0.2, first.__exit__, (None, None, None))
    release.start()
    with FileLock(directory, "lock", "second", wait=10.0):
        release.join()


def test_waiting_ends_after_the_time_given(tmp_path: Path, directory: int) -> None:
    with held_elsewhere(tmp_path, "lock"):
        began = time.monotonic()
        with pytest.raises(Busy):
            FileLock(directory, "lock", "test", wait=0.2).__enter__()
        assert 0.2 <= time.monotonic() - began < 5


def test_children_do_not_inherit_the_lock(directory: int) -> None:
    with FileLock(directory, "lock", "test"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with FileLock(directory, "lock", "test"):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_forked_child_does_not_keep_the_lock(directory: int) -> None:
    with FileLock(directory, "lock", "test"):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    try:
        with FileLock(directory, "lock", "test"):
            pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_file_that_is_removed_before_it_is_locked_is_not_the_lock(
    tmp_path: Path, directory: int, replaced: bool
) -> None:
    class Raced(FileLock):
        opened = 0

        def _open(self) -> int:
            descriptor = super()._open()
            self.opened += 1
            if self.opened == 1:
                (tmp_path / "lock").unlink()
                if replaced:
                    (tmp_path / "lock").touch()
            return descriptor

    with Raced(directory, "lock", "test", wait=10.0) as lock:
        assert lock.opened == 2
        with pytest.raises(Busy):
            FileLock(directory, "lock", "another").__enter__()


def test_a_note_by_another_hand_cannot_break_a_line(tmp_path: Path, directory: int) -> None:
    (tmp_path / "lock").write_bytes(b"\x1b[2J\nme\xff\0\0")
    assert FileLock(directory, "lock", "test").holder() == "\\x1b[2J\\nme\\xff"
    (tmp_path / "lock").write_bytes(b"")
    assert FileLock(directory, "lock", "test").holder() == "another process"


def stand_in(lock: Path, what: str, victim: Path) -> None:
    match what:
        case "symlink":
            lock.symlink_to(victim)
        case "hardlink":
            lock.hardlink_to(victim)
        case "fifo":
            os.mkfifo(lock)
        case _:
            lock.mkdir()


@pytest.mark.parametrize("what", ["symlink", "fifo", "directory", "hardlink"])
def test_nothing_but_a_lock_file_is_opened_or_written(tmp_path: Path, directory: int, what: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    lock = tmp_path / "lock"
    stand_in(lock, what, victim)
    with pytest.raises(Refused):
        FileLock(directory, "lock", "test").__enter__()
    assert victim.read_text() == "precious"


@pytest.mark.root
@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_an_existing_lock_is_taken_on_a_full_disk(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype)
    (disk.path / "lock").touch()
    disk.fill()
    directory = os.open(disk.path, os.O_RDONLY)
    try:
        with FileLock(directory, "lock", "test"), pytest.raises(Busy):
            FileLock(directory, "lock", "another").__enter__()
    finally:
        os.close(directory)


@pytest.mark.root
def test_a_lock_file_that_cannot_be_made_is_said_so(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    inodes = os.statvfs(disk.path).f_ffree
    for number in range(inodes):
        (disk.path / str(number)).touch()
    directory = os.open(disk.path, os.O_RDONLY)
    try:
        with pytest.raises(NoRoom, match="lock"):
            FileLock(directory, "lock", "test").__enter__()
    finally:
        os.close(directory)


def test_no_descriptor_is_left_by_a_refusal(tmp_path: Path, directory: int) -> None:
    with held_elsewhere(tmp_path, "lock"):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(Busy):
                FileLock(directory, "lock", "test").__enter__()
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.root
@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_who_is_locked_is_told_of_the_filesystem_asked_for_alone(
    loop_disk: LoopDisks, directory: int, fstype: str
) -> None:
    disk = loop_disk(fstype)
    there = os.open(disk.path, os.O_RDONLY)
    try:
        lock_directory(there)
        inode = os.fstat(there).st_ino
        assert inode in flocked(there)
        assert inode not in flocked(directory)
    finally:
        os.close(there)
