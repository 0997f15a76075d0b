"""SPEC.md 7.6, notes/faults.md: space that does not come back: stop after two, say what holds it."""

from __future__ import annotations

import pytest

from ullage.model.units import DAY, MIB
from ullage.model.words import Unit
from ullage.policy.stall import Stall, stall_after, stalled

STALL = Stall(until=1300.0, missing=100 * MIB, free=50 * MIB)


@pytest.mark.parametrize(
    ("free", "now", "waits"),
    [
        pytest.param(50 * MIB, 1000.0, True, id="nothing came back"),
        pytest.param(99 * MIB, 1299.0, True, id="less than half came back"),
        pytest.param(100 * MIB, 1000.0, False, id="half came back"),
        pytest.param(0, 1300.0, False, id="the time is over"),
        pytest.param(0, -2.0 * DAY, False, id="the clock was set back since"),
    ],
)
def test_a_store_waits_until_the_time_is_over_or_the_space_is_back(free: int, now: float, waits: bool) -> None:
    assert (stalled(STALL, free=free, now=now) is not None) is waits


def test_without_a_stall_nothing_waits() -> None:
    assert stalled(None, free=0, now=0.0) is None


def test_it_says_how_much_is_held_and_by_what() -> None:
    said = str(stalled(STALL, free=0, now=1000.0))
    assert "100.0 MiB did not come back" in said
    assert "did not come back. Something else holds them: a process with deleted files open, a snapshot" in said
    assert "links or reflinks outside. No more is deleted for" in said
    assert "5 min" in said


def test_each_stall_in_a_row_lasts_twice_as_long_up_to_a_day() -> None:
    lasts, stall = [], None
    for _ in range(30):
        stall = stall_after(stall, missing=1, free=0, now=0.0, first=300.0)
        lasts.append(stall.until)
    assert lasts[:4] == [300.0, 600.0, 1200.0, 2400.0]
    assert lasts[-1] == DAY


def test_a_stall_keeps_what_was_missing_and_what_was_free() -> None:
    assert stall_after(None, missing=7, free=5, now=100.0, first=300.0) == Stall(until=400.0, missing=7, free=5)


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        (Unit.BYTES, "4.0 KiB did not"),
        (Unit.INODES, "4096 inodes did not"),
        (Unit.METADATA, "4.0 KiB of btrfs metadata"),
    ],
)
def test_it_says_of_what(unit: Unit, told: str) -> None:
    stall = stall_after(None, missing=4096, free=0, now=0.0, first=300.0, unit=unit)
    assert f"gained almost nothing: {told}" in str(stalled(stall, free=0, now=1.0))


def test_it_names_who_was_found() -> None:
    stall = stall_after(
        None, missing=MIB, free=0, now=0.0, first=300.0, why="1 B still held by process 1, x, 1 deleted file"
    )
    said = str(stalled(stall, free=0, now=1.0))
    assert "did not come back. 1 B still held by process 1, x, 1 deleted file. No more is deleted for" in said
