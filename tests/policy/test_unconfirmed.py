"""SPEC.md 3, notes/field.md ("failing nights push out every good copy"): a series that has no good backup of late."""

from __future__ import annotations

import pytest

from tests.policy.make import NOW, backup
from ullage.model.backups import Backup
from ullage.model.units import DAY
from ullage.model.words import State
from ullage.policy.unconfirmed import unconfirmed


def nights(*states: State | None, name: str = "db", first: int = 1) -> list[Backup]:
    """One a day, the last of them ``first`` days old."""
    count = len(states)
    return [
        backup(f"{name}-202601{n + 1:02d}", state, age=(count - n - 1 + first) * DAY) for n, state in enumerate(states)
    ]


def test_a_series_whose_last_three_were_never_confirmed_is_told_of() -> None:
    failed = nights(State.CONFIRMED, *[State.CREATED] * 3)
    assert unconfirmed(failed, now=NOW) == (
        'the series "db": the last 3 backups were never confirmed; the newest good one is 4 d old'
    )


def test_where_none_ever_was_that_is_told() -> None:
    said = unconfirmed(nights(State.PENDING, State.CLEANABLE, State.CREATED), now=NOW)
    assert said == 'the series "db": the last 3 backups were never confirmed; there is no good one'


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([], id="there is none"),
        pytest.param(nights(State.CONFIRMED, State.CREATED, State.CREATED), id="two may be chance"),
        pytest.param(nights(*[State.CREATED] * 9, State.CONFIRMED), id="the newest is good"),
        pytest.param(nights(*[State.CREATED] * 5, State.CONFIRMED, State.PENDING), id="one of the last is good"),
        pytest.param(nights(State.CONFIRMED, *[State.CREATED] * 3, first=0), id="one may still be confirmed"),
        pytest.param(nights(State.CREATED, State.CREATED) + nights(State.CREATED, name="www"), id="two series"),
        pytest.param(
            [backup(f"db-2026010{n}", State.CREATED, created_at=None) for n in (1, 2, 3)], id="their age is not known"
        ),
        pytest.param(
            [backup(f"db-2026010{n}", confirmed_at=1, age=n * DAY) for n in (2, 3, 4)], id="they were confirmed once"
        ),
    ],
)
def test_nothing_is_told_where(members: list[Backup]) -> None:
    assert unconfirmed(members, now=NOW) is None


def test_young_ones_are_counted_once_three_are_late() -> None:
    said = unconfirmed(nights(State.CONFIRMED, *[State.CREATED] * 4, first=0), now=NOW)
    assert said is not None
    assert "the last 4 backups" in said


def test_one_of_unknown_state_is_not_known_to_be_good() -> None:
    good, *_ = members = nights(State.CONFIRMED, State.CREATED, State.CREATED, State.CREATED)
    doubtful = backup("db-20260105", None, age=DAY / 2, confirmed_at=1, fault=".state is empty")
    said = unconfirmed([*members, doubtful], now=NOW)
    assert said is not None
    assert "the last 4 backups" in said
    assert good.good


def test_many_series_are_counted() -> None:
    members = [one for name in "abcde" for one in nights(*[State.CREATED] * 3, name=name)]
    said = unconfirmed(members, now=NOW)
    assert said is not None
    assert [f'"{name}"' in said for name in "abcde"] == [True, True, True, False, False]
    assert said.endswith("; 2 more series are like that")


def test_names_without_a_date_are_one_series() -> None:
    said = unconfirmed([backup(name, State.CREATED, age=2 * DAY) for name in "abc"], now=NOW)
    assert said is not None
    assert said.startswith("the series of names without a date: the last 3 backups")
