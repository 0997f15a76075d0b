"""Issue 4, item 4: what is lost when a backup goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.make import NOW, backup, backups
from ullage.model.backups import Backup, Candidate, Harm, Share
from ullage.model.settings import ConfidenceSettings
from ullage.model.units import DAY
from ullage.model.words import State
from ullage.policy.confidence import score
from ullage.policy.harm import harms


def judged(*members: Backup, shares: tuple[Share, ...] = ()) -> dict[str, Harm]:
    candidates = [
        Candidate(
            backup=one,
            score=score(one, ConfidenceSettings(), now=NOW),
            age_seconds=0.0 if one.created_at is None else max(0.0, NOW - one.created_at),
        )
        for one in members
    ]
    return harms(candidates, members, shares, now=NOW)


def alone(**facts: Any) -> dict[str, float]:
    """The terms of a backup that is the last of nothing: another of its day is newer."""
    one = backup("db-1-20260101", **{"confirmed_at": 1, **facts})
    newer = backup("db-1-20260102", State.CONFIRMED, confirmed_at=1, created_at=(one.created_at or 0) + 1)
    return judged(one, newer)[one.id].terms


@pytest.mark.parametrize(
    ("facts", "term", "expected"),
    [
        ({"state": State.CLEANABLE}, "state", 1.0),
        ({"state": State.CONFIRMED}, "state", 4.0),
        ({"state": State.PENDING}, "state", 6.0),
        ({"state": State.CREATED}, "state", 8.0),
        ({"state": None}, "state", 8.0),
        ({"age": 30 * DAY}, "doubt", 0.0),  # confidence 1: half, a month old, once confirmed
        ({"age": 0.0, "confirmed_at": None}, "doubt", 2.0),
        ({"age": 0.0}, "age", 4.0),
        ({"age": 7 * DAY}, "age", 2.0),
        ({"age": 49 * DAY}, "age", 0.5),
        ({}, "shared", 0.0),
    ],
)
def test_each_term_weighs_what_the_table_says(facts: dict[str, Any], term: str, expected: float) -> None:
    assert alone(**facts)[term] == expected


def test_the_last_of_its_day_week_month_and_year_weighs_more_for_each() -> None:
    """Thursday 24 and Wednesday 30 December 2026, Friday 1 and Saturday 2 January 2027; weeks begin on Monday."""
    dates = ("2026-12-24T10", "2026-12-24T12", "2026-12-30T12", "2027-01-01T12", "2027-01-02T12")
    members = [
        backup(f"db-{date}", created_at=int(datetime.fromisoformat(f"{date}:00+00:00").timestamp())) for date in dates
    ]
    found = judged(*members)
    periods = ("day", "week", "month", "year")
    assert [[found[one.id].terms[period] for period in periods] for one in members] == [
        [0.0, 0.0, 0.0, 0.0],
        [1.0, 2.0, 0.0, 0.0],
        [1.0, 0.0, 4.0, 8.0],  # the week goes on into the new year
        [1.0, 0.0, 0.0, 0.0],
        [1.0, 2.0, 4.0, 8.0],
    ]


def test_a_newer_one_that_is_not_good_is_no_last_one_and_each_series_has_its_own() -> None:
    good, bad = backup("db-1", confirmed_at=1, age=100), backup("db-2", State.PENDING, age=90)
    other = backup("www-20260101", age=200)
    found = judged(good, bad, other)
    assert [found[one.id].terms["year"] for one in (good, bad, other)] == [8.0, 0.0, 8.0]


@pytest.mark.parametrize("unknown", [{"state": None}, {"fault": "unreadable"}, {"created_at": None}, {"age": -1e6}])
def test_what_is_not_known_stands_for_no_other(unknown: dict[str, Any]) -> None:
    known, doubtful = backup("db-1", age=100), backup("db-2", **{"age": 50, **unknown})
    assert judged(known, doubtful)[known.id].terms["year"] == 8.0


def test_a_backup_that_others_share_blocks_with_weighs_more_by_the_part_that_they_hold_too() -> None:
    one, two, three = (backup(f"db-{number}", reclaimable_bytes=100) for number in range(3))
    shares = (
        Share(owners=("db-0", "db-1"), size_bytes=200, inodes=0),
        Share(owners=("db-0", "db-2"), size_bytes=100, inodes=0),
    )
    found = judged(one, two, three, shares=shares)
    assert [found[f"db-{number}"].terms["shared"] for number in range(3)] == [1.5, 1.333333, 1.0]


def test_what_shares_inodes_alone_weighs_no_more() -> None:
    members = [backup(f"db-{number}") for number in range(2)]
    shares = (Share(owners=("db-0", "db-1"), size_bytes=0, inodes=7),)
    assert judged(*members, shares=shares)["db-0"].terms["shared"] == 0.0


@given(backups())
def test_harm_is_positive_and_the_sum_of_its_terms(members: list[Backup]) -> None:
    for harm in judged(*members).values():
        assert harm.total > 0
        assert harm.total == pytest.approx(sum(harm.terms.values()), abs=1e-9)


@given(st.lists(st.integers(-(10**12), int(NOW)), min_size=1, max_size=30, unique=True))
def test_periods_are_those_of_the_calendar_in_utc(times: list[int]) -> None:
    """Held against the names that Python's calendar gives them; one last of each, the newest."""
    members = [backup(f"db-{at}", created_at=at) for at in times]
    found = judged(*members)
    bounds = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
    first = datetime(1970, 1, 1, tzinfo=UTC)
    when = {at: first + timedelta(seconds=at) for at in times if at > (bounds[0] - first).total_seconds()}
    for period, form in (("day", "%Y-%m-%d"), ("week", "%G-%V"), ("month", "%Y-%m"), ("year", "%Y")):
        last = {moment.strftime(form): at for at, moment in sorted(when.items())}
        for at in when:
            assert (found[f"db-{at}"].terms[period] > 0) == (at in last.values())
