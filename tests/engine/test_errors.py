"""SPEC 7.4: where a call fails, an act is never "done" that is not, and nothing is lost; for any call and any error."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from tests.engine.acts import ACTS, Case, do
from tests.engine.faults import Counter, hooked
from ullage.errors import UllageError
from ullage.model.words import Action, Result

ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EACCES)


def _struck(path: Path, act: Action, number: int, code: int) -> bool:
    """One act in which the n-th call fails; True where it made fewer calls."""

    def fail(name: str) -> None:
        raise OSError(code, os.strerror(code), name)

    case, counter = Case(path, act), Counter(number, fail)
    result = None
    with suppress(UllageError, OSError):
        result = do(case.world, act, hooked(counter, journal=False)).result
    op = case.assert_settled(killed=True, told=False)
    if result is Result.DONE:
        assert op is not None and op.result is Result.DONE
    shutil.rmtree(path)
    return counter.count < number


@pytest.mark.parametrize("act", ACTS)
def test_an_act_in_which_a_call_fails_is_undone_or_finished(ground: Path, act: Action) -> None:
    for index, number in enumerate(range(1, 500, 9)):
        if _struck(ground / str(number), act, number, ERRORS[index % len(ERRORS)]):
            return


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("act", ACTS)
def test_an_act_in_which_any_call_fails_is_undone_or_finished(ground: Path, act: Action, code: int) -> None:
    for number in range(1, 500):
        if _struck(ground / str(number), act, number, code):
            assert number > 20
            return
