"""Issue 5.7: how large the next backup of a series will be."""

from __future__ import annotations

import pytest

from tests.policy.make import backup
from ullage.model.backups import Backup
from ullage.model.units import DAY, MIB
from ullage.model.words import State
from ullage.policy.expected import expected_bytes, with_margin


def night(number: int, size: int, state: State | None = State.CONFIRMED, **more: bool) -> Backup:
    """One that is so many days old."""
    return backup(f"db-202601{30 - number:02d}", state, age=number * DAY, size_bytes=size, reclaimable_bytes=7, **more)


def test_it_is_as_large_as_the_largest_of_the_last_three() -> None:
    known = [night(1, 10 * MIB), night(2, 40 * MIB), night(3, 11 * MIB), night(4, 90 * MIB)]
    assert expected_bytes(known, "db") == 40 * MIB
    assert expected_bytes(known[::-1], "db") == 40 * MIB
    assert expected_bytes(known[:1], "db") == 10 * MIB


@pytest.mark.parametrize("state", [State.CREATED, None])
def test_one_that_is_not_done_or_not_known_says_nothing(state: State | None) -> None:
    assert expected_bytes([night(1, 90 * MIB, state), night(2, 5 * MIB)], "db") == 5 * MIB
    assert expected_bytes([night(1, 90 * MIB, state)], "db") is None


def test_of_another_series_nothing_is_known() -> None:
    assert expected_bytes([night(1, 5 * MIB)], "www") is None


def test_of_one_that_shares_its_own_part_counts() -> None:
    assert expected_bytes([night(1, 90 * MIB, linked=True)], "db") == 7
    assert expected_bytes([night(1, 90 * MIB, reflinked=True)], "db") == 7


def test_room_is_made_for_a_tenth_more() -> None:
    assert with_margin(10 * MIB) == 11 * MIB
