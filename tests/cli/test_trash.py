"""``undo`` and ``trash``: what a person deleted, and how the command line says where it is."""

from __future__ import annotations

import shutil

from tests.cli.workplace import Workplace
from ullage.catalog.catalog import Catalog
from ullage.model.words import Phase

ONE, TWO = "db-20260101", "db-20260102"


def test_delete_says_that_it_can_be_undone_and_undo_brings_it_back(store: Workplace) -> None:
    ran = store.done("delete", ONE, "--yes")
    assert "in the trash" in ran.out and "ullage undo" in ran.out
    assert store.state_of(ONE) is None
    assert ONE in store.done("trash").out
    assert "1 deleted by hand" in store.done("status").out
    assert "undo" in store.call("show", ONE).err
    assert "1 brought back" in store.done("undo").out
    assert store.state_of(ONE) == "CLEANABLE"
    assert store.done("trash", "--json").json["trash"] == []
    assert "in the trash" not in store.done("history").out


def test_undo_alone_brings_back_what_was_deleted_last_and_all_everything(store: Workplace) -> None:
    for name in (ONE, TWO):
        store.done("delete", name, "--yes")
    assert [row["backup_id"] for row in store.done("trash", "--json").json["trash"]] == [TWO, ONE]
    store.done("undo")
    assert (store.state_of(ONE), store.state_of(TWO)) == (None, "CONFIRMED")
    store.done("delete", TWO, "--yes")
    store.done("undo", "--all")
    assert (store.state_of(ONE), store.state_of(TWO)) == ("CLEANABLE", "CONFIRMED")


def test_undo_by_name_brings_back_that_one(store: Workplace) -> None:
    for name in (ONE, TWO):
        store.done("delete", name, "--yes")
    store.done("undo", ONE)
    assert (store.state_of(ONE), store.state_of(TWO)) == ("CLEANABLE", None)


def test_undo_of_what_is_not_there_is_refused(store: Workplace) -> None:
    ran = store.call("undo")
    assert (ran.code, "nothing in the trash" in ran.err) == (1, True)
    store.done("delete", ONE, "--yes")
    ran = store.call("undo", TWO)
    assert (ran.code, TWO in ran.err) == (1, True)


def test_undo_over_another_backup_of_that_name_is_refused(store: Workplace) -> None:
    store.done("delete", ONE, "--yes")
    store.backup(ONE, "CREATED")
    assert store.call("undo", ONE).code == 1
    assert store.state_of(ONE) == "CREATED"
    assert store.done("trash", "--json").json["trash"][0]["backup_id"] == ONE


def test_undo_of_what_another_took_out_of_the_trash_says_so(store: Workplace) -> None:
    store.done("delete", ONE, "--yes")
    (lying,) = [path for path in (store.backups / ".ullage/trash").iterdir() if path.is_dir()]
    shutil.rmtree(lying)
    ran = store.call("undo")
    assert (ran.code, f"{ONE} is not in the trash any more" in ran.err) == (1, True)


def test_the_trash_is_emptied_by_hand_when_that_was_confirmed(store: Workplace) -> None:
    store.done("delete", ONE, "--yes")
    assert store.call("trash", "empty").code == 1
    assert ONE in store.done("trash").out
    store.done("trash", "empty", "--yes")
    assert ONE not in store.done("trash").out
    assert store.call("undo", ONE).code == 1


def test_with_no_grace_it_goes_at_once(store: Workplace) -> None:
    store.settings("[stores.main.reclaim]\ngrace = 0\n")
    assert "trash" not in store.done("delete", ONE, "--yes").out
    assert store.call("undo").code == 1


def test_the_doctor_knows_what_lies_in_the_trash_and_what_does_not_belong_there(store: Workplace) -> None:
    store.done("delete", ONE, "--yes")
    assert "trash" not in store.call("doctor").out
    (store.backups / ".ullage/trash/0123456789abcdef").mkdir()
    assert "0123456789abcdef belongs to no operation" in store.call("doctor").out


def test_an_undo_that_was_killed_is_shown_and_ended_by_the_next_one(store: Workplace) -> None:
    for name in (ONE, TWO):
        store.done("delete", name, "--yes")
    with Catalog.open(str(store.state)) as catalog:
        killed = next(op for op in catalog.trashed("main") if op.backup_id == TWO)
        catalog.advance(killed, Phase.STAGED, result=None)
    assert "ullage undo settles it" in store.done("trash").out
    assert [row["backup_id"] for row in store.done("trash", "--json").json["trash"]] == [TWO, ONE]
    assert TWO in store.done("undo").out
    assert (store.state_of(ONE), store.state_of(TWO)) == (None, "CONFIRMED")
    assert "nothing in the trash" not in store.done("undo", ONE).err
    assert store.state_of(ONE) == "CLEANABLE"


def test_it_is_said_before_and_after_whether_a_delete_can_be_undone(store: Workplace) -> None:
    assert "can be undone for 1 h" in store.call("delete", ONE).err
    store.press(99, "", "warning = 50\ncritical = 60\nemergency = 99.5\ninodes = false")
    assert "goes for good, and cannot be undone: the store is at critical" in store.call("delete", ONE).err
    assert "1 gone for good" in store.done("delete", ONE, "--yes").out
