"""Once an hour: what is seen coming of a store, remembered, and told where it is near."""

from __future__ import annotations

from collections.abc import Iterable

from ullage.engine.telling import FORECAST, Telling
from ullage.model.backups import Operation
from ullage.model.cycles import QueuedAlert
from ullage.model.readings import Reading
from ullage.model.settings import StoreSettings
from ullage.model.units import DAY
from ullage.model.words import Action, Level, Phase, Result, Unit
from ullage.policy.assess import assess
from ullage.policy.forecast import MOST_DAYS
from ullage.policy.outlook import measured, outlook, why_warned, worth_keeping
from ullage.ports import Catalog, Site

_EVERY = 3600.0
"""Seconds: the history is by the hour."""


def foresee(catalog: Catalog, telling: Telling, site: Site, *, now: float) -> tuple[QueuedAlert, ...]:
    """Make the forecast of this hour, where it is not made yet, and give what was told of it."""
    store = site.settings
    before = catalog.outlook(store.name)
    if before is not None and before.at // _EVERY == now // _EVERY:
        return ()
    reading = site.read()
    if reading.fault is not None:
        return ()
    histories = catalog.points(store.name, reading.at - (MOST_DAYS + 1) * DAY, reading.at)
    seen = outlook(histories, reading, store.watermarks, before, store.forecast.warn)
    replaced = None if before is None or worth_keeping(before, seen) else before.at
    catalog.add_outlook(store.name, seen, instead=replaced)
    return telling.of(FORECAST, store, assess(reading, store.watermarks), why_warned(seen), Level.WARNING)


def count_freed(catalog: Catalog, store: StoreSettings, reading: Reading, done: tuple[Operation, ...]) -> None:
    """Remember what these operations gave back, so that the growth shows as if they had not been."""
    gone = [op for op in done if op.result is Result.DONE and op.phase is not Phase.TRASHED]
    apart = [op for op in gone if op.action is Action.DELETE_ARCHIVE and not reading.same_filesystem]
    freed, of_archives = _given_back(op for op in gone if op not in apart), _given_back(apart)
    if any(freed.values()) or any(of_archives.values()):
        catalog.add_points(store.name, measured(reading, store.watermarks, freed, of_archives))


def _given_back(ops: Iterable[Operation]) -> dict[Unit, int]:
    size = inodes = 0
    for op in ops:
        size, inodes = size + op.reclaimed_bytes, inodes + op.reclaimed_inodes
    return {Unit.BYTES: size, Unit.INODES: inodes}
