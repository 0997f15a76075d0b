"""A saved plan in its last moment: each backup is looked at again, and only the very one that was meant goes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.moments import between, of, pin
from tests.engine.world import World, done
from ullage.app import App
from ullage.engine.cycle import Act
from ullage.engine.reclaim import Reclaim
from ullage.errors import Refused
from ullage.model.cycles import CycleRecord
from ullage.model.plans import SavedPlan
from ullage.model.words import CleanupLevel, Level, Result, State
from ullage.policy.assume import Assumed, Until, needed_for
from ullage.policy.plan import plan
from ullage.policy.respond import by_hand, response
from ullage.policy.stale import saved_plan
from ullage.sources.states import StateSource
from ullage.system import archives


@pytest.fixture
def world(ground: Path) -> World:
    """Six of one series that may go, and a floor; no pressure."""
    made = World(ground)
    made.series(6, mib=0.2)
    return made


def _saved(app: App, world: World, level: Level = Level.OK) -> SavedPlan:
    """A plan of the two oldest, or of what a level asks for."""
    site = app.sites["main"]
    view = app.engine.view(site)
    asked = by_hand(CleanupLevel.MODERATE, 2, Level.OK) if level is Level.OK else response(level, world.store)
    assert asked is not None
    found = plan(view, asked, world.store)
    with site.open() as opened:
        handles = {one.id: opened.source.handle(one.id) or "" for one in view.backups}
    identity, now = app.identity("main"), view.now
    return saved_plan(
        found, world.store, identity=identity, handles=handles, goal=None, until=None, assumed=Assumed(), now=now
    )


def _apply(app: App, saved: SavedPlan, until: Until | None = None) -> CycleRecord:
    return app.engine.apply(app.sites["main"], saved, until, "the plan", lambda: app.identity("main"), Act())


def test_each_goes_in_its_order_with_the_plan_as_its_reason(world: World) -> None:
    with world.app() as app:
        record = _apply(app, _saved(app, world))
    assert done(record) == [("delete", "db-20260101"), ("delete", "db-20260102")]
    assert [(op.trigger.name, op.reason) for op in record.actions] == [("USER", "the plan")] * 2


def _exchanged(world: World) -> Callable[[], None]:
    def exchange() -> None:
        (world.backups / "db-20260101").rename(world.backups.parent / "elsewhere")
        world.backup("db-20260101", State.CLEANABLE, age=46, mib=0.2)

    return exchange


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (_exchanged, "it is another directory by that name"),
        (lambda world: lambda: pin(world, "db-20260101"), "it is pinned"),
        (lambda world: lambda: (world.backups / "db-20260101" / ".state").write_text("PENDING\n"), "state PENDING"),
    ],
)
def test_what_changed_after_the_plan_was_found_true_stays_and_the_others_go(
    world: World, monkeypatch: pytest.MonkeyPatch, first: Callable[[World], Callable[[], object]], why: str
) -> None:
    with world.app() as app:
        saved = _saved(app, world)
        between(monkeypatch, StateSource, "hold", first(world))
        record = _apply(app, saved)
    assert of(record, "db-20260101").result is Result.SKIPPED
    assert why in of(record, "db-20260101").reason
    assert done(record) == [("delete", "db-20260102")]


def test_what_changed_before_that_stops_all_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.app() as app:
        saved = _saved(app, world)
        between(monkeypatch, Reclaim, "staleness", _exchanged(world))
        with pytest.raises(Refused, match="db-20260101: it is another directory by that name"):
            _apply(app, saved)
    assert "db-20260102" in world.live()
    assert world.history() == []


def test_what_was_to_be_archived_is_not_deleted_where_that_cannot_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.press(96)
    with world.app() as app:
        saved = _saved(app, world, Level.EMERGENCY)
        assert {step.action for step in saved.steps} == {"archive"}

        def full(*_: object, **__: object) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(archives, "write_archive", full)
        record = _apply(app, saved)
    assert {op.result for op in record.actions} == {Result.FAILED}
    assert len(world.live()) == 7


def test_a_goal_of_ones_own_ends_it(world: World) -> None:
    world.press(50)
    with world.app() as app:
        saved, view = _saved(app, world), app.engine.view(app.sites["main"])
        until = Until(size=view.reading.backup[-1].available_bytes + 1)
        assert needed_for(until, view.reading, world.store.watermarks) == (1, 0)
        record = _apply(app, saved, until)
    assert done(record) == [("delete", "db-20260101")]


def test_while_the_clock_is_not_believed_no_plan_is_carried_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.app() as app:
        saved = _saved(app, world)
        monkeypatch.setattr(app.engine, "clock_fault", lambda: "the clock jumped")
        with pytest.raises(Refused, match="the clock jumped"):
            _apply(app, saved)
    assert len(world.live()) == 7
