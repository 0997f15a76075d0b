"""Issue 4.7: ``status`` and ``history`` say what is seen coming, how sure that is, and where it is not known."""

from __future__ import annotations

import re
import time

import pytest
from msgspec.structs import replace

from tests.cli.shapes import faults
from tests.cli.workplace import Workplace
from ullage.catalog.catalog import Catalog
from ullage.model.words import Unit
from ullage.policy.forecast import Arrival, Basis
from ullage.policy.outlook import Outlook, Sight, Warned

AT = 1_790_000_000.0
DAY = 86400.0


def arrival(*days: float | None) -> Arrival:
    """Days from ``AT``."""
    earliest, likely, latest = (None if one is None else AT + one * DAY for one in days)
    return Arrival(first=earliest, earliest=earliest, likely=likely, latest=latest)


NONE = Arrival(earliest=None, likely=None, latest=None)
BYTES = Sight(
    what="capacity",
    unit=Unit.BYTES,
    used=70,
    usable=100,
    arrivals=(arrival(0, 0, 0), arrival(2, 4, 5), arrival(4, 7, 11), arrival(6, 9, None)),
    basis=Basis(days=40, per_day=3.5, since=AT - 20 * DAY),
)
INODES = Sight(
    what="inodes",
    unit=Unit.INODES,
    used=1,
    usable=9,
    arrivals=(),
    basis=Basis(days=0, missing="3 whole days of history; there are 0"),
)
SEEN = Outlook(at=AT, sights=(INODES, BYTES), warned=Warned(since=AT - DAY))


@pytest.fixture
def foreseen(store: Workplace) -> Workplace:
    """A store of which a forecast was made."""
    with Catalog.open(str(store.state)) as catalog:
        catalog.add_outlook("main", Outlook(at=AT - DAY, sights=()), instead=None)
        catalog.add_outlook("main", SEEN, instead=None)
    return store


def test_status_says_what_is_seen_coming_for_a_person(foreseen: Workplace) -> None:
    out = foreseen.done("status").out
    assert (
        "  forecast    capacity full in about 9 d (6 d to over a year); inodes: no forecast yet: it needs 3 whole days"
        " of history; there are 0; warned of (made 2026-09-21T14:13:20Z)\n"
    ) in out


def test_status_gives_every_mark_with_its_interval_null_where_it_is_not_in_sight_or_not_known(
    foreseen: Workplace,
) -> None:
    document = foreseen.done("status", "--json").json
    assert not faults("status", document)
    found = document["stores"][0]["forecast"]
    assert found["bytes"]["warning"] == dict.fromkeys(
        ("likely_at", "first_at", "earliest_at", "latest_at"), "2026-09-21T14:13:20Z"
    )
    assert found["bytes"]["full"] == {
        "likely_at": "2026-09-30T14:13:20Z",
        "first_at": "2026-09-27T14:13:20Z",
        "earliest_at": "2026-09-27T14:13:20Z",
        "latest_at": None,
    }
    assert found["inodes"] is None
    assert found["basis"]["inodes"]["missing"] == "3 whole days of history; there are 0"
    assert found["basis"]["bytes"]["growth_per_day"] == 3.5
    assert found["basis"]["bytes"]["rising_since"] == "2026-09-01T14:13:20Z"
    assert (found["confidence"], found["warned_since"]) == (0.8, "2026-09-20T14:13:20Z")


def test_a_mark_that_is_not_in_sight_is_null_and_what_is_not_counted_too(store: Workplace) -> None:
    quiet = Sight(what="bytes", unit=Unit.BYTES, used=1, usable=9, arrivals=(NONE,) * 4, basis=Basis(days=9))
    with Catalog.open(str(store.state)) as catalog:
        catalog.add_outlook("main", Outlook(at=AT, sights=(quiet,)), instead=None)
    document = store.done("status", "--json").json
    assert not faults("status", document)
    found = document["stores"][0]["forecast"]
    assert found["bytes"] == dict.fromkeys(("warning", "critical", "emergency", "full"))
    assert (found["inodes"], found["basis"]["inodes"]) == (None, None)


def test_check_says_the_seconds_until_it_is_likely_full_as_performance_data(store: Workplace) -> None:
    assert "until full" not in store.done("check").out
    soon = replace(BYTES, arrivals=(Arrival(earliest=time.time(), likely=time.time() + 5 * DAY, latest=None),) * 4)
    with Catalog.open(str(store.state)) as catalog:
        catalog.add_outlook("main", Outlook(at=time.time(), sights=(INODES, soon)), instead=None)
    found = re.search(r" 'main until full'=([0-9]+)s;;;0\n", store.done("check").out)
    assert found is not None
    assert 5 * DAY - 60 < int(found[1]) <= 5 * DAY


def test_a_full_that_is_not_in_sight_is_no_performance_data(store: Workplace) -> None:
    with Catalog.open(str(store.state)) as catalog:
        catalog.add_outlook("main", Outlook(at=AT, sights=(INODES,)), instead=None)
    assert "until full" not in store.done("check").out


def test_before_the_first_forecast_it_is_said_that_there_is_none(store: Workplace) -> None:
    assert "  forecast    none yet; the daemon makes one every hour\n" in store.done("status").out
    assert store.done("status", "--json").json["stores"][0]["forecast"] is None


def test_history_shows_what_was_foreseen_when_newest_first(foreseen: Workplace) -> None:
    lines = foreseen.done("history", "--forecasts").out.splitlines()
    assert re.fullmatch(r"MADE +STORE +WARNED SINCE +SEEN COMING", lines[0])
    assert [line.split()[0] for line in lines[1:]] == ["2026-09-21T14:13:20Z", "2026-09-20T14:13:20Z"]
    assert "2026-09-20T14:13:20Z  capacity full in about 9 d" in lines[1]
    document = foreseen.done("history", "--json").json
    assert not faults("history", document)
    assert [one["made_at"] for one in document["forecasts"]] == ["2026-09-21T14:13:20Z", "2026-09-20T14:13:20Z"]
    assert document["forecasts"][0]["store"] == "main"
    assert len(foreseen.done("history", "--json", "--limit", "1").json["forecasts"]) == 1
    assert foreseen.done("history", "--json", "--backup", "db-20260101").json["forecasts"] == []


def test_a_cycle_makes_a_forecast_that_says_what_is_missing(store: Workplace) -> None:
    store.done("monitor")
    found = store.done("status", "--json").json["stores"][0]["forecast"]
    assert abs(time.time() - time.mktime(time.strptime(found["made_at"], "%Y-%m-%dT%H:%M:%SZ"))) < DAY
    assert found["bytes"] is None
    assert found["basis"]["bytes"]["missing"].startswith("3 whole days of history")
