"""Predicted and measured bytes are shown, and a store whose predictions go wrong says so (issue 4)."""

from __future__ import annotations

import time

from tests.catalog.makers import operation
from tests.cli.workplace import Workplace, set_times
from ullage.catalog.catalog import Catalog
from ullage.model.units import MIB
from ullage.model.words import Action, Result

ONE, TWO = "db-20260101", "db-20260102"


def went(store: Workplace, *pairs: tuple[int, int]) -> None:
    """So many backups went: predicted, measured MiB."""
    with Catalog.open(str(store.state)) as catalog:
        for predicted, measured in pairs:
            catalog.record(
                operation(
                    backup_id="gone",
                    action=Action.DELETE,
                    result=Result.DONE,
                    predicted_bytes=predicted * MIB,
                    reclaimed_bytes=measured * MIB,
                )
            )


def test_status_says_how_well_predictions_held(store: Workplace) -> None:
    assert "predictions" not in store.done("status").out
    went(store, (100, 100), (100, 99), (100, 90))
    assert "half within 1.0 % of what was measured, all within 10.0 %, of the last 3" in store.done("status").out
    found = store.done("status", "--json").json["stores"][0]["predictions"]
    assert (found["count"], found["wrong"], found["off"], found["reason"]) == (3, 0, False, None)


def test_a_store_whose_predictions_go_wrong_says_so(store: Workplace) -> None:
    went(store, (100, 100), (100, 10))
    assert "1 of the last 2 predictions" in store.done("status").out
    assert store.done("status", "--json").json["stores"][0]["predictions"]["off"] is True
    found = store.call("doctor", "--json").json["findings"]
    assert [one["severity"] for one in found if "predictions" in one["text"]] == ["warning"]


def test_history_shows_both_figures_of_every_reclaim(store: Workplace) -> None:
    store.done("delete", ONE, "--yes")
    store.done("trash", "empty", "--yes")
    row = store.done("history", "--json").json["transitions"][0]
    assert row["predicted_bytes"] > 0
    assert row["reclaimed_bytes"] >= 0
    assert "PREDICTED" in store.done("history").out


def test_a_plan_counts_what_two_backups_share_once_with_the_second_of_them(store: Workplace) -> None:
    for name, age in ((ONE, 60), (TWO, 50)):
        top = store.backups / name
        if name == ONE:
            (top / "shared").write_bytes(b"x" * 3 * MIB)
        else:
            (top / "shared").hardlink_to(store.backups / ONE / "shared")
        set_times(top, time.time() - age * 86400)
    plan = store.done("plan", "moderate", "5", "--json").json["stores"][0]
    gains = [step["gain_bytes"] for step in plan["candidates"]]
    assert [gain // MIB for gain in gains] == [0, 3]
    assert plan["predicted_bytes"] == sum(gains)
    assert plan["predicted_inodes"] == sum(step["gain_inodes"] for step in plan["candidates"])
