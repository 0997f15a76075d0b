"""Issue 5.8: the daemon moves backups along by time alone where the settings say so, by the same rules as anybody."""

from __future__ import annotations

import time
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.engine.world import DAY, World
from ullage.engine.cycle import Act
from ullage.engine.reclaim import Reclaim
from ullage.model.backups import Operation, Pin
from ullage.model.settings import AgeingSettings
from ullage.model.words import Action, Result, State, Trigger

ON = AgeingSettings(pending_after=3600.0, confirmed_after=DAY, cleanable_after=30 * DAY)


@pytest.fixture
def world(ground: Path) -> World:
    made = World(ground)
    made.backup("db-20260101", State.CONFIRMED, age=40)
    made.backup("db-20260102", State.PENDING, age=3)
    made.backup("db-20260103", State.CONFIRMED, age=2)
    made.backup("www-20260101", State.CREATED, age=2)
    made.press(50)
    made.set(ageing=ON)
    return made


def _state(world: World, backup_id: str) -> str:
    return (world.backups / backup_id / ".state").read_text().strip()


def test_without_settings_nothing_moves(world: World) -> None:
    world.set(ageing=AgeingSettings())
    assert world.cycle().actions == ()
    assert _state(world, "db-20260101") == "CONFIRMED"


def test_what_has_lasted_moves_along_and_is_recorded(world: World) -> None:
    record = world.cycle()
    moved = [(op.backup_id, op.to_state) for op in record.actions]
    assert moved == [
        ("db-20260101", State.CLEANABLE),
        ("db-20260102", State.CONFIRMED),
        ("www-20260101", State.PENDING),
    ]
    for op in world.history():
        assert (op.action, op.trigger, op.result) == (Action.TRANSITION, Trigger.TIME_BASED, Result.DONE)
        assert op.to_state is not None
        assert _state(world, op.backup_id) == op.to_state
    assert abs(int((world.backups / "db-20260102/.confirmed_at").read_text()) - time.time()) < 60
    assert _state(world, "db-20260103") == "CONFIRMED"
    assert world.cycle().actions == ()


def test_a_dry_run_says_so_and_moves_nothing(world: World) -> None:
    record = world.cycle(Act(dry_run=True))
    assert [op.result for op in record.actions] == [Result.PLANNED] * 3
    assert _state(world, "db-20260101") == "CONFIRMED"
    assert world.history() == []


def test_a_daemon_looks_once_an_hour(world: World) -> None:
    with world.app() as app:
        assert len(app.engine.cycle(app.sites["main"], Act()).actions) == 3
        world.backup("etc-20260101", State.CREATED, age=2)
        assert app.engine.cycle(app.sites["main"], Act()).actions == ()
        with patch("ullage.engine.remarks.LOOK", 0.0):
            assert len(app.engine.cycle(app.sites["main"], Act()).actions) == 1


def test_a_pin_and_a_person_go_before_it(world: World) -> None:
    with world.app() as app:
        site = app.sites["main"]
        with site.open() as opened:
            opened.source.pin(Pin(backup_id="db-20260101", at=time.time()))

        def confirm(reclaim: Reclaim) -> Operation:
            found = reclaim.find("db-20260102")
            assert found is not None
            return reclaim.move(found, State.CONFIRMED, "asked for", forced=False)

        app.engine.one(site, Act(), Trigger.USER, confirm, alone=False)
        world.set(ageing=AgeingSettings(cleanable_after=1e-6, cleanable_confidence=0.0))
    with world.app() as app:
        found = {op.backup_id: op.result for op in app.engine.cycle(app.sites["main"], Act()).actions}
    assert found == {"db-20260102": Result.DEFERRED}
    assert _state(world, "db-20260101") == "CONFIRMED"
    assert _state(world, "db-20260103") == "CONFIRMED", "its floor"


def test_while_the_clock_is_not_believed_nothing_ages(world: World) -> None:
    world.cycle()
    world.backup("etc-20260101", State.CREATED, age=2)
    with patch("ullage.system.clock.time.time", return_value=time.time() + 400 * DAY):
        assert world.cycle().actions == ()
    assert _state(world, "etc-20260101") == "CREATED"


def test_one_that_changed_since_it_was_looked_at_stays(world: World) -> None:
    with world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.TIME_BASED) as reclaim:
        (world.backups / "db-20260101" / ".confirmed_at").write_text(f"{int(time.time())}\n")
        steps = {op.backup_id: op for op in reclaim.age()}
    assert steps["db-20260101"].result is Result.SKIPPED
    assert _state(world, "db-20260101") == "CONFIRMED"
