"""Issue 4, item 4: the harm of a plan beside that of the other strategies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import NOW, backup, backups, reading, space, store
from ullage.model.backups import Backup, Share
from ullage.model.plans import Cost, View
from ullage.model.units import DAY
from ullage.model.words import CleanupLevel, State, Strategy
from ullage.policy.assess import Goal
from ullage.policy.cost import costs
from ullage.policy.plan import plan
from ullage.policy.respond import Response


def asked(goal: Goal | None = Goal.LOW, limit: int | None = None) -> Response:
    return Response(cleanup_level=CleanupLevel.MODERATE, limit=limit, forced=False, archive_first=False, goal=goal)


def compared(
    *members: Backup, strategy: Strategy = Strategy.OLDEST_FIRST, used: int = 850, **how: int
) -> dict[Strategy, Cost]:
    seen = View(now=NOW, reading=reading(space(used)), backups=members, pending_bytes=how.pop("pending", 0))
    settings = store(keep_last=0, strategy=strategy)
    found = plan(seen, asked(**how), settings)  # type: ignore[arg-type]
    return costs(found, seen, settings, archive_first=False)[1]


def one(number: int, size: int, state: State = State.CLEANABLE) -> Backup:
    """Of one day, a second apart; the last of it is dear."""
    day = NOW - NOW % DAY - 40 * DAY
    return backup(f"db-{number}", state, created_at=int(day) + number, confirmed_at=1, reclaimable_bytes=size)


STORE = (one(1, 10, State.CONFIRMED), one(2, 60), one(3, 60), one(4, 200, State.CONFIRMED), one(5, 1))


@pytest.mark.parametrize("strategy", Strategy)
def test_each_strategy_is_told_for_what_it_would_take_whichever_is_set(strategy: Strategy) -> None:
    found = compared(*STORE, strategy=strategy)
    taken = {name: (cost.backups, cost.size_bytes, cost.enough) for name, cost in found.items()}
    assert taken == {
        "oldest_first": (3, 130, True),
        "largest_first": (1, 200, True),
        "confidence_based": (3, 130, True),
        "least_harm": (2, 120, True),
    }
    assert min(found.values(), key=lambda cost: cost.harm) is found[Strategy.LEAST_HARM]


def test_a_limit_and_what_the_trash_gives_back_count_for_each() -> None:
    assert [cost.backups for cost in compared(*STORE, limit=1).values()] == [1, 1, 1, 1]
    assert [cost.enough for cost in compared(*STORE, limit=1).values()] == [False, True, False, True]
    assert [cost.backups for cost in compared(*STORE, pending=101).values()] == [0, 0, 0, 0]


def test_where_an_archive_stays_on_the_same_filesystem_what_it_leaves_is_counted() -> None:
    """Of 100 each, 70 come back: two are needed for 101 bytes, and not one and a small one."""
    members = [replace(one(number, size), size_bytes=size) for number, size in enumerate((100, 20, 101, 1))]
    seen = View(now=NOW, reading=reading(space(850), archive=space(850), same_filesystem=True), backups=tuple(members))
    settings = store(keep_last=0, strategy=Strategy.LEAST_HARM)
    found = plan(seen, replace(asked(), archive_first=True), settings)
    cost = costs(found, seen, settings, archive_first=True)[1][Strategy.LEAST_HARM]
    assert sorted(step.candidate.backup.id for step in found.taken) == ["db-0", "db-2"]
    assert (cost.backups, cost.size_bytes, cost.enough) == (2, 140, True)


def test_without_a_goal_it_is_the_harm_of_all_within_the_limit() -> None:
    found = compared(*STORE, goal=None, limit=2)  # type: ignore[arg-type]
    assert {(cost.backups, cost.enough) for cost in found.values()} == {(2, None)}


@given(backups(), st.integers(760, 1000), st.integers(0, 900))
def test_no_strategy_that_reaches_the_goal_does_less_harm_than_the_least(
    members: list[Backup], used: int, shared: int
) -> None:
    names = tuple(sorted(member.id for member in members))[:2]
    shares = (Share(owners=names, size_bytes=shared, inodes=0),) if len(names) == 2 else ()
    seen = View(now=NOW, reading=reading(space(used)), backups=tuple(members), shares=shares)
    settings = store(keep_last=0)
    found = plan(seen, asked(), settings)
    harm, compared = costs(found, seen, settings, archive_first=False)
    assert harm.keys() == {candidate.backup.id for candidate in found.selection.candidates}
    least = compared[Strategy.LEAST_HARM]
    for cost in compared.values():
        assert not cost.enough or (least.enough and least.harm <= cost.harm + 1e-6)
