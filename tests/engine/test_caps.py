"""Issue 3: what goes without a person is capped; the stop is told, explained, and lifted by one command."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LoopDisks
from tests.engine.world import MIB, World, done
from ullage.engine.caps import holds, resume
from ullage.engine.cycle import Act
from ullage.model.backups import Operation
from ullage.model.cycles import CycleRecord
from ullage.model.settings import AlertSettings, CapSettings, Secret
from ullage.model.words import Action, CleanupLevel, EmergencyStrategy, Phase, Result, State, Trigger

HOOK = AlertSettings(webhook=Secret("http://127.0.0.1:9/"))
Make = Callable[..., World]


@pytest.fixture
def pressed(ground: Path) -> Make:
    """A store in emergency that would give up 8 of its 20 backups of one size at once."""

    def make(usage: float = 97.0, **caps: Any) -> World:
        world = World(ground)
        world.set(
            archive={"before_delete": False}, watermarks={"target_free": 40}, caps=caps,
            alerts=HOOK,
        )  # fmt: skip
        world.series(20, mib=0.5)
        world.press(usage)
        return world

    return make


def gone(record: CycleRecord) -> int:
    """How many backups went."""
    return len([action for action, _ in done(record) if action in ("archive", "delete")])


def again(world: World) -> int:
    """How many go in a cycle when the store is as full as before."""
    world.press(97)
    return gone(world.cycle())


def age(world: World, seconds: float) -> None:
    """All that was recorded happened so much earlier."""
    with closing(sqlite3.connect(world.state / "catalog.db")) as catalog, catalog:
        catalog.execute("UPDATE operations SET at = at - ?", (seconds,))


def held(world: World) -> list[str | None]:
    """The settings that hold the store back, as ``status`` has them."""
    with world.app() as app:
        site = app.sites["main"]
        return [hold.setting for hold in holds(app.catalog, site.settings, site.read(), now=app.clock.now())]


def told(world: World) -> list[str]:
    """The notices that went out."""
    with world.app() as app:
        return [item.body for item in app.catalog.alerts(100) if "(notice)" in item.title]


def test_without_caps_that_bind_as_many_go_as_the_target_needs(pressed: Make) -> None:
    """The measure of all below."""
    world = pressed()
    record = world.cycle()
    assert (gone(record), record.served, held(world), told(world)) == (8, True, [], [])


@pytest.mark.parametrize(
    ("caps", "goes"),
    [
        ({"cycle": 3}, 3),
        ({"hour": 4}, 4),
        ({"day": 5}, 5),
        ({"cycle_share": 16.0}, 3),
        ({"hour_share": 26.0}, 5),
        ({"day_share": 21.0}, 4),
        ({"cycle_share": 1.0}, 1),
    ],
    ids=str,
)
def test_each_cap_stops_a_cycle_which_says_so_and_so_does_its_dry_run(
    pressed: Make, caps: dict[str, float], goes: int
) -> None:
    world = pressed(**caps)
    (key,) = caps
    planned = world.cycle(Act(dry_run=True))
    assert (held(world), told(world)) == ([], []), "a dry run changes nothing"
    record = world.cycle()
    assert gone(record) == goes
    assert [op.backup_id for op in planned.actions if op.result is Result.PLANNED][:goes] == [
        i for _, i in done(record)
    ]
    assert sum(op.result is Result.PLANNED and op.action is Action.DELETE for op in planned.actions) == goes
    for one in (planned, record):
        assert not one.served
        assert f"caps.{key} = " in one.notes[0]
        assert "ullage resume --store main" in one.notes[0]
    assert held(world) == [f"caps.{key}"]
    assert len(told(world)) == 1


@pytest.mark.parametrize("strategy", EmergencyStrategy)
def test_a_cap_binds_every_strategy(pressed: Make, strategy: EmergencyStrategy) -> None:
    world = pressed(cycle=2)
    world.set(reclaim={"emergency_strategy": strategy})
    assert gone(world.cycle()) == 2


def test_what_a_cap_stopped_is_not_taken_by_the_next_step_of_an_emergency(pressed: Make) -> None:
    """SPEC 4: CREATED ones of a day go where all else was not enough; they count against the same cap."""
    world = pressed(cycle=2)
    for day in range(1, 4):
        world.backup(f"new-2026010{day}", State.CREATED, age=3)
    world.press(97)
    assert gone(world.cycle()) == 2


@pytest.mark.root
def test_archives_do_not_go_in_the_place_of_backups_that_a_cap_keeps(loop_disk: LoopDisks) -> None:
    """Where both share a filesystem; nothing else helped is not what happened."""
    disk = loop_disk("ext4", 200)
    world = World(disk.path, state=disk.path.parent / "state", caps=CapSettings(cycle=1))
    world.series(12, mib=14.5)
    month = world.archives / "2025/01"
    month.mkdir(parents=True)
    for day in range(1, 4):
        (month / f"old-2025010{day}.tar.gz").write_bytes(b"x" * 100)
    record = world.cycle()
    assert (gone(record), world.usage() > 85) == (1, True)
    assert len(world.archived()) == 3


def test_a_cap_of_a_cycle_lets_the_next_one_go_on(pressed: Make) -> None:
    world = pressed(cycle=3)
    assert [again(world) for _ in range(3)] == [3, 3, 3]
    assert len(told(world)) == 1, "not once in each cycle"


@pytest.mark.parametrize(("window", "seconds"), [("hour", 3600), ("day", 86400)])
@pytest.mark.parametrize("share", [False, True])
def test_a_cap_of_a_window_holds_over_restarts_until_the_window_has_passed(
    pressed: Make, window: str, seconds: float, share: bool
) -> None:
    caps: dict[str, float] = {f"{window}_share": 26.0} if share else {window: 5, "cycle": 3}
    world = pressed(**caps)
    assert sum(again(world) for _ in range(3)) == 5
    age(world, seconds - 60)
    assert again(world) == 0
    age(world, 120)
    assert again(world) > 0


def test_a_clock_that_was_set_back_does_not_empty_a_window(pressed: Make) -> None:
    """What is dated in the future counts."""
    world = pressed(hour=2)
    assert gone(world.cycle()) == 2
    age(world, -1800)
    assert again(world) == 0


def test_what_a_person_named_neither_counts_nor_is_stopped(pressed: Make) -> None:
    world = pressed(hour=2, cycle=2)
    with world.app() as app:
        record = app.engine.cleanup(app.sites["main"], CleanupLevel.MODERATE, 4, Act())
    assert (gone(record), record.served) == (4, True)
    assert again(world) == 2
    with world.app() as app:
        record = app.engine.cleanup(app.sites["main"], CleanupLevel.MODERATE, 1, Act())
    assert (gone(record), record.served) == (1, True)
    assert held(world) == ["caps.hour"]


def test_an_emergency_by_hand_is_bound_too(pressed: Make) -> None:
    world = pressed(hour=3)
    record = world.emergency()
    assert (gone(record), record.served) == (3, False)
    assert "caps.hour = 3" in record.notes[0]
    assert gone(world.emergency()) == 0


@pytest.mark.parametrize(("phase", "counts"), [(Phase.PURGING, True), (Phase.STAGED, False)])
def test_what_is_half_gone_counts(pressed: Make, phase: Phase, counts: bool) -> None:
    """Where every removal fails half-way, a cap must still end it."""
    world = pressed(hour=1)
    with world.app() as app:
        now = app.clock.now()
        app.catalog.advance(app.catalog.begin(_operation(now)), phase)
        assert app.catalog.taken("main", now - 1, 0).count == (1 if counts else 0)


def test_resume_lifts_every_cap_and_what_went_before_counts_no_more(pressed: Make) -> None:
    world = pressed(hour=3, day=3)
    assert [again(world) for _ in range(2)] == [3, 0]
    with world.app() as app:
        resume(app.catalog, "main")
    assert held(world) == []
    assert [again(world) for _ in range(2)] == [3, 0]
    assert len(told(world)) == 2, "it is news again"


def test_resume_with_a_wrong_clock_does_not_open_the_windows_when_it_is_set_right(pressed: Make) -> None:
    """What was lifted is remembered by the order of operations and not by a time."""
    world = pressed(hour=2)
    assert gone(world.cycle()) == 2
    with world.app() as app:
        resume(app.catalog, "main")
    assert again(world) == 2
    age(world, 1800)  # as if the clock had stood half an hour ahead so far
    assert again(world) == 0


def test_another_limit_lifts_the_old_one_at_once(pressed: Make) -> None:
    world = pressed(hour=3)
    assert gone(world.cycle()) == 3
    world.set(caps={"hour": 5})
    assert held(world) == []
    assert again(world) == 2


def test_a_cap_of_a_cycle_is_no_matter_any_more_when_the_pressure_is_over(pressed: Make) -> None:
    world = pressed(cycle=3)
    world.cycle()
    assert held(world) == ["caps.cycle"]
    world.press(20)
    assert held(world) == []


def test_a_lost_catalog_forgets_what_went(pressed: Make) -> None:
    """It cannot be known any more; the store is unavailable then until a person registers it again."""
    world = pressed(hour=2)
    assert gone(world.cycle()) == 2
    (world.state / "catalog.db").unlink()
    assert gone(world.cycle()) == 2


def test_other_stores_and_other_hands_do_not_count(pressed: Make) -> None:
    world = pressed(hour=1)
    with world.app() as app:
        now = app.clock.now()
        for change in ({"store": "other"}, {"trigger": Trigger.USER}, {"action": Action.PROMOTE}):
            app.catalog.settle(app.catalog.begin(_operation(now, **change)), Result.DONE)
        app.catalog.settle(app.catalog.begin(_operation(now)), Result.FAILED)
        assert app.catalog.taken("main", None, 0).count == 0
    assert gone(world.cycle()) == 1


def _operation(at: float, **changes: Any) -> Operation:
    fields: dict[str, Any] = {
        "at": at, "store": "main", "backup_id": "x", "action": Action.DELETE, "from_state": State.CLEANABLE,
        "to_state": State.DELETED, "trigger": Trigger.DISK_SPACE, "reason": "a test",
    }  # fmt: skip
    return Operation(**fields | changes)


def test_an_emergency_in_which_nothing_is_tried_does_not_forget_the_cap(pressed: Make) -> None:
    world = pressed(day=3)
    assert gone(world.cycle()) == 3
    assert held(world) == ["caps.day"]
    world.set(reclaim={"keep_last": 100})
    assert gone(world.emergency()) == 0
    assert held(world) == ["caps.day"]


@pytest.mark.root
@pytest.mark.parametrize(("caps", "key"), [({"hour": 2}, "caps.hour"), ({"day_share": 32.0}, "caps.day_share")])
def test_archives_have_the_same_caps_counted_apart(
    loop_disk: LoopDisks, ground: Path, caps: dict[str, float], key: str
) -> None:
    disk = loop_disk("ext4", 200)
    world = World(ground, archives=disk.path / "archives")
    world.set(caps=caps, alerts=HOOK)
    world.backup("w-20260901", State.CONFIRMED)
    month = world.archives / "2025/01"
    month.mkdir(parents=True)
    for day in range(1, 11):
        (month / f"w-202501{day:02d}.tar.gz").write_bytes(os.urandom(17 * MIB))
    (disk.path / "others").write_bytes(os.urandom(4 * MIB))
    world.set(watermarks={"warning": 20, "critical": 30})
    planned = world.cycle(Act(dry_run=True))
    record = world.cycle()
    archives = [backup_id for action, backup_id in done(record) if action == "delete_archive"]
    assert [op.backup_id for op in planned.actions] == archives
    assert len(archives) == (2 if key == "caps.hour" else 3)
    assert held(world) == [key]
    assert any("archives went by themselves" in note for note in record.notes)
    assert len(told(world)) == 1
    assert done(world.cycle()) == []
    with world.app() as app:
        resume(app.catalog, "main")
    assert len(done(world.cycle())) > 0
