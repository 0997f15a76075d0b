"""What one look at a store costs: CPU seconds of ``Engine.cycle`` in this process, on the real store and catalog."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from benchmarks.ground import Store, change
from benchmarks.measure import Row, Sample, cpu
from ullage.app import App, load_settings, open_app
from ullage.engine.cycle import Act
from ullage.model.settings import ConfidenceSettings, StoreSettings, Watermarks
from ullage.model.words import Level
from ullage.policy.assess import assess
from ullage.policy.select import select

GOAL = 0.3
"""CPU seconds of a cycle over 10,000 backups that did not change."""


def rows(store: Store, runs: int) -> Iterator[Row]:
    """Cycles at level ok and at level critical, with more and more backups changed before each."""
    goal = GOAL
    what = f"cycle over {store.count:,} backups, at {{}}, {{:,}} changed"
    yield Row(
        topic="cycle, CPU", what=what.format("level ok", 0), sample=_cycles(store, Level.OK, 0, runs), goal=goal
    )
    for changed in (0, 1, min(1000, store.count)):
        taken = _cycles(store, Level.CRITICAL, changed, runs)
        yield Row(
            topic="cycle, CPU",
            what=what.format("critical, none eligible", changed),
            sample=taken,
            goal=goal if changed <= 1 else None,
        )
    yield Row(
        topic="cycle, CPU", what=f"select() alone, {store.count:,} backups in memory", sample=_selection(store, runs)
    )


def _cycles(store: Store, level: Level, changed: int, runs: int) -> Sample:
    with _app(store, level) as app:
        site = app.sites["main"]

        def once() -> float:
            change(store, changed)
            records = []
            taken = cpu(lambda: records.append(app.engine.cycle(site, Act())))
            assert records[0].level is level, records[0]
            assert not records[0].actions, records[0].actions
            assert not records[0].notes, records[0].notes
            return taken

        once()
        return Sample(tuple(once() for _ in range(runs)))


@contextmanager
def _app(store: Store, level: Level) -> Iterator[App]:
    """The application, at that level by its watermarks, and with nothing sure enough to go."""
    settings = replace(load_settings(store.config()), state_dir=store.environment["ULLAGE_STATE_DIR"])
    with open_app(settings) as app:
        usage = assess(app.sites["main"].read(), settings.stores[0].watermarks).usage
        assert usage is not None
        app.reload(replace(settings, stores=(_at_level(settings.stores[0], level, usage),)))
        yield app


def _at_level(store: StoreSettings, level: Level, usage: float) -> StoreSettings:
    above, below = usage + (100 - usage) / 2, usage / 2
    marks = Watermarks(warning=above, critical=above, emergency=above)
    if level is Level.CRITICAL:
        marks = Watermarks(warning=below, critical=below, emergency=above)
    return replace(store, watermarks=marks, confidence=ConfidenceSettings(pressure_boost=-1.0))


def _selection(store: Store, runs: int) -> Sample:
    with _app(store, Level.OK) as app, app.sites["main"].open() as opened:
        backups, settings = opened.source.backups(), replace(opened.settings, confidence=ConfidenceSettings())
    judge = app.engine  # what a cycle has loaded when it judges
    assert judge is not None and len(backups) == store.count
    from ullage.model.words import CleanupLevel

    now = time.time()
    return Sample(
        tuple(cpu(lambda: select(backups, CleanupLevel.MODERATE, 10, settings, now=now)) for _ in range(runs))
    )
