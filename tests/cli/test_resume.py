"""Issue 3: what holds reclaims back is explained by ``status`` and lifted by ``resume``."""

from __future__ import annotations

import time

import pytest

from tests.cli.shapes import faults
from tests.cli.workplace import Workplace
from ullage.catalog.catalog import Catalog
from ullage.policy.stall import Stall

PRESSED = "[stores.main.archive]\nbefore_delete = false\n[stores.main.caps]\nday = 1\ncycle = 0\n"
MARKS = "warning = 50\ncritical = 60\nemergency = 70\ntarget_free = 90\ninodes = false"


@pytest.fixture
def capped(place: Workplace) -> Workplace:
    """A store in emergency in which one backup went today, which is all that may."""
    for day in range(1, 6):
        place.backup(f"db-2026010{day}", "CLEANABLE", age=60 * 86400, size=50_000)
    place.register()
    place.press(99, PRESSED, MARKS)
    assert place.call("monitor", "--json").code == 1
    return place


def stall(place: Workplace) -> None:
    """What was deleted last did not come back."""
    with Catalog.open(str(place.state)) as catalog:
        catalog.set_stall("main", Stall(until=time.time() + 1000, missing=10 << 40, free=0))


def test_status_says_what_holds_a_store_until_when_and_how_to_lift_it(capped: Workplace) -> None:
    stall(capped)
    (space, cap) = capped.done("status", "--json").json["stores"][0]["held"]
    assert (space["setting"], cap["setting"]) == (None, "caps.day")
    assert "did not come back" in space["reason"]
    assert "1 backup went by itself in one day" in cap["reason"]
    assert space["until"] is not None and cap["until"] is not None
    assert space["lifted_by"] == cap["lifted_by"] == "ullage resume --store main"
    said = capped.done("status").out
    assert said.count("held back") == 2 and "caps.day = 1" in said and said.count("ullage resume --store main") == 2
    assert "caps.day = 1" in capped.call("doctor").out


def test_an_emergency_by_hand_stops_at_the_cap_and_fails(capped: Workplace) -> None:
    for line in ("emergency --yes", "emergency --dry-run", "monitor", "monitor --dry-run"):
        ran = capped.call(*line.split())
        assert ran.code == 1, line
        assert "caps.day = 1" in ran.err and "ullage resume --store main" in ran.err, line


def test_resume_lifts_all_of_it_and_says_what(capped: Workplace) -> None:
    stall(capped)
    ran = capped.done("resume", "--yes", "--json")
    (store,) = ran.json["stores"]
    assert (store["name"], store["lifted"]) == ("main", True)
    assert [one["setting"] for one in store["held"]] == [None, "caps.day"]
    assert not faults("resume", ran.json)
    assert "resumed, store main: " in (log := (capped.state / "ullage.log").read_text()) and "caps.day = 1" in log
    assert capped.done("status", "--json").json["stores"][0]["held"] == []
    assert "nothing is held back" in capped.done("resume").out
    before = len(list(capped.backups.iterdir()))
    capped.call("monitor")
    assert len(list(capped.backups.iterdir())) == before - 1


def test_without_a_yes_or_in_a_dry_run_resume_lifts_nothing(capped: Workplace) -> None:
    refused, rehearsed = capped.call("resume"), capped.done("resume", "--dry-run")
    assert refused.code == 1 and "--yes" in refused.err and "caps.day = 1" in refused.err
    assert rehearsed.out.startswith("would be lifted: store main: ")
    assert capped.done("resume", "--dry-run", "--json").json["stores"][0]["lifted"] is False
    assert len(capped.done("status", "--json").json["stores"][0]["held"]) == 1


def test_resume_lifts_only_what_holds_the_store_that_was_named(capped: Workplace) -> None:
    other = capped.path / "other"
    other.mkdir()
    (capped.path / "other-archives").mkdir()
    capped.config.write_text(
        f'{capped.config.read_text()}[stores.other]\nbackup_root = "{other}"\n'
        f'archive_root = "{capped.path}/other-archives"\n'
    )
    capped.done("resume", "--yes", "--store", "other")
    assert capped.done("status", "--store", "main", "--json").json["stores"][0]["held"]
