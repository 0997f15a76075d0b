"""Where filesystems are mounted (SPEC.md 7.2, 7.3)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.loops import run
from ullage.errors import Changed
from ullage.system.mounts import device_of, mount_point, mounts_below, real_path

STRANGE = "a b\tc\nd\\e#f\rg" + os.fsdecode(b"\xff")


@pytest.mark.root
def test_mounts_below_a_path_are_found_whatever_their_names(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    inner, beside = disk.path / STRANGE, disk.path.with_name("ext4-beside")
    inner.mkdir()
    beside.mkdir()
    run("mount", "--bind", str(beside), str(inner))
    assert mounts_below(str(disk.path)) == [str(inner)]
    assert mounts_below(f"{disk.path}/") == [str(inner)]
    assert str(disk.path) in mounts_below(str(disk.path.parent))
    assert mounts_below(str(beside)) == []
    assert mounts_below(str(disk.path)[:-1]) == []


def test_below_the_root_is_everything_but_the_root() -> None:
    found = mounts_below("/")
    assert "/proc" in found
    assert "/" not in found


def test_the_real_path_of_a_directory_follows_it_when_it_moves(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "link").symlink_to("old")
    descriptor = os.open(tmp_path / "link", os.O_RDONLY)
    try:
        assert real_path(descriptor) == str(tmp_path.resolve() / "old")
        (tmp_path / "old").rename(tmp_path / STRANGE)
        assert real_path(descriptor) == str(tmp_path.resolve() / STRANGE)
        (tmp_path / STRANGE).rmdir()
        with pytest.raises(Changed, match="no longer"):
            real_path(descriptor)
        (tmp_path / f"{STRANGE} (deleted)").mkdir()
        with pytest.raises(Changed, match="no longer"):
            real_path(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.root
def test_a_root_that_was_unmounted_lazily_has_no_path_and_no_device(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    descriptor = os.open(disk.path, os.O_RDONLY)
    try:
        assert device_of(descriptor) == os.fstat(descriptor).st_dev
        run("umount", "-l", str(disk.path))
        assert device_of(descriptor) is None
        with pytest.raises(Changed):
            real_path(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.root
def test_the_mount_point_under_a_path_is_the_nearest(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    assert mount_point(str(disk.path)) == mount_point(f"{disk.path}/a/b") == str(disk.path)
    assert mount_point(str(disk.path.parent)) == mount_point("/") != str(disk.path)
