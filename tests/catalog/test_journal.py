"""Operations: durable before the act and after it, and the history they become (SPEC.md 2, 7.4)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.catalog.makers import NAUGHTY, operation
from ullage.catalog.catalog import Catalog
from ullage.errors import CatalogError
from ullage.model.backups import Operation
from ullage.model.words import Action, Phase, Result, State, Trigger
from ullage.policy.predictions import Prediction

NAMES = st.binary(min_size=1, max_size=255).map(os.fsdecode)
TEXTS = st.one_of(NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
OPERATIONS = st.builds(
    Operation,
    at=st.floats(0, 1e11),
    store=st.sampled_from(["main", "other"]),
    backup_id=NAMES,
    action=st.sampled_from(Action),
    from_state=st.none() | st.sampled_from(State),
    to_state=st.none() | st.sampled_from(State),
    trigger=st.sampled_from(Trigger),
    reason=TEXTS,
    forced=st.booleans(),
    path=TEXTS,
    result=st.sampled_from(Result),
    predicted_bytes=st.integers(-(2**62), 2**62),
    reclaimed_bytes=st.integers(-(2**62), 2**62),
    duration_seconds=st.floats(0, 1e6),
)


def test_an_operation_goes_from_intent_to_settled_and_keeps_what_was_learnt_on_the_way(catalog: Catalog) -> None:
    began = catalog.begin(operation())
    assert began.id > 0
    assert began.phase is Phase.INTENT
    assert catalog.unsettled("main") == [began]

    staged = catalog.advance(began, Phase.STAGED, token="t-1", handle="12:34", predicted_bytes=9)
    assert (staged.phase, staged.token, staged.handle, staged.predicted_bytes) == (Phase.STAGED, "t-1", "12:34", 9)
    assert catalog.unsettled("main") == [staged]

    done = catalog.settle(staged, Result.DONE, reclaimed_bytes=4096, duration_seconds=1.5)
    assert (done.phase, done.result, done.reason) == (Phase.SETTLED, Result.DONE, began.reason)
    assert catalog.unsettled("main") == []
    assert catalog.history() == [done]


def test_an_operation_is_settled_once(catalog: Catalog) -> None:
    began = catalog.begin(operation())
    done = catalog.settle(began, Result.DONE)
    with pytest.raises(CatalogError, match="settled already"):
        catalog.settle(began, Result.FAILED, reason="another one's view")
    assert catalog.history() == [done]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(op=OPERATIONS)
def test_every_operation_comes_back_as_it_was_recorded(catalog: Catalog, op: Operation) -> None:
    begun = catalog.begin(op)
    assert catalog.history(limit=1) == [begun]
    assert op.result is not None
    settled = catalog.settle(begun, op.result, reclaimed_bytes=op.reclaimed_bytes)
    assert catalog.history(op.store, op.backup_id, limit=1) == [settled]


def test_names_that_are_not_text_are_found_again_under_exactly_that_name(catalog: Catalog) -> None:
    began = catalog.begin(operation(backup_id=NAUGHTY, path=f"2026/01/{NAUGHTY}.tar.zst", reason=f"because {NAUGHTY}"))
    assert catalog.latest("main", NAUGHTY, 0.0) == [began]
    assert catalog.history(backup_id=NAUGHTY[:-1]) == []


def test_only_unsettled_operations_of_that_store_await_recovery_oldest_first(catalog: Catalog) -> None:
    first, second = catalog.begin(operation(backup_id="b")), catalog.begin(operation(backup_id="a"))
    catalog.begin(operation(store="other"))
    catalog.settle(catalog.begin(operation(backup_id="c")), Result.DONE)
    assert catalog.unsettled("main") == [first, second]


def test_latest_gives_what_ended_since_then_and_whatever_is_under_way(catalog: Catalog) -> None:
    long = catalog.settle(catalog.begin(operation(at=600.0)), Result.DONE, duration_seconds=150.0)
    catalog.settle(catalog.begin(operation(at=690.0)), Result.DONE)
    catalog.record(operation(at=990.0, result=Result.FAILED))
    holding = catalog.begin(operation(at=1.0))
    assert catalog.latest("main", holding.backup_id, since=700.0) == [holding, long]


def test_history_is_newest_first_and_can_be_narrowed(catalog: Catalog) -> None:
    made = [
        catalog.record(operation(store=store, backup_id=backup, at=at, result=Result.DONE))
        for store, backup, at in (("main", "a", 1.0), ("main", "b", 2.0), ("other", "a", 3.0), ("main", "a", 4.0))
    ]
    assert catalog.history() == made[::-1]
    assert catalog.history("main", "a") == [made[3], made[0]]
    assert catalog.history(limit=2) == [made[3], made[2]]
    assert catalog.history(since=3.0) == [made[3], made[2]]


@pytest.mark.parametrize("result", [Result.SKIPPED, Result.DEFERRED, Result.FAILED])
def test_the_same_refusal_again_within_an_hour_is_no_new_row(catalog: Catalog, result: Result) -> None:
    told = catalog.record(operation(result=result, reason="it is pinned"))
    for later in range(10, 3600, 600):
        assert catalog.record(operation(at=1000.0 + later, result=result, reason="it is pinned")) == told
    assert catalog.history() == [told]


@pytest.mark.parametrize(
    "change",
    [
        {"at": 1000.0 + 3600},
        {"reason": "it is locked"},
        {"action": Action.ARCHIVE},
        {"backup_id": "another"},
        {"store": "other"},
        {"result": Result.DEFERRED},
    ],
    ids=lambda change: next(iter(change)),
)
def test_news_are_always_a_new_row(catalog: Catalog, change: dict[str, object]) -> None:
    catalog.record(operation(result=Result.SKIPPED))
    catalog.record(operation(**{"result": Result.SKIPPED, **change}))
    assert len(catalog.history()) == 2


def test_what_was_done_is_recorded_every_time(catalog: Catalog) -> None:
    for _ in range(3):
        catalog.record(operation(result=Result.DONE))
    assert len(catalog.history()) == 3


def test_a_refusal_after_something_else_happened_is_news(catalog: Catalog) -> None:
    catalog.record(operation(result=Result.SKIPPED))
    catalog.record(operation(result=Result.DONE))
    catalog.record(operation(result=Result.SKIPPED))
    assert [op.result for op in catalog.history()] == [Result.SKIPPED, Result.DONE, Result.SKIPPED]


def test_predictions_are_those_of_backups_that_went_for_good_the_newest_first(catalog: Catalog) -> None:
    gone: dict[str, object] = {"action": Action.DELETE, "result": Result.DONE}
    for number, changes in enumerate(
        (
            gone,
            {**gone, "action": Action.ARCHIVE},
            {**gone, "action": Action.PROMOTE},
            {**gone, "result": Result.FAILED},
            {**gone, "store": "other"},
            gone,
        ),
        start=1,
    ):
        catalog.record(operation(**{"predicted_bytes": number, "reclaimed_bytes": 10 * number, **changes}))
    catalog.record(operation(**{**gone, "predicted_bytes": 0}))
    trashed = catalog.begin(operation(action=Action.DELETE, predicted_bytes=7))
    catalog.advance(trashed, Phase.TRASHED, result=Result.DONE)
    assert catalog.predictions("main", 2) == [Prediction(6, 60), Prediction(2, 20)]
    assert catalog.predictions("main", 20) == [Prediction(6, 60), Prediction(2, 20), Prediction(1, 10)]


@pytest.mark.parametrize("write", ["begin", "settle", "record"])
def test_what_sqlite_calls_failed_and_is_written_all_the_same_is_written_once(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """The last sync of a commit fails after the journal was zeroed: then the room is made, and it is tried again."""
    began = catalog.begin(operation(backup_id="other")) if write == "settle" else None
    catalog.reserve()
    connected = catalog._connected
    failed: list[str] = []

    class Failing:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self._connection = connection

        def execute(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
            cursor = self._connection.execute(sql, values)
            if sql == "COMMIT" and not failed:
                failed.append(sql)
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            return cursor

        def __getattr__(self, name: str) -> object:
            return getattr(self._connection, name)

    monkeypatch.setattr(catalog, "_connected", lambda: Failing(connected()))
    if began is not None:
        done = catalog.settle(began, Result.DONE)
    elif write == "begin":
        done = catalog.begin(operation())
    else:
        done = catalog.record(operation(result=Result.DONE))
    assert failed
    assert catalog.history() == [done]
