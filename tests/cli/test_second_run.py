"""A second run after a kill does what the first was asked for (SPEC 7.4), wherever the first had left the backup."""

from __future__ import annotations

import time

import pytest

from tests.cli.workplace import Workplace
from ullage.catalog.catalog import Catalog
from ullage.cli import one
from ullage.model.backups import Operation
from ullage.model.words import Action, Phase, State, Trigger
from ullage.system import tree

ONE, TOKEN = "db-20260101", "0123456789abcdef"


def _killed(store: Workplace, action: Action, phase: Phase) -> None:
    """What a process leaves that is killed with the backup in the trash."""
    fd = tree.open_root(str(store.backups / ONE))
    op = Operation(
        at=time.time(),
        store="main",
        backup_id=ONE,
        action=action,
        from_state=State.CLEANABLE,
        to_state=State.DELETED if action is Action.DELETE else State.ARCHIVED,
        trigger=Trigger.USER,
        reason="asked for",
        token=TOKEN,
        handle=tree.handle_of(fd),
    )
    with Catalog.open(str(store.state)) as catalog:
        catalog.advance(catalog.begin(op), phase)
    (store.backups / ONE).rename(store.backups / ".ullage/trash" / TOKEN)


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (("delete", ONE, "--yes"), Action.DELETE),
        (("transition", ONE, "DELETED", "--yes"), Action.DELETE),
        (("archive", ONE, "--yes"), Action.ARCHIVE),
    ],
)
def test_what_lay_in_the_trash_goes_by_the_second_run(store: Workplace, words: tuple[str, ...], action: Action) -> None:
    _killed(store, action, Phase.STAGED)
    ran = store.done(*words)
    assert "the backup is back in its place" in ran.out and f"{action} {ONE}: done" in ran.out
    assert store.state_of(ONE) is None
    assert ONE in store.done("trash" if action is Action.DELETE else "list").out


@pytest.mark.parametrize("words", [("delete", ONE, "--yes"), ("--json", "transition", ONE, "DELETED", "--yes")])
def test_what_had_begun_to_go_is_gone_by_the_second_run_which_says_so(store: Workplace, words: tuple[str, ...]) -> None:
    _killed(store, Action.DELETE, Phase.PURGING)
    assert "the removal was finished" in store.done(*words).out
    assert list((store.backups / ".ullage/trash").iterdir()) == []
    assert "there is no backup" in store.call(*words).err


def test_another_change_is_made_to_what_came_back(store: Workplace) -> None:
    _killed(store, Action.DELETE, Phase.STAGED)
    store.done("transition", ONE, "CONFIRMED")
    assert store.state_of(ONE) == "CONFIRMED"


def test_a_dry_run_settles_nothing(store: Workplace) -> None:
    _killed(store, Action.DELETE, Phase.STAGED)
    assert store.call("delete", ONE, "--dry-run").code == 1
    assert (store.backups / ".ullage/trash" / TOKEN / ".state").exists()


def test_that_an_archived_backup_could_be_undone_is_not_said(store: Workplace) -> None:
    assert "undone" not in store.call("archive", ONE).err


@pytest.mark.parametrize("words", [("archive", ONE, "--yes"), ("transition", ONE, "ARCHIVED", "--yes")])
def test_what_another_deleted_a_moment_ago_is_not_said_to_be_archived(
    store: Workplace, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    store.done("delete", ONE, "--yes")
    monkeypatch.setattr(one, "find_one", lambda app, _: app.sites["main"])
    ran = store.call(*words)
    assert (ran.code, "took it away a moment ago" in ran.err, "archived" in ran.err) == (1, True, False)
