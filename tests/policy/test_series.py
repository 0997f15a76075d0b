"""SPEC.md 3: a series is the id up to its first date."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ullage.policy.series import series_of


@pytest.mark.parametrize(
    ("backup_id", "series"),
    [
        ("db-20260131", "db"),
        ("db-2026-01-31", "db"),
        ("db_2026_01_31", "db"),
        ("db.20260131", "db"),
        ("db 20260131", "db"),
        ("db20260131", "db"),
        ("db--20260131", "db-"),
        ("a-b-20260131-full", "a-b"),
        ("db-20260131-20260201", "db"),
        ("db-20260131_120000", "db"),
        ("db-20260131T120000", "db"),
        ("db-2026-01-31T12:00:00", "db"),
        ("db-2026013112", "db"),
        ("db-202601311200", "db"),
        ("db-20260131120000", "db"),
        ("db-20260131120000123", "db"),
        ("db-2026-01-31120000", "db"),
        ("20260131", ""),
        ("-20260131", ""),
        ("20260131-db", ""),
        ("2-20260131", "2"),
        ("2024.20260131", "2024"),
        ("db\n-20260131", "db\n"),
        (os.fsdecode(b"\xff-20260131"), os.fsdecode(b"\xff")),
    ],
)
def test_the_series_is_the_id_up_to_its_first_date_without_the_separator(backup_id: str, series: str) -> None:
    assert series_of(backup_id) == series


@pytest.mark.parametrize(
    "backup_id",
    [
        "db", "", "db-2026", "db-202601", "db-1700000000", "db-1700000000000",
        "db-20261301", "db-20260001", "db-20260132", "db-20260100",
        "db-2026-1-31", "db-2026-01_31", "db-2026.01.31", "db-2026-01-311",
        "db-120260131", "db-202601312", "db-2026013125", "db-202601311260", "db-20260131120060",
        "db-10200131", "db-19690131", "db-21000131", "db-２０２６０１３１",
    ],
)  # fmt: skip
def test_what_is_no_plausible_date_makes_no_series(backup_id: str) -> None:
    assert series_of(backup_id) is None


def test_an_implausible_date_is_passed_over_for_the_next() -> None:
    assert series_of("job-20261399-20260131") == "job-20261399"


def test_the_years_are_those_of_unix_time() -> None:
    assert {series_of("a-19700101"), series_of("a-19991231"), series_of("a-20991231")} == {"a"}


def test_ids_without_a_date_are_not_one_series_with_ids_that_begin_with_one() -> None:
    assert series_of("latest") is None
    assert series_of("20260131") is not None


@given(
    st.text(max_size=20).filter(lambda t: not any("0" <= c <= "9" for c in t)),
    st.dates().filter(lambda d: 1970 <= d.year < 2100),
)
def test_a_name_and_a_date_are_the_series_of_that_name(name: str, date: object) -> None:
    assert series_of(f"{name}-{date}") == name
    assert series_of(f"{name}_{str(date).replace('-', '')}") == name
