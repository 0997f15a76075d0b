"""Many at work on one store at once: each backup goes once, no more than needed go, and who waits says for whom (7.6)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.command import Command, wait_for
from tests.engine.conftest import ground
from tests.engine.world import MIB, World
from ullage.model.backups import Operation
from ullage.model.words import Result

__all__ = ["ground"]

QUICK = '[defaults.monitor]\ninterval = "200 ms"\n'
COUNT = 24
TARGET = 0.70


@pytest.fixture
def world(ground: Path) -> World:
    """A store of equal backups at 96 % of a capacity: an emergency."""
    world = World(ground)
    world.series(COUNT, mib=0.25)
    world.press(96)
    return world


def settings(world: World, text: str = "") -> str:
    return f'{text}\n[defaults]\ncapacity = "{world.store.capacity} B"\n'


def done(world: World) -> list[Operation]:
    """What was done; each backup once, and what is gone is what was done."""
    operations = [op for op in world.history() if op.result is Result.DONE]
    times = Counter(op.backup_id for op in operations)
    assert set(times.values()) <= {1}, times
    assert len(world.live()) == COUNT + 1 - len(operations)
    assert world.leftovers() == []
    return operations


def at_once(command: Command, *words: str, count: int = 8) -> list[tuple[int, str]]:
    """(exit code, what it said) of so many of one command."""
    started = [
        subprocess.Popen(command.words(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(count)
    ]
    said = [one.communicate(timeout=110)[0] for one in started]
    assert not any("Traceback" in text for text in said), said
    return [(one.returncode, text) for one, text in zip(started, said, strict=True)]
