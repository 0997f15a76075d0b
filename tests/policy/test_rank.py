"""SPEC.md 3: the order, by bytes or, where inodes alone are missing, by those."""

from __future__ import annotations

import pytest

from tests.policy.make import NOW, backup, store
from ullage.model.words import CleanupLevel, State, Strategy
from ullage.policy.select import select

MANY = backup("a-20260101", reclaimable_bytes=10, inodes=900, confirmed_at=1)
LARGE = backup("b-20260101", reclaimable_bytes=900, inodes=10, confirmed_at=1)
SAME = backup("c-20260101", reclaimable_bytes=20, inodes=900, confirmed_at=1)
KEPT = [backup(f"{name}-20260201", State.CONFIRMED, age=1.0) for name in "abc"]


@pytest.mark.parametrize(
    ("need", "order"),
    [(None, "bca"), ((0, 0), "bca"), ((5, 0), "bca"), ((5, 5), "bca"), ((0, 5), "cab")],
    ids=["nothing known", "nothing", "bytes", "both", "inodes alone"],
)
def test_the_largest_are_counted_by_what_is_missing(need: tuple[int, int] | None, order: str) -> None:
    asked = store(strategy=Strategy.LARGEST_FIRST)
    found = select([MANY, LARGE, SAME, *KEPT], CleanupLevel.GENTLE, None, asked, now=NOW, need=need)
    assert [one.backup.id[0] for one in found.candidates] == list(order)


@pytest.mark.parametrize("strategy", [Strategy.OLDEST_FIRST, Strategy.CONFIDENCE_BASED])
def test_the_other_orders_do_not_look_at_what_is_missing(strategy: Strategy) -> None:
    given = [MANY, LARGE, SAME, *KEPT]
    both = [
        select(given, CleanupLevel.GENTLE, None, store(strategy=strategy), now=NOW, need=need).candidates
        for need in (None, (0, 5))
    ]
    assert both[0] == both[1]
