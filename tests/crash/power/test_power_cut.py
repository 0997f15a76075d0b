"""SPEC 7.4 and 7.5: whenever the power goes, and whatever had not been flushed, nothing is lost that was not chosen.

Each row of ``rows.py`` is done on disks that log their writes and flushes (``device.py``). From the log the disks are
brought to the state after any prefix of it, less any of the writes that no flush followed, or torn pieces of them; the
filesystem is mounted, which replays its own journal, ullage starts again, and the row says what must hold.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.crash.power.disks import ARCHIVES_APART, CATALOG_APART, TOGETHER, Layout
from tests.crash.power.harness import Tally, cut_power
from tests.crash.power.log import FLUSH, MARK, WRITE, Cut, Entry, Log
from tests.crash.power.rows import ROWS, Naive, Unsynced

FILESYSTEMS = ("ext4", "xfs", "btrfs")
CASES = [
    *((row, TOGETHER) for row in ROWS),
    *((row, ARCHIVES_APART) for row in ("archive", "restore", "delete_archive", "emergency")),
    *((row, CATALOG_APART) for row in ("delete", "archive", "restore", "emergency")),
]


def _name(value: object) -> str | None:
    return value.name.replace(" ", "-") if isinstance(value, Layout) else None


@pytest.mark.parametrize("fstype", FILESYSTEMS)
@pytest.mark.parametrize("row", ["delete", "archive"])
def test_after_a_power_cut_nothing_is_lost_and_all_is_settled(place: Path, row: str, fstype: str) -> None:
    tally = cut_power(place, fstype, TOGETHER, ROWS[row], prefixes=4, losses=12, seed=row)
    tally.assert_clean()
    assert tally.states == 17


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fstype", FILESYSTEMS)
@pytest.mark.parametrize(("row", "layout"), CASES, ids=_name)
def test_after_a_power_cut_anywhere_nothing_is_lost_and_all_is_settled(
    place: Path, row: str, layout: Layout, fstype: str
) -> None:
    tally = cut_power(place, fstype, layout, ROWS[row], losses=500, seed=row)
    print(f"{row}, {layout.name}, {fstype}: {tally}")
    tally.assert_clean()
    assert tally.states > 500


@pytest.mark.parametrize("fstype", FILESYSTEMS)
def test_what_syncs_nothing_is_caught(place: Path, fstype: str) -> None:
    _assert_caught(cut_power(place, fstype, TOGETHER, Naive, prefixes=6, losses=6, seed="naive"))


@pytest.mark.parametrize("fstype", FILESYSTEMS)
def test_ullage_without_its_syncs_is_caught(place: Path, fstype: str) -> None:
    _assert_caught(cut_power(place, fstype, CATALOG_APART, Unsynced, prefixes=2, losses=2, seed="unsynced"))


def _assert_caught(tally: Tally) -> None:
    assert tally.violations, tally


def test_what_a_flush_followed_is_never_lost() -> None:
    write, other, flush, mark = Entry(WRITE, 0, 0, b"x"), Entry(WRITE, 1, 0, b"y"), Entry(FLUSH, 0, 0, b""), b"said"
    log = Log((write, other, flush, write, Entry(MARK, 0, 0, mark)))
    assert log.volatile(2) == [0, 1]
    assert log.volatile(3) == [1]
    assert log.volatile(5) == [1, 3]
    assert log.marks(4) == []
    assert log.marks(5) == ["said"]
    cuts = log.losses(200, Random(0), 512)
    assert {n for cut in cuts if cut.at >= 3 for n in cut.kept} == {1, 3}
    assert all(n < cut.at for cut in cuts for n in cut.kept)
    assert {n for cut in log.losses(50, Random(0), 512, lossless=[1]) for n in cut.kept} == {0, 3}
    assert list(log.just_said()) == [Cut(5, {1: (), 3: ()})]
    assert list(log.just_said(lossless=[0])) == [Cut(5, {1: ()})]
    assert list(log.prefixes()) == [Cut(at, {}) for at in range(6)]
