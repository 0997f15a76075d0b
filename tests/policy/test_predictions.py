"""A store whose predictions go wrong says so (issue 4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ullage.model.units import MIB
from ullage.policy.predictions import Prediction, judged

RIGHT, SHORT = Prediction(10 * MIB, 10 * MIB), Prediction(10 * MIB, 0)


def test_of_none_there_is_nothing_to_say() -> None:
    found = judged([])
    assert (found.count, found.median_error_percent, found.worst_error_percent, found.off) == (0, None, None, False)
    assert found.told is None


@pytest.mark.parametrize(("right", "wrong", "off"), [(0, 1, True), (3, 1, True), (4, 1, False), (15, 5, True)])
def test_one_in_four_that_is_wrong_is_too_many(right: int, wrong: int, off: bool) -> None:
    found = judged([RIGHT] * right + [SHORT] * wrong)
    assert (found.wrong, found.off, found.told is not None) == (wrong, off, off)


@pytest.mark.parametrize(
    ("predicted", "measured", "wrong"),
    [
        (100 * MIB, 80 * MIB, False),  # a fifth
        (100 * MIB, 79 * MIB, True),
        (79 * MIB, 100 * MIB, True),  # more came back than was predicted
        (MIB // 2, 0, False),  # under what a filesystem gives back in pieces
        (MIB // 2 + 1, 0, True),
        (0, 0, False),
    ],
)
def test_an_error_matters_where_it_is_over_a_fifth_and_not_small(predicted: int, measured: int, wrong: bool) -> None:
    assert Prediction(predicted, measured).wrong == wrong


def test_what_is_said_names_what_did_not_come_back_and_what_may_hold_it() -> None:
    assert "10.0 MiB less came back" in (judged([SHORT, RIGHT]).told or "")
    assert "5.0 MiB more came back" in (judged([Prediction(MIB, 6 * MIB)]).told or "")


@given(st.lists(st.builds(Prediction, st.integers(0, 10**12), st.integers(0, 10**12)), min_size=1))
def test_errors_are_percentages_and_the_worst_is_no_better_than_the_median(last: list[Prediction]) -> None:
    found = judged(last)
    assert found.median_error_percent is not None and found.worst_error_percent is not None
    assert 0 <= found.median_error_percent <= found.worst_error_percent <= 100
