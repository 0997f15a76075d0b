"""SPEC.md 1 (usage), 7.6 (freed space that is not visible yet), on real filesystems."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.loops import run
from ullage.model.units import MIB
from ullage.system.gauge import measure, same_filesystem, settle
from ullage.system.linux import syncfs


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_fragmented(path: Path, extents: int) -> int:
    """The bytes of a file of so many extents: a written block, a hole, a written block."""
    with path.open("wb", buffering=0) as file:
        for number in range(extents):
            os.pwrite(file.fileno(), b"x" * 4096, number * 8192)
        os.fsync(file.fileno())
    return extents * 4096


def test_the_space_is_what_df_says(tmp_path: Path) -> None:
    with opened(tmp_path) as root:
        space = measure(root)
        said = subprocess.run(
            ["df", "-B1", "--output=size,itotal", str(tmp_path)], capture_output=True, text=True, check=True
        ).stdout.split()
    assert [space.total_bytes, space.total_inodes] == [int(said[-2]), int(said[-1])]
    assert 0 < space.available_bytes <= space.free_bytes <= space.total_bytes - space.used_bytes + 1
    assert 0 <= space.usage_percent <= 100


@pytest.mark.root
def test_a_full_ext4_is_at_100_percent_although_root_has_a_reserve(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 16)
    with opened(disk.path) as root:
        total = measure(root)
        with (disk.path / "most").open("wb") as most:
            os.posix_fallocate(most.fileno(), 0, total.available_bytes)
        full = measure(root)
    assert full.available_bytes == 0
    assert full.free_bytes > 0
    assert full.usage_percent == 100.0
    assert full.inode_percent is not None
    assert full.inode_percent < 10


@pytest.mark.root
def test_ext4_without_inodes_is_at_100_percent_of_them(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 8)
    with opened(disk.path) as root:
        for number in range(measure(root).free_inodes):
            (disk.path / str(number)).touch()
        space = measure(root)
    assert space.inode_percent == 100.0
    assert space.usage_percent < 100


@pytest.mark.root
def test_btrfs_counts_no_inodes(loop_disk: LoopDisks) -> None:
    with opened(loop_disk("btrfs").path) as root:
        assert measure(root).inode_percent is None


@pytest.mark.root
def test_the_inodes_of_xfs_never_seem_scarcer_than_its_bytes(loop_disk: LoopDisks) -> None:
    disk = loop_disk("xfs")
    for number in range(3000):
        (disk.path / f"{number}").touch()
    with opened(disk.path) as root:
        assert_inodes_below_bytes(root)
        disk.fill()
        assert measure(root).available_bytes < MIB
        assert_inodes_below_bytes(root)


def assert_inodes_below_bytes(root: int) -> None:
    space = measure(root)
    assert space.inode_percent is not None
    assert space.inode_percent <= space.usage_percent


@pytest.mark.root
@pytest.mark.parametrize("filesystem", ["xfs", "another"])
def test_the_space_of_a_fragmented_file_on_xfs_is_visible_once_settled(loop_disk: LoopDisks, filesystem: str) -> None:
    disk = loop_disk("xfs", 400)
    with opened(disk.path) as root:
        size = write_fragmented(disk.path / "backup", 4_000)
        before = measure(root).free_bytes
        (disk.path / "backup").unlink()
        assert measure(root).free_bytes < before + size, "visible at once: this test proves nothing"
        assert settle(root, filesystem, pending=size, timeout=10.0, longest=60.0, before=before)
        assert measure(root).free_bytes >= before + size


@pytest.mark.root
def test_settling_xfs_leaves_the_preallocation_of_a_file_that_is_being_written(loop_disk: LoopDisks) -> None:
    disk = loop_disk("xfs")
    with opened(disk.path) as root, (disk.path / "growing").open("wb", buffering=0) as growing:
        for _ in range(64):
            growing.write(b"x" * (1 << 16))
        os.fsync(growing.fileno())
        allocated = os.fstat(growing.fileno()).st_blocks
        assert allocated * 512 > 4 * MIB, "xfs preallocated nothing: this test proves nothing"
        settle(root, "xfs", pending=0, timeout=1.0, longest=60.0)
        assert os.fstat(growing.fileno()).st_blocks == allocated


@pytest.mark.root
def test_the_space_of_a_file_on_btrfs_is_visible_once_settled(loop_disk: LoopDisks) -> None:
    disk = loop_disk("btrfs", 256)
    (disk.path / "backup").write_bytes(os.urandom(40 * MIB))
    with opened(disk.path) as root:
        syncfs(root)
        before = measure(root).free_bytes
        (disk.path / "backup").unlink()
        assert measure(root).free_bytes < before + 40 * MIB, "visible at once: this test proves nothing"
        assert settle(root, "btrfs", pending=40 * MIB, timeout=2.0, longest=60.0, before=before)
        assert measure(root).free_bytes >= before + 40 * MIB


@pytest.mark.root
def test_what_cannot_come_back_is_waited_for_no_longer_than_the_time_out(loop_disk: LoopDisks) -> None:
    with opened(loop_disk("ext4").path) as root:
        began = time.monotonic()
        assert not settle(root, "another", pending=1 << 60, timeout=0.2, longest=60.0)
        assert 0.2 <= time.monotonic() - began < 5


@pytest.mark.root
def test_what_was_promised_too_high_is_not_waited_for_once_the_gain_has_ended(loop_disk: LoopDisks) -> None:
    disk = loop_disk("xfs", 400)
    with opened(disk.path) as root:
        size = write_fragmented(disk.path / "backup", 3_000)
        before = measure(root).free_bytes
        (disk.path / "backup").unlink()
        began = time.monotonic()
        assert not settle(root, "another", pending=100 * size, timeout=60.0, longest=60.0, before=before)
        assert time.monotonic() - began < 20
        assert measure(root).free_bytes >= before + size


def test_where_space_comes_back_at_once_nothing_is_waited_for(tmp_path: Path) -> None:
    with opened(tmp_path) as root:
        began = time.monotonic()
        assert settle(root, "ext4", pending=1 << 60, timeout=10.0, longest=60.0)
        assert time.monotonic() - began < 1


@pytest.mark.root
def test_subvolumes_of_one_btrfs_are_one_filesystem_and_two_disks_are_two(loop_disk: LoopDisks) -> None:
    disk, another = loop_disk("btrfs"), loop_disk("ext4")
    run("btrfs", "subvolume", "create", str(disk.path / "sub"))
    with opened(disk.path) as top, opened(disk.path / "sub") as sub, opened(another.path) as other:
        assert os.fstat(top).st_dev != os.fstat(sub).st_dev
        assert same_filesystem(top, sub)
        assert same_filesystem(other, other)
        assert not same_filesystem(top, other)


@pytest.mark.root
def test_a_filesystem_that_was_unmounted_lazily_is_no_other(loop_disk: LoopDisks) -> None:
    disk, another = loop_disk("ext4"), loop_disk("ext4")
    with opened(disk.path) as gone, opened(another.path) as other:
        run("umount", "-l", str(disk.path))
        assert not same_filesystem(gone, other)
        assert not same_filesystem(other, gone)
        run("umount", "-l", str(another.path))
        assert not same_filesystem(gone, other)
