"""A plan says beforehand what the engine's dry run does, and what then really goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.engine.world import MIB, World, done, fill
from ullage.engine.cycle import Act
from ullage.model.words import Action, CleanupLevel, Result, State, Strategy
from ullage.policy import respond
from ullage.policy.assess import assess
from ullage.policy.plan import plan


@pytest.fixture
def world(ground: Path) -> World:
    """Two series, of all states and ages, of ten and more backups."""
    made = World(ground)
    made.series(8, State.CLEANABLE)
    made.series(4, State.CONFIRMED, name="www", mib=0.5)
    made.series(3, State.PENDING, name="etc", confirmed=False)
    return made


@pytest.mark.parametrize(
    ("usage", "strategy"),
    [
        (60, "oldest_first"),
        (80, "largest_first"),
        (90, "confidence_based"),
        (97, "oldest_first"),
        (99.5, "largest_first"),
        (80, "least_harm"),
        (90, "least_harm"),
        (97, "least_harm"),
    ],
)
def test_what_the_plan_needs_is_what_the_cycle_takes(world: World, usage: float, strategy: str) -> None:
    world.set(reclaim={"strategy": Strategy(strategy)}, archive={"before_delete": True})
    world.press(usage)
    with world.app() as app:
        view = app.engine.view(app.sites["main"])
    asked = respond.response(assess(view.reading, world.store.watermarks).level, world.store)
    planned = [] if asked is None else list(plan(view, asked, world.store).taken)
    record = world.cycle(Act(dry_run=True))
    acts = [op for op in record.actions if op.action in (Action.DELETE, Action.ARCHIVE) and op.result is Result.PLANNED]
    assert [(op.action, op.backup_id, op.reclaimed_bytes) for op in acts] == [
        (step.action, step.candidate.backup.id, step.size_bytes) for step in planned
    ]
    assert (planned == []) == (usage == 60)


@pytest.mark.root
def test_the_ballast_that_an_emergency_gives_up_first_is_reckoned_with(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 320)
    world = World(disk.path, state=disk.path.parent / "state", archives=disk.path.parent / "archives")
    world.set(archive={"before_delete": False})
    world.series(16, mib=4)
    world.cycle()
    assert (world.backups / ".ullage" / "ballast").stat().st_blocks * 512 > 4 * MIB
    fill(disk.path, 0.97)
    with world.app() as app:
        view = app.engine.view(app.sites["main"])
    asked = respond.response(assess(view.reading, world.store.watermarks).level, world.store)
    assert asked is not None
    planned = [step.candidate.backup.id for step in plan(view, asked, world.store).taken]
    assert [op.backup_id for op in world.cycle(Act(dry_run=True)).actions] == planned
    assert [backup_id for _, backup_id in done(world.cycle())] == planned
    assert len(world.live()) > 1


@pytest.mark.parametrize("usage", [60, 90])
def test_what_the_plan_of_a_level_needs_is_what_a_clean_up_takes_and_the_usage_is_as_it_was_told(
    world: World, usage: float
) -> None:
    world.press(usage)
    with world.app() as app:
        site = app.sites["main"]
        view = app.engine.view(site)
        level = assess(view.reading, world.store.watermarks).level
        found = plan(view, respond.by_hand(CleanupLevel.AGGRESSIVE, 4, level), world.store)
        record = app.engine.cleanup(site, CleanupLevel.AGGRESSIVE, 4, Act())
    done = [op.backup_id for op in record.actions if op.result is Result.DONE]
    assert done == [step.candidate.backup.id for step in found.taken]
    assert done
    assert found.usage_after == pytest.approx(world.usage(), abs=0.1)


@pytest.mark.root
def test_what_an_archive_finds_room_in_is_what_those_before_it_gave_back(loop_disk: LoopDisks) -> None:
    """The first is deleted, for nothing fits; those after it are archived, and the dry run says so beforehand."""
    disk = loop_disk("ext4", 320)
    world = World(disk.path)
    ids = world.series(6, mib=20)
    for backup_id in ids:
        content = world.backups / backup_id / "data" / "content"
        content.write_bytes(os.urandom(512) * (20 * MIB // 512))
        os.utime(content, (1, 1))
    fill(disk.path, 0.995)
    planned = [(op.action, op.backup_id) for op in world.cycle(Act(dry_run=True)).actions]
    went = done(world.cycle())
    assert went == planned[: len(went)], "archives that turn out smaller are no matter"
    assert [action for action, _ in went][:2] == [Action.DELETE, Action.ARCHIVE]


@pytest.mark.root
def test_an_archive_that_will_be_given_up_is_planned_as_a_deletion(loop_disk: LoopDisks) -> None:
    """Trees of hard links: the archive of one holds all of it, and takes more than the backup gives back."""
    disk = loop_disk("ext4", 320)
    world = World(disk.path, state=disk.path.parent / "state")
    world.set(archive={"ratio_estimate": 0.2})
    ids = world.series(6, mib=8)
    shared = world.backups / ids[0] / "shared"
    shared.write_bytes(os.urandom(40 * MIB))
    os.utime(shared, (1, 1))
    for backup_id in ids[1:]:
        (world.backups / backup_id / "shared").hardlink_to(shared)
    (disk.path / "elsewhere").hardlink_to(shared)
    fill(disk.path, 0.956)
    planned = [(op.action, op.backup_id, op.predicted_bytes) for op in world.cycle(Act(dry_run=True)).actions]
    assert done(world.cycle()) == [(action, backup_id) for action, backup_id, _ in planned]
    assert {action for action, _, _ in planned} == {Action.DELETE}
    assert min(size for _, _, size in planned) >= 8 * MIB


@pytest.mark.parametrize(("usage", "level"), [(95, "critical"), (130, "emergency")])
def test_what_is_planned_to_go_is_planned_for_nothing_else(ground: Path, usage: float, level: str) -> None:
    """The dry run made CLEANABLE at last, and deleted twice, what it had deleted: so ``explain`` told it would stay."""
    world = World(ground)
    world.set(reclaim={"emergency_strategy": "nuclear"}, archive={"before_delete": False})
    world.set(watermarks={"emergency": 96})
    for day in range(1, 5):
        world.backup(f"db-2026010{day}", State.CONFIRMED, age=50 - day, mib=0.1)
        world.backup(f"www-2026010{day}", State.CREATED, age=50 - day, mib=0.1)
    world.backup("big", State.CONFIRMED, age=50, mib=3)
    world.press(usage)
    planned = world.cycle(Act(dry_run=True))
    assert planned.level == level
    named = [op.backup_id for op in planned.actions]
    assert len(set(named)) == len(named) > 2
    assert [(op.action, op.backup_id) for op in planned.actions] == done(world.cycle())
