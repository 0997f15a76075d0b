"""The ballast (SPEC.md 1, 7.7), on disks that are really full."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from ullage.model.units import GIB, MIB, TIB
from ullage.system.ballast import Ballast, size_for
from ullage.system.linux import syncfs


@contextmanager
def ballast_in(path: Path) -> Iterator[tuple[Ballast, int]]:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Ballast(directory), directory
    finally:
        os.close(directory)


@pytest.mark.parametrize(
    ("total", "size"), [(0, 0), (100_000, 0), (204_800, 4096), (GIB, 21_471_232), (4 * GIB, 64 * MIB), (TIB, 64 * MIB)]
)
def test_the_size_is_two_percent_and_at_most_64_mib(total: int, size: int) -> None:
    assert size_for(total) == size


def test_a_ballast_is_real_blocks_that_only_we_may_read_and_comes_back(tmp_path: Path) -> None:
    with ballast_in(tmp_path) as (ballast, _):
        assert (ballast.size, ballast.give_up()) == (0, 0)
        assert ballast.restore(MIB)
        status = (tmp_path / "ballast").stat()
        assert status.st_blocks * 512 >= MIB
        assert status.st_mode & 0o777 == 0o600
        assert ballast.size >= MIB
        assert ballast.give_up() >= MIB
        assert list(tmp_path.iterdir()) == []
        assert ballast.restore(0)
        assert list(tmp_path.iterdir()) == []


def test_a_ballast_that_is_there_is_left_as_it_is_and_one_too_small_is_made_anew(tmp_path: Path) -> None:
    with ballast_in(tmp_path) as (ballast, _):
        ballast.restore(MIB)
        inode = (tmp_path / "ballast").stat().st_ino
        ballast.restore(MIB)
        assert (tmp_path / "ballast").stat().st_ino == inode
        os.truncate(tmp_path / "ballast", 4096)
        assert ballast.restore(MIB)
        assert ballast.size >= MIB


def test_what_stands_in_its_place_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "ballast").symlink_to(victim)
    with ballast_in(tmp_path) as (ballast, _):
        assert ballast.size == 0
        assert ballast.restore(MIB)
        ballast.give_up()
    assert victim.read_text() == "precious"


@pytest.mark.root
@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_given_up_on_a_full_disk_it_makes_room_for_as_much(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype)
    with ballast_in(disk.path) as (ballast, directory):
        assert ballast.restore(2 * MIB)
        disk.fill()
        assert not Ballast(directory, "second").restore(2 * MIB)
        assert not (disk.path / "second").exists()
        assert ballast.give_up() >= 2 * MIB
        syncfs(directory)
        with (disk.path / "work").open("wb") as work:
            work.write(b"x" * MIB)
            work.flush()
            os.fsync(work.fileno())
        assert not ballast.restore(2 * MIB)
        assert not (disk.path / "ballast").exists()


@pytest.mark.root
def test_the_reserve_of_the_filesystem_is_not_taken_for_ballast(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 64)
    with ballast_in(disk.path) as (ballast, directory):
        space = os.fstatvfs(directory)
        reserve = (space.f_bfree - space.f_bavail) * space.f_frsize
        assert reserve > MIB, "there is no reserve: this test proves nothing"
        assert not ballast.restore(space.f_bavail * space.f_frsize + MIB // 2)
        assert ballast.size == 0


@pytest.mark.root
def test_without_inodes_there_is_no_ballast_and_nothing_left_behind(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    for number in range(os.statvfs(disk.path).f_ffree):
        (disk.path / str(number)).touch()
    with ballast_in(disk.path) as (ballast, _):
        assert not ballast.restore(MIB)
        assert ballast.size == 0
