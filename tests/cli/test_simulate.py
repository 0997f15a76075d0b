"""Issue 4: ``ullage simulate`` over what is there, or over a described pattern; it changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.workplace import Workplace

DAY = 86400
FULL = """
disk = "200 GiB"
[[series]]
name = "db"
size = "10 GiB"
growth = 100
"""


def test_what_is_there_goes_on(place: Workplace) -> None:
    place.register()
    for day in range(1, 6):
        place.backup(f"db-2026010{day}", "CONFIRMED", age=(10 - day) * DAY, size=9000)
    before = place.done("list", "--json").json
    (found,) = place.done("simulate", "--days", "30", "--json").json["stores"]
    assert (found["began_with"], found["fault"]) == (5, None)
    assert found["came"] in (30, 31)
    assert {month["failed"] for month in found["months"]} == {0}
    assert [one["series"] for one in found["left"]] == ["db"]
    after = place.done("list", "--json").json
    ids = [[one["backup_id"] for one in document["stores"][0]["backups"]] for document in (before, after)]
    assert ids[0] == ids[1]
    assert place.done("history", "--json").json["transitions"] == []


def test_a_described_disk_that_fills_is_said_not_to_be_enough(place: Workplace, tmp_path: Path) -> None:
    place.register()
    pattern = tmp_path / "pattern.toml"
    pattern.write_text(FULL)
    ran = place.done("simulate", "--days", "160", "--pattern", str(pattern))
    assert "it would NOT be enough" in ran.out
    assert "no room for db-" in ran.err
    (found,) = place.done("simulate", "--days", "160", "--pattern", str(pattern), "--json").json["stores"]
    assert not found["enough"]
    assert found["failed"][0]["at"] > found["from"]
    assert all(action["at"] >= found["from"] for action in found["actions"])


def test_a_store_without_a_series_says_what_to_do(place: Workplace) -> None:
    place.register()
    ran = place.call("simulate")
    assert ran.code == 1
    assert "--pattern" in ran.err


@pytest.mark.parametrize(("text", "said"), [("[[series]]\nodd = 1", "unknown key"), (None, "cannot read the pattern")])
def test_a_pattern_that_cannot_be_used_is_told(place: Workplace, tmp_path: Path, text: str | None, said: str) -> None:
    place.register()
    pattern = tmp_path / "pattern.toml"
    if text is not None:
        pattern.write_text(text)
    ran = place.call("simulate", "--pattern", str(pattern))
    assert (ran.code, said in ran.err) == (2, True), ran.err
