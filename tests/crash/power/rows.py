"""What the power is cut in the middle of, and what must hold at the next start: a table that rows are added to."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

from tests.engine.acts import CHOSEN, HOLDER, Case, do
from tests.engine.world import World, fingerprint
from ullage.engine.cycle import Act
from ullage.model.backups import Operation, Pin
from ullage.model.words import Action, Result, State, Trigger
from ullage.system import linux

Mark = Callable[[str], None]
"""Says something into the log of the disks: it was told to somebody, so it must be true after a cut later than that."""


class Row(Protocol):
    """Made in a new world, on disks that lose nothing; then ``act`` is recorded, and ``check`` follows on every cut."""

    def act(self, mark: Mark) -> None:
        """What the power is cut in the middle of."""
        ...

    def check(self, marks: Sequence[str]) -> None:
        """The next start, and what must hold after it. ``marks``: what was said before the cut."""
        ...


class One:
    """One act on one backup; done when it was said to be done, whole or undone else."""

    def __init__(self, root: Path, action: Action) -> None:
        self._case = Case(root, action)
        if action is Action.RESTORE:
            _done(self._case, Action.RESTORE)
        self._content = _content(root)
        if action is Action.RESTORE:
            _done(self._case, Action.DELETE)
            self._case.rows += 2
        with self._case.world.app():
            pass  # it is registered

    def act(self, mark: Mark) -> None:
        _done(self._case, self._case.act)
        mark("done")

    def check(self, marks: Sequence[str]) -> None:
        case = copy.copy(self._case)
        op = case.assert_settled(killed=not marks)
        self._assert_whole()
        if op is None or op.result is not Result.DONE:
            case.rows = len(case.world.history())
            _done(case, case.act)  # a second run does the job
            case.assert_settled(killed=False)
            self._assert_whole()

    def _assert_whole(self) -> None:
        world = self._case.world
        if CHOSEN in world.live():
            assert _content(world.state.parent) == self._content


class Pinning:
    """A pin that was told to hold, holds."""

    def __init__(self, root: Path) -> None:
        self._case = Case(root, Action.DELETE)
        with self._case.world.app():
            pass

    def act(self, mark: Mark) -> None:
        with self._case.world.app() as app, app.sites["main"].open() as opened:
            opened.source.pin(Pin(backup_id=CHOSEN, at=time.time()))
        mark("done")

    def check(self, marks: Sequence[str]) -> None:
        world = self._case.world
        with world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER) as reclaim:
            found = reclaim.find(CHOSEN)
            assert found is not None
            assert found.pinned or not marks
        op = do(world, Action.DELETE)
        assert op.result is (Result.SKIPPED if found.pinned else Result.DONE), op
        assert (CHOSEN in world.live()) is found.pinned


class Emergency:
    """An emergency over several backups, one archived after the other, until there is room."""

    def __init__(self, root: Path) -> None:
        self._world = World(root)
        self._ids = self._world.series(6, State.CLEANABLE, mib=0.1, compressible=True)
        self._world.press(99)
        with self._world.app():
            pass
        self._whole = {name: fingerprint(self._world.backups / name) for name in self._world.live()}
        self._went: set[str] = set()

    def act(self, mark: Mark) -> None:
        def told(_store: str, op: Operation) -> None:
            if op.result is Result.DONE:
                mark(op.backup_id)

        record = self._world.emergency(Act(done=told))
        self._went = {op.backup_id for op in record.actions if op.result is Result.DONE}
        assert 1 < len(self._went) < len(self._ids), record

    def check(self, marks: Sequence[str]) -> None:
        world = self._world
        with world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER):
            assert app.catalog.unsettled("main") == []
        self._assert_agreed(set(marks))
        world.emergency()
        self._assert_agreed(self._went)

    def _assert_agreed(self, gone: set[str]) -> None:
        """Journal, backups and archives say the same; ``gone`` are gone, and no other than was chosen."""
        world = self._world
        assert world.leftovers() == []
        live = set(world.live())
        assert {name: fingerprint(world.backups / name) for name in live} == {name: self._whole[name] for name in live}
        assert {path.name for path in world.backups.iterdir()} - {".ullage"} == live
        assert gone <= self._whole.keys() - live <= self._went
        done = [op for op in world.history() if op.result is Result.DONE]
        assert sorted(op.backup_id for op in done) == sorted(self._whole.keys() - live)
        assert sorted(op.path for op in done if op.path) == sorted(self._archives())

    def _archives(self) -> list[str]:
        """Every archive that stands; each is whole, and what was written."""
        with self._world.app() as app, app.sites["main"].open() as opened:
            found = [archive.path for archive in opened.source.archives()]
            for path in found:
                digest = app.catalog.archive_digest("main", path)
                assert digest
                opened.reclaimer.check_archive(path, digest)
            return found


class TrashAndUndo:
    """Deleted into the trash, and brought back out of it; or ``emptied``, gone for good."""

    def __init__(self, root: Path, *, emptied: bool) -> None:
        self._world = World(root)
        self._world.set(reclaim={"grace": 3600.0})
        self._emptied = emptied
        for backup_id, age in ((CHOSEN, 40.0), (HOLDER, 1.0)):
            self._world.backup(backup_id, State.CONFIRMED, age=age, mib=0.05)
        with self._world.app():
            pass
        self._whole = {backup_id: fingerprint(self._world.backups / backup_id) for backup_id in self._world.live()}

    def act(self, mark: Mark) -> None:
        assert do(self._world, Action.DELETE).result is Result.DONE
        mark("deleted")
        if not self._emptied:
            self._undo()
            mark("back")
            return
        with self._world.app() as app:
            site = app.sites["main"]
            tokens = {op.token for op in app.engine.trashed(site)}
            (op,) = app.engine.empty_trash(site, Act(), tokens).actions
            assert op.result is Result.DONE, op
        mark("emptied")

    def _undo(self) -> None:
        with self._world.app() as app:
            site = app.sites["main"]
            tokens = {op.token for op in app.engine.trashed(site)}
            (op,) = app.engine.undo(site, Act(), tokens).actions
            assert op.result is Result.UNDONE, op

    def check(self, marks: Sequence[str]) -> None:
        world = self._world
        with world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER):
            assert app.catalog.unsettled("main") == []
            trashed = app.catalog.trashed("main")
        assert fingerprint(world.backups / HOLDER) == self._whole[HOLDER]
        room = world.backups / ".ullage/trash"
        assert {path.name for path in room.iterdir() if path.suffix != ".json"} == {op.token for op in trashed}
        stands = CHOSEN in world.live()
        assert len(trashed) + stands <= 1
        if trashed:
            assert list(marks) in ([], ["deleted"])
        elif stands:
            assert not (self._emptied and marks), "it was told to be deleted, and nobody brought it back"
        else:
            assert self._emptied and "deleted" in marks, "nobody emptied the trash"
            (op,) = (op for op in world.history() if op.backup_id == CHOSEN)
            assert op.result is Result.DONE
            return
        if trashed:
            self._undo()  # it is all there still
        assert fingerprint(world.backups / CHOSEN) == self._whole[CHOSEN]
        assert world.leftovers() == []


class Unsynced(One):
    """An archive in ullage's order, with nothing but the catalog synced."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, Action.ARCHIVE)

    def act(self, mark: Mark) -> None:
        def nothing(_fd: int) -> None:
            return

        with patch.object(os, "fsync", nothing), patch.object(linux, "syncfs", nothing):
            super().act(mark)


