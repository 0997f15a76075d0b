"""SPEC.md 4 and 7.1: where not enough may go, it is said what is missing, what holds it and what would have to give."""

from __future__ import annotations

import pytest

from tests.policy.make import NOW, archive, backup, reading, space, store
from ullage.model.backups import Archive, Backup
from ullage.model.readings import Reading
from ullage.model.units import DAY, MIB
from ullage.model.words import EmergencyStrategy, Level, State
from ullage.policy.exhausted import nothing_more, told

HELD = backup("db-20260109", State.CONFIRMED, age=DAY, reclaimable_bytes=5 * MIB)


def pressed(used: int) -> Reading:
    """A disk of 100 MiB."""
    return reading(space(used * MIB, total=100 * MIB))


def said(
    *members: Backup,
    level: Level = Level.CRITICAL,
    archives: tuple[Archive, ...] = (),
    strategy: str = "aggressive",
    used: int = 90,
) -> str | None:
    """What is said of the store."""
    settings = store(emergency_strategy=EmergencyStrategy(strategy))
    short = nothing_more(level, pressed(used), members, settings, now=NOW, archives=archives)
    return None if short is None else told(short)


def test_it_says_what_is_missing_what_holds_it_the_largest_and_what_would_have_to_give() -> None:
    members = (
        HELD,
        backup("db-20260101", State.CONFIRMED, pinned=True, reclaimable_bytes=9 * MIB),
        backup("db-20260102", None, fault=".state is empty", reclaimable_bytes=MIB),
        backup("db-20260103", State.CREATED, newest_mtime=NOW, reclaimable_bytes=2 * MIB),
        backup("db-20260104", State.PENDING, reclaimable_bytes=7 * MIB),
        backup("db-20260106", State.CLEANABLE, age=1, reclaimable_bytes=3 * MIB, size_bytes=1 << 40),
        backup("db-20260105", State.CLEANABLE, reclaimable_bytes=MIB // 2),
    )
    assert said(*members) == (
        "14.5 MiB short of a usage under 75 %: only 512.0 KiB (1) may go at moderate; 13.0 MiB are not ripe for it (4),"
        " 9.0 MiB is pinned (1), reclaim.keep_last holds 5.0 MiB (1), 2.0 MiB is in use (1), 1.0 MiB is in doubt (1);"
        " the largest: db-20260101 (9.0 MiB, pinned), db-20260104 (7.0 MiB, not ripe for it), db-20260109 (5.0 MiB,"
        " held by reclaim.keep_last); delete by hand what is not needed (ullage plan nuclear) and unpin what may go,"
        " or enlarge the disk"
    )


def test_what_holds_nothing_is_not_named_and_what_is_not_enough_is_said() -> None:
    assert said(HELD, backup("db-20260101", State.CONFIRMED, pinned=True, reclaimable_bytes=2 * MIB)) == (
        "15.0 MiB short of a usage under 75 %: nothing more may go at moderate; reclaim.keep_last holds 5.0 MiB (1),"
        " 2.0 MiB is pinned (1); the largest: db-20260109 (5.0 MiB, held by reclaim.keep_last), db-20260101 (2.0 MiB,"
        " pinned); unpin what may go; even that is not enough: look what else fills the disk, or enlarge it"
    )


def test_nobody_is_told_to_give_up_the_last_good_backup_where_that_is_not_enough_either() -> None:
    text = said(HELD)
    assert text is not None
    assert text.endswith("held by reclaim.keep_last); look what else fills the disk, or enlarge it")
    enough = said(backup("db-20260109", State.CONFIRMED, age=DAY, reclaimable_bytes=20 * MIB))
    assert enough is not None
    assert enough.endswith("lower reclaim.keep_last from 1 to 0, or enlarge the disk")


def test_where_nothing_that_holds_gives_anything_back_it_is_not_the_backups() -> None:
    linked = backup("db-20260101", State.CONFIRMED)
    text = said(linked)
    assert text is not None
    assert text.endswith("held by reclaim.keep_last); look what else fills the disk, or enlarge it")


def test_where_there_is_no_backup_it_is_not_the_backups() -> None:
    assert said() == (
        "15.0 MiB short of a usage under 75 %: there is no backup left; look what else fills the disk, or enlarge it"
    )


def test_where_all_may_go_and_are_too_few_it_is_said() -> None:
    settings = store(keep_last=0)
    short = nothing_more(
        Level.CRITICAL, pressed(90), [backup(confirmed_at=1, reclaimable_bytes=MIB)], settings, now=NOW
    )
    assert short is not None
    assert told(short).startswith("14.0 MiB short of a usage under 75 %: all backups (1) give back only 1.0 MiB;")


def test_bytes_and_inodes_are_both_said_where_both_are_missing() -> None:
    both = reading(space(90 * MIB, total=100 * MIB, inodes=(9_600, 10_000)))
    held = backup("db-20260109", State.CONFIRMED, reclaimable_bytes=5 * MIB, inodes=1_200)
    short = nothing_more(Level.EMERGENCY, both, [held], store(), now=NOW)
    assert short is not None
    assert told(short).startswith("10.0 MiB and 1,600 inodes short of 20 % free: nothing more may go at aggressive;")
    assert "reclaim.keep_last holds 5.0 MiB and 1,200 inodes (1)" in told(short)


@pytest.mark.parametrize("level", [Level.OK, Level.WARNING, Level.UNAVAILABLE])
def test_nothing_is_said_under_critical(level: Level) -> None:
    assert said(HELD, level=level) is None


def test_at_critical_nothing_is_said_where_it_can_be_left() -> None:
    enough = backup("db-20260101", State.CLEANABLE, confirmed_at=1, age=50 * DAY, reclaimable_bytes=5 * MIB + 1)
    assert said(HELD, enough) is None
    less = backup("db-20260101", State.CLEANABLE, confirmed_at=1, age=50 * DAY, reclaimable_bytes=5 * MIB)
    text = said(HELD, less)
    assert text is not None
    assert "10.0 MiB short of a usage under 75 %: only 5.0 MiB (1) may go" in text


def test_in_an_emergency_it_is_said_where_the_target_is_out_of_reach() -> None:
    free = backup("db-20260101", State.CLEANABLE, confirmed_at=1, age=50 * DAY, reclaimable_bytes=17 * MIB)
    assert said(HELD, free, level=Level.EMERGENCY, used=97) is None
    text = said(HELD, free, level=Level.EMERGENCY, used=98)
    assert text is not None
    assert text.startswith("1.0 MiB short of 20 % free")


@pytest.mark.parametrize(
    ("state", "age", "strategy"),
    [
        pytest.param(State.CREATED, DAY, "aggressive", id="an emergency deletes it at last"),
        pytest.param(State.PENDING, 2 * DAY, "conservative", id="an emergency makes it CLEANABLE at last"),
    ],
)
def test_what_an_emergency_does_at_last_counts_as_what_may_go(state: State, age: float, strategy: str) -> None:
    size = 20 * MIB
    last = backup("db-20260101", state, age=age, reclaimable_bytes=size)
    young = backup("db-20260101", state, age=age - 1, reclaimable_bytes=size)
    assert said(HELD, last, level=Level.EMERGENCY, strategy=strategy, used=98) is None
    assert said(HELD, young, level=Level.EMERGENCY, strategy=strategy, used=98) is not None
    assert said(HELD, last, level=Level.CRITICAL) is not None


def test_archives_that_may_go_are_more_and_those_of_the_floor_are_not() -> None:
    assert said(HELD, archives=(archive("db-20260101", DAY, size_bytes=10 * MIB),)) is None
    assert said(HELD, archives=(archive("www-20260101", DAY, size_bytes=10 * MIB),)) is not None


def test_the_names_break_no_line() -> None:
    text = said(backup("db\n\x1b[2J-20260109", State.CONFIRMED, age=DAY))
    assert text is not None
    assert text.isprintable()
