"""Small files beside those of other programs: read without harm, written whole or not at all (SPEC.md 2, 7.7)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.system.nobody import NOBODY, as_nobody
from ullage.errors import Changed, NoRoom, Refused
from ullage.system import files

FILESYSTEMS = ["ext4", "xfs", "btrfs"]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    return tmp_path / "b"


@pytest.fixture
def fd(here: Path) -> Iterator[int]:
    descriptor = os.open(here, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def at(path: Path) -> int:
    return os.open(path, os.O_RDONLY)


# Reading


def test_a_small_file_is_read_whole_and_a_missing_one_is_none(fd: int, here: Path) -> None:
    (here / ".state").write_bytes(b"CLEANABLE\r\n\0")
    assert files.read_small(fd, ".state") == b"CLEANABLE\r\n\0"
    assert files.read_small(fd, ".created_at") is None


def test_a_file_up_to_the_limit_is_read_and_not_one_byte_more(fd: int, here: Path) -> None:
    (here / "f").write_bytes(b"x" * 4096)
    assert files.read_small(fd, "f") == b"x" * 4096
    (here / "f").write_bytes(b"x" * 4097)
    with pytest.raises(ValueError, match="f holds more than 4096 bytes"):
        files.read_small(fd, "f")


def test_a_huge_file_is_not_read(fd: int, here: Path) -> None:
    with (here / ".state").open("wb") as huge:
        huge.truncate(1 << 30)
    with pytest.raises(ValueError, match="more than 4096 bytes"):
        files.read_small(fd, ".state")


def _make(path: Path, kind: str) -> None:
    if kind == "a symbolic link":
        path.symlink_to("/etc/passwd")
    elif kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))


@pytest.mark.parametrize("kind", ["a symbolic link", "a FIFO", "a directory", "a socket"])
def test_what_is_no_file_is_named_for_what_it_is_and_never_waited_for(here: Path, kind: str) -> None:
    previous = Path.cwd()
    os.chdir(here)  # a socket's path must be short
    try:
        _make(Path("x"), kind)
    finally:
        os.chdir(previous)
    descriptor = at(here)
    with pytest.raises(ValueError, match=f"x is {kind}, not a file"):
        files.read_small(descriptor, "x")
    os.close(descriptor)


def test_a_device_is_not_even_opened() -> None:
    descriptor = at(Path("/dev"))
    with pytest.raises(ValueError, match="null is a device, not a file"):
        files.read_small(descriptor, "null")
    os.close(descriptor)


@pytest.mark.parametrize("kind", ["a symbolic link", "a FIFO", "a directory"])
def test_a_file_swapped_after_the_look_is_caught_by_the_second(
    fd: int, here: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat
    (here / "file").touch()
    _make(here / "x", kind)
    monkeypatch.setattr(os, "stat", lambda *_, **__: real(here / "file"))
    with pytest.raises(ValueError, match=f"x is {kind}, not a file"):
        files.read_small(fd, "x")


def test_reading_leaves_the_atime_alone(fd: int, here: Path) -> None:
    (here / ".state").write_text("PENDING")
    os.utime(here / ".state", (1000, 2000))
    files.read_small(fd, ".state")
    assert (here / ".state").stat().st_atime == 1000


def test_a_file_of_somebody_else_is_read_without_noatime(fd: int, here: Path) -> None:
    (here / ".state").write_text("PENDING")
    (here / ".state").chmod(0o644)
    here.chmod(0o755)

    def part() -> None:
        assert files.read_small(fd, ".state") == b"PENDING"

    as_nobody(part)


def test_a_file_without_permission_is_a_fault_of_the_file(fd: int, here: Path) -> None:
    (here / ".state").touch()
    (here / ".state").chmod(0)
    here.chmod(0o755)

    def part() -> None:
        with pytest.raises(ValueError, match="permission denied"):
            files.read_small(fd, ".state")

    as_nobody(part)


def test_an_odd_name_is_spelled_out(fd: int, here: Path) -> None:
    (here / "a\n\x1b").mkdir()
    with pytest.raises(ValueError, match="is a directory") as caught:
        files.read_small(fd, "a\n\x1b")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/passwd"])
def test_only_the_name_of_one_entry_is_read_or_written(fd: int, name: str) -> None:
    with pytest.raises(Refused, match="not the name of one entry"):
        files.read_small(fd, name)
    with pytest.raises(Refused, match="not the name of one entry"):
        files.write_durable(fd, name, b"")


# Writing


def test_a_file_is_written_whole_with_its_mode_and_nothing_beside(fd: int, here: Path) -> None:
    old = os.umask(0o077)
    files.write_durable(fd, ".state", b"PENDING\n", mode=0o644)
    os.umask(old)
    assert (here / ".state").read_bytes() == b"PENDING\n"
    assert (here / ".state").stat().st_mode & 0o7777 == 0o644
    assert [entry.name for entry in here.iterdir()] == [".state"]


@pytest.mark.root
def test_a_file_keeps_the_owner_and_the_mode_it_had(fd: int, here: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    (here / ".state").touch()
    os.chown(here / ".state", 1234, 5678)
    (here / ".state").chmod(0o664)
    files.write_durable(fd, ".state", b"x", like=(here / ".state").stat())
    status = (here / ".state").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1234, 5678, 0o664)


@pytest.mark.root
def test_an_owner_that_cannot_be_given_is_a_refusal_that_leaves_the_old_file(fd: int, here: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to have somebody else's file")
    (here / ".state").write_text("old")
    os.chown(here, NOBODY, NOBODY)
    like = (here / ".state").stat()

    def part() -> None:
        with pytest.raises(Refused, match=r"cannot write .*state: not permitted"):
            files.write_durable(fd, ".state", b"new", like=like)

    as_nobody(part)
    assert [(entry.name, entry.read_text()) for entry in here.iterdir()] == [(".state", "old")]


@pytest.mark.parametrize("keep", [True, False])
def test_the_directory_keeps_its_own_times_unless_told_otherwise(fd: int, here: Path, keep: bool) -> None:
    os.utime(here, (1000, 2000))
    files.write_durable(fd, ".state", b"x", keep_mtime=keep)
    assert (here.stat().st_mtime == 2000) is keep


def test_a_link_is_replaced_and_its_target_is_not_written(fd: int, here: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("precious")
    (here / ".state").symlink_to(tmp_path / "outside")
    files.write_durable(fd, ".state", b"x")
    assert (tmp_path / "outside").read_text() == "precious"
    assert not (here / ".state").is_symlink()


def test_a_directory_in_the_way_is_refused_and_nothing_is_left(fd: int, here: Path) -> None:
    (here / ".state").mkdir()
    os.utime(here, (1000, 2000))
    with pytest.raises(Refused, match="it is a directory"):
        files.write_durable(fd, ".state", b"x")
    assert [entry.name for entry in here.iterdir()] == [".state"]
    assert here.stat().st_mtime == 2000


def test_content_name_and_times_are_durable_in_that_order(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    for name in ("pwrite", "fsync", "rename", "utime"):
        monkeypatch.setattr(os, name, _recording(events, name, getattr(os, name), fd))
    files.write_durable(fd, ".state", b"x")
    assert events == ["pwrite", "fsync file", "rename", "utime", "fsync directory"]


def _recording(events: list[str], called: str, real: object, directory: int) -> object:
    def call(*arguments: object, **keywords: object) -> object:
        kind = (" directory" if arguments[0] == directory else " file") if called == "fsync" else ""
        events.append(called + kind)
        return real(*arguments, **keywords)  # type: ignore[operator]

    return call


@pytest.mark.root
@pytest.mark.parametrize("fstype", FILESYSTEMS)
def test_without_room_the_old_file_stays_and_nothing_else(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype)
    here = disk.path / "b"
    here.mkdir()
    (here / ".state").write_text("PENDING")
    os.utime(here, (1000, 2000))
    disk.fill()
    descriptor = at(here)
    with pytest.raises(NoRoom, match="no room left, in bytes or inodes"):
        files.write_durable(descriptor, ".state", b"x" * 5_000_000)
    os.close(descriptor)
    assert [(entry.name, entry.read_text()) for entry in here.iterdir()] == [(".state", "PENDING")]
    assert here.stat().st_mtime == 2000


@pytest.mark.root
def test_without_inodes_there_is_no_room(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", mkfs=("-N", "16"))
    descriptor = at(disk.path)
    with pytest.raises(NoRoom):
        for number in range(40):
            files.write_durable(descriptor, f"f{number}", b"")
    files.overwrite(descriptor, "f0", b"still")
    assert (disk.path / "f0").read_bytes() == b"still"
    os.close(descriptor)


# Overwriting


@pytest.mark.parametrize("data", [b"PENDING\n", b"CLEANABLE\n", b"", b"longer than it was before\n"])
def test_an_overwritten_file_holds_the_new_content_and_stays_itself(fd: int, here: Path, data: bytes) -> None:
    (here / ".state").write_text("CONFIRMED\n")
    inode = (here / ".state").stat().st_ino
    files.overwrite(fd, ".state", data)
    assert (here / ".state").read_bytes() == data
    assert (here / ".state").stat().st_ino == inode


def test_what_is_overwritten_is_durable(fd: int, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".state").write_text("CLEANABLE")
    events: list[str] = []
    for name in ("pwrite", "ftruncate", "fsync"):
        monkeypatch.setattr(os, name, _recording(events, name, getattr(os, name), fd))
    files.overwrite(fd, ".state", b"CONFIRMED")
    assert events == ["pwrite", "ftruncate", "fsync file"]


@pytest.mark.root
@pytest.mark.parametrize("fstype", ["ext4", "xfs"])
def test_a_full_disk_takes_a_state_in_place(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype)
    (disk.path / ".state").write_text("CONFIRMED\n")
    disk.fill()
    descriptor = at(disk.path)
    files.overwrite(descriptor, ".state", b"CLEANABLE\n")
    with pytest.raises(NoRoom):
        files.overwrite(descriptor, ".state", b"x" * 5_000_000)
    os.close(descriptor)


def test_a_file_with_other_names_is_not_overwritten(fd: int, here: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("precious")
    (here / ".state").hardlink_to(tmp_path / "outside")
    with pytest.raises(Refused, match="hard links"):
        files.overwrite(fd, ".state", b"x")
    assert (tmp_path / "outside").read_text() == "precious"


@pytest.mark.parametrize("kind", ["a symbolic link", "a FIFO", "a directory"])
def test_what_is_no_file_is_not_overwritten(fd: int, here: Path, kind: str) -> None:
    _make(here / ".state", kind)
    with pytest.raises(Refused, match=f"is {kind}, not a file"):
        files.overwrite(fd, ".state", b"x")


def test_a_link_swapped_in_after_the_look_is_not_written_through(
    fd: int, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside").write_text("precious")
    (here / ".state").symlink_to(tmp_path / "outside")
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda *_, **__: real(tmp_path / "outside"))
    with pytest.raises(Refused, match="it is a symbolic link"):
        files.overwrite(fd, ".state", b"x")
    assert (tmp_path / "outside").read_text() == "precious"


def test_a_missing_file_cannot_be_overwritten(fd: int, here: Path) -> None:
    with pytest.raises(Changed):
        files.overwrite(fd, ".state", b"x")
    assert not list(here.iterdir())


# Leftovers


def test_only_our_own_leftovers_are_removed_and_the_directory_keeps_its_times(fd: int, here: Path) -> None:
    (here / ".ullage-0123456789abcdef").touch()
    kept = {".ullage-notes", ".ullage-0123456789abcdefg", ".ullage", ".state"}
    for name in kept:
        (here / name).touch()
    (here / ".ullage-aaaaaaaaaaaaaaaa").mkdir()
    os.utime(here, (1000, 2000))
    assert files.remove_leftovers(fd) == 1
    assert {entry.name for entry in here.iterdir()} == kept | {".ullage-aaaaaaaaaaaaaaaa"}
    assert here.stat().st_mtime == 2000


def test_a_write_that_was_killed_leaves_a_file_that_counts_as_leftover(
    fd: int, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        os._exit(0)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, "rename", killed)
        files.write_durable(fd, ".state", b"x")
    os.waitpid(child, 0)
    assert len(list(here.iterdir())) == 1
    assert files.remove_leftovers(fd) == 1
    assert not list(here.iterdir())


def test_a_file_in_the_place_of_another_was_last_read_when_that_one_was(tmp_path: Path) -> None:
    (tmp_path / ".state").write_text("PENDING\n")
    os.utime(tmp_path / ".state", (1000, 2000))
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        files.write_durable(directory, ".state", b"CLEANABLE\n", like=os.stat(tmp_path / ".state"))
    finally:
        os.close(directory)
    written = (tmp_path / ".state").stat()
    assert written.st_atime == 1000
    assert written.st_mtime > 2000
