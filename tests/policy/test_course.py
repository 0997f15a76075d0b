"""When a set that was chosen is chosen anew."""

from __future__ import annotations

import pytest

from tests.policy.make import backup
from ullage.model.backups import Share
from ullage.policy.course import Course

MEMBERS = [backup(name, reclaimable_bytes=1000, inodes=10) for name in "abc"]


@pytest.mark.parametrize(
    ("lacking", "anew"),
    [
        ((2000, 20), False),
        ((1970, 20), False),  # others deleted a little, or
        ((2030, 20), False),  # wrote a little
        ((1969, 20), True),
        ((2031, 20), True),
        ((3000, 20), True),  # it did not go
        ((2000, 21), True),
        ((1500, 20), True),  # it gave back more
    ],
)
def test_a_plan_is_made_anew_where_more_or_less_came_back_than_was_expected(
    lacking: tuple[int, int], anew: bool
) -> None:
    assert Course((3000, 30), MEMBERS, ()).left("a", lacking) is anew


def test_a_plan_is_made_anew_where_it_is_at_its_end_and_more_is_missing() -> None:
    course = Course((2000, 0), MEMBERS, ())
    assert not course.left("a", (1010, 0))
    assert course.left("b", (10, 0))


def test_what_two_share_is_expected_with_the_second() -> None:
    course = Course((9000, 0), MEMBERS, [Share(owners=("a", "b"), size_bytes=5000, inodes=0)])
    assert not course.left("a", (8000, 0))
    assert not course.left("b", (2000, 0))


def test_what_was_not_missing_may_come_back_as_it_likes() -> None:
    assert not Course((3000, 0), MEMBERS, ()).left("a", (2000, 0))