class Naive:
    """What people write first: tar, rmtree when it came back with 0, and a line in a log. Only the line is synced."""

    def __init__(self, root: Path) -> None:
        self._case = Case(root, Action.ARCHIVE)
        self._content = _content(root)

    def act(self, mark: Mark) -> None:
        world = self._case.world
        tar = ["tar", "--create", "--file", str(world.archives / "naive.tar"), "--directory", str(world.backups)]
        subprocess.run([*tar, CHOSEN], check=True)
        shutil.rmtree(world.backups / CHOSEN)
        with (world.state / "history").open("w") as history:
            history.write(f"{CHOSEN} archived\n")
            history.flush()
            os.fsync(history.fileno())
        mark("done")

    def check(self, marks: Sequence[str]) -> None:
        world = self._case.world
        if CHOSEN in world.live() and _content(world.state.parent) == self._content:
            assert not marks
            return
        out = world.state.parent / "out" / "backups"
        out.mkdir(parents=True)
        tar = ["tar", "--extract", "--file", str(world.archives / "naive.tar"), "--directory", str(out)]
        assert subprocess.run(tar, capture_output=True, check=False).returncode == 0
        assert _content(out.parent) == self._content


def _done(case: Case, action: Action) -> None:
    op = do(case.world, action)
    assert op.result is Result.DONE, op


def _content(root: Path) -> bytes:
    path = root / "backups" / CHOSEN / "data" / "content"
    return path.read_bytes() if path.exists() else b""


def _one(action: Action) -> Callable[[Path], Row]:
    return lambda root: One(root, action)


ROWS: dict[str, Callable[[Path], Row]] = {
    **{str(action): _one(action) for action in (Action.DELETE, Action.ARCHIVE, Action.RESTORE, Action.TRANSITION)},
    "delete_archive": _one(Action.DELETE_ARCHIVE),
    "pin": Pinning,
    "emergency": Emergency,
    "trash and undo": lambda root: TrashAndUndo(root, emptied=False),
    "empty the trash": lambda root: TrashAndUndo(root, emptied=True),
}
