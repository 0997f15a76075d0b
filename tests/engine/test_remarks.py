"""SPEC 4, 7.1: what is told beside a level, once within the repeat interval, and once more when it is over."""

from __future__ import annotations

import time
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
    assert [note for note in record.notes if "nothing more may go at moderate: of 2 backups" in note]
    world.cycle()
    ((level, text),) = _told(world)
    assert level is Level.CRITICAL
    assert "1 held by reclaim.keep_last, 1 pinned; the largest: db-20260101 (1.0 MiB, pinned)" in text
    with world.app() as app, app.sites["main"].open() as opened:
        opened.source.unpin("db-20260101")
    world.cycle()
    assert world.live() == ["db-20260102"]
    _, (level, text) = _told(world)
    assert (level, "Something may go again" in text) == (Level.OK, True)


def test_as_long_as_something_goes_nothing_is_told(world: World) -> None:
    world.series(2, State.CLEANABLE)
    world.press(90)
    world.cycle()
    assert _told(world) == []
