"""Single acts on one backup, and what must hold after each, whatever struck it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from tests.engine.world import World, fingerprint
from ullage.engine.cycle import Act
from ullage.engine.reclaim import Reclaim
from ullage.errors import Refused
from ullage.model.backups import Operation
from ullage.model.words import Action, Result, State, Trigger

CHOSEN, HOLDER = "db-20260101", "db-20260202"
Doing = Callable[[Reclaim], Operation]


def _delete(reclaim: Reclaim) -> Operation:
    found = reclaim.find(CHOSEN)
    assert found is not None
    return reclaim.one(found, "asked for", archive=False)


def _archive(reclaim: Reclaim) -> Operation:
    found = reclaim.find(CHOSEN)
    assert found is not None
    return reclaim.one(found, "asked for", archive=True)


def _transition(reclaim: Reclaim) -> Operation:
    found = reclaim.find(CHOSEN)
    assert found is not None
    return reclaim.move(found, State.CLEANABLE, "asked for", forced=False)


def _delete_archive(reclaim: Reclaim) -> Operation:
    found = reclaim.find_archive(CHOSEN)
    if found is None:
        raise Refused("its month could not be opened")
    return reclaim.one_archive(found, "asked for")


def _restore(reclaim: Reclaim) -> Operation:
    found = reclaim.find_archive(CHOSEN)
    if found is None:
        raise Refused("its month could not be opened")
    return reclaim.restore(found, None, "asked for")


ACTS: dict[Action, Doing] = {
    Action.DELETE: _delete,
    Action.ARCHIVE: _archive,
    Action.TRANSITION: _transition,
    Action.DELETE_ARCHIVE: _delete_archive,
    Action.RESTORE: _restore,
}
ON_ARCHIVES = (Action.DELETE_ARCHIVE, Action.RESTORE)


def do(world: World, act: Action, counting: AbstractContextManager[None] | None = None) -> Operation:
    with world.app() as app, counting or nullcontext():
        record = app.engine.one(app.sites["main"], Act(), Trigger.USER, ACTS[act], alone=True)
    return record.actions[0]


class Case:
    """A store with what the act needs, and how it looked before."""

    def __init__(self, path: Path, act: Action) -> None:
        self.act = act
        self.world = World(path)
        self.world.backup(CHOSEN, State.CONFIRMED, mib=0.05)
        self.world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.01)
        self.whole = fingerprint(self.world.backups / CHOSEN)
        if act in ON_ARCHIVES:
            archived = do(self.world, Action.ARCHIVE)
            assert archived.result is Result.DONE, archived
        self.holder = fingerprint(self.world.backups / HOLDER)
        self.rows = len(self.world.history())

    def assert_settled(self, *, killed: bool, told: bool = True) -> Operation | None:
        """What must hold after the next start, whenever the last one was killed; the operation, where it had begun."""
        world = self.world
        with world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER):
            assert app.catalog.unsettled("main") == []
        rows = world.history()[self.rows :]
        rows = [row for row in rows if row.handle or row.token or row.result is Result.DONE]  # those that began
        assert len(rows) <= 1, rows
        assert world.leftovers() == []
        assert fingerprint(world.backups / HOLDER) == self.holder
        done = bool(rows) and rows[0].result is Result.DONE
        assert done or killed
        assert not (killed and told) or not rows or "recovered" in rows[0].reason or rows[0].result is Result.DONE, rows
        stands, archived = CHOSEN in world.live(), world.archived() == [f"{CHOSEN}.tar.zst"]
        assert archived or world.archived() == []
        assert (stands, archived) == {
            Action.DELETE: (not done, False),
            Action.ARCHIVE: (not done, done),
            Action.TRANSITION: (True, False),
            Action.DELETE_ARCHIVE: (False, not done),
            Action.RESTORE: (done, True),
        }[self.act]
        if stands and self.act in (Action.DELETE, Action.ARCHIVE):
            assert fingerprint(world.backups / CHOSEN) == self.whole
        if self.act is Action.TRANSITION:
            assert world.state_of(CHOSEN) == ("CLEANABLE" if done else "CONFIRMED")
        if archived:
            self._assert_whole_archive()
        return rows[0] if rows else None

    def _assert_whole_archive(self) -> None:
        with self.world.app() as app, app.sites["main"].open() as opened:
            (archive,) = opened.source.archives()
            assert archive.backup_id == CHOSEN
            digest = app.catalog.archive_digest("main", archive.path)
            assert digest
            target = self.world.state.parent / "out"
            with opened.restorer.place(CHOSEN, "0" * 16, str(target)) as place:
                place.extract(archive, digest)
            staged = target.parent / (".ullage-restore-" + "0" * 16) / "out"
            assert (staged / "data" / "content").stat().st_size == int(0.05 * (1 << 20))
            shutil.rmtree(staged.parent)
