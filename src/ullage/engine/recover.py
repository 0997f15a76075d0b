"""Settle what a killed process left: undo what had not begun to go, finish what had, and say so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from ullage.engine.execute import describe, forget_archive, stands, undo
from ullage.errors import Busy, CatalogError, Changed, Interrupted, Refused, UllageError, Unavailable
from ullage.model.backups import Operation
from ullage.model.words import Action, Phase, Result
from ullage.ports import Catalog, OpenStore, Stop

_NOTHING = "interrupted before anything was changed"


def recover(opened: OpenStore, catalog: Catalog, stop: Stop | None = None) -> list[Operation]:
    """The operations that were settled. Call it with the store locked: then nobody else is at work on them.

    One that cannot be settled now (an I/O error, a lock, a mount) is among them as failed, but its row stays, and it
    is tried again at the next call. What else stands half-finished is of operations that no record is left of (the
    catalog was lost), and goes; but what waits in the trash is taken up by its label. Raises CatalogError, Interrupted.
    """
    settled = []
    for op in catalog.unsettled(opened.settings.name):
        try:
            outcome = _RECOVERIES[op.action](opened, catalog, op, stop)
            settled += [outcome] if outcome.result is not None else []
        except (CatalogError, Interrupted):
            raise
        except Changed as error:
            settled.append(_kept(opened, catalog, op, error))
        except (UllageError, OSError) as error:
            why = f"{op.reason}; interrupted, and cannot be settled now: {describe(error)}"
            settled.append(replace(op, result=Result.FAILED, reason=why))
    _compare_trash(opened, catalog)
    name = opened.settings.name
    known = {op.token for op in (*catalog.unsettled(name), *catalog.trashed(name))}
    for op in opened.trash.labelled():
        if op.token not in known:
            known.add(op.token)
            catalog.advance(catalog.begin(op), Phase.TRASHED, result=Result.DONE)
    opened.reclaimer.sweep(known, stop)
    return settled


def _kept(opened: OpenStore, catalog: Catalog, op: Operation, error: Changed) -> Operation:
    """What was deleted and cannot go back to its place, which is taken, waits in the trash as it was meant to."""
    try:
        waits = op.action in (Action.DELETE, Action.DELETE_ARCHIVE) and bool(op.token) and opened.trash.stands(op)
        if waits and op.phase is not Phase.PURGING:
            opened.trash.label(op)
            return catalog.advance(op, Phase.TRASHED, result=Result.DONE)
    except (UllageError, OSError) as later:
        return replace(op, result=Result.FAILED, reason=f"{op.reason}; interrupted, and: {describe(later)}")
    return _settle(catalog, op, Result.FAILED, f"needs attention: {describe(error)}")


def _compare_trash(opened: OpenStore, catalog: Catalog) -> None:
    """What another host took out of the trash, or an older copy of the catalog still shows in it, is settled as found.

    Where that cannot be seen now (a lock, an I/O error), the row stays until it can.
    """
    for op in catalog.trashed(opened.settings.name):
        with suppress(Busy, Refused, Unavailable, OSError):
            if opened.trash.stands(op):
                continue
            if op.action is Action.DELETE_ARCHIVE:
                there = opened.reclaimer.archive_handle(op.path) == op.handle
            else:
                there = stands(opened, op)
            _settle(catalog, op, Result.UNDONE if there else Result.DONE, "it was taken out of the trash by another")


def _settle(catalog: Catalog, op: Operation, result: Result, note: str) -> Operation:
    return catalog.settle(op, result, reason=f"{op.reason}; recovered: {note}", duration_seconds=op.duration_seconds)


def _delete(opened: OpenStore, catalog: Catalog, op: Operation, stop: Stop | None) -> Operation:
    if op.phase is Phase.PURGING and not (op.token and stands(opened, op)):
        opened.reclaimer.purge(op.backup_id, op.token, op.handle, stop)
        return _settle(catalog, op, Result.DONE, "the removal was finished")
    back = undo(opened, catalog, op)
    if op.digest and not opened.reclaimer.stands(op.backup_id, op.handle):
        return _only_archive(opened, catalog, op)
    if op.phase is Phase.PURGING or (op.phase is Phase.STAGED and (back or stands(opened, op))):
        return _settle(catalog, op, Result.UNDONE, "the backup is back in its place")
    return _settle(catalog, op, Result.FAILED, "interrupted; the backup is back in its place" if back else _NOTHING)


def _only_archive(opened: OpenStore, catalog: Catalog, op: Operation) -> Operation:
    """An archive whose backup is gone is what is left of it, and stays."""
    there = [archive for archive in opened.source.archives() if archive.path == op.path]
    if not there:
        return _settle(catalog, op, Result.FAILED, "the backup is gone, and so is its archive; look for both")
    (found,) = there
    catalog.remember_archive(op.store, op.path, op.backup_id, op.digest, found.size_bytes, found.created_at)
    return _settle(catalog, op, Result.DONE, "the backup was gone already; its archive stays")


def _transition(opened: OpenStore, catalog: Catalog, op: Operation, stop: Stop | None) -> Operation:
    assert op.to_state is not None
    try:
        with opened.source.hold(op.backup_id) as held:
            if op not in catalog.unsettled(op.store):
                return op  # it was under way without the store's lock, and has been settled since
            held.tidy()
            backup = opened.source.glance(op.backup_id)
            torn = backup is not None and backup.state is None  # it was overwritten in place, on a full disk
            if held.handle == op.handle and backup is not None and (torn or backup.state is op.to_state):
                held.write_state(op.to_state, int(op.at))
                return _settle(catalog, op, Result.DONE, "the transition was finished")
    except Changed:
        pass
    return _settle(catalog, op, Result.FAILED, _NOTHING)


def _delete_archive(opened: OpenStore, catalog: Catalog, op: Operation, stop: Stop | None) -> Operation:
    if op.phase is Phase.PURGING:
        opened.trash.purge_archive(op.token, op.handle)
        forget_archive(opened, catalog, op)
        return _settle(catalog, op, Result.DONE, "the removal was finished")
    back = undo(opened, catalog, op)
    if opened.reclaimer.archive_handle(op.path) != op.handle:
        forget_archive(opened, catalog, op)
        return _settle(catalog, op, Result.DONE, "the archive was gone already")
    if op.phase is Phase.STAGED:
        return _settle(catalog, op, Result.UNDONE, "the archive is back in its place")
    return _settle(catalog, op, Result.FAILED, "interrupted; the archive is back in its place" if back else _NOTHING)


def _restore(opened: OpenStore, catalog: Catalog, op: Operation, stop: Stop | None) -> Operation:
    if op.path:
        return _settle(
            catalog, op, Result.FAILED, f"interrupted; look at {op.path}, and beside it for .ullage-restore-{op.token}"
        )
    in_place = op.phase is Phase.STAGED and stands(opened, op)
    opened.restorer.discard(op.token)
    if in_place:
        return _settle(catalog, op, Result.DONE, "the backup is in its place")
    return _settle(catalog, op, Result.FAILED, "interrupted; what it had written was removed")


_Recovery = Callable[[OpenStore, Catalog, Operation, Stop | None], Operation]
_RECOVERIES: dict[Action, _Recovery] = {
    Action.DELETE: _delete,
    Action.ARCHIVE: _delete,
    Action.TRANSITION: _transition,
    Action.PROMOTE: _transition,
    Action.DELETE_ARCHIVE: _delete_archive,
    Action.RESTORE: _restore,
}
