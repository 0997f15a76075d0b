"""Archives that are damaged, cut, evil, or for which there is no room: found out in time (SPEC.md 7.2, 7.5)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.conftest import LoopDisks
from tests.system.workshop import MIB, Workshop, opened, overwrite_quietly, small_backup
from ullage.errors import ArchiveError, Interrupted, NoRoom
from ullage.system.archives import extract_archive, list_archive, verify_archive, write_archive


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with ExitStack() as stack:
        yield Workshop(tmp_path, stack)


def test_a_flipped_bit_is_found_wherever_it_is(workshop: Workshop) -> None:
    backup = small_backup(workshop)
    manifest = workshop.look(backup.name)
    written = workshop.write(backup.name)
    size = written.archive_bytes
    for at in (0, 7, 40, size // 3, size // 2, size - 5, size - 1):  # at 5 stands how much memory to use
        byte = os.pread(workshop.part_fd, 1, at)
        os.pwrite(workshop.part_fd, bytes([byte[0] ^ 0x10]), at)
        with pytest.raises(ArchiveError, match="cannot be trusted"):
            verify_archive(workshop.part_fd, written, manifest, backup.name)
        os.pwrite(workshop.part_fd, byte, at)
    verify_archive(workshop.part_fd, written, manifest, backup.name)


@pytest.mark.root
def test_the_disk_is_verified_and_not_the_memory(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 16)
    with ExitStack() as stack:
        workshop = Workshop(disk.path, stack)
        backup = small_backup(workshop)
        manifest = workshop.look(backup.name)
        written = workshop.write(backup.name)
        piece = os.pread(workshop.part_fd, 64, written.archive_bytes // 2)
        with disk.image.open("r+b") as image:
            at = image.read().index(piece)
            os.pwrite(image.fileno(), bytes(64), at)
        with pytest.raises(ArchiveError, match="cannot be trusted"):
            verify_archive(workshop.part_fd, written, manifest, backup.name)


def test_another_archive_of_the_same_tree_is_not_the_one_written(workshop: Workshop) -> None:
    backup = small_backup(workshop)
    manifest = workshop.look(backup.name)
    written = workshop.write(backup.name)
    overwrite_quietly(backup / "sub" / "data")
    other = workshop.write(backup.name)
    length = replace(written, archive_bytes=other.archive_bytes)
    with pytest.raises(ArchiveError, match="reads back otherwise"):
        verify_archive(workshop.part_fd, length, manifest, backup.name)


def test_a_cut_archive_is_refused_at_every_length(workshop: Workshop) -> None:
    backup = small_backup(workshop)
    (backup / "sub" / "data").write_bytes(os.urandom(2 * MIB))  # of half of it tar could extract something
    manifest = workshop.look(backup.name)
    written = workshop.write(backup.name)
    for size in (written.archive_bytes - 1, written.archive_bytes // 2, 20, 3, 0):
        os.ftruncate(workshop.part_fd, size)
        with pytest.raises(ArchiveError, match="cannot be trusted"):
            list_archive(workshop.part_fd)
        with pytest.raises(ArchiveError, match=f"{size} bytes long, and {written.archive_bytes} were written"):
            verify_archive(workshop.part_fd, written, manifest, backup.name)
        with pytest.raises(ArchiveError, match="cannot be trusted"):
            extract_archive(workshop.part_fd, workshop.out_fd)
    assert not list(workshop.out.iterdir())


@pytest.mark.root
def test_a_full_disk_in_mid_write_is_no_room(workshop: Workshop, loop_disk: LoopDisks) -> None:
    (small_backup(workshop) / "big").write_bytes(os.urandom(12 * MIB))
    disk = loop_disk("ext4", 10)
    with opened(disk.path / "part", os.O_RDWR | os.O_CREAT) as part, pytest.raises(NoRoom, match="no room left"):
        write_archive(workshop.store_fd, "daily-20260101", part)
    assert not children()


def test_who_watches_the_room_can_end_it(workshop: Workshop) -> None:
    (small_backup(workshop) / "big").write_bytes(os.urandom(24 * MIB))
    told: list[int] = []

    def room(written: int) -> None:
        told.append(written)
        if len(told) == 2:
            raise NoRoom("the archive filesystem would pass its watermark")

    with pytest.raises(NoRoom, match="watermark"):
        write_archive(workshop.store_fd, "daily-20260101", workshop.part_fd, room=room)
    assert 4 * MIB <= told[0] <= told[1] - 4 * MIB <= 8 * MIB
    assert not children()


def test_a_part_that_cannot_be_written_is_an_error(workshop: Workshop) -> None:
    (workshop.store / "daily-20260101").mkdir()
    with opened(workshop.archive) as read_only, pytest.raises(ArchiveError, match="cannot archive daily-20260101: Bad"):
        write_archive(workshop.store_fd, "daily-20260101", read_only)
    read, write = os.pipe()
    with pytest.raises(ArchiveError, match="cannot archive daily-20260101: Invalid argument"):
        write_archive(workshop.store_fd, "daily-20260101", write)  # a pipe cannot be synced
    os.close(read)
    os.close(write)


def test_a_tar_that_is_killed_leaves_no_archive(workshop: Workshop) -> None:
    (small_backup(workshop) / "big").write_bytes(os.urandom(24 * MIB))

    def kill() -> bool:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        return False

    with pytest.raises(ArchiveError, match="tar was killed by signal 9"):
        write_archive(workshop.store_fd, "daily-20260101", workshop.part_fd, should_stop=kill)
    with pytest.raises(ArchiveError, match="cannot be trusted"):
        list_archive(workshop.part_fd)


def test_what_tar_cannot_read_fails_and_is_named(workshop: Workshop) -> None:
    with pytest.raises(ArchiveError, match=r"cannot archive gone: tar ended with 2: .*gone: Cannot stat"):
        write_archive(workshop.store_fd, "gone", workshop.part_fd)


def test_a_stop_ends_every_long_step(workshop: Workshop) -> None:
    backup = small_backup(workshop)
    manifest = workshop.look(backup.name)
    written = workshop.write(backup.name)
    steps: list[Callable[[], object]] = [
        lambda: write_archive(workshop.store_fd, backup.name, workshop.part_fd, should_stop=lambda: True),
        lambda: verify_archive(workshop.part_fd, written, manifest, backup.name, should_stop=lambda: True),
        lambda: list_archive(workshop.part_fd, should_stop=lambda: True),
        lambda: extract_archive(workshop.part_fd, workshop.out_fd, should_stop=lambda: True),
    ]
    for step in reversed(steps):
        with pytest.raises(Interrupted):
            step()
    assert not children()


def test_a_stop_is_heard_while_tar_is_silent(workshop: Workshop) -> None:
    backup = small_backup(workshop)
    (backup / "big").write_bytes(os.urandom(24 * MIB))
    asked: list[int] = []

    def stop() -> bool:
        for pid in children():
            os.kill(pid, signal.SIGSTOP)
        asked.append(1)
        return len(asked) > 4

    with pytest.raises(Interrupted):
        write_archive(workshop.store_fd, backup.name, workshop.part_fd, should_stop=stop)
    assert not children()


def test_tar_does_not_outlive_a_killed_ullage(workshop: Workshop) -> None:
    (small_backup(workshop) / "big").write_bytes(os.urandom(24 * MIB))
    script = (
        "import os, sys; from ullage.system.archives import write_archive\n"
        "calls = iter(range(1000))\n"
        "def wait(): print(open('/proc/thread-self/children').read(), flush=True); sys.stdin.read()\n"
        f"store = os.open({str(workshop.store)!r}, os.O_RDONLY); part = os.open({str(workshop.archive)!r}, os.O_RDWR)\n"
        "write_archive(store, 'daily-20260101', part, should_stop=lambda: next(calls) == 20 and wait())"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ullage:
        assert ullage.stdout
        tar = Path("/proc", ullage.stdout.readline().decode().strip())
        assert (tar / "comm").read_text() == "tar\n"
        ullage.kill()
    until = time.monotonic() + 5
    while tar.exists() and "Z" not in (tar / "stat").read_text() and time.monotonic() < until:
        time.sleep(0.02)
    assert not tar.exists() or "Z" in (tar / "stat").read_text()
    with pytest.raises(ArchiveError, match="cannot be trusted"):
        list_archive(workshop.part_fd)


def test_a_missing_tar_is_said(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    small_backup(workshop)
    monkeypatch.setenv("PATH", str(workshop.out))
    with pytest.raises(ArchiveError, match="tar is not installed: apt install tar"):
        workshop.write("daily-20260101")


def test_what_the_environment_tells_tar_is_not_heard(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAR_OPTIONS", "--exclude=data")
    small_backup(workshop, "b")
    assert workshop.round_trip("b").entries == 4


@pytest.mark.root
def test_no_room_where_it_is_extracted(workshop: Workshop, loop_disk: LoopDisks) -> None:
    (small_backup(workshop) / "big").write_bytes(bytes(12 * MIB))
    (workshop.store / "daily-20260101" / "big2").write_bytes(os.urandom(12 * MIB))
    workshop.write("daily-20260101")
    disk = loop_disk("ext4", 10)
    with opened(disk.path) as destination, pytest.raises(NoRoom, match="No space left on device"):
        extract_archive(workshop.part_fd, destination)
    assert not children()


def children() -> list[int]:
    """Our children that are tars, zombies too; other tests may have left multiprocessing's own helper behind."""
    found = [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]
    return [pid for pid in found if Path(f"/proc/{pid}/comm").read_text() == "tar\n"]
