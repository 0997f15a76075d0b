"""How far down its ranking a reclaim would go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import NOW, backup, backups, reading, space, store, stores
from ullage.model.backups import Backup, Share
from ullage.model.plans import View
from ullage.model.settings import ArchiveSettings, Free, InodeMarks, StoreSettings, Watermarks
from ullage.model.units import DAY
from ullage.model.words import Action, CleanupLevel, Kind, Level, State
from ullage.policy.assess import Goal, assess, missing, told
from ullage.policy.assume import shifted
from ullage.policy.gain import gain_of
from ullage.policy.plan import plan
from ullage.policy.respond import Response, by_hand, response
from ullage.policy.select import select

STORE = store(keep_last=0)


def view(*members: Backup, used: int = 800, **more: Any) -> View:
    """These backups on a disk of 1000 bytes."""
    return View(**{"now": NOW, "reading": reading(space(used)), "backups": members, **more})


def sized(number: int, size: int, **more: Any) -> Backup:
    """One of a row; the lower the number, the older."""
    return backup(f"db-{number}", age=(90 - number) * DAY, reclaimable_bytes=size, size_bytes=size, **more)


def asked(goal: Goal | None = Goal.LOW, limit: int | None = 10, **more: Any) -> Response:
    plain = by_hand(CleanupLevel.MODERATE, limit, Level.OK)
    return replace(plain, goal=goal, **more)


def test_a_plan_takes_as_many_as_the_goal_needs_and_marks_the_rest() -> None:
    found = plan(view(*(sized(n, 30) for n in range(5))), asked(), STORE)
    assert [step.needed for step in found.steps] == [True, True, False, False, False]
    assert found.target_bytes == 51
    assert (found.gain, found.shortfall) == ((60, 0), (0, 0))
    assert [step.usage for step in found.steps] == [77.0, 74.0, 71.0, 68.0, 65.0]
    assert (found.usage, found.usage_after) == (80.0, 74.0)


def test_without_a_goal_all_within_the_limit_go() -> None:
    found = plan(view(*(sized(n, 30) for n in range(5))), asked(None, 3), STORE)
    assert [step.candidate.backup.id for step in found.taken] == ["db-0", "db-1", "db-2"]
    assert (found.target_bytes, found.target_inodes, found.shortfall) == (None, None, (0, 0))


def test_what_cannot_be_had_is_said() -> None:
    found = plan(view(sized(1, 30), sized(2, 10, inodes=2)), asked(), STORE)
    assert found.shortfall == (11, 0)
    tight = view(sized(1, 300, inodes=2), reading=reading(space(800, inodes=(90, 100))))
    assert plan(tight, asked(), STORE).shortfall == (0, 14)


def test_what_lies_in_the_trash_is_gained_already() -> None:
    found = plan(view(*(sized(n, 30) for n in range(5)), pending_bytes=40), asked(), STORE)
    assert [step.needed for step in found.steps] == [True, False, False, False, False]
    assert plan(view(sized(1, 1), pending_bytes=51), asked(), STORE).taken == ()
    assert plan(view(sized(1, 1), pending_bytes=51), asked(), STORE).usage_after == 80.0


def test_what_two_share_comes_back_with_the_second() -> None:
    shares = (Share(owners=("db-1", "db-2"), size_bytes=50, inodes=1),)
    found = plan(view(sized(1, 10, inodes=1), sized(2, 10), shares=shares), asked(), STORE)
    assert [(step.size_bytes, step.inodes) for step in found.steps] == [(10, 1), (60, 1)]


def test_an_emergency_archives_what_it_can_and_counts_what_the_archive_takes() -> None:
    world = replace(STORE, archive=ArchiveSettings(ratio_estimate=0.5))
    shared = reading(space(960), archive=space(960), same_filesystem=True)
    members = (sized(1, 60), sized(2, 60, state=State.PENDING))
    emergency = response(Level.EMERGENCY, world)
    assert emergency is not None
    found = plan(view(*members, reading=shared), emergency, world)
    assert [(step.action, step.size_bytes) for step in found.steps] == [(Action.ARCHIVE, 30), (Action.DELETE, 60)]
    assert found.steps[1].why == "PENDING is not archived"
    apart = replace(shared, archive=space(10), same_filesystem=False)
    assert plan(view(*members, reading=apart), emergency, world).steps[0].size_bytes == 60


def test_where_nothing_was_measured_no_usage_is_told() -> None:
    found = plan(view(sized(1, 30), reading=reading(fault="gone")), asked(None), STORE)
    assert (found.usage, found.steps[0].usage) == (None, None)


@pytest.mark.parametrize(
    ("goal", "text"),
    [
        (Goal.LOW, "usage is under 75 %"),
        (Goal.BELOW_CRITICAL, "usage is under 85 %"),
        (Goal.BELOW_EMERGENCY, "usage is under 95 %"),
        (Goal.TARGET, "20 % are free"),
    ],
)
def test_a_goal_is_told_as_its_watermark(goal: Goal, text: str) -> None:
    assert told(goal, STORE.watermarks) == text


@given(
    backups(),
    stores(),
    st.sampled_from(CleanupLevel),
    st.one_of(st.none(), st.integers(0, 5)),
    st.sampled_from([None, *Goal]),
    st.integers(0, 4 << 30),
    st.integers(0, 1 << 30),
)
def test_a_plan_is_its_selection_cut_where_the_goal_is_reached(
    members: list[Backup],
    settings: StoreSettings,
    level: CleanupLevel,
    limit: int | None,
    goal: Goal | None,
    used: int,
    pending: int,
) -> None:
    seen = view(*members, reading=reading(space(used, 4 << 30)), pending_bytes=pending)
    found = plan(seen, replace(by_hand(level, limit, Level.OK), goal=goal), settings)
    target = 0 if goal is None else missing(goal, seen.reading, settings.watermarks)[0]
    need = (target - pending, 0) if target > pending else None
    assert found.selection == select(members, level, limit, settings, now=NOW, need=need)
    assert [step.candidate for step in found.steps] == list(found.selection.chosen)
    assert list(found.taken) == list(found.steps[: len(found.taken)])
    ids = [step.candidate.backup.id for step in found.taken]
    assert found.gain == gain_of(ids, members)
    if goal is None:
        assert found.taken == found.steps
        return
    assert found.shortfall == (max(0, target - pending - found.gain[0]), 0)
    assert found.shortfall[0] == 0 or found.taken == found.steps
    less = sum(step.size_bytes for step in found.taken[:-1])
    assert not found.taken or less + pending < target
    if not pending and not found.shortfall[0]:
        assert missing(goal, shifted(seen.reading, -found.gain[0]), settings.watermarks) == (0, 0)


@given(st.integers(0, 3000), st.integers(0, 200), st.integers(-500, 5000), st.sampled_from(Goal))
def test_more_used_is_more_to_gain_byte_for_byte_and_may_pass_a_hundred_percent(
    used: int, reserved: int, more: int, goal: Goal
) -> None:
    marks = STORE.watermarks
    now = reading(space(used, reserved=reserved if used <= 1000 - reserved else 0))
    then = shifted(now, more)
    if used + more >= 0:
        assert missing(goal, shifted(then, -more), marks) == missing(goal, now, marks)
    before, after = missing(goal, now, marks)[0], missing(goal, then, marks)[0]
    if before and after:
        assert after - before == more
    usage = assess(then, marks).usage
    assert usage is not None
    usable = max(1000 if used > 1000 else used + now.backup[0].available_bytes, 1)
    assert usage == pytest.approx(100 * max(0, used + more) / usable)


def test_what_is_more_used_is_so_on_the_archives_where_they_share_the_disk_and_in_inodes() -> None:
    both = reading(space(500, inodes=(10, 100)), archive=space(500), same_filesystem=True)
    trees = replace(space(500 * 1024, total=1000 * 1024), kind=Kind.METADATA)
    assert shifted(reading(space(1), trees), 10_000).backup[1] == trees
    assert shifted(reading(space(1), trees), 10_000, -5).backup[1].used_bytes == 495 * 1024
    then = shifted(both, 100, 5)
    assert then.archive is not None
    assert then.archive.used_bytes == 600
    assert then.backup[0].inode_percent == 15.0
    apart = replace(both, same_filesystem=False)
    assert shifted(apart, 100).archive == apart.archive


def test_a_goal_of_what_is_free_is_told_beside_its_percentage_or_alone() -> None:
    free = Free(warning=2 << 30, critical=1 << 30, target_free=5 << 30)
    both = Watermarks(free=free)
    assert told(Goal.LOW, both) == "usage is under 75 % and more than 2 GiB are free"
    assert told(Goal.TARGET, both) == "20 % are free and 5 GiB are free"
    alone = Watermarks(warning=100.0, critical=100.0, emergency=100.0, target_free=0.0, free=free)
    assert told(Goal.LOW, alone) == "more than 2 GiB are free"
    assert told(Goal.TARGET, alone) == "5 GiB are free"


def test_a_goal_is_told_of_inodes_too_where_their_marks_are_others() -> None:
    inode = InodeMarks(warning=60.0, target_free=0.0, free=Free(critical=300, target_free=600))
    own = Watermarks(inode=inode)
    assert told(Goal.LOW, own) == "usage is under 75 %, and of inodes usage is under 60 % and more than 300 are free"
    assert told(Goal.TARGET, own) == "20 % are free, and of inodes 600 are free"
    assert told(Goal.TARGET, replace(own, inodes=False)) == "20 % are free"
