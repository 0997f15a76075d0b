"""SPEC.md 7.6, issue 4: who holds space that was freed is named, and nothing is deleted for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import reading
from ullage.model.holding import Holder, Holding
from ullage.model.readings import Reading, Space
from ullage.model.units import GIB, MIB
from ullage.policy.holding import as_if_back, held_by, still_coming, waited_for, why_short, worth_a_word

POSTGRES = Holder(pid=812, name="postgres", files=3, size_bytes=41 * GIB)
HELD = Holding(holders=(POSTGRES,), files=3, size_bytes=41 * GIB, own_files=2, own_bytes=40 * GIB)


def _space(used: int = 90, free: int = 10, inodes: int = 0, free_inodes: int = 0) -> Space:
    return Space(
        total_bytes=used + free,
        used_bytes=used,
        free_bytes=free,
        available_bytes=free,
        total_inodes=inodes,
        free_inodes=free_inodes,
    )


def test_a_process_is_named_with_how_much_it_holds() -> None:
    assert held_by(HELD) == "41.0 GiB still held by process 812, postgres, 3 deleted files"


def test_three_are_named_and_the_others_counted() -> None:
    holders = tuple(Holder(pid=n, name="tar", files=1, size_bytes=9 - n) for n in range(1, 6))
    assert held_by(Holding(holders=holders, files=5, size_bytes=20)) == (
        "20 B still held by process 1, tar, 1 deleted file; process 2, tar, 1 deleted file; "
        "process 3, tar, 1 deleted file and 2 more"
    )


def test_what_a_process_calls_itself_breaks_no_line() -> None:
    """SPEC 7.11."""
    named = held_by(replace(HELD, holders=(replace(POSTGRES, name="a\x1b[2J\n\udcff"),), snapshots=("x\ny (id 260)",)))
    assert named is not None
    assert named.isprintable()
    assert "a\\x1b[2J\\n\\xff" in named


def test_snapshots_are_named() -> None:
    assert held_by(Holding(snapshots=("a (id 260)",))) == "the btrfs snapshot a (id 260) may keep what was deleted"
    both = held_by(replace(HELD, snapshots=("a (id 260)", "b (id 261)")))
    assert both is not None
    assert both.endswith("deleted files; the btrfs snapshots a (id 260) and b (id 261) may keep what was deleted")


def test_where_nobody_is_found_nobody_is_named() -> None:
    assert held_by(Holding()) is None
    assert why_short(Holding(), 4 * MIB, MIB) == "gained 1.0 MiB of 4.0 MiB: what holds the rest was not found"


def test_an_act_that_gained_too_little_says_who_holds_the_rest() -> None:
    assert why_short(HELD, 41 * GIB, 0).startswith("gained 0 B of 41.0 GiB: 41.0 GiB still held by process 812")


def test_what_is_waited_for_is_the_stores_own() -> None:
    assert "40.0 GiB that were deleted already and will come back: 41.0 GiB still held by" in waited_for(HELD)


def test_a_little_that_is_deleted_and_open_is_not_worth_a_word() -> None:
    disk = reading(_space(900 * GIB, 100 * GIB))
    assert worth_a_word(HELD, disk) == held_by(HELD)
    assert worth_a_word(replace(HELD, size_bytes=64 * MIB), disk) is not None
    assert worth_a_word(replace(HELD, size_bytes=64 * MIB - 1), disk) is None
    assert worth_a_word(replace(HELD, size_bytes=2), reading(_space(190, 10))) is not None, "a hundredth of the disk"
    assert worth_a_word(replace(HELD, size_bytes=1), reading(_space(190, 10))) is None
    assert worth_a_word(Holding(snapshots=("a (id 260)",)), reading(_space(0, 0))) is None


def test_what_is_held_counts_as_free_on_the_disk_and_not_in_a_capacity() -> None:
    disk, capacity = _space(90, 10, 100, 7), _space(50, 50)
    held = Holding(files=3, size_bytes=40, own_files=2, own_bytes=30)
    now = as_if_back(reading(disk, capacity), held)
    assert now.backup == (replace(_space(60, 40, 100, 9), total_bytes=100), capacity)


def test_what_archives_hold_on_their_own_disk_counts_there() -> None:
    held = Holding(files=1, size_bytes=30, own_files=1, own_bytes=30)
    before = replace(reading(_space()), archive=_space())
    now = as_if_back(before, held, archives=True)
    assert (now.backup, now.archive) == (before.backup, _space(60, 40))
    assert as_if_back(reading(_space()), held, archives=True) == reading(_space())


@given(used=st.integers(0, 100), free=st.integers(0, 100), own=st.integers(0, 300), inodes=st.integers(0, 50))
def test_whatever_is_held_no_more_is_free_than_there_is(used: int, free: int, own: int, inodes: int) -> None:
    held = Holding(files=99, size_bytes=own, own_files=99, own_bytes=own)
    (space,) = as_if_back(reading(_space(used, free, inodes, inodes // 2)), held).backup
    assert space.used_bytes >= 0
    assert space.used_bytes + space.free_bytes == used + free
    assert 0 <= space.free_inodes <= space.total_inodes


def test_space_that_still_comes_back_is_waited_for_and_what_does_not_is_not() -> None:
    before, more = reading(_space(90, 10)), reading(_space(80, 20))
    why = still_coming(before, more)
    assert why is not None
    assert "still coming back (10 B so far)" in why
    assert still_coming(before, before) is None
    assert still_coming(more, before) is None
    assert still_coming(before, more, archives=True) is None
    assert (
        still_coming(replace(before, archive=_space(90, 10)), replace(before, archive=_space()), archives=True) is None
    )
    apart = replace(before, archive=_space(50, 50))
    assert still_coming(replace(before, archive=_space()), apart, archives=True) is not None
    assert still_coming(Reading(at=0.0), Reading(at=0.0)) is None
