"""The memory of a simulation answers as the catalog on disk does."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ullage.catalog.catalog import Catalog
from ullage.model.backups import Operation
from ullage.model.words import Action, Phase, Result, State, Trigger
from ullage.policy.stall import Stall
from ullage.simulation.catalog import SimulatedCatalog

OP = Operation(
    at=1000.0,
    store="main",
    backup_id="db-20260101",
    action=Action.DELETE,
    from_state=State.CLEANABLE,
    to_state=State.DELETED,
    trigger=Trigger.DISK_SPACE,
    reason="pressure",
    predicted_bytes=7,
)


def answers(catalog: Catalog | SimulatedCatalog) -> list[object]:
    """What it says after the same life."""
    found: list[object] = []
    first = catalog.newest()

    def look() -> None:
        found.append([replace(op, id=0) for op in catalog.unsettled("main")])
        found.append([replace(op, id=0) for op in catalog.trashed("main")])
        found.append([replace(op, id=0) for op in catalog.latest("main", "db-20260101", 1001.0)])
        for archives in (False, True):
            found.append(catalog.taken("main", 1001.0, first, archives=archives))
            found.append(catalog.taken("main", None, first, archives=archives))
            found.append(catalog.taken("main", None, catalog.newest(), archives=archives))

    made = catalog.begin(OP)
    look()
    made = catalog.advance(made, Phase.PURGING, token="t")
    look()
    catalog.settle(made, Result.DONE, reclaimed_bytes=5, duration_seconds=2.0)
    look()
    catalog.advance(catalog.begin(replace(OP, at=1002.0, action=Action.DELETE_ARCHIVE)), Phase.TRASHED)
    catalog.settle(catalog.begin(replace(OP, at=1003.0, action=Action.ARCHIVE)), Result.DONE)
    catalog.record(replace(OP, at=1004.0, result=Result.SKIPPED))
    look()
    for archives in (False, True):
        found.append(catalog.stall("main", archives=archives))
    catalog.set_stall("main", Stall(until=9.0, missing=1, free=2), archives=True)
    found += [catalog.stall("main"), catalog.stall("main", archives=True), catalog.capped("main")]
    catalog.remember_archive("main", "p", "db-20260101", "digest", 1, 2)
    found.append(catalog.archive_digest("main", "p"))
    catalog.forget_archive("main", "p")
    found.append(catalog.archive_digest("main", "p"))
    found.append(catalog.alert_state("main"))
    return found


def test_it_answers_as_the_catalog_on_disk_does(tmp_path: Path) -> None:
    with Catalog.open(str(tmp_path / "state")) as real:
        assert answers(SimulatedCatalog()) == answers(real)


def test_nobody_lifts_a_cap_in_a_simulation() -> None:
    catalog = SimulatedCatalog()
    assert catalog.resumed("main") == 0
    with pytest.raises(NotImplementedError):
        catalog.set_resumed("main", 1)
