"""Issue 4, item 4: ``least_harm`` on a store, where what was chosen can turn out otherwise; and SPEC 7.6 then."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.moments import between
from tests.engine.world import World, done
from ullage.engine.cycle import Act
from ullage.model.backups import Operation
from ullage.model.cycles import CycleRecord
from ullage.model.words import Action, Result, State, Strategy, Trigger
from ullage.sources.states import StateSource

pytestmark = pytest.mark.root  # gains are measured on a filesystem that nobody else writes to

MakeStore = Callable[..., World]


@pytest.fixture
def store(ground: Path) -> MakeStore:
    """``store(size in MiB by id)``: such backups of one day, long ago and a second apart; they are pressed later."""

    def make(**sizes: float) -> World:
        world = World(ground)
        world.set(reclaim={"strategy": Strategy.LEAST_HARM, "keep_last": 1})
        age = 400.0 + time.time() / 86400 % 1  # the beginning of a day
        for number, (backup_id, mib) in enumerate(sizes.items()):
            world.backup(backup_id, age=age - number / 86400, mib=mib)
        world.backup("z", age=age - 0.5, mib=80)  # what the floor holds, and the last of the day
        return world

    return make


def need(world: World, mib: float) -> None:
    """A capacity by which the store is at warning, and under it when so many MiB are gone."""
    used = sum(path.lstat().st_blocks * 512 for path in world.backups.rglob("*"))
    world.set(capacity=int((used - (mib - 0.25) * (1 << 20)) / 0.75))


def _gone(record: CycleRecord) -> list[str]:
    return sorted(backup_id for _, backup_id in done(record))


def test_the_backup_that_is_enough_by_itself_goes_instead_of_four_older_ones(store: MakeStore) -> None:
    world = store(a=2, b=2, c=2, d=2, e=8, f=2)
    need(world, 8)
    planned = [op.backup_id for op in world.cycle(Act(dry_run=True)).actions if op.result is Result.PLANNED]
    assert planned == ["e"]
    assert _gone(world.cycle()) == ["e"]


def test_where_the_chosen_one_is_locked_by_then_another_set_is_chosen_for_what_is_missing(
    store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = store(a=2, b=2, c=2, d=2, e=8, f=9)
    need(world, 8)
    held = os.open(world.backups / "e", os.O_RDONLY)
    between(monkeypatch, StateSource, "hold", lambda: fcntl.flock(held, fcntl.LOCK_EX))
    try:
        record = world.cycle()
    finally:
        os.close(held)
    assert [(op.backup_id, op.result) for op in record.actions] == [("e", Result.SKIPPED), ("f", Result.DONE)]


def test_whoever_is_deferred_is_not_chosen_again(store: MakeStore) -> None:
    """A person just moved it along, so that it stays for a while; nothing of it says so but the history."""
    world = store(a=2, b=2, c=2, d=2, e=8, f=9)
    need(world, 8)
    with world.app() as app:
        moved = Operation(
            at=time.time(),
            store="main",
            backup_id="e",
            action=Action.TRANSITION,
            from_state=State.CONFIRMED,
            to_state=State.CLEANABLE,
            trigger=Trigger.USER,
            reason="by hand",
            result=Result.DONE,
        )
        app.catalog.record(moved)
    record = world.cycle()
    assert [(op.backup_id, op.result) for op in record.actions] == [("e", Result.DEFERRED), ("f", Result.DONE)]


def test_where_more_comes_back_than_was_expected_what_is_missing_then_is_chosen_for_anew(store: MakeStore) -> None:
    """For 15 MiB both of 8 are needed, until others delete 6: then one of 2 does less harm than a CONFIRMED one."""
    world = store(a=8, y=2)
    world.backup("b", State.CONFIRMED, age=400, mib=8)
    other = world.backups / "other"
    other.write_bytes(os.urandom(6 << 20))
    need(world, 15)
    planned = [op.backup_id for op in world.cycle(Act(dry_run=True)).actions]
    assert sorted(planned) == ["a", "b"]
    record = world.cycle(Act(done=lambda _store, _op: other.unlink(missing_ok=True)))
    assert _gone(record) == ["a", "y"]


def test_a_limit_is_held(store: MakeStore) -> None:
    """At warning at most five go, though seven small ones would do less harm."""
    world = store(**{f"a{number}": 2 for number in range(9)}, e=12)
    need(world, 18)
    assert len(_gone(world.cycle())) <= 5
    assert world.usage() < 75
