"""Disks that stay mounted while one store after another is struck on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import product
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


@pytest.fixture(scope="session")
def disks(memory: Path) -> Iterator[Callable[[str], LoopDisk]]:
    """``disks(fstype)``: the one of that kind; or a skip."""
    with ExitStack() as mounted:

        @cache
        def disk(fstype: str) -> LoopDisk:
            directory = memory / f"disk-{fstype}"
            (directory / "try").mkdir(parents=True)
            obstacle = why_not(fstype, directory / "try")
            if obstacle:
                pytest.skip(obstacle)
            return mounted.enter_context(LoopDisk(directory, fstype, FILESYSTEMS[fstype]))

        yield disk


@pytest.fixture(scope="session", params=product(FILESYSTEMS, DEEDS), ids="-".join)
def place(request: pytest.FixtureRequest, disks: Callable[[str], LoopDisk], memory: Path) -> Iterator[Place]:
    """The store of each deed in turn, on a disk of each kind."""
    fstype, deed = request.param
    with placed(disks(fstype), memory / "elsewhere", deed) as made:
        made.order = list(DEEDS).index(deed) + 2 * list(FILESYSTEMS).index(fstype)
        yield made


@contextmanager
def placed(disk: LoopDisk, elsewhere: Path, deed: str) -> Iterator[Place]:
    """A store for the deed; gone afterwards."""
    (elsewhere / "templates").mkdir(mode=0o700, parents=True)
    elsewhere.chmod(0o700)
    try:
        yield Place(disk.path, elsewhere, DEEDS[deed])
    finally:
        for top in (elsewhere, disk.path / "run", disk.path / "filler"):
            run("rm", "-rf", str(top))
