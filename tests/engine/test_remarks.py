"""SPEC 4, 7.1: what is told beside a level, once within the repeat interval, and once more when it is over."""

from __future__ import annotations

import time
from math import floor
from pathlib import Path

import pytest

from tests.engine.world import World
from ullage.catalog.catalog import Catalog
from ullage.engine.cycle import Act
from ullage.model.backups import Pin
from ullage.model.settings import AlertSettings, MonitorSettings
from ullage.model.words import Level, State


@pytest.fixture
def world(ground: Path) -> World:
    world = World(ground)
    world.set(alerts=AlertSettings(email="op@example.org"), monitor=MonitorSettings(interval=0.0))
    return world


def _told(world: World) -> list[tuple[Level, str]]:
    """Level and text of the notices so far, oldest first."""
    with Catalog.open(str(world.state)) as catalog:
        return [(item.level, item.body) for item in catalog.due(now=time.time() + 1e6) if "(notice)" in item.title]


def _failing(world: World) -> None:
    world.backup("db-20260101", State.CONFIRMED, age=12, mib=0.01)
    for day in (2, 3, 4):
        world.backup(f"db-2026010{day}", State.PENDING, age=12 - day, mib=0.01)


def test_a_series_without_a_good_backup_of_late_is_told_of_once_and_when_it_is_over(world: World) -> None:
    _failing(world)
    for _ in range(2):
        world.cycle()
    ((level, text),) = _told(world)
    assert level is Level.WARNING
    assert 'the series "db": the last 3 backups were never confirmed; the newest good one is 12 d old' in text
    (world.backups / "db-20260104" / ".state").write_text("CONFIRMED\n")
    for _ in range(2):
        world.cycle()
    _, (level, text) = _told(world)
    assert (level, "Each series has a confirmed backup of late again." in text) == (Level.OK, True)


def test_a_dry_run_tells_nobody(world: World) -> None:
    _failing(world)
    world.press(99)
    world.cycle(Act(dry_run=True))
    assert _told(world) == []


def test_a_daemon_looks_at_its_series_once_an_hour(world: World) -> None:
    with world.app() as app:
        app.engine.cycle(app.sites["main"], Act())
        _failing(world)
        app.engine.cycle(app.sites["main"], Act())
    assert _told(world) == []


def test_at_critical_where_nothing_more_may_go_it_is_told_what_holds_it_and_when_it_is_over(world: World) -> None:
    world.backup("db-20260101", State.CONFIRMED, age=40)
    world.backup("db-20260102", State.CONFIRMED, age=39, mib=0.5)
    world.press(90)
    with world.app() as app, app.sites["main"].open() as opened:
        opened.source.pin(Pin(backup_id="db-20260101", at=time.time()))
    record = world.cycle()
    assert [note for note in record.notes if "short of a usage under 75 %: nothing more may go at moderate" in note]
    world.cycle()
    ((level, text),) = _told(world)
    assert level is Level.CRITICAL
    assert "1.0 MiB is pinned (1), reclaim.keep_last holds 5" in text
    assert "the largest: db-20260101 (1.0 MiB, pinned)" in text
    with world.app() as app, app.sites["main"].open() as opened:
        opened.source.unpin("db-20260101")
    world.cycle()
    assert world.live() == ["db-20260102"]
    _, (level, text) = _told(world)
    assert (level, "Enough may go again" in text) == (Level.OK, True)


def test_as_long_as_something_goes_nothing_is_told(world: World) -> None:
    world.series(2, State.CLEANABLE)
    world.press(90)
    world.cycle()
    assert _told(world) == []


def test_an_emergency_that_floors_keep_from_its_target_tells_the_shortfall_in_bytes(world: World) -> None:
    """Where both cannot be had the floors win; the level's own alert says it too when it comes again."""
    for day in range(1, 6):
        world.backup(f"db-2026010{day}", State.CONFIRMED, age=50 - day, mib=1.0)
    world.set(reclaim={"keep_daily": 4})
    world.set(alerts=AlertSettings(email="op@example.org", repeat=0.0))
    world.press(120)
    with world.app() as app:
        first, second = (app.engine.cycle(app.sites["main"], Act()) for _ in range(2))
    assert world.live() == [f"db-2026010{day}" for day in range(2, 6)]
    assert first.level is Level.EMERGENCY
    reading = world.usage()
    (note,) = [one for one in first.notes if "short of 20 % free" in one]
    assert "nothing more may go at aggressive; reclaim.keep_daily holds 4.0 MiB (4)" in note
    assert "lower reclaim.keep_daily from 4 to 3" in note
    missing = float(note.split(" ")[0]) * (1 << (10 if " KiB short" in note else 20))
    assert missing == pytest.approx((reading - 80) / 100 * (world.store.capacity or 0), rel=0.1)
    texts = [text for _, text in _told(world)]
    assert note.split(";")[0] in texts[0]
    assert second.level in (Level.CRITICAL, Level.EMERGENCY)
    with Catalog.open(str(world.state)) as catalog:
        told = catalog.due(now=time.time() + 1e6)
    notices = [item.title for item in told if "(notice)" in item.title]
    assert f"- {floor(reading * 10) / 10}% usage" in notices[0], "the usage is that of after"
    again = [item.body for item in told if "(notice)" not in item.title]
    assert note not in again[0]
    assert note in again[-1]
