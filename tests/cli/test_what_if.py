"""``plan`` of a store as it would be: then, fuller, until a goal of one's own. Nothing is touched."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.cli.shapes import faults
from tests.cli.workplace import Workplace, tree

pytestmark = pytest.mark.usefixtures("roomy")
DAY = 86400
MARKS = "warning = 75\ncritical = 85\nemergency = 95\ninodes = false"


@pytest.fixture
def store(place: Workplace) -> Iterator[Workplace]:
    """Half full: six of one series, a day apart, that may go one after the other in the days to come; and no floor."""
    for number in range(6):
        place.backup(f"db-2026010{number + 1}", "CLEANABLE", age=(6 - number) * DAY - 600, size=60_000)
        (place.backups / f"db-2026010{number + 1}" / ".confirmed_at").unlink()
    place.register()
    place.press(50, "[stores.main.reclaim]\nkeep_last = 0", marks=MARKS)
    place.done("plan")
    before = tree(place.backups)
    yield place
    assert tree(place.backups) == before


def candidates(store: Workplace, *line: str) -> list[str]:
    document = store.done("plan", *line, "--json").json
    assert not faults("plan", document)
    return [one["backup_id"][-1] for one in document["stores"][0]["candidates"]]


def test_until_shows_as_many_as_it_takes(store: Workplace) -> None:
    """Each is 8 % of the store."""
    assert candidates(store, "nuclear", "--until", "60 % free") == ["1", "2"]
    assert candidates(store, "nuclear", "--until", "70 % used") == []
    [plan] = store.done("plan", "nuclear", "--until", "60 % free", "--json").json["stores"]
    assert (plan["goal"], plan["needed"], plan["shortfall_bytes"]) == ("60 % are free", 2, 0)
    assert plan["usage_percent_after"] <= 40
    [plan] = store.done("plan", "nuclear", "1", "--until", "60 % free", "--json").json["stores"]
    assert plan["needed"] == 1
    assert plan["shortfall_bytes"] > 0
    assert "would still be missing until 60 % are free" in store.done("plan", "nuclear", "1", "--until", "60% free").out


def test_until_so_many_bytes_free_is_another_way_to_say_it(store: Workplace) -> None:
    size = store.done("status", "--json").json["stores"][0]["backup"]["free_bytes"] + 1
    assert candidates(store, "nuclear", "--until", f"{size} B free") == ["1"]
    assert candidates(store, "nuclear", "--until", f"{size - 1} B free") == []


def test_at_a_later_day_more_may_go(store: Workplace) -> None:
    """At gentle a CLEANABLE backup goes when it is 15 days old; these are one to six."""
    assert candidates(store, "gentle") == []
    for days in range(7, 16):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * DAY))
        assert candidates(store, "gentle", "--at", at) == ["1", "2", "3", "4", "5", "6"][: max(0, days - 9)]
    assert "as if it were 2999-12-24T00:00:00Z" in store.done("plan", "--at", "2999-12-24").out


def test_filled_up_the_level_follows(store: Workplace) -> None:
    total = store.done("status", "--json").json["stores"][0]["backup"]["total_bytes"]
    found = {}
    for percent in (10, 30, 40, 48, 70):
        ran = store.done("plan", "--fill", f"{total * percent // 100} B", "--json")
        assert not faults("plan", ran.json)
        [plan] = ran.json["stores"]
        found[percent] = (plan["level"], plan["cleanup_level"])
        assert plan["usage_percent"] == pytest.approx(50 + percent, abs=1.5)
        assert plan["assumed"]["fill_bytes"] == total * percent // 100
    assert found == {
        10: ("ok", "moderate"),
        30: ("warning", "gentle"),
        40: ("critical", "moderate"),
        48: ("emergency", "aggressive"),
        70: ("emergency", "aggressive"),
    }
    assert store.done("plan", "--json").json["stores"][0]["assumed"] is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("--until half", "'half' is no goal like"),
        ("--until 120%free", "is no goal like"),
        ("--at yesterday", "'yesterday' is no date like"),
        ("--at 2020-01-01", "'2020-01-01' is over"),
        ("--fill 200", "size with a unit"),
    ],
)
def test_what_cannot_be_asked_is_a_fault_of_usage(store: Workplace, line: str, why: str) -> None:
    ran = store.call("plan", *line.split())
    assert (ran.code, ran.out) == (2, "")
    assert why in ran.err
