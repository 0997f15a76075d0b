"""Archives of backups: nothing is lost in them, and what changed meanwhile is seen (SPEC.md 7.2, 7.5, 7.11)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.system.workshop import MIB, Workshop, awkward_names, facts, furnish, overwrite_quietly, small_backup
from ullage.errors import ArchiveError, Changed, Refused
from ullage.system.archive_manifest import same
from ullage.system.archives import list_archive, verify_archive, write_archive


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with ExitStack() as stack:
        yield Workshop(tmp_path, stack)


@pytest.mark.root
@pytest.mark.parametrize("fstype", ["ext4", "xfs"])
def test_everything_comes_back_as_it_was(loop_disk: LoopDisks, fstype: str) -> None:
    if not shutil.which("setfacl"):
        pytest.skip("needs setfacl: apt install acl")
    disk = loop_disk(fstype, 300)
    with ExitStack() as stack:
        workshop = Workshop(disk.path, stack)
        furnish(workshop.store / "b")
        workshop.round_trip("b")
        assert facts(workshop.out / "b") == facts(workshop.store / "b")
        assert os.stat(workshop.out / "b" / "sparse").st_blocks <= 2 * (64 << 10) / 512
        assert workshop.archive.stat().st_size < 8 * MIB


@pytest.mark.parametrize("name", awkward_names())
def test_a_backup_may_have_any_name(workshop: Workshop, name: str) -> None:
    small_backup(workshop, name)
    workshop.round_trip(name)
    assert facts(workshop.out / name) == facts(workshop.store / name)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "a\0b"])
def test_what_is_not_the_name_of_one_entry_is_refused(workshop: Workshop, name: str) -> None:
    with pytest.raises(Refused):
        workshop.look(name)
    with pytest.raises(Refused):
        workshop.write(name)


@pytest.mark.parametrize("mtime", [-1, -1_500_000_000, 0, 1, 8_589_934_592 * 10**9 + 7])
def test_times_before_the_epoch_and_far_ahead_are_verified(workshop: Workshop, mtime: int) -> None:
    backup = small_backup(workshop)
    os.utime(backup / "sub" / "data", ns=(0, mtime))
    manifest = workshop.look(backup.name)
    verify_archive(workshop.part_fd, workshop.write(backup.name), manifest, backup.name)


needs_zstd = pytest.mark.skipif(not shutil.which("zstd"), reason="needs zstd: apt install zstd")


@needs_zstd
def test_stock_tools_read_it(workshop: Workshop) -> None:
    small_backup(workshop, "b")
    workshop.write("b")
    subprocess.run(["zstd", "-t", "-q", str(workshop.archive)], check=True)
    listed = subprocess.run(["tar", "--zstd", "-tf", str(workshop.archive)], check=True, capture_output=True, text=True)
    assert listed.stdout.split() == ["b/", "b/.state", "b/sub/", "b/sub/data"]


def test_archiving_does_not_make_a_backup_look_read(workshop: Workshop) -> None:
    backup = small_backup(workshop)
    paths = [backup, *backup.rglob("*")]
    for path in paths:
        os.utime(path, ns=(10**18, path.stat().st_mtime_ns))
    workshop.round_trip(backup.name)
    assert {path.stat().st_atime_ns for path in paths} == {10**18}


def test_the_archive_of_an_unchanged_backup_is_the_same_each_time(workshop: Workshop) -> None:
    backup = small_backup(workshop)
    first = workshop.write(backup.name)
    (backup / "sub" / "data").read_bytes()
    (backup / "sub" / "data").chmod(0o644)
    assert workshop.write(backup.name) == first


@needs_zstd
def test_owners_are_numbers_that_nobody_looks_up(workshop: Workshop) -> None:
    small_backup(workshop, "b")
    workshop.write("b")
    listed = subprocess.run(
        ["tar", "--zstd", "-tvf", str(workshop.archive)], check=True, capture_output=True, text=True
    )
    assert listed.stdout.count(f" {os.getuid()}/{os.getgid()} ") == 4


def test_sockets_are_counted_and_left_out(workshop: Workshop) -> None:
    backup = small_backup(workshop, "b")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(backup / "s"))
    assert workshop.round_trip("b").entries == 4
    assert workshop.look("b").sockets == 1


def test_each_link_to_a_fifo_becomes_a_fifo(workshop: Workshop) -> None:
    backup = small_backup(workshop, "b")
    os.mkfifo(backup / "fifo")
    os.link(backup / "fifo", backup / "too")
    assert workshop.round_trip("b").entries == 6
    assert (workshop.out / "b" / "too").is_fifo()


@contextmanager
def deep(top: Path, name: str, depth: int) -> Iterator[None]:
    """So many directories in one another; gone afterwards, for pytest's own clean-up would recurse too deep."""
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    yield
    subprocess.run(["rm", "-rf", str(top)], check=True)


