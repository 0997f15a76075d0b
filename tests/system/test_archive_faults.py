"""Archives that are damaged, cut, evil, or for which there is no room: found out in time (SPEC.md 7.2, 7.5)."""

from __future__ import annotations

import gzip
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from io import BytesIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.conftest import LoopDisks
from tests.system.workshop import MIB, Workshop, opened, overwrite_quietly, small_backup
from ullage.errors import ArchiveError, Interrupted, NoRoom
from ullage.system.archives import Contents, extract_archive, list_archive, verify_archive, write_archive


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
    assert 4 * MIB <= told[0] <= told[1] - 4 * MIB <= 12 * MIB
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

    def kill(_written: int) -> None:
        for pid in children():
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(ArchiveError, match="tar was killed by signal 9"):
        write_archive(workshop.store_fd, "daily-20260101", workshop.part_fd, room=kill)
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
        "def tell(written): print(open('/proc/thread-self/children').read(), flush=True); sys.stdin.read()\n"
        f"store = os.open({str(workshop.store)!r}, os.O_RDONLY); part = os.open({str(workshop.archive)!r}, os.O_RDWR)\n"
        "write_archive(store, 'daily-20260101', part, room=tell)"
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


# The seed's archives, and evil ones


@pytest.mark.parametrize(("arguments", "top"), [(["-C", "store", "b"], "b"), (["-C", "store/b", "."], None)])
def test_the_archives_of_the_seed_are_listed_and_extracted(
    workshop: Workshop, arguments: list[str], top: str | None
) -> None:
    backup = small_backup(workshop, "b")
    backup.chmod(0o2750)
    (backup / ("long " * 40)).write_text("GNU's own header for long names")
    archive = workshop.archive.with_name("b.tar.gz")
    subprocess.run(["tar", "-czf", str(archive), *arguments], cwd=workshop.store.parent, check=True)
    with opened(archive) as fd:
        contents = list_archive(fd)
        extract_archive(fd, workshop.out_fd)
    assert contents == Contents(top=top, entries=5, size_bytes=100_000 + 10 + 31)
    extracted = workshop.out / (top or ".")
    assert stat.S_IMODE(extracted.stat().st_mode) == 0o2750
    assert (extracted / "sub" / "data").read_bytes() == (backup / "sub" / "data").read_bytes()


def evil(*entries: tuple[str, bytes, str]) -> bytes:
    """A ``.tar.gz`` of members (name, type, link target), each file with the content ``evil``."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, kind, target in (("b", tarfile.DIRTYPE, ""), *entries):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, target, 0o755
            member.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, BytesIO(b"evil"))
    return packed.getvalue()


FILE, LINK, SYMLINK, DIRECTORY = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE


@pytest.mark.parametrize(
    "entries",
    [
        [("../victim", FILE, "")],
        [("b/../../victim", FILE, "")],
        [("{outside}/victim", FILE, "")],
        [("b/x", SYMLINK, "{outside}"), ("b/x/victim", FILE, "")],
        [("b/x", SYMLINK, "../.."), ("b/x/victim", FILE, "")],
        [("b/x", SYMLINK, "{outside}/victim"), ("b/x", FILE, "")],
        [("b/x", SYMLINK, ".."), ("b/y", SYMLINK, "x/.."), ("b/y/victim", FILE, "")],
        [("b/x", SYMLINK, "{outside}"), ("b/x", DIRECTORY, ""), ("b/x/victim", FILE, "")],
        [("b/x", LINK, "{outside}/victim"), ("b/x", FILE, "")],
        [("b/x", LINK, "../victim"), ("b/x", FILE, "")],
        [("b/x", SYMLINK, "{outside}/victim"), ("b/y", LINK, "b/x"), ("b/y", FILE, "")],
    ],
)
def test_an_evil_archive_writes_nothing_outside(workshop: Workshop, entries: list[tuple[str, bytes, str]]) -> None:
    outside = workshop.out.parent
    victim = outside / "victim"
    victim.write_text("good")
    filled = [(name.format(outside=outside), kind, target.format(outside=outside)) for name, kind, target in entries]
    os.pwrite(workshop.part_fd, evil(*filled), 0)
    before = sorted(path for path in outside.rglob("*") if workshop.out not in path.parents)
    with suppress(ArchiveError):  # refused, or tar did not do all of it: both are well
        extract_archive(workshop.part_fd, workshop.out_fd)
    assert sorted(path for path in outside.rglob("*") if workshop.out not in path.parents) == before
    assert victim.read_text() == "good"
    assert victim.stat().st_nlink == 1


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([("/b/x", FILE, "")], "leads out"),
        ([("b/../x", FILE, "")], "leads out"),
        ([("b/x", LINK, "/etc/passwd")], "leads out"),
        ([("b/x", LINK, "b/../../y")], "leads out"),
        ([("c/x", FILE, "")], "more than one directory"),
        ([("x", FILE, "")], "is no directory"),
        ([("b/x", tarfile.CONTTYPE + b"", ""), ("b/y", b"M", "")], "of a kind"),
    ],
)
def test_a_listing_refuses_what_no_backup_holds(
    workshop: Workshop, entries: list[tuple[str, bytes, str]], why: str
) -> None:
    os.pwrite(workshop.part_fd, evil(*entries), 0)
    with pytest.raises(ArchiveError, match=why):
        list_archive(workshop.part_fd)


def test_an_archive_of_nothing_is_refused(workshop: Workshop) -> None:
    os.pwrite(workshop.part_fd, gzip.compress(bytes(10240)), 0)
    with pytest.raises(ArchiveError, match="it is empty"):
        list_archive(workshop.part_fd)


def children() -> list[int]:
    """Our children, zombies too."""
    return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]
