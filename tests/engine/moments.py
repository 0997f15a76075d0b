"""What another program does in a given moment, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.engine.world import World
from ullage.model.backups import Operation, Pin
from ullage.model.cycles import CycleRecord


def between(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, first: Callable[[], object]) -> None:
    """What another program does just before the first call of ``name``."""
    call, pending = getattr(owner, name), [first]

    def late(*arguments: object, **options: object) -> object:
        while pending:
            pending.pop()()
        return call(*arguments, **options)

    monkeypatch.setattr(owner, name, late)


def pin(world: World, backup_id: str) -> None:
    """Pins a backup, as a command of its own does."""
    with world.app() as app, app.sites["main"].open() as opened:
        opened.source.pin(Pin(backup_id=backup_id, at=time.time()))


def of(record: CycleRecord, backup_id: str) -> Operation:
    """What became of a backup in a cycle."""
    (found,) = [op for op in record.actions if op.backup_id == backup_id]
    return found
