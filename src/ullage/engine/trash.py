"""The trash of a store: what a person deleted waits there for its time, comes back by ``undo``, or makes room."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from ullage.engine.execute import Executor, describe
from ullage.errors import Busy, CatalogError, Changed, Interrupted, UllageError
from ullage.model.backups import Operation
from ullage.model.words import Action, Result
from ullage.ports import Catalog, Clock, OpenStore, Stop

_PINNED = "it is pinned (ullage undo brings it back)"


class Trash:
    """The trash of one opened, locked store."""

    def __init__(self, opened: OpenStore, catalog: Catalog, clock: Clock, stop: Stop | None = None) -> None:
        self._opened = opened
        self._catalog = catalog
        self._executor = Executor(opened, catalog, clock, stop)

    @property
    def content(self) -> list[Operation]:
        """What waits in it, oldest first."""
        return self._catalog.trashed(self._opened.settings.name)

    @property
    def pending(self) -> tuple[int, int]:
        """(bytes, inodes) that the backups' filesystem gets back when it is emptied; what is pinned stays there."""
        found = self.content
        if found:
            pins = self._opened.source.pins()
            found = [op for op in found if op.backup_id not in pins]
        if found and not self._opened.gauge.read().same_filesystem:
            found = [op for op in found if op.action is Action.DELETE]
        return sum(op.predicted_bytes for op in found), sum(op.predicted_inodes for op in found)

    def empty(self, chosen: Callable[[Operation], bool], why: str) -> Iterator[Operation]:
        """What is chosen goes for good, one by one; what cannot go stays, and says why."""
        for op in self.content:
            if chosen(op):
                yield self._purged(op, why)

    def plan(self, chosen: Callable[[Operation], bool], why: str) -> list[Operation]:
        """What ``empty`` would do."""
        pins = self._opened.source.pins()
        return [
            replace(op, result=Result.SKIPPED, reason=_PINNED)
            if op.backup_id in pins
            else replace(
                op,
                result=Result.PLANNED,
                reason=why,
                reclaimed_bytes=op.predicted_bytes,
                reclaimed_inodes=op.predicted_inodes,
            )
            for op in self.content
            if chosen(op)
        ]

    def bring_back(self, op: Operation) -> Operation:
        """What was deleted is in its place again; or skipped, where something else stands there."""
        try:
            return self._executor.bring_back(op)
        except Changed as error:
            return replace(op, result=Result.SKIPPED, reason=describe(error))

    def _purged(self, op: Operation, why: str) -> Operation:
        if op.backup_id in self._opened.source.pins():
            return replace(op, result=Result.SKIPPED, reason=_PINNED)
        try:
            return self._executor.purge(op, why)
        except (CatalogError, Interrupted):
            raise
        except Busy as error:
            return replace(op, result=Result.SKIPPED, reason=describe(error))
        except (UllageError, OSError) as error:
            return replace(op, result=Result.FAILED, reason=f"{op.reason}; {describe(error)}")


def due(op: Operation, grace: float, now: float) -> bool:
    """Whether its time in the trash is over."""
    return now - op.at >= grace
