"""SPEC.md 1 (usage, level) and 4 (until when)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import reading, space
from ullage.model.readings import Reading, Space
from ullage.model.settings import Free, InodeMarks, Watermarks
from ullage.model.units import GIB
from ullage.model.words import Kind, Level, Unit
from ullage.policy.assess import (
    Goal,
    archive_pressed,
    assess,
    binding,
    lacking,
    level_of,
    measures,
    missing,
    of_disk,
    of_disk_bytes,
    reached,
    shown_percent,
    usage,
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
    assert level_of(space(int(usage * 1000), total=100_000), MARKS) is level


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
    assert reached(goal, reading(space(round(usage * 10))), MARKS) is is_reached


def test_the_target_is_reckoned_in_decimal() -> None:
    assert reached(Goal.TARGET, reading(space(669)), Watermarks(target_free=33.1))


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


GIBS = Watermarks(
    warning=75,
    free=Free(warning=50 * GIB, critical=20 * GIB, emergency=10 * GIB, target_free=60 * GIB),
)


def _free(free: int, total: int = 1000) -> Reading:
    """A reading with so many GiB free of a filesystem of ``total``."""
    return reading(space((total - free) * GIB, total=total * GIB))


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [(51, 200, Level.OK), (50, 200, Level.WARNING), (250, 1000, Level.WARNING), (251, 1000, Level.OK),
     (21, 60, Level.WARNING), (20, 60, Level.CRITICAL), (11, 40, Level.CRITICAL), (10, 40, Level.EMERGENCY),
     (50, 1000, Level.EMERGENCY)],
    ids=["over both", "by what is free", "by percent", "just under that", "warning by free",
         "critical by free", "critical still", "emergency by free", "emergency by percent"],
)  # fmt: skip
def test_of_a_percentage_and_what_is_free_the_stricter_counts(free: int, total: int, level: Level) -> None:
    assert assess(_free(free, total), GIBS).level is level


def test_the_reason_names_the_limit_that_binds_and_usage_stays_what_df_says() -> None:
    pressure = assess(_free(38, 200), GIBS)
    assert pressure.reason == "bytes 81.0 % used, 38.0 GiB free; warning begins at 75 % or 50 GiB free"
    assert assess(_free(45, 100), GIBS).reason == "bytes 55.0 % used, 45.0 GiB free; warning begins at 50 GiB free"
    assert (
        assess(_free(60, 100), GIBS).reason == "bytes 40.0 % used, 60.0 GiB free; warning begins at 75 % or 50 GiB free"
    )
    assert assess(_free(240), GIBS).reason == "bytes 76.0 % used, 240.0 GiB free; warning begins at 75 %"
    assert pressure.usage == 81.0


@pytest.mark.parametrize(
    ("what", "marks", "brief"),
    [(reading(space(912)), MARKS, "91.2 % used"),
     (reading(space(1, inodes=(96, 100))), MARKS, "inodes 96.0 % used"),
     (reading(space(500), replace(space(912), kind=Kind.QUOTA)), MARKS, "quota 91.2 % used"),
     (_free(45, 100), GIBS, "55.0 % used, 45.0 GiB free"),
     (_free(240), GIBS, "76.0 % used"),
     (reading(space(1, inodes=(500, 1000))), Watermarks(inode=InodeMarks(free=Free(warning=600))),
      "inodes 50.0 % used, 500 free"),
     (reading(space(1)), MARKS, "0.1 % used"),
     (reading(), MARKS, "unknown")],
)  # fmt: skip
def test_what_binds_is_told_in_brief_for_the_record(what: Reading, marks: Watermarks, brief: str) -> None:
    assert assess(what, marks).brief == brief


def test_what_is_free_alone_is_told_alone() -> None:
    marks = Watermarks(warning=100, critical=100, emergency=100, free=Free(warning=50 * GIB))
    assert assess(_free(60, 100), marks).reason == "bytes 40.0 % used, 60.0 GiB free; warning begins at 50 GiB free"


def test_inodes_have_watermarks_and_a_target_of_their_own() -> None:
    marks = Watermarks(inode=InodeMarks(warning=50, critical=60, emergency=70, target_free=45, free=Free(warning=600)))
    at = {used: reading(space(10, inodes=(used, 1000))) for used in (399, 400, 600, 700)}
    assert [assess(one, marks).level for one in at.values()] == [
        Level.OK, Level.WARNING, Level.CRITICAL, Level.EMERGENCY,
    ]  # fmt: skip
    assert missing(Goal.TARGET, at[700], marks) == (0, 150)
    assert missing(Goal.LOW, at[700], marks) == (0, 301)
    assert assess(at[400], marks).reason == "inodes 40.0 % used, 600 free; warning begins at 600 free"
    assert missing(Goal.TARGET, reading(space(790, inodes=(700, 1000))), marks) == (0, 150)


@pytest.mark.parametrize(
    ("kind", "told"),
    [(Kind.CAPACITY, "capacity 91.2 % used, critical begins at 85 %"),
     (Kind.QUOTA, "quota 91.2 % used, critical begins at 85 %"),
     (Kind.METADATA, "btrfs metadata 96.2 % used, emergency begins at 95 %")],
)  # fmt: skip
def test_the_reason_names_what_binds_beside_the_filesystem(kind: Kind, told: str) -> None:
    both = reading(space(500), replace(space(962 if kind is Kind.METADATA else 912), kind=kind))
    assert assess(both, MARKS).reason == told
    assert binding(both, MARKS) == both.backup[1]


def test_metadata_gives_no_level_and_no_usage_until_it_is_an_emergency() -> None:
    """Nine tenths are used for long where all is allocated; no backup goes for that."""
    calm, pressed = (reading(space(300), replace(space(used), kind=Kind.METADATA)) for used in (949, 950))
    assert (assess(calm, MARKS).level, assess(calm, MARKS).usage) == (Level.OK, 30.0)
    assert binding(calm, MARKS) == calm.backup[0]
    assert (assess(pressed, MARKS).level, assess(pressed, MARKS).usage) == (Level.EMERGENCY, 95.0)


@pytest.mark.parametrize("goal", [Goal.LOW, Goal.TARGET, Goal.BELOW_CRITICAL])
def test_of_metadata_no_more_is_wanted_than_ends_the_emergency_and_it_counts_as_files(goal: Goal) -> None:
    mib = 1 << 20
    both = reading(space(300), replace(space(1000 * mib, total=1000 * mib), kind=Kind.METADATA))
    assert missing(goal, both, MARKS) == (0, 50 * 1024 + 1)
    assert lacking(goal, both, MARKS) == {Unit.METADATA}
    assert reached(goal, reading(space(300), replace(space(949), kind=Kind.METADATA)), MARKS)


def test_metadata_has_nothing_to_do_with_what_should_be_free() -> None:
    assert assess(reading(space(1, total=1 << 50), replace(space(1), kind=Kind.METADATA)), GIBS).level is Level.OK


@pytest.mark.parametrize(
    ("what", "lacks"),
    [(reading(space(760, inodes=(1, 100))), {Unit.BYTES}),
     (reading(space(10, inodes=(80, 100))), {Unit.INODES}),
     (reading(space(760, inodes=(80, 100))), {Unit.BYTES, Unit.INODES}),
     (reading(space(1000), replace(space(970), kind=Kind.METADATA)), {Unit.BYTES, Unit.METADATA}),
     (reading(space(10, inodes=(1, 100))), set())],
    ids=["bytes", "inodes", "both", "metadata", "nothing"],
)  # fmt: skip
def test_what_is_lacking_is_named(what: Reading, lacks: set[Unit]) -> None:
    assert lacking(Goal.LOW, what, MARKS) == lacks


SIZES = st.integers(1, 2**60)


@st.composite
def watermarks(draw: st.DrawFn) -> Watermarks:
    low, step = draw(st.floats(1, 70)), draw(st.floats(0.1, 10))
    free = draw(st.floats(0, 99))
    some = st.one_of(st.just(0), st.integers(1, 2**60))
    least = sorted((draw(some) for _ in range(3)), reverse=True)
    return Watermarks(
        warning=low,
        critical=low + step,
        emergency=low + 2 * step,
        target_free=free,
        free=Free(warning=least[0], critical=least[1], emergency=least[2], target_free=draw(some)),
        inode=InodeMarks(free=Free(warning=least[0], target_free=draw(some))),
    )


@given(SIZES, SIZES, st.sampled_from(Goal), watermarks())
@example(851, 149, Goal.BELOW_CRITICAL, Watermarks(critical=85.1))
@example(10, 90, Goal.TARGET, Watermarks(free=Free(target_free=95)))
def test_what_is_missing_is_just_enough(used: int, available: int, goal: Goal, marks: Watermarks) -> None:
    before = Space(total_bytes=used + available, used_bytes=used, free_bytes=available, available_bytes=available)
    need, _ = missing(goal, reading(before), marks)

    def after(gain: int) -> bool:
        return reached(goal, reading(space(used - gain, total=used + available)), marks)

    assert after(need) or need == used, "all there is, where even that is not enough"
    assert need == 0 or not after(need - 1)


@given(SIZES, SIZES, st.sampled_from(Goal), watermarks())
def test_what_is_missing_of_inodes_is_just_enough(used: int, free: int, goal: Goal, marks: Watermarks) -> None:
    def after(gain: int) -> Reading:
        return reading(space(0, inodes=(used - gain, used + free)))

    _, need = missing(goal, after(0), marks)
    assert lacking(goal, after(need), marks) <= {Unit.BYTES} or need == used
    assert need == 0 or Unit.INODES in lacking(goal, after(need - 1), marks)


@given(st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=3), st.data(), watermarks())
def test_levels_goals_and_what_is_missing_agree(
    spaces: list[tuple[int, int]], data: st.DataObject, marks: Watermarks
) -> None:
    kinds = data.draw(st.lists(st.sampled_from(Kind), min_size=len(spaces), max_size=len(spaces)))
    inodes = data.draw(st.tuples(SIZES, SIZES))
    what = reading(
        *(
            replace(space(used, total=used + free, inodes=(inodes[0], sum(inodes))), kind=kind)
            for (used, free), kind in zip(spaces, kinds, strict=True)
        )
    )
    level = assess(what, marks).level
    assert usage(what, marks) == assess(what, marks).usage
    assert reached(Goal.LOW, what, marks) is (level is Level.OK)
    assert reached(Goal.BELOW_CRITICAL, what, marks) is (level.severity < Level.CRITICAL.severity)
    assert reached(Goal.BELOW_EMERGENCY, what, marks) is (level is not Level.EMERGENCY)
    for goal in Goal:
        done = reached(goal, what, marks)
        assert (missing(goal, what, marks) == (0, 0)) is done is (not lacking(goal, what, marks))


@given(SIZES, SIZES, st.integers(0, 2**60), watermarks())
def test_a_fuller_space_has_no_better_level(used: int, available: int, more: int, marks: Watermarks) -> None:
    total = used + available
    fuller = space(min(total, used + more), total=total)
    assert level_of(fuller, marks).severity >= level_of(space(used, total=total), marks).severity


@given(SIZES, SIZES, watermarks())
def test_a_stricter_limit_gives_no_better_level(used: int, available: int, marks: Watermarks) -> None:
    one = space(used, total=used + available)
    assert level_of(one, marks).severity >= level_of(one, replace(marks, free=Free())).severity


def test_a_capacity_that_is_overrun_has_less_than_nothing_left() -> None:
    (size,) = measures(space(150, total=100), MARKS)
    assert (size.slack, size.usable, size.usage) == (-50, 100, 100.0)


def test_what_is_only_assumed_to_be_overrun_is_as_large_as_before() -> None:
    full = replace(space(100, total=100), used_bytes=130, available_bytes=-30)
    assert missing(Goal.BELOW_CRITICAL, reading(full), MARKS) == (46, 0)


def test_of_the_disks_bytes_inodes_are_no_part() -> None:
    disk = space(500, inodes=(9, 10))
    assert of_disk_bytes(reading(disk, space(900))) == reading(replace(disk, total_inodes=0))


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
    assert reached(Goal.TARGET, reading(space(795)), marks)
    assert not reached(Goal.TARGET, reading(space(796)), marks)


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
