"""Alerts on their way: kept across restarts until they are delivered or given up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from sqlite3 import Connection

from msgspec import convert

from ullage.catalog.database import Database, Row
from ullage.catalog.values import OutboxItem
from ullage.model.units import DAY

MOST_WAITING = 1000
"""Per channel; the oldest are given up for a newer one."""
LONGEST_WAIT = 7 * DAY
LEAST_TRIES = 24
"""So often an alert was tried before it is given up for its age: a clock that jumps makes it old at once."""
_FAR = DAY
"""Seconds ahead beyond which no next try was meant to be: the clock was set back since."""
_KEPT = 30 * DAY
"""How long the record stays of what was delivered or given up."""
_FIELDS = OutboxItem.__struct_fields__
_BLOBS = frozenset({"title", "body", "error"})


class Outbox(Database):
    """The alerts of every store, one row for each channel."""

    def enqueue(self, item: OutboxItem) -> OutboxItem:
        """The alert with its id, due at once; where too many of its channel wait, the oldest are given up."""

        def write(connection: Connection) -> int:
            cursor = connection.execute(
                "INSERT INTO outbox (store, level, channel, title, body, at, attempts, next_at, outcome, error)"
                " VALUES (?, ?, ?, ?, ?, ?, 0, ?, 'waiting', x'')",
                (
                    item.store,
                    item.level,
                    item.channel,
                    os.fsencode(item.title),
                    os.fsencode(item.body),
                    item.at,
                    item.at,
                ),
            )
            _tidy(connection, item.channel, item.at)
            assert cursor.lastrowid is not None
            return cursor.lastrowid

        made = self._write(write)
        return self._items("WHERE id = ?", (made,))[0]

    def due(self, now: float) -> list[OutboxItem]:
        """The alerts whose time has come, oldest first; those tried in vain for a week are given up instead."""
        where = "WHERE outcome = 'waiting' AND at < ? AND attempts >= ?"
        stale = (now - LONGEST_WAIT, LEAST_TRIES)
        if self._read(f"SELECT 1 FROM outbox {where} LIMIT 1", stale):
            given_up = "UPDATE outbox SET outcome = 'given up', error = ? || error"
            self._write(lambda db: db.execute(f"{given_up} {where}", (b"not delivered within 7 days; ", *stale)))
        due = "WHERE outcome = 'waiting' AND (next_at <= ? OR next_at > ?) ORDER BY id"
        return self._items(due, (now, now + _FAR))

    def delivered(self, id: int, at: float) -> None:  # noqa: A002
        """This alert is done with; ``at`` is when."""
        self._write(
            lambda db: db.execute("UPDATE outbox SET outcome = 'delivered', next_at = ? WHERE id = ?", (at, id))
        )

    def retry(self, id: int, next_at: float, error: str) -> None:  # noqa: A002
        """This alert failed once more, and is due again at ``next_at``."""
        values = (next_at, os.fsencode(error), id)
        self._write(
            lambda db: db.execute(
                "UPDATE outbox SET attempts = attempts + 1, next_at = ?, error = ? WHERE id = ?", values
            )
        )

    def undelivered(self) -> int:
        """How many alerts are waiting."""
        return int(self._read("SELECT count(*) FROM outbox WHERE outcome = 'waiting'")[0][0])

    def alerts(self, limit: int) -> list[OutboxItem]:
        """The newest alerts, newest first, with what became of each."""
        return self._items("ORDER BY id DESC LIMIT ?", (limit,))

    def _items(self, where: str, values: Sequence[object]) -> list[OutboxItem]:
        return self._rows(_item, f"SELECT {', '.join(_FIELDS)} FROM outbox {where}", values)


def _item(row: Row) -> OutboxItem:
    fields = zip(_FIELDS, row, strict=True)
    return convert({name: os.fsdecode(value) if name in _BLOBS else value for name, value in fields}, OutboxItem)


def _tidy(connection: Connection, channel: str, now: float) -> None:
    connection.execute(
        "UPDATE outbox SET outcome = 'given up', error = ? || error WHERE id IN (SELECT id FROM outbox"
        " WHERE channel = ? AND outcome = 'waiting' ORDER BY id DESC LIMIT -1 OFFSET ?)",
        (f"{MOST_WAITING} newer ones are waiting; ".encode(), channel, MOST_WAITING),
    )
    connection.execute("DELETE FROM outbox WHERE outcome <> 'waiting' AND at < ?", (now - _KEPT,))
