"""Operations: the journal while they are under way, the history ever after; each is durable on return."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

from msgspec import convert
from msgspec.structs import replace

from ullage.catalog.database import Database, Row, sensible
from ullage.catalog.schema import PREDICTED, TAKEN, TAKEN_ARCHIVES
from ullage.errors import CatalogError
from ullage.model.backups import Operation
from ullage.model.units import printable
from ullage.model.words import Phase, Result, Trigger
from ullage.policy.caps import Taken
from ullage.policy.predictions import Prediction

REPEAT_SECONDS = 3600.0
"""An attempt that comes to nothing for the same reason again is told once in this time."""

_FIELDS = Operation.__struct_fields__
_BLOBS = frozenset({"backup_id", "reason", "handle", "token", "path", "digest"})
_COLUMNS = ", ".join(f'"{name}"' for name in _FIELDS)
_PLACES = ", ".join("?" * len(_FIELDS))
_KEPT = ", ".join(f'"{name}" = excluded."{name}"' for name in _FIELDS if name != "id")
_REPEATED = (Result.SKIPPED, Result.DEFERRED, Result.FAILED)


class Journal(Database):
    """The operations of every store."""

    def begin(self, op: Operation) -> Operation:
        """The operation with its id, journalled as INTENT before anything is done. Raises CatalogError."""
        return self._insert(replace(op, phase=Phase.INTENT, result=None))

    def advance(self, op: Operation, phase: Phase, **changes: object) -> Operation:
        """The operation in its new phase, with what is known by now (handle, token, path, digest, predicted_bytes)."""
        return self._update(replace(op, phase=phase, **changes))

    def settle(
        self,
        op: Operation,
        result: Result,
        *,
        reason: str | None = None,
        reclaimed_bytes: int = 0,
        reclaimed_inodes: int = 0,
        duration_seconds: float = 0.0,
    ) -> Operation:
        """The operation as it ended; from now on it is history. Raises CatalogError where it was settled before."""
        return self._update(
            replace(
                op,
                phase=Phase.SETTLED,
                result=result,
                reason=op.reason if reason is None else reason,
                reclaimed_bytes=reclaimed_bytes,
                reclaimed_inodes=reclaimed_inodes,
                duration_seconds=duration_seconds,
            )
        )

    def record(self, op: Operation) -> Operation:
        """The operation as one row that was never under way, or the row that said the same within the last hour."""
        return self._insert(replace(op, phase=Phase.SETTLED), news=True)

    def unsettled(self, store: str) -> list[Operation]:
        """What was begun and never settled, oldest first: the work of recovery."""
        return self._operations("WHERE store = ? AND phase <> 'settled' AND phase <> 'trashed' ORDER BY id", (store,))

    def trashed(self, store: str) -> list[Operation]:
        """What waits in the trash, oldest first."""
        return self._operations("WHERE store = ? AND phase <> 'settled' AND phase = 'trashed' ORDER BY id", (store,))

    def latest(self, store: str, backup_id: str, since: float) -> list[Operation]:
        """Of one backup: what is under way, and what was done and ended at ``since`` or later; newest first."""
        return self._operations(
            "WHERE store = ? AND backup_id = ? AND ((phase <> 'settled' AND phase <> 'trashed')"
            " OR (result = ? AND at + duration_seconds >= ?)) ORDER BY id DESC",
            (store, os.fsencode(backup_id), Result.DONE, since),
        )

    def newest(self) -> int:
        """The id of the newest operation of all; those begun later have higher ones, whatever the clock says."""
        return int(self._read("SELECT coalesce(max(id), 0) FROM operations")[0][0])

    def taken(self, store: str, since: float | None, after: int, *, archives: bool = False) -> Taken:
        """What the disk's pressure took: operations with an id above ``after``, begun at ``since`` or later.

        One that is dated in the future, from before the clock was set back, is among them. ``archives``: those alone.
        """
        count, size, first = self._read(
            "SELECT count(*), coalesce(sum(predicted_bytes), 0), min(at) FROM operations"
            f" WHERE store = ? AND at >= ? AND id > ? AND {TAKEN_ARCHIVES if archives else TAKEN}",
            (store, float("-inf") if since is None else since, after),
        )[0]
        return Taken(count=count, bytes=size, first=first)

    def predictions(self, store: str, limit: int) -> list[Prediction]:
        """Of the newest backups that went for good: what they were to give back, and what was measured."""
        return self._rows(
            lambda row: Prediction(*row),
            f"SELECT predicted_bytes, reclaimed_bytes FROM operations WHERE store = ? AND {PREDICTED}"
            " ORDER BY id DESC LIMIT ?",
            (store, limit),
        )

    def history(
        self,
        store: str | None = None,
        backup_id: str | None = None,
        limit: int | None = None,
        since: float | None = None,
    ) -> list[Operation]:
        """What happened, and what is under way, newest first; where given, of one store, one backup, since then."""
        wanted = {
            "store = ?": store,
            "backup_id = ?": None if backup_id is None else os.fsencode(backup_id),
            "at >= ?": since,
        }
        given = {term: value for term, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        return self._operations(f"{where} ORDER BY id DESC LIMIT ?", (*given.values(), -1 if limit is None else limit))

    def _operations(self, where: str, values: Sequence[object]) -> list[Operation]:
        return self._rows(_operation, f"SELECT {_COLUMNS} FROM operations {where}", values)

    def _insert(self, op: Operation, *, news: bool = False) -> Operation:
        """The row of the operation. ``news``: or the newest of its backup, where that says the same.

        SQLite may say that a row could not be written, and it was: where it is tried again, it is looked for.
        """
        tried = False

        def insert(connection: sqlite3.Connection) -> Operation:
            nonlocal tried
            newest = _newest(connection, op) if news or tried else None
            if newest is not None and ((news and _same(newest, op)) or (tried and replace(newest, id=op.id) == op)):
                return newest
            tried = True
            return _inserted(connection, op)

        return self._write(insert)

    def _update(self, op: Operation) -> Operation:
        """The operation, its row replaced; or made, where the catalog was lost and made anew since it began."""
        sql = (
            f"INSERT INTO operations ({_COLUMNS}) VALUES ({_PLACES})"
            f" ON CONFLICT (id) DO UPDATE SET {_KEPT} WHERE phase <> 'settled'"
        )

        def update(connection: sqlite3.Connection) -> bool:
            return connection.execute(sql, _values(op)).rowcount == 1 or _found(connection, "id = ?", op.id) == op

        if not self._write(update):
            raise CatalogError(
                f"cannot journal operation {op.id} on {printable(op.backup_id)}: it was settled already;"
                " two processes worked on one store; look at the history"
            )
        return op


def _newest(connection: sqlite3.Connection, op: Operation) -> Operation | None:
    return _found(connection, "store = ? AND backup_id = ?", op.store, os.fsencode(op.backup_id))


def _found(connection: sqlite3.Connection, where: str, *values: object) -> Operation | None:
    """The newest of these."""
    sql = f"SELECT {_COLUMNS} FROM operations WHERE {where} ORDER BY id DESC LIMIT 1"
    row = connection.execute(sql, values).fetchone()
    return None if row is None else sensible(_operation, row)


def _same(told: Operation, op: Operation) -> bool:
    """Whether the newest row of this backup says all that this one would."""
    return (
        op.result in _REPEATED
        and (told.action, told.result, told.reason) == (op.action, op.result, op.reason)
        and abs(op.at - told.at) < REPEAT_SECONDS
    )


def _inserted(connection: sqlite3.Connection, op: Operation) -> Operation:
    values = (None, *_values(op)[1:])
    cursor = connection.execute(f"INSERT INTO operations ({_COLUMNS}) VALUES ({_PLACES})", values)
    assert cursor.lastrowid is not None
    return replace(op, id=cursor.lastrowid)


def _values(op: Operation) -> Row:
    return tuple(_value(name, getattr(op, name)) for name in _FIELDS)


def _value(name: str, value: object) -> object:
    if isinstance(value, Trigger):
        return value.value
    return os.fsencode(value) if name in _BLOBS and isinstance(value, str) else value


def _operation(row: Row) -> Operation:
    fields = zip(_FIELDS, row, strict=True)
    return convert(
        {name: os.fsdecode(value) if name in _BLOBS else value for name, value in fields}, Operation, strict=False
    )
