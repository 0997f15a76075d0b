"""What ``statvfs`` does not say of a btrfs: against a real one, its own tools and ENOSPC."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.loops import run
from tests.system.nobody import as_nobody
from ullage.model.words import Kind
from ullage.system.btrfs_room import metadata, quota
from ullage.system.gauge import measure
from ullage.system.linux import syncfs

MIB = 1 << 20
pytestmark = pytest.mark.root


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def fill_metadata(directory: Path, most: int = 1000) -> int:
    """So many directories of about 2 MiB of metadata each until there is no room for more, or ``most``."""
    for number in range(most):
        try:
            heavy(directory / f"d{number}")
        except OSError as error:
            assert error.errno == errno.ENOSPC
            return number
    return most


def heavy(directory: Path) -> None:
    """A directory of four empty files that take about 2 MiB of metadata: a leaf of 16 KiB for each attribute."""
    directory.mkdir()
    for name in "abcd":
        (directory / name).touch()
        for number in range(32):
            os.setxattr(directory / name, f"user.x{number}", b"0123456789abcdef" * 900)


def test_metadata_is_exhausted_where_nothing_can_be_created_though_data_looks_free(loop_disk: LoopDisks) -> None:
    disk = loop_disk("btrfs", 160)
    run("fallocate", "-l", "60M", str(disk.path / "data"))
    with opened(disk.path) as fd:
        syncfs(fd)
        calm = metadata(fd)
        assert calm is not None
        assert (calm.kind, calm.usage_percent < 5) == (Kind.METADATA, True)
        assert fill_metadata(disk.path) > 3
        syncfs(fd)
        full, df = metadata(fd), measure(fd)
        assert full is not None
        assert full.usage_percent > 95
        assert df.available_bytes > 10 * MIB, "df says that there is room"
        run("rm", "-r", str(disk.path / "d0"), str(disk.path / "d1"))
        syncfs(fd)
        less = metadata(fd)
        assert less is not None
        assert 3 * MIB < full.used_bytes - less.used_bytes < 5 * MIB
        assert less.usage_percent < 85


def test_metadata_has_what_is_not_allocated_yet_and_takes_it_twice(loop_disk: LoopDisks) -> None:
    for profile, copies in (("single", 1), ("dup", 2)):
        disk = loop_disk("btrfs", 400, ["-m", profile])
        with opened(disk.path) as fd:
            found = metadata(fd)
            usage = subprocess.run(
                ["btrfs", "filesystem", "usage", "-b", str(disk.path)], capture_output=True, text=True, check=True
            ).stdout
        (line,) = [line for line in usage.splitlines() if "Device unallocated" in line]
        unallocated = int(line.split()[-1])
        assert found is not None
        assert unallocated > 200 * MIB
        assert unallocated // copies <= found.available_bytes < unallocated // copies + 64 * MIB


def test_where_data_and_metadata_share_their_room_df_says_it_all(loop_disk: LoopDisks) -> None:
    with opened(loop_disk("btrfs", 110, ["--mixed"]).path) as fd:
        assert metadata(fd) is None


def test_the_quota_of_a_subvolume_is_read_as_the_tools_show_it(loop_disk: LoopDisks) -> None:
    path = loop_disk("btrfs", 200).path
    run("btrfs", "subvolume", "create", str(path / "store"))
    with opened(path / "store") as fd:
        assert quota(fd) is None, "there are no quotas"
        run("btrfs", "quota", "enable", str(path))
        assert quota(fd) is None, "there is no limit"
        run("btrfs", "qgroup", "limit", "50M", str(path / "store"))
        (path / "store/data").write_bytes(os.urandom(20 * MIB))
        syncfs(fd)
        found = quota(fd)
        assert found is not None
        assert (found.kind, found.total_bytes) == (Kind.QUOTA, 50 * MIB)
        assert 20 * MIB <= found.used_bytes < 21 * MIB
        assert found.available_bytes == found.total_bytes - found.used_bytes
        run("btrfs", "qgroup", "limit", "-e", "30M", str(path / "store"))
        tighter = quota(fd)
        assert tighter is not None
        assert tighter.total_bytes == 30 * MIB
    with opened(path) as fd:
        assert quota(fd) is None, "it is that of the subvolume"

        def look() -> None:
            assert quota(fd) is None
            assert metadata(fd) is not None

        as_nobody(look)
