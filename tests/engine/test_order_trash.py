"""The protocol of the trash, as rules on the order of calls: deleted, brought back, and gone for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.acts import CHOSEN, Case, do
from tests.engine.moments import between
from tests.engine.order import Event, Recorder, recorded
from tests.engine.test_order import assert_durable, at, of_act, phase
from ullage.engine.cycle import Act, Engine
from ullage.model.words import Action, Phase, Result
from ullage.system import tree

PLACES = {Action.DELETE: f"backups/{CHOSEN}", Action.DELETE_ARCHIVE: "archives/2"}
TRASH = {Action.DELETE: "backups/.ullage/trash/", Action.DELETE_ARCHIVE: "archives/.ullage/trash/"}
BOTH = pytest.mark.parametrize("act", [*PLACES])


def _case(path: Path, act: Action) -> Case:
    case = Case(path, act)
    case.world.set(reclaim={"grace": 3600.0})
    return case


def _after(case: Case, path: Path, act: Action, verb: Any) -> list[Event]:
    """What a command does to all that was deleted before."""
    assert do(case.world, act).phase is Phase.TRASHED
    recorder = Recorder(str(path))
    with case.world.app() as app, recorded(recorder):
        site = app.sites["main"]
        verb(app.engine, site, Act(), {op.token for op in app.engine.trashed(site)})
    return of_act(recorder)


@BOTH
def test_what_is_deleted_is_labelled_and_durably_moved_before_the_journal_says_that_it_waits(
    tmp_path: Path, act: Action
) -> None:
    recorder = Recorder(str(tmp_path))
    assert do(_case(tmp_path, act).world, act, recorded(recorder)).phase is Phase.TRASHED
    events = of_act(recorder)
    order = [
        phase(events, "INTENT"),
        at(events, "rename", "backups/.ullage/trash/.ullage-"),  # the label gets its name
        at(events, "rename", PLACES[act], TRASH[act]),
        phase(events, "TRASHED"),
    ]
    assert (order, order[0], order[-1]) == (sorted(order), 0, len(events) - 1)
    assert_durable(events)


@BOTH
def test_what_is_brought_back_is_durable_before_the_journal_says_so(tmp_path: Path, act: Action) -> None:
    events = _after(_case(tmp_path, act), tmp_path, act, Engine.undo)
    order = [phase(events, "STAGED"), at(events, "rename", TRASH[act], PLACES[act]), phase(events, "SETTLED")]
    assert (order, events[-1].target) == (sorted(order), "UNDONE")
    assert_durable(events)


@BOTH
def test_what_goes_for_good_goes_after_the_journal_says_so_and_durably(tmp_path: Path, act: Action) -> None:
    events = _after(_case(tmp_path, act), tmp_path, act, Engine.empty_trash)
    gone = [number for number, event in enumerate(events) if event.what in ("unlink", "rmdir")]
    label, *content = gone
    assert events[label].path.endswith(".json")
    assert label < phase(events, "PURGING") < min(content) <= max(content) < phase(events, "SETTLED")
    assert_durable(events)


def test_an_archive_in_the_place_of_another_in_the_last_moment_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _case(tmp_path, Action.DELETE_ARCHIVE)
    (there,) = case.world.archives.glob("[0-9]*/*/*.tar.zst")

    def exchange() -> None:
        there.rename(there.with_name("aside"))
        there.write_bytes(b"another")

    between(monkeypatch, tree, "rename_exclusive", exchange)
    op = do(case.world, Action.DELETE_ARCHIVE)
    assert (op.result, "exchanged for another" in op.reason) == (Result.SKIPPED, True), op
    assert (there.read_bytes(), case.world.leftovers()) == (b"another", [])
    assert list((case.world.archives / ".ullage" / "trash").iterdir()) == []
