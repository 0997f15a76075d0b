"""SPEC 7.1 and the retention floors: what they hold goes at no level, by no force, in no moment, and for no person."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LoopDisks
from tests.engine.moments import between, of
from tests.engine.world import DAY, MIB, World, done
from ullage.engine.cycle import Act
from ullage.model.cycles import CycleRecord
from ullage.model.settings import ConfidenceSettings
from ullage.model.words import CleanupLevel, Result, State, Trigger
from ullage.sources.held import StateHeld
from ullage.system import archives

MIDNIGHT = int(time.time()) // DAY * DAY


def made(world: World, backup_id: str, days: int, hour: int, state: State = State.CLEANABLE, **how: Any) -> Path:
    """A backup of that hour (UTC), so many days ago."""
    return world.backup(backup_id, state, age=(time.time() - (MIDNIGHT - days * DAY + hour * 3600)) / DAY, **how)


def say(top: Path, name: str, at: float) -> None:
    """Another program writes a time, and the newest mtime stays what it was."""
    (top / name).write_text(f"{int(at)}\n")


@pytest.fixture
def world(ground: Path) -> World:
    """Four days, the first three with two backups, on a disk far too full: only the three earlier ones may go."""
    world = World(ground)
    for number, (days, hour) in enumerate([(43, 3), (43, 9), (42, 3), (42, 9), (41, 3), (41, 9), (40, 3)], start=1):
        made(world, f"db-2026010{number}", days, hour, mib=0.2)
    world.set(reclaim={"keep_daily": 4})
    world.press(300)
    return world


HELD = [f"db-2026010{number}" for number in (2, 4, 6, 7)]


def _emergency(strategy: str) -> Callable[[World], CycleRecord]:
    def run(world: World) -> CycleRecord:
        world.set(reclaim={"keep_daily": 4, "emergency_strategy": strategy})
        return world.emergency()

    return run


def _cleanup(level: CleanupLevel) -> Callable[[World], CycleRecord]:
    def run(world: World) -> CycleRecord:
        with world.app() as app:
            return app.engine.cleanup(app.sites["main"], level, 100, Act())

    return run


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(World.cycle, id="a cycle in emergency"),
        *(pytest.param(_emergency(one), id=f"emergency, {one}") for one in ("conservative", "aggressive", "nuclear")),
        *(pytest.param(_cleanup(one), id=f"cleanup {one}") for one in CleanupLevel),
    ],
)
def test_what_the_floors_hold_stays_at_every_level_and_all_else_goes(
    world: World, run: Callable[[World], CycleRecord]
) -> None:
    run(world)
    assert world.live() == HELD


@pytest.mark.parametrize("archive", [False, True])
def test_nor_can_a_person_take_it_with_any_force(world: World, archive: bool) -> None:
    for backup_id in HELD:
        with world.app() as app:
            site, act = app.sites["main"], Act()

            def run(reclaim: Any, backup_id: str = backup_id) -> Any:
                return reclaim.one(reclaim.find(backup_id), "asked for", archive=archive, forced=True)

            record = app.engine.one(site, act, Trigger.USER, run, alone=True)
        assert of(record, backup_id).result is Result.SKIPPED
        assert "(keep_daily 4)" in of(record, backup_id).reason
    assert len(world.live()) == 7


@pytest.mark.parametrize("state", [State.CREATED, State.PENDING])
def test_what_an_emergency_forces_at_last_is_held_by_them_too(ground: Path, state: State) -> None:
    world = World(ground)
    for number, days in enumerate((8, 6, 4), start=1):
        made(world, f"db-2026010{number}", days, 3, state)
    world.set(reclaim={"keep_last": 1, "keep_daily": 2, "emergency_strategy": "conservative"})
    world.press(99)
    world.cycle()
    live = {one: world.state_of(one) for one in world.live()}
    stay = {"db-20260102": state, "db-20260103": state}
    assert live == (stay if state is State.CREATED else {"db-20260101": "CLEANABLE", **stay})


def test_one_of_the_floor_is_not_promoted(ground: Path) -> None:
    world = World(ground)
    for number, days in enumerate((3, 2, 1), start=1):
        made(world, f"db-2026010{number}", days, 3, State.CONFIRMED)
    world.set(reclaim={"keep_daily": 2}, confidence=ConfidenceSettings(pressure_boost=0.0, large=1, huge=2))
    world.press(90)
    assert done(world.cycle()) == [("promote", "db-20260101")]


def test_where_a_holder_moves_to_another_day_the_next_of_its_day_stays(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ground)
    made(world, "db-20260101", 43, 3)
    holder = made(world, "db-20260102", 43, 9)
    made(world, "db-20260103", 40, 3)
    world.set(reclaim={"keep_daily": 2})
    world.press(99)
    between(monkeypatch, StateHeld, "look", lambda: say(holder, ".created_at", MIDNIGHT - 40 * DAY + 3600))
    record = world.cycle()
    assert "(keep_daily 2)" in of(record, "db-20260101").reason
    assert "db-20260101" in world.live()


def test_where_a_holder_cannot_be_judged_any_more_the_next_stays(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(ground)
    made(world, "db-20260101", 43, 3)
    holder = made(world, "db-20260102", 43, 9)
    world.press(99)
    between(monkeypatch, StateHeld, "look", lambda: (holder / ".pending_since").write_text("no time"))
    record = world.cycle()
    assert "the newest good backup" in of(record, "db-20260101").reason
    assert "db-20260101" in world.live()


@pytest.mark.parametrize(
    ("name", "days"), [(".created_at", 30), (".confirmed_at", 43)], ids=["its time is another", "it became good"]
)
def test_one_that_comes_to_be_a_holder_while_it_is_chosen_stays(
    ground: Path, monkeypatch: pytest.MonkeyPatch, name: str, days: int
) -> None:
    world = World(ground)
    chosen = made(world, "db-20260101", 43, 3, confirmed=name == ".created_at")
    made(world, "db-20260102", 43, 9, confirmed=name == ".created_at")
    world.press(99)
    between(monkeypatch, StateHeld, "look", lambda: say(chosen, name, MIDNIGHT - days * DAY))
    record = world.cycle()
    assert "the newest good backup" in of(record, "db-20260101").reason
    assert "db-20260101" in world.live()


def test_where_a_holder_of_a_day_goes_while_another_is_archived_that_one_stays(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ground)
    made(world, "db-20260101", 43, 3, State.CONFIRMED)
    made(world, "db-20260102", 43, 9, State.CONFIRMED)
    made(world, "db-20260103", 40, 3, State.CONFIRMED)
    world.set(reclaim={"keep_daily": 2})
    world.press(97)
    between(monkeypatch, archives, "verify_archive", lambda: shutil.rmtree(world.backups / "db-20260102"))
    record = world.cycle()
    assert "(keep_daily 2)" in of(record, "db-20260101").reason
    assert (world.live(), world.archived()) == (["db-20260101", "db-20260103"], [])


def test_one_younger_than_min_age_stays_at_every_level_and_for_a_person(ground: Path) -> None:
    world = World(ground)
    for number, age in enumerate((8.0, 6.01, 4.0), start=1):
        world.backup(f"db-2026010{number}", age=age)
    world.set(reclaim={"keep_last": 0, "min_age": 7.0 * DAY, "emergency_strategy": "nuclear"})
    world.press(99)
    record = world.cycle()
    assert done(record) == [("archive", "db-20260101")] or done(record) == [("delete", "db-20260101")]
    with world.app() as app:
        record = app.engine.one(
            app.sites["main"],
            Act(),
            Trigger.USER,
            lambda reclaim: reclaim.one(reclaim.find("db-20260102") or pytest.fail(), "asked for", archive=False),
            alone=True,
        )
    assert "it is younger than 7 d (reclaim.min_age), for 23 h more" in of(record, "db-20260102").reason
    assert world.live() == ["db-20260102", "db-20260103"]


def test_one_that_turns_out_younger_under_its_lock_stays(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(ground)
    chosen = world.backup("db-20260101", age=41)
    world.set(reclaim={"keep_last": 0, "min_age": 40.0 * DAY})
    world.press(99)
    between(monkeypatch, StateHeld, "look", lambda: say(chosen, ".created_at", time.time() - 39 * DAY))
    record = world.cycle()
    assert "reclaim.min_age" in of(record, "db-20260101").reason
    assert world.live() == ["db-20260101"]


@pytest.mark.root
def test_archives_of_a_series_without_a_backup_are_held_by_the_same_floors(loop_disk: LoopDisks, ground: Path) -> None:
    disk = loop_disk("ext4", 64)
    world = World(ground, archives=disk.path / "archives")
    place = world.archives / "2026" / "01"
    place.mkdir(parents=True)
    for number, (days, hour) in enumerate([(43, 3), (43, 9), (42, 3), (42, 9), (41, 3)], start=1):
        path = place / f"db-2026010{number}.tar.gz"
        path.write_bytes(os.urandom(MIB))
        os.utime(path, (MIDNIGHT - days * DAY + hour * 3600,) * 2)
    world.set(reclaim={"keep_daily": 3})
    with world.app():
        space = os.statvfs(disk.path)
        with (disk.path / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, int(space.f_bavail * space.f_frsize * 0.97))
    world.cycle()
    assert world.archived() == [f"db-2026010{number}.tar.gz" for number in (2, 4, 5)]