def test_a_path_that_tar_could_not_extract_again_is_refused(workshop: Workshop) -> None:
    too_deep = deep(workshop.store / "b", "d" * 250, 17)
    with too_deep, pytest.raises(ArchiveError, match="tar can extract none above 4095"):
        workshop.look("b")


def test_a_deep_tree_needs_few_descriptors(workshop: Workshop) -> None:
    with deep(workshop.store / "b", "d", 1900):
        before = workshop.look("b")
        assert before.entries == 1901
        verify_archive(workshop.part_fd, workshop.write("b"), before, "b")


@pytest.mark.root
def test_a_mount_in_a_backup_is_refused(workshop: Workshop, loop_disk: LoopDisks) -> None:
    backup = small_backup(workshop)
    disk = loop_disk("ext4")
    for source in (disk.path, workshop.out):
        subprocess.run(["mount", "--bind", str(source), str(backup / "sub")], check=True)
        try:
            with pytest.raises(Refused, match="mounted"):
                workshop.look(backup.name)
        finally:
            subprocess.run(["umount", str(backup / "sub")], check=True)


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda b: (b / "sub" / "data").write_bytes(b"other"),
    "written, with the mtime put back": lambda b: overwrite_quietly(b / "sub" / "data"),
    "added": lambda b: (b / "new").touch(),
    "removed, with the mtime put back": lambda b: _remove_quietly(b / "sub" / "data"),
    "removed": lambda b: (b / "sub" / "data").unlink(),
    "renamed": lambda b: (b / "sub").rename(b / "other"),
    "chmod": lambda b: (b / "sub").chmod(0o711),
    "linked": lambda b: os.link(b / "sub" / "data", b.parent / "outside"),
}


def _remove_quietly(path: Path) -> None:
    status = path.parent.stat()
    path.unlink()
    os.utime(path.parent, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_two_looks_is_seen(workshop: Workshop, change: str) -> None:
    backup = small_backup(workshop)
    before = workshop.look(backup.name)
    time.sleep(0.01)  # a tick of the kernel's coarse clock
    CHANGES[change](backup)
    assert not same(before, workshop.look(backup.name))


SEEN_IN_AN_ARCHIVE = set(CHANGES) - {"written, with the mtime put back", "linked"}


@pytest.mark.parametrize("change", sorted(SEEN_IN_AN_ARCHIVE))
def test_an_archive_of_something_else_than_the_manifest_is_not_verified(workshop: Workshop, change: str) -> None:
    backup = small_backup(workshop)
    manifest = workshop.look(backup.name)
    CHANGES[change](backup)
    with pytest.raises(ArchiveError, match="cannot be trusted: it holds"):
        verify_archive(workshop.part_fd, workshop.write(backup.name), manifest, backup.name)


def test_a_file_that_grows_while_tar_reads_it_is_a_change(workshop: Workshop) -> None:
    backup = small_backup(workshop)
    (backup / "log").write_bytes(os.urandom(24 * MIB))

    def grow() -> bool:
        with (backup / "log").open("ab") as log:
            log.write(b"one more line\n")
        return False

    with pytest.raises(Changed, match="it changed while it was read"):
        write_archive(workshop.store_fd, backup.name, workshop.part_fd, should_stop=grow)
    with pytest.raises(ArchiveError):
        list_archive(workshop.part_fd)
