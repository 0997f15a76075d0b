"""SPEC 7.4: whatever system call fails, and however: no wrong deletion, no "done" that is not, no traceback.

The real command meets one error in the place of one call. What it says must be so; the next start, which meets none,
settles what is left.
"""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from tests.crash.blows import STRUCK, strike
from tests.crash.conftest import FILESYSTEMS
from tests.crash.deeds import DEEDS
from tests.crash.place import Place
from tests.crash.ptrace import Point
from tests.crash.syscalls import CHANGES, LISTS, MAY_MEET, closes_after_the_move

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("errors")]  # counted in one process
LEAST = 2000
STEP, BLOWS = 5, 60
"""At least so many calls from one blow to the next, and about so many blows by one error on one place.

Each place begins at another call, for the calls of many deeds are the same.
"""
_CODES = sorted(MAY_MEET)
_THROUGH: list[Place] = []


@pytest.mark.timeout(120)
def test_an_act_in_which_a_call_fails_is_undone_or_finished(place: Place) -> None:
    first = list(DEEDS.values()).index(place.deed)
    for code in (_CODES[first % len(_CODES)], _CODES[(first + 3) % len(_CODES)]):
        assert strike(place, Point(place.changes // 2, MAY_MEET[code], code), "error") or code == errno.EMFILE


@pytest.mark.timeout(120)
@pytest.mark.parametrize("place", [("ext4", "transition")], indirect=True)
def test_a_directory_that_cannot_be_listed_is_named_and_nothing_raises(place: Place) -> None:
    number = 1
    while strike(place, Point(number, LISTS, errno.EIO), "error"):
        number += 3
    assert number > 10


@pytest.mark.timeout(120)
@pytest.mark.parametrize("place", [("ext4", "restore")], indirect=True)
def test_what_is_restored_when_a_close_says_an_error_is_recorded_as_restored(place: Place) -> None:
    for number in range(1, 9):
        assert strike(place, Point(number, closes_after_the_move(), errno.EIO), "error")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("code", _CODES, ids=errno.errorcode.get)
def test_an_act_in_which_any_call_fails_is_undone_or_finished(place: Place, code: int) -> None:
    _strike_all(place, Point(0, MAY_MEET[code], code))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_call_that_is_carried_out_and_says_an_error_leads_to_nothing_wrong(place: Place) -> None:
    _strike_all(place, Point(0, CHANGES, errno.EIO, late=True))


def _strike_all(place: Place, kind: Point) -> None:
    place.fresh()
    step = max(STEP, place.do(kind).count // BLOWS)
    number = 1 + 7 * place.order % step
    while strike(place, replace(kind, number=number), "every error"):
        number += step
    _THROUGH.append(place)


@pytest.mark.long
def test_no_fewer_than_two_thousand_errors_were_met() -> None:
    print(f"met and settled: {STRUCK['every error']} errors")
    if len(_THROUGH) < (len(_CODES) + 1) * len(FILESYSTEMS) * len(DEEDS):
        pytest.skip("only a part of them was run")
    assert STRUCK["every error"] >= LEAST
