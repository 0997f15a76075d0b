"""The protocol of docs/architecture.md as rules on the order of calls (SPEC 7.4, 7.5).

A lost sync can be seen by a power cut alone, and on some filesystems not even by one: so the order itself is held.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.engine.acts import ACTS, CHOSEN, Case, do
from tests.engine.order import CHANGES, Event, Recorder, recorded
from ullage.errors import Refused
from ullage.model.backups import Pin
from ullage.model.words import Action, Result
from ullage.sources.reclaimer import TreeReclaimer
from ullage.system import archives, tree

LOCK_NOTE = "backups/.ullage/lock"
BACKUP = f"backups/{CHOSEN}"
TRASH, PARTS = "backups/.ullage/trash", "backups/.ullage/parts"


EVENTS: dict[Action, list[Event]] = {}


@pytest.fixture
def events(tmp_path: Path, act: Action) -> list[Event]:
    """What one act did, from its intent to its end; recorded once."""
    if act not in EVENTS:
        recorder = Recorder(str(tmp_path))
        assert do(Case(tmp_path, act).world, act, recorded(recorder)).result is Result.DONE
        EVENTS[act] = of_act(recorder)
    return EVENTS[act]


def of_act(recorder: Recorder) -> list[Event]:
    return [event for event in recorder.events if event.path != LOCK_NOTE and not event.path.startswith("state/")]


def _refused(path: Path, act: Action, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What an act does that comes to nothing in the last moment."""

    def pinned(*_: object) -> None:
        raise Refused("it was pinned meanwhile")

    monkeypatch.setattr(TreeReclaimer, "_refuse_pin", pinned)
    recorder = Recorder(str(path))
    assert do(Case(path, act).world, act, recorded(recorder)).result is Result.FAILED
    return of_act(recorder)


def at(events: list[Event], what: str, path: str = "", target: str = "") -> int:
    """Where the one such event is; paths by their beginning."""
    (found,) = [
        number
        for number, event in enumerate(events)
        if event.what == what and event.path.startswith(path) and event.target.startswith(target)
    ]
    return found


def phase(events: list[Event], phase: str) -> int:
    return at(events, "phase", phase)


def _synced(events: list[Event], directory: str) -> bool:
    """Whether the names in a directory are durable by one of the events, or it went and that is durable."""
    for number, event in enumerate(events):
        if event.what == "syncfs" or (event.what == "fsync" and event.path == directory):
            return True
        if event.what == "rmdir" and event.path == directory:
            return _synced(events[number + 1 :], os.path.dirname(directory))
    return False


def assert_durable(events: list[Event]) -> None:
    """Each change of names is durable before the journal goes on, but for the removal, which is as a whole."""
    for number, event in enumerate(events):
        rest = events[number + 1 :]
        upto = next((end for end, later in enumerate(rest) if later.what == "phase"), len(rest))
        for directory in event.parents:
            assert _synced(rest[:upto], directory), f"{directory} is not synced after {event}"


@pytest.mark.parametrize("act", ACTS)
def test_nothing_is_changed_before_the_intent_is_in_the_journal(events: list[Event]) -> None:
    assert (events[0].what, events[0].path) == ("phase", "INTENT")
    assert any(event.what in CHANGES for event in events)


@pytest.mark.parametrize("act", ACTS)
def test_every_change_of_names_is_durable_before_the_journal_goes_on(events: list[Event]) -> None:
    assert_durable(events)


@pytest.mark.parametrize("act", ACTS)
def test_done_is_said_last(events: list[Event]) -> None:
    assert (events[-1].path, events[-1].target) == ("SETTLED", "DONE")
    assert [event.path for event in events].count("SETTLED") == 1


@pytest.mark.parametrize("act", ACTS)
def test_a_file_is_on_the_disk_before_it_gets_its_name(events: list[Event]) -> None:
    for number, event in enumerate(events):
        if event.what != "rename":
            continue
        touched = [e.what for e in events[:number] if e.path == event.path and e.what in ("write", "fsync")]
        assert not touched or touched[-1] == "fsync", f"{event} before its content is durable"


@pytest.mark.parametrize("act", [Action.DELETE, Action.ARCHIVE])
def test_nothing_of_a_backup_goes_before_the_journal_says_that_it_does(events: list[Event]) -> None:
    moved, purging = at(events, "rename", BACKUP, TRASH), phase(events, "PURGING")
    gone = [number for number, event in enumerate(events) if event.what in ("unlink", "rmdir")]
    assert moved < purging < min(gone)


@pytest.mark.parametrize("act", [Action.DELETE, Action.ARCHIVE])
def test_the_state_goes_first_and_durably_before_the_rest(events: list[Event]) -> None:
    removal = [e for e in events[phase(events, "PURGING") + 1 :] if e.what in ("unlink", "rmdir", "fsync")]
    first, then = removal[:2]
    assert (first.what, os.path.basename(first.path)) == ("unlink", ".state")
    assert (then.what, then.path) == ("fsync", os.path.dirname(first.path))


