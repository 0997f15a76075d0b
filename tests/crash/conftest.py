"""Disks that stay mounted while one store after another is struck on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash import ptrace
from tests.crash.deeds import DEEDS
from tests.crash.place import Place
from tests.loops import LoopDisk, run, why_not

FILESYSTEMS = {"ext4": 64, "xfs": 300, "btrfs": 200}
"""With the size in MiB: small, for one of them is nearly full."""


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Another filesystem than the disks, and where they lie: in memory, so that a sync costs little."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    obstacle = ptrace.why_not()
    if obstacle:
        pytest.skip(obstacle)
    path = tmp_path_factory.mktemp("crash")
    run("mount", "-t", "tmpfs", "-o", "size=2g,mode=0700,noatime", "ullage-test", str(path))
    yield path
    run("umount", "-R", "-l", str(path))


@pytest.fixture(scope="module", params=FILESYSTEMS)
def disk(request: pytest.FixtureRequest, memory: Path) -> Iterator[LoopDisk]:
    """A disk of each kind in turn."""
    fstype = request.param
    obstacle = why_not(fstype, memory)
    if obstacle:
        pytest.skip(obstacle)
    directory = memory / f"disk-{fstype}"
    directory.mkdir(exist_ok=True)
    with LoopDisk(directory, fstype, FILESYSTEMS[fstype]) as mounted:
        yield mounted


@pytest.fixture(params=DEEDS)
def place(request: pytest.FixtureRequest, disk: LoopDisk, memory: Path) -> Iterator[Place]:
    """The store of each deed in turn, on that disk."""
    with _placed(disk, memory / "elsewhere", request.param) as made:
        yield made


@contextmanager
def _placed(disk: LoopDisk, elsewhere: Path, deed: str) -> Iterator[Place]:
    (elsewhere / "templates").mkdir(mode=0o700, parents=True)
    elsewhere.chmod(0o700)
    try:
        yield Place(disk.path, elsewhere, DEEDS[deed])
    finally:
        for top in (elsewhere, disk.path / "run", disk.path / "filler"):
            run("rm", "-rf", str(top))
