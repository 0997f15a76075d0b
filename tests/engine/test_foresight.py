"""Issue 4.7: what a cycle remembers for the forecast, when it makes one, and who is told."""

from __future__ import annotations

import re
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.engine.world import MIB, World
from ullage.catalog.catalog import Catalog
from ullage.engine.cycle import Act
from ullage.model.settings import AlertSettings, ForecastSettings, MonitorSettings
from ullage.model.units import DAY
from ullage.model.words import CleanupLevel, Level, Result, State
from ullage.policy.forecast import Point
from ullage.policy.outlook import Outlook

HOUR = 3600.0


@pytest.fixture
def world(ground: Path) -> World:
    world = World(ground)
    world.backup("db-20260101", State.CONFIRMED, age=40, mib=4)
    world.press(90)
    world.set(
        watermarks={"warning": 97, "critical": 98, "emergency": 99},
        alerts=AlertSettings(email="op@example.org"),
        monitor=MonitorSettings(interval=0.0),
    )
    return world


def _past(world: World, per_day: float, days: int = 20) -> None:
    """Hours before now in which the capacity filled to what is used now, by so many bytes a day."""
    now, used = time.time(), 4 * MIB
    with Catalog.open(str(world.state)) as catalog:
        for hours in range(days * 24, 0, -1):
            one = max(0, int(used - per_day * hours / 24))
            at = now - hours * HOUR
            catalog.add_points("main", {"capacity": Point(at=at, used=one, usable=5 * MIB, peak=one)})


def _seen(world: World) -> list[Outlook]:
    with Catalog.open(str(world.state)) as catalog:
        return [outlook for _, outlook in catalog.outlooks("main", 99)]


def _told(world: World) -> list[tuple[Level, str]]:
    with Catalog.open(str(world.state)) as catalog:
        return [(item.level, item.body) for item in catalog.due(now=time.time() + 1e6) if "(notice)" in item.title]


def _points(world: World) -> dict[str, list[Point]]:
    with Catalog.open(str(world.state)) as catalog:
        return catalog.points("main", 0, time.time() + DAY)


def test_a_check_is_remembered_by_the_hour_with_all_that_can_run_out(world: World) -> None:
    world.cycle()
    found = _points(world)
    assert {"bytes", "capacity"} <= found.keys()
    (one,) = found["capacity"]
    assert (one.used, one.freed) == (one.peak, 0)
    assert one.used == pytest.approx(4 * MIB, rel=0.1)


def test_a_disk_that_is_soon_full_is_told_of_with_when_and_how_fast_and_only_once(world: World) -> None:
    _past(world, MIB / 2, days=6)
    world.cycle()
    world.cycle()
    ((level, text),) = _told(world)
    assert level is Level.WARNING
    assert re.search(r"capacity full in about [0-9]+ h \([0-9]+ h to [0-9]+ [hd]\); 5[0-9]{2}\.[0-9] KiB a day", text)
    assert ", rising since 20" in text


def test_there_is_one_forecast_an_hour_and_the_next_takes_its_place(world: World) -> None:
    _past(world, 1000)
    world.cycle()
    world.cycle()
    (first,) = _seen(world)
    noon = time.time() // DAY * DAY + DAY / 2
    for later in (noon + 2 * DAY, noon + 2 * DAY + HOUR, noon + 3 * DAY):
        with patch("ullage.system.clock.time.time", return_value=later), world.app() as app:
            app.catalog.set_clock_mark(app.clock.mark())
            app.engine.cycle(app.sites["main"], Act())
    assert [round(one.at) for one in _seen(world)] == [
        round(at) for at in (noon + 3 * DAY, noon + 2 * DAY + HOUR, first.at)
    ]


def test_nobody_is_told_where_that_is_switched_off(world: World) -> None:
    _past(world, MIB / 2, days=6)
    world.set(forecast=ForecastSettings(warn=0.0))
    world.cycle()
    assert _told(world) == []
    assert _seen(world)[0].warned is None


def test_it_is_told_when_it_is_over(world: World) -> None:
    _past(world, MIB / 2, days=6)
    world.cycle()
    world.set(forecast=ForecastSettings(warn=0.0))
    with patch("ullage.engine.foresight._EVERY", 1e-3):
        world.cycle()
    _, (level, text) = _told(world)
    assert (level, "the disk is not about to be full any more" in text) == (Level.OK, True)


def test_what_a_reclaim_gave_back_is_remembered_with_what_is_used_after_it(world: World) -> None:
    world.series(6, name="www", mib=2.0)
    world.press(99)
    record = world.cycle()
    one = _points(world)["capacity"][-1]
    assert one.freed == sum(op.reclaimed_bytes for op in record.actions if op.result is Result.DONE) > 0
    assert one.used < one.peak - 3 * MIB


def test_what_lies_in_the_trash_is_given_back_when_it_goes_for_good(world: World) -> None:
    world.series(6, name="www", mib=2.0)
    world.press(50)
    world.set(reclaim={"grace": 3600.0})
    freed = []
    with world.app() as app:
        site = app.sites["main"]
        app.engine.cleanup(site, CleanupLevel.MODERATE, 2, Act())
        freed.append(sum(one.freed for one in _points(world).get("capacity", [])))
        app.engine.empty_trash(site, Act(), {op.token for op in app.engine.trashed(site)})
        freed.append(sum(one.freed for one in _points(world)["capacity"]))
    assert freed == [0, pytest.approx(4 * MIB, rel=0.1)]


def test_a_clock_that_is_not_believed_writes_no_hour_and_makes_no_forecast(world: World) -> None:
    world.cycle()
    before = _points(world)
    with patch("ullage.system.clock.time.time", return_value=time.time() + 9 * DAY):
        record = world.cycle()
    assert any("the clock says" in note for note in record.notes)
    with Catalog.open(str(world.state)) as catalog:
        after = catalog.points("main", 0, time.time() + 20 * DAY)
    assert {what: [one.at for one in points] for what, points in after.items()} == {
        what: [one.at for one in points] for what, points in before.items()
    }
    assert len(_seen(world)) == 1


def test_a_dry_run_remembers_nothing(world: World) -> None:
    world.cycle(Act(dry_run=True))
    assert (_points(world), _seen(world)) == ({}, [])


def test_a_store_that_is_not_there_has_no_forecast_and_keeps_the_last(world: World) -> None:
    world.cycle()
    first = _seen(world)
    with patch("ullage.engine.foresight._EVERY", 1e-3), world.app() as app:
        world.backups.rename(world.backups.with_name("elsewhere"))
        app.engine.cycle(app.sites["main"], Act())
    assert _seen(world) == first
