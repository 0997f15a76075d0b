"""SPEC.md 3 (keep_last) and 7.1, 7.8, 7.10: what holds a backup."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.make import NOW, archive, backup, backups
from ullage.model.backups import Backup
from ullage.model.settings import ReclaimSettings
from ullage.model.units import DAY
from ullage.model.words import State
from ullage.policy.protect import archive_floors, floors, holds
from ullage.policy.series import series_of

RECLAIM = ReclaimSettings()


def kept(*members: Backup, keep_last: int = 1) -> set[str]:
    return set(floors(members, ReclaimSettings(keep_last=keep_last), now=NOW))


def test_the_newest_good_backup_of_a_series_stays() -> None:
    old, new = (backup(f"db-2026010{day}", State.CONFIRMED, age=(5 - day) * DAY) for day in (1, 2))
    assert floors([new, old], RECLAIM, now=NOW) == {new.id: 'the newest good backup of the series "db"'}


def test_a_newer_backup_that_is_not_good_does_not_take_its_place() -> None:
    good = backup("db-20260101", State.CONFIRMED, age=9 * DAY)
    failed = [backup(f"db-2026010{day}", State.CREATED, age=(9 - day) * DAY) for day in (2, 3, 4)]
    assert kept(good, *failed) == {good.id}


def test_a_backup_that_was_ever_confirmed_is_good() -> None:
    once = backup("db-20260101", State.CLEANABLE, age=9 * DAY, confirmed_at=1)
    assert kept(once, backup("db-20260102", State.PENDING, age=DAY)) == {once.id}


def test_the_newest_others_make_up_the_number() -> None:
    good = backup("db-20260101", State.CONFIRMED, age=9 * DAY)
    others = [backup(f"db-2026010{day}", State.PENDING, age=(9 - day) * DAY) for day in (2, 3)]
    reasons = floors([good, *others], ReclaimSettings(keep_last=2), now=NOW)
    assert reasons == {
        good.id: 'one of the newest 2: good backup of the series "db"',
        others[1].id: 'the newest that the series "db" has in the place of a good backup',
    }


def test_every_series_keeps_its_own_and_those_without_a_date_are_one() -> None:
    db, www = backup("db-20260101", age=9 * DAY), backup("www-20260102", age=DAY)
    first, second = backup("one", age=2 * DAY), backup("two", age=DAY)
    assert kept(db, www, first, second) == {db.id, www.id, second.id}
    assert "names without a date" in floors([first], RECLAIM, now=NOW)["one"]


def test_where_two_are_as_new_the_larger_id_is_the_newer() -> None:
    twins = [backup(f"db-20260101-{letter}", State.CONFIRMED, age=DAY) for letter in "ba"]
    assert kept(*twins) == {"db-20260101-b"}


def test_keep_last_of_0_keeps_none() -> None:
    assert kept(backup(), keep_last=0) == set()


@pytest.mark.parametrize(
    "facts",
    [
        {"state": None},
        {"state": State.ARCHIVED},
        {"fault": "the .state cannot be read"},
        {"created_at": None},
        {"age": -61.0},
    ],
    ids=["no state", "not live", "fault", "no age", "from the future"],
)
def test_what_is_not_known_never_lets_another_go(facts: dict[str, Any]) -> None:
    known = backup("db-20260101", State.CONFIRMED, age=9 * DAY)
    doubtful = backup("db-20260102", **{"state": State.CONFIRMED, "confirmed_at": 1, "age": DAY, **facts})
    assert kept(known, doubtful) == {known.id}


def test_a_clock_a_minute_ahead_is_believed() -> None:
    assert kept(backup("db-20260101", age=9 * DAY), backup("db-20260102", age=-60)) == {"db-20260102"}


@given(backups(), st.integers(0, 3))
def test_a_series_always_keeps_as_many_as_it_can(members: list[Backup], keep_last: int) -> None:
    held = floors(members, ReclaimSettings(keep_last=keep_last), now=NOW)
    sure = [b for b in members if b.state not in (None, State.ARCHIVED) and b.fault is None]
    sure = [b for b in sure if b.created_at is not None and b.created_at <= NOW + 60]
    for series in {series_of(b.id) for b in sure}:
        mine = [b for b in sure if series_of(b.id) == series]
        assert len([b for b in mine if b.id in held]) == min(keep_last, len(mine))
        for stays in (b for b in mine if b.id in held):
            assert all(
                (b.good, b.created_at, b.id) <= (stays.good, stays.created_at, stays.id)
                for b in mine
                if b.id not in held
            )


def test_the_newest_archives_of_a_series_without_a_live_backup_stay() -> None:
    archives = [archive(f"db-2026010{day}", age=(9 - day) * DAY) for day in (1, 2, 3)]
    assert archive_floors(archives, [], RECLAIM, now=NOW) == {
        archives[2].path: 'the newest archive of the series "db", which has no live backup'
    }
    assert set(archive_floors(archives, [], ReclaimSettings(keep_last=2), now=NOW)) == {
        archives[1].path,
        archives[2].path,
    }


def test_a_live_backup_lets_the_archives_of_its_series_go() -> None:
    mine, other = archive("db-20260101", age=DAY), archive("www-20260101", age=DAY)
    assert set(archive_floors([mine, other], [backup("db-20260109", State.CREATED)], RECLAIM, now=NOW)) == {other.path}


def test_a_backup_that_cannot_be_judged_is_no_live_one_for_its_archives() -> None:
    mine = archive("db-20260101", age=DAY)
    for doubtful in (backup("db-20260109", None), backup("db-20260109", fault="unreadable")):
        assert set(archive_floors([mine], [doubtful], RECLAIM, now=NOW)) == {mine.path}


def test_where_two_archives_are_as_new_the_larger_path_is_the_newer() -> None:
    twins = [archive(f"db-20260101-{letter}", age=DAY) for letter in "ba"]
    assert set(archive_floors(twins, [], RECLAIM, now=NOW)) == {twins[0].path}


def test_a_name_is_shown_without_its_control_characters() -> None:
    assert 'series "\\x1b[2J"' in floors([backup("\x1b[2J-20260101")], RECLAIM, now=NOW)["\x1b[2J-20260101"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"pinned": True}, "it is pinned"),
        ({"state": None}, "its state is not known"),
        ({"state": None, "fault": "an unknown word"}, "it cannot be judged: an unknown word"),
        ({"state": State.DELETED}, "DELETED is not the state of a live backup"),
        ({"created_at": None}, "its age is not known"),
        ({"age": -61}, "its age is not known: it is dated ahead"),
        ({"busy": "process 812 (postgres)"}, "it is in use: process 812 (postgres)"),
        (
            {"state": State.CREATED, "newest_mtime": NOW - 299.9},
            "it is being written: CREATED, and changed a moment ago",
        ),
        ({"state": State.CREATED, "newest_mtime": NOW + DAY}, "it is being written: CREATED, and changed a moment ago"),
    ],
)
def test_every_hold_is_told(facts: dict[str, Any], reason: str) -> None:
    assert holds(backup(**facts), None, RECLAIM, now=NOW) == (reason,)


def test_the_floor_is_a_hold() -> None:
    assert holds(backup(), "the newest good backup", RECLAIM, now=NOW) == ("the newest good backup",)


def test_all_the_holds_are_told_together() -> None:
    held = backup(state=State.CREATED, pinned=True, busy="flock", created_at=None, newest_mtime=NOW)
    assert len(holds(held, "floor", RECLAIM, now=NOW)) == 5


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"age": -60},
        {"state": State.CREATED, "newest_mtime": NOW - 300},
        {"state": State.PENDING, "newest_mtime": NOW},
    ],
    ids=["nothing", "a minute ahead", "settled", "only CREATED is being written"],
)
def test_nothing_else_holds(facts: dict[str, Any]) -> None:
    assert holds(backup(**facts), None, RECLAIM, now=NOW) == ()


def test_the_archives_of_every_series_without_a_backup_have_their_own_floor() -> None:
    found = [archive(name, age) for age, name in enumerate(("a-20260101", "b-20260101", "20260101", "plain"), start=1)]
    floor = archive_floors(found, [], RECLAIM, now=NOW)
    assert set(floor) == {one.path for one in found}
    assert floor[found[0].path] == 'the newest archive of the series "a", which has no live backup'
    assert floor[found[3].path] == "the newest archive of the series of names without a date, which has no live backup"
