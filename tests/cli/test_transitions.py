"""SPEC.md 2 and 7 through the command line: the table, force, pins, floors, locks, deferral, restoring."""

from __future__ import annotations

import fcntl
import os
from itertools import product
from pathlib import Path

import pytest

from tests.cli.workplace import Workplace

LIVE = ("CREATED", "PENDING", "CONFIRMED", "CLEANABLE")
TABLE = {
    "CREATED": {"PENDING", "CLEANABLE", "DELETED"},
    "PENDING": {"CONFIRMED", "CLEANABLE", "DELETED"},
    "CONFIRMED": {"CLEANABLE", "ARCHIVED", "DELETED"},
    "CLEANABLE": {"ARCHIVED", "DELETED", "CONFIRMED"},
    "ARCHIVED": {"DELETED", "CONFIRMED"},
}
"""SPEC.md 2, word for word."""


@pytest.fixture
def free(place: Workplace) -> Workplace:
    """A store whose floor holds nothing."""
    place.register("[stores.main.reclaim]\nkeep_last = 0\n")
    return place


@pytest.mark.parametrize("force", [False, True])
def test_a_transition_goes_by_the_table_and_by_force_beyond_it(free: Workplace, force: bool) -> None:
    """SPEC 2: every pair of a live backup's state and another."""
    for number, (before, after) in enumerate(product(LIVE, (*LIVE, "ARCHIVED", "DELETED"))):
        if before == after:
            continue  # changes nothing
        name = f"b{number}"
        free.backup(name, before)
        ran = free.call("transition", name, after, "--yes", "--json", *(["--force"] if force else []))
        allowed = force or after in TABLE[before]
        assert ran.code == (0 if allowed else 1), (before, after, ran)
        assert ran.json["stores"][0]["actions"][0]["outcome"] == ("done" if allowed else "skipped")
        gone = after in ("ARCHIVED", "DELETED")
        assert free.state_of(name) == (before if not allowed else None if gone else after)


@pytest.mark.parametrize("state", ["CREATED", "PENDING"])
def test_force_archives_what_the_table_would_not(free: Workplace, state: str) -> None:
    """SPEC 2: a forced transition skips this table, and does the state's own work."""
    free.backup("b", state)
    free.done("transition", "b", "ARCHIVED", "--yes", "--force")
    assert free.state_of("b") is None


@pytest.mark.parametrize("after", [*LIVE, "DELETED"])
def test_an_archive_becomes_confirmed_or_deleted_and_nothing_else(free: Workplace, after: str) -> None:
    """SPEC 2: ARCHIVED may become DELETED, CONFIRMED; no force makes it another live state."""
    free.backup("b", "CONFIRMED", size=5000)
    free.done("archive", "b", "--yes")
    ran = free.call("transition", "b", after, "--yes", "--force")
    assert ran.code == (0 if after in TABLE["ARCHIVED"] else 1)
    assert free.state_of("b") == ("CONFIRMED" if after == "CONFIRMED" else None)
    assert len(list(free.archives.rglob("b.*"))) == (0 if after == "DELETED" else 1)


@pytest.mark.parametrize(
    "line", ["delete db-20260101", "archive db-20260101", "transition db-20260101 DELETED --force"]
)
def test_a_pin_holds_against_everything_until_it_is_taken_away(store: Workplace, line: str) -> None:
    """SPEC 7.1: by anyone, with any force but ``unpin`` first; and it says that it is pinned."""
    store.done("pin", "db-20260101", "--reason", "court order")
    ran = store.call(*line.split(), "--yes")
    assert ran.code == 1
    assert "pinned" in ran.out
    assert store.state_of("db-20260101") == "CLEANABLE"
    assert store.done("show", "db-20260101", "--json").json["pin"]["reason"] == "court order"
    store.done("unpin", "db-20260101")
    store.done(*line.split(), "--yes")
    assert store.state_of("db-20260101") is None


@pytest.mark.parametrize(
    "line", ["delete db-20260103", "archive db-20260103", "transition db-20260103 DELETED --force"]
)
def test_the_newest_good_backup_stays_whoever_asks(store: Workplace, line: str) -> None:
    """SPEC 3 and 7.1: the newest of ``keep_last``."""
    assert store.call(*line.split(), "--yes").code == 1
    assert store.state_of("db-20260103") == "CONFIRMED"


