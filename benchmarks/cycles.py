"""What one look at a store costs: CPU seconds of ``Engine.cycle`` in this process, on the real store and catalog."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from benchmarks.ground import Store, change
from benchmarks.measure import Row, Sample, cpu, sample
from ullage.app import App, load_settings, open_app
from ullage.engine.cycle import Act
from ullage.model.settings import ConfidenceSettings, StoreSettings, Watermarks
from ullage.model.words import CleanupLevel, Level
from ullage.policy.assess import assess
from ullage.policy.select import select

GOAL = 0.3
"""CPU seconds of a cycle over 10,000 backups that did not change."""
_TOPIC = "cycle, CPU"
_ROOMY = 100 << 10
"""Bytes of ``capacity`` for each backup, which takes a quarter of it."""


def rows(store: Store, runs: int) -> Iterator[Row]:
    """Cycles at level ok, and at level critical with more and more backups changed before each; and their parts."""
    critical = f"{store.count:,} backups, level critical, none eligible"
    alone = sample(lambda: cpu(lambda: _stats(store)), runs)
    bound = f"{3 * store.count:,} stat calls"
    yield Row(
        topic=_TOPIC,
        what=f"{store.count:,} backups, level ok",
        sample=_cycles(store, Level.OK, runs),
        goal=GOAL,
    )
    for changed in (0, 1, min(1000, store.count)):
        yield Row(
            topic=_TOPIC,
            what=f"{critical}, {changed:,} changed",
            sample=_cycles(store, Level.CRITICAL, runs, changed=changed),
            peer=bound,
            peer_sample=alone,
            goal=GOAL if changed <= 1 else None,
        )
    yield Row(
        topic=_TOPIC,
        what=f"{critical}, by a capacity",
        sample=_cycles(store, Level.CRITICAL, runs, capacity=store.count * _ROOMY),
        peer=bound,
        peer_sample=alone,
    )
    yield Row(topic=_TOPIC, what=f"select() alone, {store.count:,} backups in memory", sample=_selection(store, runs))


def _cycles(store: Store, level: Level, runs: int, *, changed: int = 0, capacity: int | None = None) -> Sample:
    with _app(store, level, capacity) as app:
        site = app.sites["main"]

        def once() -> float:
            change(store, changed)
            records = []
            taken = cpu(lambda: records.append(app.engine.cycle(site, Act())))
            record = records[0]
            assert record.level is level and not record.actions and not record.notes, record
            return taken

        return sample(once, runs)


def _stats(store: Store) -> None:
    fd = os.open(store.backups, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in os.listdir(fd):
            if name.startswith("db-"):
                for path in (name, f"{name}/.state", f"{name}/.created_at"):
                    os.stat(path, dir_fd=fd, follow_symlinks=False)
    finally:
        os.close(fd)


@contextmanager
def _app(store: Store, level: Level, capacity: int | None = None) -> Iterator[App]:
    """The application, at that level by its watermarks, and with nothing sure enough to go."""
    settings = replace(load_settings(store.config()), state_dir=store.environment["ULLAGE_STATE_DIR"])
    bounded = replace(settings.stores[0], capacity=capacity)
    with open_app(replace(settings, stores=(bounded,))) as app:
        usage = assess(app.sites["main"].read(), bounded.watermarks).usage
        assert usage is not None
        app.reload(replace(settings, stores=(_at_level(bounded, level, usage),)))
        yield app


def _at_level(store: StoreSettings, level: Level, usage: float) -> StoreSettings:
    above, below = usage + (100 - usage) / 2, usage / 2
    marks = Watermarks(warning=above, critical=above, emergency=above)
    if level is Level.CRITICAL:
        marks = Watermarks(warning=below, critical=below, emergency=above)
    return replace(store, watermarks=marks, confidence=ConfidenceSettings(pressure_boost=-1.0))


def _selection(store: Store, runs: int) -> Sample:
    with _app(store, Level.OK) as app, app.sites["main"].open() as opened:
        backups = opened.source.backups()
        settings = replace(opened.settings, confidence=ConfidenceSettings())
    now = time.time()
    return sample(lambda: cpu(lambda: select(backups, CleanupLevel.MODERATE, 10, settings, now=now)), runs)
