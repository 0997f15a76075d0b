"""SPEC 7.4 and 7.5: killed at any system call, nothing is lost, nothing half there looks whole, and all is settled.

The real command is done by a child that is killed as it enters its n-th system call. What a kill leaves on the disk is
the same from one call that changes something to the next, so the long run is through when it has had all of these.
"""

from __future__ import annotations

import pytest

from tests.crash.blows import STRUCK, strike
from tests.crash.conftest import FILESYSTEMS
from tests.crash.deeds import DEEDS
from tests.crash.place import Place
from tests.crash.ptrace import Point
from tests.crash.syscalls import CHANGES

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("kills")]  # counted in one process
SAMPLE = 150
LEAST = 3000
_THROUGH: list[Place] = []


@pytest.mark.timeout(120)
def test_killed_at_a_call_nothing_is_lost_and_all_is_settled(place: Place) -> None:
    deed = list(DEEDS.values()).index(place.deed)
    per_disk = SAMPLE // len(FILESYSTEMS)
    points = per_disk * (deed + 1) // len(DEEDS) - per_disk * deed // len(DEEDS)
    for index in range(points):
        strike(place, Point(1 + (2 * index + 1) * place.changes // (2 * points), CHANGES), "kill")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_killed_at_every_call_that_changes_something_nothing_is_lost(place: Place) -> None:
    number = 1
    while strike(place, Point(number, CHANGES), "every kill"):
        number += 1
    assert number > 0.9 * place.changes  # how many there are differs by a few from run to run
    _THROUGH.append(place)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_killed_at_calls_that_change_nothing_all_is_the_same(place: Place) -> None:
    number = 1
    while strike(place, Point(number), "every kill"):
        number += 193
    _THROUGH.append(place)


@pytest.mark.long
def test_no_fewer_than_three_thousand_kills_were_survived() -> None:
    print(f"killed and settled: {STRUCK['every kill']} times")
    if len(_THROUGH) < 2 * len(FILESYSTEMS) * len(DEEDS):
        pytest.skip("only a part of them was run")
    assert STRUCK["every kill"] >= LEAST