@pytest.mark.parametrize("line", ["delete db-20260101", "transition db-20260101 DELETED --force"])
def test_a_backup_that_somebody_uses_stays(store: Workplace, line: str) -> None:
    """SPEC 7.10: one that is locked, or has a file open for writing, is not touched."""
    path = store.backups / "db-20260101"
    locked = os.open(path, os.O_RDONLY)
    fcntl.flock(locked, fcntl.LOCK_SH)
    assert store.call(*line.split(), "--yes").code == 1
    os.close(locked)
    with (path / "data").open("a"):
        assert store.call(*line.split(), "--yes").code == 1
    assert store.state_of("db-20260101") == "CLEANABLE"


def test_a_lower_trigger_is_deferred_after_a_higher_one(store: Workplace) -> None:
    """SPEC 2: within 300 s, with that word; exit 1."""
    store.done("transition", "db-20260101", "CONFIRMED")
    ran = store.call("transition", "db-20260101", "CLEANABLE", "--trigger", "git_hook", "--json")
    assert (ran.code, ran.json["stores"][0]["actions"][0]["outcome"]) == (1, "deferred")
    store.done("transition", "db-20260101", "CLEANABLE", "--trigger", "USER")


def test_a_backup_comes_back_from_its_archive_as_it_was(store: Workplace) -> None:
    """SPEC 2 and 6: restored as CONFIRMED, content and all; the archive stays."""
    before = (store.backups / "db-20260101" / "data").read_bytes()
    store.done("archive", "db-20260101", "--yes")
    assert store.done("list", "--json").json["stores"][0]["backups"][-1]["state"] == "ARCHIVED"
    ran = store.done("restore", "db-20260101", "--json")
    assert ran.json["stores"][0]["actions"][0] | {"reason": ""} == {
        "backup_id": "db-20260101", "action": "restore", "from_state": "ARCHIVED", "to_state": "CONFIRMED",
        "trigger": "USER", "forced": False, "outcome": "done", "reclaimed_bytes": 0, "reason": "",
        "in_trash": False, "predicted_bytes": 0, "reclaimed_inodes": 0,
    }  # fmt: skip
    assert store.state_of("db-20260101") == "CONFIRMED"
    assert (store.backups / "db-20260101" / "data").read_bytes() == before
    assert list(store.archives.rglob("db-20260101.*"))
    again = store.call("restore", "db-20260101")
    assert (again.code, "already" in again.err) == (1, True)


def test_a_backup_is_restored_elsewhere_and_overwrites_nothing(store: Workplace, tmp_path: Path) -> None:
    """SPEC 6: ``--to PATH``: into a directory, or as it; what is there stays."""
    store.done("archive", "db-20260101", "--yes")
    (tmp_path / "there").mkdir()
    for target, stands in (("new", "new"), ("there", "there/db-20260101")):
        store.done("restore", "db-20260101", "--to", tmp_path / target)
        assert len((tmp_path / stands / "data").read_bytes()) == 50_000
        assert store.state_of("db-20260101") is None
    (tmp_path / "file").write_text("mine")
    assert store.call("restore", "db-20260101", "--to", tmp_path / "file").code == 1
    assert store.call("restore", "db-20260101", "--to", tmp_path / "there").code == 1
    assert store.call("restore", "db-20260101", "--to", tmp_path / "no" / "where").code == 2
    assert store.call("restore", "db-20260101", "--to", "").code == 2
    for own in (store.backups / ".ullage", store.backups / ".ullage" / "trash" / "new"):
        assert "ullage's own" in store.call("restore", "db-20260101", "--to", own).err
    assert (tmp_path / "file").read_text() == "mine"


def test_the_history_holds_all_that_was_done_and_tried(store: Workplace) -> None:
    """SPEC 2: time, store, backup, from, to, trigger, reason, forced, outcome, bytes, duration; the newest first."""
    store.done("transition", "db-20260102", "CLEANABLE", "--reason", "why not")
    store.call("delete", "db-20260103", "--yes")
    store.done("delete", "db-20260101", "--yes", "--reason", "old")
    rows = store.done("history", "--json").json["transitions"]
    assert [(row["backup_id"], row["to_state"], row["outcome"]) for row in rows] == [
        ("db-20260101", "DELETED", "done"), ("db-20260103", "DELETED", "skipped"), ("db-20260102", "CLEANABLE", "done"),
    ]  # fmt: skip
    assert (rows[0]["reason"], rows[0]["trigger"], rows[0]["store"]) == ("old", "USER", "main")
    assert (rows[0]["in_trash"], rows[0]["predicted_bytes"] >= 50_000) == (True, True)
    assert [
        row["backup_id"] for row in store.done("history", "--backup", "db-20260102", "--json").json["transitions"]
    ] == ["db-20260102"]
    assert len(store.done("history", "--limit", "1", "--json").json["transitions"]) == 1
    assert store.done("show", "db-20260102", "--json").json["transitions"][0]["reason"] == "why not"
