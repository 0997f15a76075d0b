"""SPEC.md 4 and 7.1: at critical and above, where nothing more may go, it is said what holds it and what would give."""

from __future__ import annotations

import pytest

from tests.policy.make import NOW, archive, backup, store
from ullage.model.backups import Archive, Backup
from ullage.model.units import DAY, MIB
from ullage.model.words import EmergencyStrategy, Level, State
from ullage.policy.exhausted import nothing_more

STORE = store()
HELD = backup("db-20260109", State.CONFIRMED, age=DAY, reclaimable_bytes=5 * MIB)


def said(
    *members: Backup, level: Level = Level.CRITICAL, archives: tuple[Archive, ...] = (), strategy: str = "aggressive"
) -> str | None:
    """What is said of the store."""
    settings = store(emergency_strategy=EmergencyStrategy(strategy))
    return nothing_more(level, members, archives, settings, now=NOW)


def test_it_says_how_many_are_held_by_what_the_largest_and_what_would_have_to_give() -> None:
    members = (
        HELD,
        backup("db-20260101", State.CONFIRMED, pinned=True, reclaimable_bytes=9 * MIB),
        backup("db-20260102", None, fault=".state is empty", reclaimable_bytes=1),
        backup("db-20260103", State.CREATED, newest_mtime=NOW, reclaimable_bytes=2),
        backup("db-20260104", State.PENDING, reclaimable_bytes=7 * MIB),
        backup("db-20260105", State.CLEANABLE, age=1, reclaimable_bytes=3, size_bytes=1 << 40),
    )
    assert said(*members) == (
        "nothing more may go at moderate: of 6 backups 1 held by reclaim.keep_last, 1 pinned, 2 in use or in doubt,"
        " 2 not ripe for it; the largest: db-20260101 (9.0 MiB, pinned), db-20260104 (7.0 MiB, not ripe for it),"
        " db-20260109 (5.0 MiB, held by reclaim.keep_last); lower reclaim.keep_last, or unpin what may go, or see in"
        " ullage list what is in use or in doubt, or delete by hand what is not needed (ullage plan nuclear), or"
        " enlarge the disk"
    )


def test_what_holds_nothing_is_not_named() -> None:
    text = said(HELD)
    assert text is not None
    assert text.endswith("; lower reclaim.keep_last, or enlarge the disk")


def test_where_there_is_no_backup_it_is_not_the_backups() -> None:
    text = said()
    assert text is not None
    assert "there is no backup left" in text


@pytest.mark.parametrize("level", [Level.OK, Level.WARNING, Level.UNAVAILABLE])
def test_nothing_is_said_under_critical(level: Level) -> None:
    assert said(HELD, level=level) is None


def test_nothing_is_said_where_one_may_go() -> None:
    assert said(HELD, backup("db-20260101", State.CLEANABLE)) is None


@pytest.mark.parametrize(
    ("state", "age", "strategy"),
    [
        pytest.param(State.CREATED, DAY, "aggressive", id="an emergency deletes it at last"),
        pytest.param(State.PENDING, 2 * DAY, "conservative", id="an emergency makes it CLEANABLE at last"),
    ],
)
def test_what_an_emergency_does_at_last_is_no_end_either(state: State, age: float, strategy: str) -> None:
    last, young = backup("db-20260101", state, age=age), backup("db-20260101", state, age=age - 1)
    assert said(HELD, last, level=Level.EMERGENCY, strategy=strategy) is None
    assert said(HELD, young, level=Level.EMERGENCY, strategy=strategy) is not None
    assert said(HELD, last, level=Level.CRITICAL) is not None


def test_archives_that_may_go_are_more_and_those_of_the_floor_are_not() -> None:
    assert said(HELD, archives=(archive("db-20260101", DAY),)) is None
    assert said(HELD, archives=(archive("www-20260101", DAY),)) is not None


def test_the_names_break_no_line() -> None:
    text = said(backup("db\n\x1b[2J-20260109", State.CONFIRMED, age=DAY))
    assert text is not None
    assert text.isprintable()
