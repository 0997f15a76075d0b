"""What was seen coming when: the newest forecast of each store, and one a day to be judged by later."""

from __future__ import annotations

from sqlite3 import Connection

import msgspec

from ullage.catalog.database import Database
from ullage.model.units import DAY
from ullage.policy.outlook import Outlook

_KEPT = 400 * DAY


class Forecasts(Database):
    """Outlooks, by store and time."""

    def add_outlook(self, store: str, seen: Outlook, *, instead: float | None) -> None:
        """Make it the newest of the store, ``instead`` of the one of that time; those dated later are from a clock
        that was set back since.
        """

        def write(connection: Connection) -> None:
            connection.execute(
                "DELETE FROM forecasts WHERE store = ? AND (at = ? OR at > ? OR at < ?)",
                (store, instead, seen.at, seen.at - _KEPT),
            )
            row = (store, seen.at, msgspec.json.encode(seen))
            connection.execute("INSERT OR REPLACE INTO forecasts (store, at, outlook) VALUES (?, ?, ?)", row)

        self._write(write)

    def outlook(self, store: str) -> Outlook | None:
        """The newest of the store; None where there is none yet."""
        newest = self.outlooks(store, 1)
        return newest[0][1] if newest else None

    def outlooks(self, store: str | None, limit: int) -> list[tuple[str, Outlook]]:
        """The newest so many of a store, or of all (None), newest first, each with the name of its store."""
        where, values = ("", ()) if store is None else ("WHERE store = ?", (store,))
        return self._rows(
            lambda row: (str(row[0]), msgspec.json.decode(row[1], type=Outlook)),
            f"SELECT store, outlook FROM forecasts {where} ORDER BY at DESC, store LIMIT ?",
            (*values, limit),
        )
