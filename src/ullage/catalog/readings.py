"""The recorded checks of the last 24 hours, at full detail (SPEC.md 4)."""

from __future__ import annotations

from sqlite3 import Connection

from msgspec import convert

from ullage.catalog.database import Database, Row
from ullage.catalog.values import Measured
from ullage.model.units import DAY
from ullage.model.words import Level


class Readings(Database):
    """What each check of each store found."""

    def add_reading(
        self, store: str, at: float, level: Level, backup: float | None, archive: float | None, total: float | None
    ) -> None:
        """Record one check, usage in percent (None: not measured), and let go of what is older than a day."""

        def write(connection: Connection) -> None:
            connection.execute("DELETE FROM readings WHERE store = ? AND at < ?", (store, at - DAY))
            connection.execute(
                "INSERT INTO readings (store, at, level, backup, archive, total) VALUES (?, ?, ?, ?, ?, ?)",
                (store, at, level, backup, archive, total),
            )

        self._write(write)

    def recent(self, store: str, limit: int) -> list[Measured]:
        """The last ``limit`` checks in the order in which they were made, whatever the clock said."""
        rows = self._rows(
            _measured,
            "SELECT at, level, backup, archive, total FROM readings WHERE store = ? ORDER BY id DESC LIMIT ?",
            (store, limit),
        )
        return rows[::-1]


def _measured(row: Row) -> Measured:
    return convert(dict(zip(Measured.__struct_fields__, row, strict=True)), Measured)