def test_an_archive_is_written_read_back_recorded_and_in_its_place_before_its_backup_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, verify = Recorder(str(tmp_path)), archives.verify_archive

    def noted(*arguments: Any, **options: Any) -> None:
        verify(*arguments, **options)
        recorder.events.append(Event("verified", ""))

    monkeypatch.setattr(archives, "verify_archive", noted)
    do(Case(tmp_path, Action.ARCHIVE).world, Action.ARCHIVE, recorded(recorder))
    events = of_act(recorder)
    part = "archives/.ullage/parts/"
    order = [
        phase(events, "INTENT"),
        at(events, "fsync", part),
        at(events, "verified"),
        phase(events, "ARCHIVED"),
        at(events, "rename", part, "archives/2"),
        at(events, "rename", BACKUP, TRASH),
        phase(events, "PURGING"),
    ]
    assert order == sorted(order)
    assert_durable(events[: at(events, "rename", BACKUP, TRASH)])


@pytest.mark.parametrize("act", [Action.ARCHIVE])
def test_a_new_year_is_durable_before_the_backup_of_its_archive_moves(events: list[Event]) -> None:
    before = events[at(events, "rename", "archives/", "archives/2") : at(events, "rename", BACKUP, TRASH)]
    synced = {event.path for event in before if event.what == "fsync"}
    month = os.path.dirname(before[0].target)
    assert {month, os.path.dirname(month), "archives"} <= synced


@pytest.mark.parametrize("act", [Action.RESTORE])
def test_what_is_restored_is_durable_and_recorded_before_it_comes_to_its_place(events: list[Event]) -> None:
    staged, placed = phase(events, "STAGED"), at(events, "rename", PARTS, BACKUP)
    syncs = [number for number, event in enumerate(events) if event.what == "syncfs"]
    writes = [number for number, event in enumerate(events) if event.what == "write" and number < placed]
    assert max(writes) < max(syncs) < staged < placed


def test_what_is_taken_back_is_durable_before_the_journal_forgets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = _refused(tmp_path, Action.DELETE, monkeypatch)
    back, settled = at(events, "rename", TRASH, BACKUP), phase(events, "SETTLED")
    assert {"backups", TRASH} <= {event.path for event in events[back:settled] if event.what == "fsync"}


def test_an_archive_that_is_given_up_is_gone_before_the_journal_forgets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = _refused(tmp_path, Action.ARCHIVE, monkeypatch)
    gone, settled = at(events, "unlink", "archives/2"), phase(events, "SETTLED")
    back = at(events, "rename", TRASH, BACKUP)
    assert back < gone < settled
    assert _synced(events[gone:settled], os.path.dirname(events[gone].path))


def test_what_recovery_brings_back_is_durable_before_the_journal_forgets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(tmp_path, Action.DELETE)

    class Killed(BaseException):
        """A kill that leaves things as they are."""

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(TreeReclaimer, "_refuse_pin", killed)
        patched.setattr(TreeReclaimer, "unstage", killed)
        with pytest.raises(Killed):
            do(case.world, Action.DELETE)
    assert len(case.world.leftovers()) == 1
    recorder = Recorder(str(tmp_path))
    with recorded(recorder):
        case.assert_settled(killed=True)
    events = of_act(recorder)
    assert_durable(events[: phase(events, "SETTLED") + 1])
    assert at(events, "rename", TRASH, BACKUP) < phase(events, "SETTLED")


def test_a_pin_is_durably_set_and_durably_taken_away(tmp_path: Path) -> None:
    world = Case(tmp_path, Action.DELETE).world
    recorder = Recorder(str(tmp_path))
    with world.app() as app, app.sites["main"].open() as opened, recorded(recorder):
        assert opened.source.pin(Pin(backup_id=CHOSEN, at=1.0))
        assert opened.source.unpin(CHOSEN)
    events = of_act(recorder)
    pin = "backups/.ullage/pins/"
    assert [event.what for event in events if event.path.startswith(pin[:-1])] == [
        *("write", "fsync", "rename", "fsync"),
        *("unlink", "fsync"),
    ]


def test_a_directory_that_is_made_is_durable_at_once(tmp_path: Path) -> None:
    recorder, root = Recorder(str(tmp_path.parent)), tree.open_root(str(tmp_path))
    with recorded(recorder):
        os.close(tree.open_directory(root, "new", create=True))
    os.close(root)
    assert [(event.what, event.path) for event in recorder.events] == [
        ("mkdir", f"{tmp_path.name}/new"),
        ("fsync", tmp_path.name),
    ]
