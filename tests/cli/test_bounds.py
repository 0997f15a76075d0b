"""SPEC.md 2 and 3: a bound that is met exactly is met, whatever floating point makes of the sum."""

from __future__ import annotations

import os
import time
from fractions import Fraction
from itertools import product

import pytest

from tests.cli import naive
from tests.cli.naive import DAY, Rules
from tests.cli.workplace import OLD, Workplace


@pytest.fixture
def combined(place: Workplace) -> Workplace:
    """A backup for every set of terms, each of full age or half of it."""
    for number, (confirmed, size, read, half) in enumerate(product((0, 1), (0, 20_000, 50_000), (0, 1), (0, 1))):
        path = place.backup(f"b{number:02}", "PENDING", age=15 * DAY + 30 if half else OLD, size=size)
        if confirmed:
            (path / ".confirmed_at").write_text((path / ".created_at").read_text())
        if read:
            os.utime(path / "data", (time.time(), OLD))
    return place


@pytest.mark.parametrize("minimum", ["0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"])
def test_a_bound_that_is_met_exactly_is_met(combined: Workplace, minimum: str) -> None:
    """SPEC 3: >=; every sum of the terms against every tenth."""
    rules = Rules("confidence_based", {}, 0, 16 << 10, 40 << 10, Fraction("0.2"), Fraction(minimum))
    combined.register(
        f"""[stores.main.reclaim]
strategy = "confidence_based"
keep_last = 0
[stores.main.confidence]
large = "16 KiB"
huge = "40 KiB"
emergency_minimum = {minimum}"""
    )
    facts = [naive.look(path) for path in combined.backups.glob("b*")]
    found = combined.done("plan", "aggressive", "100", "--json").json["stores"][0]["candidates"]
    wanted = naive.plan(facts, set(), rules, "aggressive", 100, int(time.time()))
    assert [one["backup_id"] for one in found] == wanted
