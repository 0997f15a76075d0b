"""Settle what a killed process left: undo what had not begun to go, finish what had, and say so."""

from __future__ import annotations

from collections.abc import Callable

from ullage.engine.execute import describe
from ullage.errors import Busy, Changed, UllageError
from ullage.model.backups import Operation
from ullage.model.words import Action, Phase, Result
from ullage.ports import Catalog, OpenStore, Stop

_NOTHING = "interrupted before anything was changed"


def recover(opened: OpenStore, catalog: Catalog, stop: Stop | None = None) -> list[Operation]:
    """The operations that were settled. Call it with the store locked: then nobody else is at work on them.

    One that cannot be settled now (an I/O error, a lock) stays as it is and is tried again at the next call.
    """
    settled = []
    for op in catalog.unsettled(opened.settings.name):
        try:
            settled.append(_RECOVERIES[op.action](opened, catalog, op, stop))
        except (Busy, OSError):
            continue
        except UllageError as error:
            settled.append(_settle(catalog, op, Result.FAILED, f"needs attention: {describe(error)}"))
    return settled


def _settle(catalog: Catalog, op: Operation, result: Result, note: str) -> Operation:
    return catalog.settle(op, result, reason=f"{op.reason}; recovered: {note}", duration_seconds=op.duration_seconds)


def _delete(opened: OpenStore, catalog: Catalog, op: Operation, stop: Stop | None) -> Operation:
    if op.phase is Phase.PURGING:
        opened.reclaimer.purge(op.backup_id, op.token, op.handle, stop)
        return _settle(catalog, op, Result.DONE, "the removal was finished")
    if opened.reclaimer.unstage(op.backup_id, op.token, op.handle):
        return _settle(catalog, op, Result.FAILED, "interrupted; the backup is back in its place")
    return _settle(catalog, op, Result.FAILED, _NOTHING)


def _archive(opened: OpenStore, catalog: Catalog, op: Operation, stop: Stop | None) -> Operation:
    if op.phase is Phase.PURGING:
        return _delete(opened, catalog, op, stop)
    opened.reclaimer.unstage(op.backup_id, op.token, op.handle)
    opened.reclaimer.discard_part(op.token)
    return _settle(catalog, op, Result.FAILED, "interrupted; the backup is in its place")


def _transition(opened: OpenStore, catalog: Catalog, op: Operation, stop: Stop | None) -> Operation:
    assert op.to_state is not None
    try:
        with opened.source.hold(op.backup_id) as held:
            backup = opened.source.glance(op.backup_id)
            if held.handle == op.handle and backup is not None and backup.state is op.to_state:
                held.write_state(op.to_state, int(op.at))
                return _settle(catalog, op, Result.DONE, "the transition was finished")
    except Changed:
        pass
    return _settle(catalog, op, Result.FAILED, _NOTHING)


def _delete_archive(opened: OpenStore, catalog: Catalog, op: Operation, stop: Stop | None) -> Operation:
    if opened.reclaimer.archive_handle(op.path) == op.handle:
        return _settle(catalog, op, Result.FAILED, _NOTHING)
    catalog.forget_archive(op.store, op.path)
    return _settle(catalog, op, Result.DONE, "the archive was gone already")


def _restore(opened: OpenStore, catalog: Catalog, op: Operation, stop: Stop | None) -> Operation:
    if op.path:
        return _settle(catalog, op, Result.FAILED, f"interrupted; look beside {op.path} for .ullage-restore-{op.token}")
    if op.phase is Phase.STAGED and _stands(opened, op):
        return _settle(catalog, op, Result.DONE, "the backup is in its place")
    opened.reclaimer.discard_restore(op.token)
    return _settle(catalog, op, Result.FAILED, "interrupted; what it had written was removed")


def _stands(opened: OpenStore, op: Operation) -> bool:
    try:
        with opened.source.hold(op.backup_id) as held:
            return held.handle == op.handle
    except Changed:
        return False


_Recovery = Callable[[OpenStore, Catalog, Operation, Stop | None], Operation]
_RECOVERIES: dict[Action, _Recovery] = {
    Action.DELETE: _delete,
    Action.ARCHIVE: _archive,
    Action.TRANSITION: _transition,
    Action.PROMOTE: _transition,
    Action.DELETE_ARCHIVE: _delete_archive,
    Action.RESTORE: _restore,
}
