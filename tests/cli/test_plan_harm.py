"""Issue 4, item 4: ``plan`` shows the harm of its plan beside that of the other strategies, and what it is made of."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from tests.cli.shapes import faults
from tests.cli.workplace import Workplace

pytestmark = pytest.mark.usefixtures("roomy")
DAY = 86400
SIZES = (40_000, 200_000, 70_000, 70_000, 150_000, 90_000, 40_000, 120_000)


@pytest.fixture
def store(place: Workplace) -> Workplace:
    """Eight that may go, of two series, at 80 % of a store."""
    for number, size in enumerate(SIZES):
        name = f"{'www' if number % 3 else 'db'}-202601{number + 1:02}"
        place.backup(name, "CONFIRMED" if number % 4 == 1 else "CLEANABLE", age=(60 - 3 * number) * DAY, size=size)
    place.register()
    return place


def plan(store: Workplace, strategy: str, *line: str) -> Any:
    store.press(80, f'[stores.main.reclaim]\nkeep_last = 0\nstrategy = "{strategy}"', marks="inodes = false")
    document = store.done("plan", "moderate", *line, "--json").json
    assert not faults("plan", document)
    return document["stores"][0]


@pytest.mark.parametrize("strategy", ["oldest_first", "largest_first", "confidence_based", "least_harm"])
def test_a_plan_costs_what_those_that_go_cost_and_brute_force_finds_nothing_better(
    store: Workplace, strategy: str
) -> None:
    found = plan(store, strategy)
    going = [one for one in found["candidates"] if one["needed"]]
    mine, least = found["harm"][strategy], found["harm"]["least_harm"]
    assert mine["harm"] == pytest.approx(sum(one["harm"] for one in going))
    assert (mine["backups"], mine["gain_bytes"]) == (len(going), sum(one["gain_bytes"] for one in going))
    assert all(one["harm"] == pytest.approx(sum(one["harm_terms"].values())) for one in found["candidates"])
    sets = [chosen for count in range(9) for chosen in combinations(found["candidates"], count)]
    enough = [chosen for chosen in sets if sum(one["gain_bytes"] for one in chosen) >= found["target_bytes"]]
    best = min(sum(one["harm"] for one in chosen) for chosen in enough)
    assert least["harm"] == pytest.approx(best)
    assert least["enough"]


def test_the_line_names_the_harm_of_every_strategy_and_whether_it_is_enough(store: Workplace) -> None:
    plan(store, "least_harm")
    [line] = [line for line in store.done("plan", "moderate", "1").out.splitlines() if line.startswith("harm of")]
    ours, others = line.removeprefix("harm of this plan: ").split("; by the other strategies: ")
    assert ours.startswith("0.0 (0 for") or " (1 for " in ours
    assert [part.split()[0] for part in others.split("), ")] == ["oldest_first", "largest_first", "confidence_based"]
    assert "not enough" in others


def test_without_pressure_least_harm_shows_the_least_first(store: Workplace) -> None:
    plan(store, "least_harm")
    store.press(50, '[stores.main.reclaim]\nkeep_last = 0\nstrategy = "least_harm"', marks="inodes = false")
    [found] = store.done("plan", "moderate", "--json").json["stores"]
    shown = [one["harm"] for one in found["candidates"]]
    assert shown == sorted(shown)
    assert {cost["enough"] for cost in found["harm"].values()} == {None}
