"""SPEC.md 1 (usage, level) and 4 (until when)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.policy.make import reading, space
from ullage.model.readings import Reading, Space
from ullage.model.settings import Watermarks
from ullage.model.words import Level
from ullage.policy.assess import (
    Goal,
    archive_pressed,
    assess,
    level_of,
    missing,
    of_disk,
    reached,
    shown_percent,
    usage_of,
)

MARKS = Watermarks()


@pytest.mark.parametrize(
    ("usage", "level"),
    [
        (0.0, Level.OK), (74.999, Level.OK),
        (75.0, Level.WARNING), (84.999, Level.WARNING),
        (85.0, Level.CRITICAL), (94.999, Level.CRITICAL),
        (95.0, Level.EMERGENCY), (100.0, Level.EMERGENCY),
    ],
)  # fmt: skip
def test_a_level_begins_at_its_watermark(usage: float, level: Level) -> None:
    assert level_of(usage, MARKS) is level


def test_usage_is_of_what_an_unprivileged_writer_may_use_as_df_means_it() -> None:
    assert usage_of(space(800, total=1000, reserved=100), MARKS) == 100 * 800 / 900


def test_usage_is_the_higher_of_bytes_and_inodes() -> None:
    assert usage_of(space(500, inodes=(9, 10)), MARKS) == 90.0
    assert usage_of(space(500, inodes=(1, 10)), MARKS) == 50.0


def test_inodes_do_not_count_where_the_settings_say_so_or_the_filesystem_has_none() -> None:
    assert usage_of(space(500, inodes=(9, 10)), Watermarks(inodes=False)) == 50.0
    assert usage_of(space(500, inodes=(0, 0)), MARKS) == 50.0


def test_the_pressure_is_that_of_the_worst_space_and_says_which() -> None:
    pressure = assess(reading(space(500), space(912)), MARKS)
    assert (pressure.level, pressure.usage) == (Level.CRITICAL, 91.2)
    assert pressure.reason == "bytes 91.2 % used, critical begins at 85 %"


def test_the_reason_names_inodes_where_they_bind() -> None:
    assert assess(reading(space(1, inodes=(96, 100))), MARKS).reason == "inodes 96.0 % used, emergency begins at 95 %"


def test_the_reason_of_ok_says_how_far_it_is() -> None:
    assert assess(reading(space(749)), MARKS).reason == "bytes 74.9 % used, warning begins at 75 %"


def test_a_shown_percentage_never_reaches_a_watermark_early() -> None:
    assert (shown_percent(84.99), shown_percent(85.0), shown_percent(84.9)) == ("84.9", "85.0", "84.9")


def test_the_archive_and_total_usage_stand_beside() -> None:
    pressure = assess(reading(space(500), archive=space(100, inodes=(3, 10)), total=space(200)), MARKS)
    assert (pressure.archive_usage, pressure.total_usage) == (30.0, 20.0)


def test_a_fault_makes_the_store_unavailable_whatever_was_measured() -> None:
    pressure = assess(reading(space(10), fault="not mounted"), MARKS)
    assert (pressure.level, pressure.usage, pressure.reason) == (Level.UNAVAILABLE, None, "not mounted")


def test_nothing_measured_is_unavailable_and_not_empty() -> None:
    assert assess(reading(), MARKS).level is Level.UNAVAILABLE


@pytest.mark.parametrize(
    ("goal", "usage", "is_reached"),
    [
        (Goal.LOW, 74.9, True), (Goal.LOW, 75.0, False),
        (Goal.TARGET, 80.0, True), (Goal.TARGET, 80.1, False),
        (Goal.BELOW_CRITICAL, 84.9, True), (Goal.BELOW_CRITICAL, 85.0, False),
        (Goal.BELOW_EMERGENCY, 94.9, True), (Goal.BELOW_EMERGENCY, 95.0, False),
    ],
)  # fmt: skip
def test_a_goal_is_under_its_watermark_or_at_most_the_target(goal: Goal, usage: float, is_reached: bool) -> None:
    assert reached(goal, usage, MARKS) is is_reached


def test_the_target_is_reckoned_in_decimal() -> None:
    assert reached(Goal.TARGET, 66.9, Watermarks(target_free=33.1))


def test_missing_is_one_byte_more_where_usage_must_be_under_the_mark() -> None:
    assert missing(Goal.LOW, reading(space(800)), MARKS) == (51, 0)
    assert missing(Goal.TARGET, reading(space(810)), MARKS) == (10, 0)
    assert missing(Goal.LOW, reading(space(750)), MARKS) == (1, 0)
    assert missing(Goal.LOW, reading(space(749)), MARKS) == (0, 0)


def test_missing_counts_inodes_beside_bytes() -> None:
    assert missing(Goal.BELOW_CRITICAL, reading(space(100, inodes=(90, 100))), MARKS) == (0, 6)
    assert missing(Goal.BELOW_CRITICAL, reading(space(100, inodes=(90, 100))), Watermarks(inodes=False)) == (0, 0)


def test_missing_is_the_most_that_any_space_needs() -> None:
    assert missing(Goal.LOW, reading(space(800), space(900)), MARKS) == (151, 0)


def test_a_capacity_that_is_overrun_must_gain_the_overrun_too() -> None:
    assert missing(Goal.LOW, reading(space(150, total=100)), MARKS) == (76, 0)


def test_a_filesystem_of_no_size_misses_nothing_that_could_be_gained() -> None:
    assert missing(Goal.LOW, reading(space(0, total=0)), MARKS) == (0, 0)


def test_nothing_measured_misses_nothing() -> None:
    assert missing(Goal.LOW, reading(), MARKS) == (0, 0)


SIZES = st.integers(1, 2**60)


@st.composite
def watermarks(draw: st.DrawFn) -> Watermarks:
    low, step = draw(st.floats(1, 70)), draw(st.floats(0.1, 10))
    free = draw(st.floats(0, 99))
    return Watermarks(warning=low, critical=low + step, emergency=low + 2 * step, target_free=free)


@given(SIZES, SIZES, st.sampled_from(Goal), watermarks())
@example(851, 149, Goal.BELOW_CRITICAL, Watermarks(critical=85.1))
def test_what_is_missing_is_just_enough(used: int, available: int, goal: Goal, marks: Watermarks) -> None:
    before = Space(total_bytes=used + available, used_bytes=used, free_bytes=available, available_bytes=available)
    need, _ = missing(goal, reading(before), marks)

    def after(gain: int) -> bool:
        return reached(goal, space(used - gain, total=used + available).usage_percent, marks)

    assert after(need)
    assert need == 0 or not after(need - 1)


@pytest.mark.parametrize(
    ("what", "pressed"),
    [
        (reading(space(1), archive=space(850)), True),
        (reading(space(1), archive=space(849)), False),
        (reading(space(1), archive=space(1, inodes=(85, 100))), True),
        (reading(space(1), archive=space(900), same_filesystem=True), False),
        (reading(space(1), archive=space(900), fault="not mounted"), False),
        (reading(space(900)), False),
    ],
    ids=["critical", "under", "inodes", "one filesystem is one pressure", "unavailable", "not measured"],
)
def test_archives_are_pressed_at_critical_on_a_filesystem_of_their_own(what: Reading, pressed: bool) -> None:
    assert archive_pressed(what, MARKS) is pressed


def test_a_target_need_not_be_a_whole_number() -> None:
    marks = Watermarks(target_free=20.5)
    assert reached(Goal.TARGET, 79.5, marks)
    assert not reached(Goal.TARGET, 79.6, marks)


def test_where_the_backups_cannot_be_measured_the_rest_is_told_all_the_same() -> None:
    pressure = assess(reading(archive=space(300), total=space(200)), MARKS)
    assert (pressure.level, pressure.usage, pressure.reason) == (Level.UNAVAILABLE, None, "nothing was measured")
    assert (pressure.archive_usage, pressure.total_usage) == (30.0, 20.0)


def test_what_must_be_gained_is_of_what_an_unprivileged_writer_may_use() -> None:
    assert missing(Goal.LOW, reading(space(800, total=1000, reserved=100)), MARKS) == (126, 0)
    assert missing(Goal.LOW, reading(space(800, total=1000)), MARKS) == (51, 0)


def test_of_the_disk_is_the_reading_without_a_capacity() -> None:
    disk, capacity = space(500), space(900)
    assert of_disk(reading(disk, capacity, archive=space(1))) == reading(disk, archive=space(1))
    assert of_disk(reading()) == reading()
