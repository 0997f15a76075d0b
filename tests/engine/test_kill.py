"""SPEC 7.4 and 7.5: killed at any call, the next start finishes or undoes what was under way, and says so.

Each act is done by a child that is killed before its n-th call on the disk or the catalog, for a sample of n and for
every n in the long run. What must hold is the same for all of them, and stands in ``Case.assert_settled``.
"""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.engine.acts import ACTS, Case, do
from tests.engine.faults import killed_at
from ullage.model.words import Action, Result


def _ends(path: Path, act: Action, number: int) -> bool:
    """One kill, and all that must hold after it; True where the act came to its end before that."""
    case = Case(path, act)
    killed = killed_at(number, lambda counting: _act(case, counting))
    op = case.assert_settled(killed=killed)
    if killed and (op is None or op.result is not Result.DONE):
        case.rows = len(case.world.history())
        assert do(case.world, act).result is Result.DONE  # a second run does the job
        case.assert_settled(killed=False)
    shutil.rmtree(path)
    return not killed


def _act(case: Case, counting: AbstractContextManager[None]) -> None:
    do(case.world, case.act, counting)


@pytest.mark.parametrize("act", ACTS)
def test_killed_at_any_call_nothing_is_lost_and_all_is_settled(ground: Path, act: Action) -> None:
    for number in range(5, 500, 13):
        if _ends(ground / str(number), act, number):
            assert number > 30
            return


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("act", ACTS)
def test_killed_at_every_call_nothing_is_lost_and_all_is_settled(ground: Path, act: Action) -> None:
    for number in range(1, 500):
        if _ends(ground / str(number), act, number):
            assert number > 30
            return
