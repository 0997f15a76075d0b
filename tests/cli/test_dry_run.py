"""SPEC.md 6: ``--dry-run`` on all that changes anything, and it changes nothing on anything."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import click
import pytest

from tests.cli.workplace import Workplace, tree
from ullage.cli.main import COMMANDS, cli

CHANGING = {
    "monitor": 0,
    "cleanup nuclear 50": 0,
    "emergency": 0,
    "transition db-20260101 DELETED": 0,
    "transition db-20260101 CONFIRMED": 0,
    "transition db-20260102 CLEANABLE --trigger TIME_BASED": 0,
    "transition db-20260104 ARCHIVED": 1,
    "transition db-20260104 CONFIRMED --force": 0,
    "archive db-20260101": 0,
    "archive db-20260103": 1,
    "delete db-20260101": 0,
    "delete db-20260102": 1,
    "delete gone-20260101": 0,
    "restore gone-20260101": 0,
    "restore gone-20260101 --to TMP/new": 0,
    "transition gone-20260101 CONFIRMED": 0,
    "pin db-20260101": 0,
    "unpin db-20260102": 0,
    "init": 0,
    "init --reregister --store main": 0,
    "clock accept": 0,
    "apply TMP/plan.json": 0,
    "apply TMP/seed.conf": 2,
    "undo": 0,
    "undo gone-20260103": 0,
    "undo gone-20260101": 1,
    "trash empty": 0,
    "resume": 0,
    "start": 0,
    "stop": 0,
    "restart": 0,
    "config import TMP/seed.conf --output TMP/new.toml": 0,
}
"""What is tried, and with which exit code it ends."""


@pytest.fixture
def pressed(store: Workplace) -> Workplace:
    """A store in emergency, with a pin, an archive and something for every rule to take."""
    store.backup("gone-20260101", "CONFIRMED")
    store.backup("gone-20260102", "CONFIRMED", age=86400)
    store.backup("gone-20260103", "CONFIRMED", age=80 * 86400)
    store.done("delete", "gone-20260103", "--yes")
    store.backup("db-20260104", "CREATED", age=3 * 86400)
    store.backup("db-20260105", "PENDING", age=3 * 86400)
    store.backup("odd", "NONSENSE")
    store.done("archive", "gone-20260101", "--yes")
    store.done("pin", "db-20260102")
    (store.path / "seed.conf").write_text(f"BACKUP_ROOT={store.backups}\nARCHIVE_ROOT={store.archives}\n")
    store.press(99.5, '[stores.main.alerts]\nemail = "a@example.org"\nsmtp_host = "127.0.0.1"\nsmtp_port = 1\n')
    store.done("plan", "nuclear", "1", "--save", store.path / "plan.json")
    return store


def test_a_dry_run_changes_nothing_on_anything(pressed: Workplace) -> None:
    """Neither a file, nor a time, nor a row of the catalog; and it asks nothing."""
    before = _all(pressed)
    for line, code in CHANGING.items():
        ran = pressed.call(*line.replace("TMP", str(pressed.path)).split(), "--dry-run")
        assert ran.code == code, (line, ran)
        assert _all(pressed) == before, line


def test_a_dry_run_of_a_reclaim_says_what_the_reclaim_then_does(pressed: Workplace) -> None:
    """DESIGN: one plan, printed or executed."""
    planned = pressed.done("cleanup", "nuclear", "50", "--dry-run", "--json").json["stores"][0]["actions"]
    done = pressed.done("cleanup", "nuclear", "50", "--yes", "--json").json["stores"][0]["actions"]
    assert [one["outcome"] for one in planned] == ["planned"] * len(planned) and planned
    assert [one["outcome"] for one in done] == ["done"] * len(done)
    keys = ("backup_id", "action", "from_state", "to_state", "forced", "trigger")
    assert [[one[key] for key in keys] for one in planned] == [[one[key] for key in keys] for one in done]


def test_a_dry_run_before_there_is_anything_makes_nothing(place: Workplace) -> None:
    """``init`` shows the settings that it would write; and neither settings nor state stand afterwards."""
    before = tree(place.path)
    ran = place.done("init", "--backup-root", place.backups, "--archive-root", place.archives, "--dry-run")
    assert f'backup_root = "{place.backups}"' in ran.out
    assert tree(place.path) == before
    place.settings()
    before = tree(place.path)
    assert "would be registered" in place.done("init", "--dry-run").err
    assert tree(place.path) == before


def test_whatever_changes_anything_can_be_rehearsed() -> None:
    """SPEC 6: every command takes ``--dry-run``, save those that only look."""
    looking = {
        "status",
        "list",
        "show",
        "plan",
        "explain",
        "simulate",
        "history",
        "trash",
        "check",
        "doctor",
        "alert",
        "clock",
        "config",
        "demo",
    }
    context = click.Context(cli)
    for name in COMMANDS.keys() - looking:
        command = cli.get_command(context, name)
        assert command is not None
        assert "--dry-run" in {option for parameter in command.params for option in parameter.opts}, name


def _all(place: Workplace) -> tuple[object, ...]:
    """Everything that there is: files, and the catalog's rows, save what looking alone remembers (survey, clock)."""
    state = str(place.state)
    entries = {name: found for name, found in tree(place.path).items() if not name.startswith(state)}
    with closing(sqlite3.connect(f"file:{place.state}/catalog.db?mode=ro", uri=True)) as catalog:
        rows = [row for row in catalog.iterdump() if not row.startswith(('INSERT INTO "known"', 'INSERT INTO "meta"'))]
        rows += catalog.execute("SELECT * FROM meta WHERE key NOT LIKE '%clock%' AND key <> 'summed'").fetchall()
    return entries, rows
