"""Issue 4, SPEC 7.6: what btrfs hands back late, and the snapshots that keep it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.loops import run
from tests.system.test_gauge import opened
from ullage.model.units import MIB
from ullage.system.btrfs import settle, snapshots_of
from ullage.system.gauge import measure
from ullage.system.linux import syncfs

pytestmark = pytest.mark.root


@pytest.fixture
def disk(loop_disk: LoopDisks) -> Iterator[Path]:
    yield loop_disk("btrfs", 256).path


def _subvolume(path: Path, mib: int) -> Path:
    run("btrfs", "subvolume", "create", str(path))
    (path / "content").write_bytes(os.urandom(mib * MIB))
    return path


def test_the_space_of_deleted_subvolumes_is_visible_once_settled(disk: Path) -> None:
    with opened(disk) as root:
        for number in range(3):
            _subvolume(disk / f"{number}", 10)
        syncfs(root)
        before = measure(root).free_bytes
        for number in range(3):
            run("btrfs", "subvolume", "delete", str(disk / f"{number}"))
        syncfs(root)
        assert measure(root).free_bytes < before + 20 * MIB, "visible at once: this test proves nothing"
        assert settle(root, None, timeout=20.0, longest=60.0)
        assert measure(root).free_bytes >= before + 30 * MIB


def test_a_deleted_subvolume_that_is_open_is_waited_for_no_longer_than_the_time_out(disk: Path) -> None:
    with opened(disk) as root, opened(_subvolume(disk / "held", 1)):
        free = measure(root).free_bytes
        run("btrfs", "subvolume", "delete", str(disk / "held"))
        began = time.monotonic()
        assert not settle(root, None, timeout=0.3, longest=60.0)
        assert time.monotonic() - began < 10
        assert settle(root, free - MIB, timeout=20.0, longest=60.0), "what was expected is there"


def test_a_subvolume_that_goes_on_being_cleaned_is_waited_for_no_longer_than_the_longest(disk: Path) -> None:
    with opened(disk) as root, opened(_subvolume(disk / "held", 1)):
        run("btrfs", "subvolume", "delete", str(disk / "held"))
        began = time.monotonic()
        assert not settle(root, None, timeout=60.0, longest=0.3)
        assert time.monotonic() - began < 10


def test_the_snapshots_of_a_subvolume_are_named_and_those_of_others_are_not(disk: Path) -> None:
    for name in ("mine", "other"):
        _subvolume(disk / name, 1)
    for name in ["a", "b\n", *(f"n{number:02d}" for number in range(30))]:
        run("btrfs", "subvolume", "snapshot", "-r", str(disk / "mine"), str(disk / name))
    run("btrfs", "subvolume", "snapshot", str(disk / "other"), str(disk / "mine" / "c"))
    with opened(disk / "mine") as mine, opened(disk / "other") as other, opened(disk) as top:
        found = snapshots_of(mine)
        assert [name.split(" (id ")[0] for name in found[:3]] == ["a", "b\n", "n00"]
        assert len(found) == 32
        assert [name.split(" (id ")[0] for name in snapshots_of(other)] == ["c"]
        assert snapshots_of(top) == ()


def test_another_filesystem_has_no_snapshots(tmp_path: Path) -> None:
    with opened(tmp_path) as root:
        assert snapshots_of(root) == ()
