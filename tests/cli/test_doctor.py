"""``ullage doctor``: damaged archives, leftovers and stale pins are found, and a stale pin can be taken off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.workplace import Ran, Workplace
from ullage.cli import doctor

TOKEN = "0123456789abcdef"


def _archive(store: Workplace, name: str = "db-20260101") -> Path:
    store.done("archive", name, "--yes")
    (path,) = store.archives.glob(f"*/*/{name}.tar.zst")
    return path


def _damage(path: Path) -> None:
    """What it holds is overwritten; its mtime, by which archives are ordered, stays."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(b"damaged")
    os.utime(path, ns=times)


def _found(ran: Ran, severity: str) -> list[str]:
    return [one["text"] for one in ran.json["findings"] if one["severity"] == severity]


def test_a_whole_archive_is_read_and_counted(store: Workplace) -> None:
    _archive(store)
    ran = store.done("doctor", "--json")
    assert "main: 1 of 1 archives were read and are whole" in _found(ran, "ok")


@pytest.mark.parametrize("damage", ["cut", "overwritten", "another"])
def test_a_damaged_archive_is_a_fault(store: Workplace, damage: str) -> None:
    """Cut, overwritten in the middle, or whole but not what was written."""
    path = _archive(store)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-20])
    elif damage == "overwritten":
        path.write_bytes(content[:100] + b"\0" * 8 + content[108:])
    else:
        path.write_bytes(_archive(store, "db-20260102").read_bytes())
    ran = store.call("doctor", "--json")
    (fault,) = _found(ran, "fault")
    assert ran.code == 1
    assert path.name in fault


def test_the_newest_archives_are_read_first_and_all_only_where_asked_for(
    store: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (newest, oldest) = (_archive(store, f"db-2026010{number}") for number in (2, 1))
    _damage(oldest)
    monkeypatch.setattr(doctor, "_SECONDS", 0.0)
    none = store.done("doctor", "--json")
    assert "main: 0 of 2 archives were read and are whole; 2 were not read (--archives reads all)" in _found(none, "ok")
    monkeypatch.undo()
    _damage(newest)
    every = store.call("doctor", "--archives", "--json")
    assert [newest.name in fault for fault in _found(every, "fault")] == [True, False]
    assert oldest.name in _found(every, "fault")[1]


def test_what_stands_half_finished_is_told_and_the_next_reclaim_takes_the_parts(store: Workplace) -> None:
    (store.backups / ".ullage/trash" / TOKEN).mkdir()
    (store.backups / ".ullage/parts" / TOKEN).mkdir()
    (store.archives / ".ullage/parts" / f"{TOKEN}.part").touch()
    ran = store.call("doctor", "--json")
    assert (len(_found(ran, "fault")), ran.code) == (1, 1)
    assert "trash" in _found(ran, "fault")[0]
    assert [TOKEN in text for text in _found(ran, "warning")] == [True, True]
    _archive(store)
    assert _found(store.call("doctor", "--json"), "warning") == []


def test_a_pin_whose_backup_is_gone_is_told_and_can_be_taken_off(store: Workplace) -> None:
    store.done("pin", "db-20260103")
    (store.backups / "db-20260103").rename(store.path / "gone")
    assert any("ullage unpin" in text for text in _found(store.call("doctor", "--json"), "warning"))
    assert store.done("unpin", "db-20260103", "--json").json["changed"] is True
    assert _found(store.call("doctor", "--json"), "warning") == []
    again = store.call("unpin", "db-20260103")
    assert (again.code, "there is no backup" in again.err) == (1, True)


def test_what_is_not_there_cannot_be_pinned(store: Workplace) -> None:
    ran = store.call("pin", "nobody")
    assert (ran.code, "there is no backup" in ran.err) == (1, True)


def test_a_series_that_was_not_confirmed_of_late_is_told(store: Workplace) -> None:
    words = 'the series "www": the last 3 backups were never confirmed; there is no good one'
    for day in (1, 2):
        store.backup(f"www-2026010{day}", "CREATED", age=(9 - day) * 86400)
    assert words not in store.done("doctor").out
    store.backup("www-20260103", "PENDING", age=2 * 86400)
    assert words in store.done("doctor").out


def test_a_full_disk_of_which_nothing_more_may_go_is_a_fault_that_says_what_would_have_to_give(
    place: Workplace,
) -> None:
    for day in (1, 2):
        place.backup(f"db-2026010{day}", "CONFIRMED", age=40 * 86400, size=50_000)
    place.register()
    place.press(90, marks="")
    assert "nothing more may go" not in place.call("doctor").out
    place.done("pin", "db-20260101")
    ran = place.call("doctor", "--json")
    (told,) = [text for text in _found(ran, "fault") if "nothing more may go" in text]
    assert ran.code == 1
    assert "reclaim.keep_last holds" in told
    assert "pinned (1)" in told
    assert "unpin what may go" in told


@pytest.mark.parametrize("word", ["confirmed", "ARCHIVED", ""])
def test_of_a_state_that_is_none_it_says_what_it_may_be(store: Workplace, word: str) -> None:
    """README: doctor says what is wrong, and what to do."""
    (store.backups / "db-20260101" / ".state").write_text(f"{word}\n")
    (told,) = [one for one in _found(store.done("doctor", "--json"), "warning") if "db-20260101" in one]
    assert told.endswith(", not CREATED, PENDING, CONFIRMED or CLEANABLE")


def test_a_store_at_warning_is_not_called_ok(store: Workplace) -> None:
    store.press(80, marks="warning = 75\ncritical = 85\nemergency = 95\n")
    assert [one for one in _found(store.done("doctor", "--json"), "warning") if one.startswith("main: warning: ")]
