"""``explain``: what it says of a backup is what ``plan`` and the commands then do."""

from __future__ import annotations

import pytest

from tests.cli.shapes import faults
from tests.cli.workplace import Workplace

pytestmark = pytest.mark.usefixtures("roomy")
DAY = 86400
MARKS = "warning = 75\ncritical = 85\nemergency = 95\ninodes = false"
LEVELS = ("conservative", "gentle", "moderate", "aggressive", "nuclear")


@pytest.fixture
def store(place: Workplace) -> Workplace:
    """A store at critical: three of one series that may go and its floor, one pinned, one young, one of no state."""
    for number in range(4):
        place.backup(f"db-2026010{number + 1}", "CONFIRMED", age=(50 - number) * DAY, size=60_000)
    place.backup("www-20260101", "CLEANABLE", age=60 * DAY, size=20_000)
    place.backup("www-20260102", "CLEANABLE", age=2 * DAY, size=20_000)
    place.backup("odd", "NONSENSE")
    place.register()
    place.press(94, marks=MARKS)
    place.done("pin", "www-20260101")
    return place


def test_what_it_says_of_each_backup_is_what_the_plan_of_each_level_does(store: Workplace) -> None:
    plans = {level: store.done("plan", level, "--json").json["stores"][0] for level in LEVELS}
    planned = {
        a["backup_id"]: a["action"] for a in store.done("monitor", "--dry-run", "--json").json["stores"][0]["actions"]
    }
    for name in sorted(path.name for path in store.backups.iterdir() if path.name != ".ullage"):
        told = store.done("explain", name, "--json").json
        assert not faults("explain", told)
        assert told["level"] == "critical"
        assert told["next"] == planned.get(name, "nothing"), name
        for verdict in told["levels"]:
            plan = plans[verdict["cleanup_level"]]
            order = [one["backup_id"] for one in plan["candidates"]]
            stays = {one["backup_id"]: one["reasons"] for one in plan["stays"]}
            assert verdict["goes"] == (name in order)
            assert verdict["rank"] == (order.index(name) + 1 if name in order else None)
            assert verdict["before"] == (order[: order.index(name)] if name in order else [])
            assert verdict["taken"] == any(one["backup_id"] == name and one["needed"] for one in plan["candidates"])
            assert verdict["reasons"] == stays.get(name, [])
    assert planned  # something was asked about that goes


def test_what_it_says_would_let_a_backup_go_does(store: Workplace) -> None:
    [way] = [
        one["way"]
        for one in store.done("explain", "www-20260101", "--json").json["levels"]
        if one["cleanup_level"] == "gentle"
    ]
    assert (way["changes"], way["newer"]) == (["unpin"], 0)
    store.done("unpin", "www-20260101")
    assert "gentle:       may go, 1 of 1" in store.done("explain", "www-20260101").out
    [way] = [
        one["way"]
        for one in store.done("explain", "db-20260104", "--json").json["levels"]
        if one["cleanup_level"] == "moderate"
    ]
    assert (way["changes"], way["newer"]) == ([], 1)
    store.backup("db-20260105", "CONFIRMED", age=0)
    assert "moderate:     may go, " in store.done("explain", "db-20260104").out


def test_it_is_told_in_plain_words(store: Workplace) -> None:
    text = store.done("explain", "db-20260102").out
    for part in (
        'db-20260102 is CONFIRMED, of the series "db", 49 d old',
        "Nothing holds it whatever the level",
        "confirmed +0.200",
        "The store main is critical, capacity 94.",
        "% used. The next cycle would delete it (critical level cleanup",
        "gentle:       stays: state CONFIRMED is not for gentle, which takes CLEANABLE",
        "may go at once, once it is CLEANABLE (ullage transition)",
        "moderate:     may go, 2 of 3, after db-20260101; ullage cleanup moderate would take it now, for ",
    ):
        assert part in text, text
    third = store.done("explain", "db-20260103").out
    assert "The next cycle reclaims at moderate and does not come to it: enough goes before its turn." in third
    assert "it stays: it is pinned" in store.done("explain", "www-20260101").out
    assert "nothing lets it go here as it is" in store.done("explain", "odd").out


def test_an_archive_and_what_lies_in_the_trash_are_told_as_what_they_are(store: Workplace) -> None:
    store.settings()
    store.done("archive", "db-20260101", "--yes")
    told = store.done("explain", "db-20260101", "--json").json
    assert (told["kind"], told["state"], told["rank"]) == ("archive", "ARCHIVED", 1)
    assert not faults("explain", told)
    store.done("delete", "db-20260102", "--yes")
    told = store.done("explain", "db-20260102", "--json").json
    assert (told["kind"], told["levels"]) == ("trash", [])
    assert not faults("explain", told)
    assert "ullage undo db-20260102 brings it back" in store.done("explain", "db-20260102").out


def test_an_id_that_nothing_has_is_refused_with_those_like_it(store: Workplace) -> None:
    ran = store.call("explain", "db-2026010")
    assert (ran.code, ran.out) == (1, "")
    assert "there is no backup 'db-2026010' in any store that answers; there is db-2026010" in ran.err


def test_one_before_those_that_are_named_is_one_other(place: Workplace) -> None:
    for number in range(7):
        place.backup(f"db-2026010{number + 1}", age=(60 - number) * DAY)
    place.register()
    assert ", after 1 other and db-20260102, db-20260103, db-20260104;" in place.done("explain", "db-20260105").out
    assert ", after 2 others and db-20260103, db-20260104, db-20260105;" in place.done("explain", "db-20260106").out
