"""Issue 5.8: what time alone makes of a backup, by settings for each state; nothing unless they are on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import HOUR, NOW, backup, backups, store
from ullage.model.backups import Backup
from ullage.model.settings import AgeingSettings, StoreSettings
from ullage.model.units import DAY, MIB
from ullage.model.words import State
from ullage.policy.ageing import ages, ripe
from ullage.policy.lifecycle import MAY_BECOME
from ullage.policy.protect import floors

ON = AgeingSettings(pending_after=HOUR, confirmed_after=DAY, cleanable_after=30 * DAY)


def ageing(own: AgeingSettings = ON, **reclaim: Any) -> StoreSettings:
    return replace(store(**{"keep_last": 0, **reclaim}), ageing=own)


def become(one: Backup, settings: StoreSettings, floor: str | None = None) -> State | None:
    """What time makes of it now."""
    found = ripe([one], {} if floor is None else {one.id: floor}, settings, now=NOW)
    return found[0].to_state if found else None


def at(state: State, age: float, **more: Any) -> Backup:
    """A backup that has been in its state for so long."""
    since = int(NOW - age)
    name = {State.PENDING: "pending_since", State.CONFIRMED: "confirmed_at"}.get(state)
    return backup(state=state, age=age if name is None else 90 * DAY, **({} if name is None else {name: since}) | more)


def test_it_is_off_unless_it_is_switched_on() -> None:
    assert not ages(store())
    assert ripe([at(state, 400 * DAY) for state in State], {}, store(), now=NOW) == []
    assert ages(ageing(AgeingSettings(cleanable_after=1.0)))


@pytest.mark.parametrize(
    ("state", "after", "to_state"),
    [
        (State.CREATED, HOUR, State.PENDING),
        (State.PENDING, DAY, State.CONFIRMED),
        (State.CONFIRMED, 30 * DAY, State.CLEANABLE),
        (State.CLEANABLE, 0, None),
    ],
)
def test_a_state_that_has_lasted_becomes_the_next_to_the_second(
    state: State, after: float, to_state: State | None
) -> None:
    assert become(at(state, after), ageing()) is to_state
    assert become(at(state, after - 1), ageing()) is None


def test_a_time_that_is_missing_is_the_one_before_it() -> None:
    assert become(backup(state=State.CONFIRMED, age=30 * DAY), ageing()) is State.CLEANABLE
    late = backup(state=State.CONFIRMED, age=90 * DAY, pending_since=int(NOW - 29 * DAY))
    assert become(late, ageing()) is None


def test_each_has_a_confidence_of_its_own_without_the_boost() -> None:
    sure = replace(ON, cleanable_confidence=0.9)
    one = at(State.CONFIRMED, 30 * DAY)
    assert become(one, ageing(sure)) is State.CLEANABLE
    assert become(replace(one, size_bytes=600 * MIB), ageing(sure)) is None  # 0.8
    assert become(replace(one, size_bytes=600 * MIB), ageing(replace(ON, cleanable_confidence=0.8))) is State.CLEANABLE
    young = at(State.CREATED, HOUR)
    assert become(young, ageing(replace(ON, pending_confidence=0.6))) is None


@pytest.mark.parametrize(
    "held",
    [{"pinned": True}, {"busy": "process 7 (rsync)"}, {"fault": "its .state cannot be read"}, {"created_at": None}],
)
@pytest.mark.parametrize("state", [State.CREATED, State.PENDING, State.CONFIRMED])
def test_a_pin_use_and_doubt_keep_it_as_it_is(state: State, held: dict[str, Any]) -> None:
    assert become(replace(at(state, 60 * DAY), **held), ageing()) is None


def test_one_that_is_written_stays_created() -> None:
    assert become(at(State.CREATED, DAY, newest_mtime=NOW - 10), ageing()) is None


def test_its_floor_and_least_age_keep_it_from_being_cleanable_alone() -> None:
    assert become(at(State.CONFIRMED, 60 * DAY), ageing(), floor="the newest") is None
    assert become(at(State.PENDING, 2 * DAY), ageing(), floor="the newest") is State.CONFIRMED
    assert become(at(State.CONFIRMED, 60 * DAY), ageing(min_age=100 * DAY)) is None
    assert become(at(State.CREATED, DAY), ageing(min_age=100 * DAY)) is State.PENDING


def test_it_is_said_since_when_and_by_which_setting() -> None:
    (one,) = ripe([at(State.CONFIRMED, 31 * DAY)], {}, ageing(), now=NOW)
    assert one.why == "CONFIRMED for 31 d (ageing.cleanable_after 30 d), confidence 1.00"


@given(backups(), st.floats(0, 60 * DAY))
def test_nothing_moves_but_by_a_step_that_may_be_and_nobody_is_held_less_for_it(
    known: list[Backup], after: float
) -> None:
    settings = ageing(AgeingSettings(pending_after=after, confirmed_after=after, cleanable_after=after), keep_last=1)
    held = floors(known, settings.reclaim, now=NOW)
    for one in ripe(known, held, settings, now=NOW):
        assert one.backup.state is not None
        assert one.to_state in MAY_BECOME[one.backup.state]
        assert not one.backup.pinned
        assert one.to_state is not State.CLEANABLE or one.backup.id not in held
