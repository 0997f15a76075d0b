"""Every row of faults.md has tests, and they are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.rows import ROWS

ROOT = Path(__file__).parents[2]
COUNTS = {"Settings": 5, "Mounts": 4, "Full": 5, "Trees": 6, "Time": 2, "Processes": 4, "Data": 4, "Network": 1}
"""How many rows each part of faults.md has."""


def test_the_table_has_every_row() -> None:
    assert {part: len(rows) for part, rows in ROWS.items()} == COUNTS


@pytest.mark.parametrize(("row", "tests"), [pair for rows in ROWS.values() for pair in rows.items()])
def test_a_row_has_tests_that_are_there(row: str, tests: tuple[str, ...]) -> None:
    assert tests, row
    for test in tests:
        file, name = test.split("::")
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), test
