"""Once an hour: what is seen coming of a store, remembered, and told where it is near."""

from __future__ import annotations

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
    gone = [op for op in done if op.result is Result.DONE and _frees(op, reading)]
    freed = sum(op.reclaimed_bytes for op in gone)
    inodes = sum(op.reclaimed_inodes for op in gone)
    if not freed and not inodes:
        return
    given_back = {Unit.BYTES: freed, Unit.INODES: inodes}
    catalog.add_points(store.name, measured(reading, store.watermarks, given_back))


def _frees(op: Operation, reading: Reading) -> bool:
    """Whether it gave back space of the backups: nothing that waits in the trash, no archive on another filesystem."""
    return op.phase is not Phase.TRASHED and (op.action is not Action.DELETE_ARCHIVE or reading.same_filesystem)
