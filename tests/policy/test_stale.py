"""A saved plan is carried out only on the store that it was made of; else all that changed is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import HOUR, NOW, backup, backups, reading, space, store, stores
from ullage.model.backups import Backup
from ullage.model.plans import SavedPlan, View
from ullage.model.settings import StoreSettings, Watermarks
from ullage.model.units import DAY
from ullage.model.words import CleanupLevel, Level, State
from ullage.policy.assess import Goal
from ullage.policy.assume import Assumed
from ullage.policy.plan import plan
from ullage.policy.respond import by_hand
from ullage.policy.stale import deciding, saved_plan, staleness

STORE = store(keep_last=1)
OLD = backup("db-20260101", age=40 * DAY, size_bytes=300, reclaimable_bytes=300)
NEW = backup("db-20260102", age=39 * DAY, confirmed_at=1)


def view(*members: Backup, now: float = NOW) -> View:
    return View(now=now, reading=reading(space(800)), backups=members or (OLD, NEW))


def saved(seen: View, by: StoreSettings = STORE, level: CleanupLevel = CleanupLevel.MODERATE, **more: Any) -> SavedPlan:
    made = plan(seen, by_hand(level, 10, Level.CRITICAL), by)
    handles = {one.id: f"1:{one.id}" for one in seen.backups}
    how = {"identity": "one", "handles": handles, "goal": Goal.LOW, "until": None, "assumed": Assumed(), "now": NOW}
    return saved_plan(made, by, **how | more)


def stale(plan_: SavedPlan, seen: View, by: StoreSettings = STORE, identity: str = "one", other: str = "") -> str:
    """What is said; the backup ``other`` is another directory by now."""
    found = {one.id: f"{2 if one.id == other else 1}:{one.id}" for one in seen.backups}
    return "\n".join(staleness(plan_, seen, by, identity=identity, handles=found))


def test_a_plan_keeps_what_its_goal_needs() -> None:
    kept = saved(view())
    assert [(step.backup_id, step.state, step.size_bytes) for step in kept.steps] == [("db-20260101", "CLEANABLE", 300)]
    assert (kept.goal, kept.until, kept.assumed) == ("low", None, ())
    assert kept.stays == {"db-20260102": ('the newest good backup of the series "db"',)}
    other = saved(view(), goal=None, until="40 % free")
    assert (other.goal, other.until) == (None, "40 % free")


def test_a_plan_of_what_is_still_so_is_not_stale() -> None:
    assert stale(saved(view()), view()) == ""
    assert stale(saved(view()), view(now=NOW + DAY)) == ""


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ((NEW,), "db-20260101 is gone"),
        ((replace(OLD, pinned=True), NEW), "db-20260101: it is pinned"),
        ((replace(OLD, busy="process 12"), NEW), "db-20260101: it is in use: process 12"),
        ((replace(OLD, state=State.CONFIRMED), NEW), "db-20260101: it was CLEANABLE and is CONFIRMED"),
        ((replace(OLD, state=None, fault="odd"), NEW), "db-20260101: it was CLEANABLE and is unknown; it cannot be"),
        ((replace(OLD, created_at=int(NOW)), NEW), "db-20260101: its time of creation is another"),
        ((replace(OLD, size_bytes=301), NEW), "db-20260101: it had 300 bytes and has 301"),
        ((OLD,), 'db-20260101: the newest that the series "db" has in the place of a good backup'),
        ((replace(OLD, last_read_at=NOW, size_bytes=300, created_at=OLD.created_at), NEW), ""),
    ],
)
def test_what_changed_of_a_backup_is_said(now: tuple[Backup, ...], why: str) -> None:
    found = stale(saved(view()), view(*now))
    assert found.startswith(why)
    assert (found == "") == (why == "")


def test_another_directory_by_that_name_another_store_and_another_time_are_said() -> None:
    kept = saved(view())
    assert stale(kept, view(), other="db-20260101") == "db-20260101: it is another directory by that name"
    assert stale(kept, view(), identity="two") == "the store is another one than that it was made for"
    assert stale(kept, view(now=NOW + DAY + HOUR)) == "it was made 1 d 1 h ago, and a plan is good for 1 d"
    assert stale(kept, view(now=NOW - 61)) == "it is dated ahead, 2027-01-15T08:00:00Z"


def test_other_settings_are_said_by_key_and_value() -> None:
    by = replace(STORE, capacity=5, watermarks=Watermarks(warning=60.0))
    assert stale(saved(view()), view(), by) == (
        "the setting capacity was none and is 5\nthe setting watermarks.warning was 75.0 and is 60.0"
    )
    assert deciding(STORE)["reclaim.keep_last"] == 1


def test_all_that_changed_is_said_at_once() -> None:
    found = stale(saved(view()), view(replace(OLD, pinned=True, size_bytes=1), NEW), identity="two")
    assert found.count("\n") == 1
    assert "it had 300 bytes and has 1; it is pinned" in found


def test_a_plan_of_what_would_be_is_never_carried_out() -> None:
    assert "as if 5 B more were used" in stale(saved(view(), assumed=Assumed(fill=5)), view())


_CHANGES: list[dict[str, Any]] = [
    {},
    {"pinned": True},
    {"state": State.PENDING},
    {"busy": "x"},
    {"size_bytes": 7},
    {"created_at": int(NOW)},
]


@given(backups(), stores(), st.sampled_from(CleanupLevel), st.data())
def test_whatever_changes_a_plan_takes_nothing_that_may_not_go_now(
    members: list[Backup], by: StoreSettings, level: CleanupLevel, data: st.DataObject
) -> None:
    """Where nothing is said to have changed, everything it takes is still a candidate, as it was."""
    seen = replace(view(), backups=tuple(members))
    kept = saved(seen, by, level)
    assert stale(kept, seen, by) == ""
    later = [one for one in members if data.draw(st.integers(0, 5))]
    if later:
        number = data.draw(st.integers(0, len(later) - 1))
        later[number] = replace(later[number], **data.draw(st.sampled_from(_CHANGES)))
    then = replace(view(), backups=tuple(later))
    if stale(kept, then, by):
        return
    now = plan(then, by_hand(level, None, Level.OK), by)
    candidates = {one.backup.id: one.backup for one in now.selection.candidates}
    for step in kept.steps:
        assert candidates[step.backup_id] == next(one for one in members if one.id == step.backup_id)
