"""What metadata takes on btrfs is learnt from what was measured (issue 4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ullage.policy.metadata import KEPT, Sample, factor, with_sample

FIRST_GUESS = 2.4
"""For metadata that is written twice."""


@pytest.mark.parametrize("number", [0, 1, 2])
def test_before_three_backups_went_it_is_a_guess(number: int) -> None:
    assert factor((Sample(1000, 3000),) * number, 2.0) == pytest.approx(FIRST_GUESS)


def test_then_it_is_what_was_measured() -> None:
    assert factor((Sample(1000, 3000),) * 3, 2.0) == 3.0


def test_large_backups_teach_more_than_small_ones() -> None:
    assert factor((Sample(10, 20), Sample(10, 20), Sample(10_000, 30_000)), 2.0) == 3.0


@pytest.mark.parametrize("gained", [-(10**9), 0, 10**9])
def test_what_a_neighbour_wrote_or_deleted_teaches_nothing(gained: int) -> None:
    assert factor((*(Sample(1000, 3000),) * 3, Sample(10**6, gained)), 2.0) == 3.0


@given(st.lists(st.builds(Sample, st.integers(1, 10**9), st.integers(-(10**9), 10**12))), st.sampled_from([0.5, 1, 2]))
def test_it_stays_within_reason(samples: list[Sample], copies: float) -> None:
    assert 0.25 * 1.2 * copies <= factor(tuple(samples), copies) <= 4 * 1.2 * copies


@given(st.lists(st.integers(0, 5), max_size=3 * KEPT))
def test_the_last_so_many_are_remembered_and_those_without_items_are_not(items: list[int]) -> None:
    samples: tuple[Sample, ...] = ()
    for number in items:
        samples = with_sample(samples, number, 7)
    assert [sample.items for sample in samples] == [number for number in items if number][-KEPT:]
