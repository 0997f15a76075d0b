"""What-if: another time, more on the disk, a goal of one's own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import NOW, backup, reading, space, store
from ullage.model.plans import View
from ullage.model.settings import Free, InodeMarks, Watermarks
from ullage.model.units import DAY
from ullage.model.words import Kind
from ullage.policy.assess import Goal, missing
from ullage.policy.assume import Assumed, Until, assume, needed_for, parse_at, parse_until, shifted, when
from ullage.policy.select import select

MARKS = Watermarks()
STORE = store(keep_last=0)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("40 % free", Until(percent=40.0)),
        ("40% free", Until(percent=40.0)),
        ("80 % used", Until(percent=20.0)),
        ("99.9% used", Until(percent=0.1)),
        ("0 % used", Until(percent=100.0)),
        ("50 GiB free", Until(size=50 << 30)),
        (" 1.5 TB free ", Until(size=1_500_000_000_000)),
    ],
)
def test_a_goal_is_read_as_it_is_said(text: str, until: Until) -> None:
    assert parse_until(text) == until


@pytest.mark.parametrize(
    "text", ["", "40", "40 %", "40 free", "101 % free", "-1 % free", "50 GiB", "50 GiB used", "50 XB free", "% free"]
)
def test_what_is_no_goal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"free|unit|size"):
        parse_until(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-24", datetime(2026, 12, 24, tzinfo=UTC)),
        ("2026-12-24T18:30", datetime(2026, 12, 24, 18, 30, tzinfo=UTC)),
        ("2026-12-24T18:30:15Z", datetime(2026, 12, 24, 18, 30, 15, tzinfo=UTC)),
        ("2026-12-24 18:30", datetime(2026, 12, 24, 18, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_and_a_date_its_first_second(text: str, at: datetime) -> None:
    assert parse_at(text) == at.timestamp()


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "2026-02-30", "24.12.2026", "2026-12-24T25:00", "2026"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no|calendar"):
        parse_at(text)


def test_at_another_time_ages_are_those_of_then_and_the_reading_is_that_of_now() -> None:
    view = View(now=NOW, reading=reading(space(800)), backups=(backup(age=10 * DAY),))
    then = assume(view, Assumed(at=NOW + 5 * DAY))
    assert then.reading == view.reading
    [candidate] = select(then.backups, "gentle", None, STORE, now=then.now).candidates  # type: ignore[arg-type]
    assert candidate.age_seconds == 15 * DAY
    assert assume(view, Assumed()) == view
    assert assume(view, Assumed(fill=50)).reading == shifted(view.reading, 50)


def test_what_is_assumed_is_said() -> None:
    assert Assumed().sentences == ()
    assert Assumed(at=NOW, fill=1 << 30).sentences == (
        "as if it were 2027-01-15T08:00:00Z: ages, floors and confidence are those of then",
        "as if 1.0 GiB more were used",
        "all else is as it is now",
    )


def test_a_goal_is_told() -> None:
    assert when(Until(percent=40.0), MARKS) == "40 % are free"
    assert when(Until(size=50 << 30), MARKS) == "50.0 GiB are free"
    assert when(Goal.LOW, MARKS) == "usage is under 75 %"


@given(st.integers(0, 2000), st.integers(0, 100), st.integers(0, 1000))
def test_so_many_bytes_free_are_so_many_that_may_be_used(used: int, inodes: int, size: int) -> None:
    seen = reading(space(used, inodes=(inodes, 100)))
    gain, none = needed_for(Until(size=size), seen, MARKS)
    assert none == 0
    assert gain == max(0, size - (1000 - used))
    assert needed_for(Until(size=size), shifted(seen, -gain), MARKS) == (0, 0)


@given(st.integers(0, 1000), st.integers(0, 100), st.integers(0, 100))
def test_so_many_percent_free_are_the_target_of_an_emergency_that_wants_so_many(
    used: int, inodes: int, percent: int
) -> None:
    seen = reading(space(used, inodes=(inodes, 100)))
    found = needed_for(Until(percent=float(percent)), seen, MARKS)
    assert found == (max(0, used - 10 * (100 - percent)), max(0, inodes - (100 - percent)))
    assert found == missing(Goal.TARGET, seen, Watermarks(target_free=float(percent)))


def test_where_nothing_was_measured_nothing_is_needed_for() -> None:
    assert needed_for(Until(size=5), reading(fault="gone"), MARKS) == (0, 0)


def test_the_stores_own_marks_do_not_count_beside_a_goal_of_ones_own() -> None:
    own = Watermarks(free=Free(target_free=900), inode=InodeMarks(target_free=99.0, free=Free(target_free=99)))
    seen = reading(space(800, inodes=(50, 100)), replace(space(999), kind=Kind.METADATA))
    assert needed_for(Until(percent=40.0), seen, own) == (200, 0)
    assert needed_for(Until(size=300), seen, own) == (100, 0)
