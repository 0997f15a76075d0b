"""SPEC.md 2, Confidence."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.make import NOW, backup
from ullage.model.settings import ConfidenceSettings
from ullage.model.units import DAY, MIB
from ullage.model.words import State
from ullage.policy.confidence import score

SETTINGS = ConfidenceSettings()


def terms(age: float = 0.0, state: State = State.CLEANABLE, **more: Any) -> dict[str, float]:
    """The terms that are not 0."""
    scored = score(backup(age=age, state=state, **more), SETTINGS, now=NOW)
    return {name: value for name, value in scored.terms.items() if value}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, {"base": 0.5}),
        ({"age": 15 * DAY}, {"base": 0.5, "age": 0.15}),
        ({"age": 30 * DAY}, {"base": 0.5, "age": 0.3}),
        ({"age": 300 * DAY}, {"base": 0.5, "age": 0.3}),
        ({"age": -DAY}, {"base": 0.5}),
        ({"created_at": None}, {"base": 0.5}),
        ({"state": State.CONFIRMED}, {"base": 0.5, "confirmed": 0.2}),
        ({"confirmed_at": 1}, {"base": 0.5, "confirmed": 0.2}),
        ({"size_bytes": 100 * MIB}, {"base": 0.5}),
        ({"size_bytes": 100 * MIB + 1}, {"base": 0.5, "large": -0.1}),
        ({"size_bytes": 500 * MIB}, {"base": 0.5, "large": -0.1}),
        ({"size_bytes": 500 * MIB + 1}, {"base": 0.5, "large": -0.1, "huge": -0.1}),
        ({"last_read_at": NOW - 7 * DAY}, {"base": 0.5, "recently_read": -0.2}),
        ({"last_read_at": NOW - 7 * DAY - 1}, {"base": 0.5}),
        ({"last_read_at": NOW + DAY}, {"base": 0.5, "recently_read": -0.2}),
    ],
)
def test_every_fact_has_its_term(facts: dict[str, Any], expected: dict[str, float]) -> None:
    assert terms(**facts) == pytest.approx(expected)


def test_every_term_is_named_even_where_it_does_not_apply() -> None:
    names = ["base", "age", "confirmed", "large", "huge", "recently_read"]
    assert list(score(backup(), SETTINGS, now=NOW).terms) == names


def test_confidence_is_the_sum_and_the_boost_is_held_to_1() -> None:
    scored = score(backup(age=40 * DAY, confirmed_at=1, size_bytes=101 * MIB), SETTINGS, now=NOW)
    assert (scored.confidence, scored.boosted) == (0.9, 1.0)


def test_the_least_sure_are_at_a_tenth() -> None:
    worst = backup(age=0, size_bytes=501 * MIB, last_read_at=NOW)
    assert score(worst, SETTINGS, now=NOW).confidence == 0.1


@given(
    days=st.integers(0, 40),
    good=st.booleans(),
    size=st.sampled_from([0, 101 * MIB, 501 * MIB]),
    read=st.booleans(),
    boost=st.sampled_from(["0", "0.05", "0.1", "0.2", "0.35"]),
)
def test_confidence_is_what_decimal_arithmetic_gives(days: int, good: bool, size: int, read: bool, boost: str) -> None:
    one = backup(age=days * DAY, confirmed_at=1 if good else None, size_bytes=size, last_read_at=NOW if read else None)
    exact = Fraction(5, 10) + Fraction(3, 10) * min(Fraction(days, 30), Fraction(1)) + Fraction(2 * good, 10)
    exact += Fraction(-(size > 100 * MIB) - (size > 500 * MIB) - 2 * read, 10)
    scored = score(one, ConfidenceSettings(pressure_boost=float(boost)), now=NOW)
    assert scored.confidence == float(exact)
    assert scored.boosted == float(min(Fraction(1), exact + Fraction(boost)))


@given(st.integers(0, int(60 * DAY)), st.integers(0, int(60 * DAY)))
def test_an_older_backup_is_never_less_sure(one: int, other: int) -> None:
    young, old = sorted((one, other))
    assert (
        score(backup(age=young), SETTINGS, now=NOW).confidence <= score(backup(age=old), SETTINGS, now=NOW).confidence
    )
