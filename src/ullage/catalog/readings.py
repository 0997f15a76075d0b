"""The recorded checks: of the last 24 hours at full detail (SPEC.md 4), and by the hour for as long as a year shows."""

from __future__ import annotations

from collections.abc import Mapping
from sqlite3 import Connection
from types import MappingProxyType

from msgspec import convert

from ullage.catalog.database import Database, Row
from ullage.catalog.values import Measured
from ullage.model.units import DAY
from ullage.model.words import Level
from ullage.policy.forecast import Point

KEPT = 400 * DAY
"""How long the hours stay; after that they go as new ones come, so that the table grows no more."""
_HOUR = 3600.0
_NOTHING: Mapping[str, Point] = MappingProxyType({})


class Readings(Database):
    """What each check of each store found."""

    def add_reading(
        self,
        store: str,
        at: float,
        level: Level,
        backup: float | None,
        archive: float | None,
        total: float | None,
        points: Mapping[str, Point] = _NOTHING,
    ) -> None:
        """Record one check, usage in percent (None: not measured), and let go of what is older than a day.

        ``points``: what it measured, for the hours.
        """

        def write(connection: Connection) -> None:
            connection.execute("DELETE FROM readings WHERE store = ? AND at < ?", (store, at - DAY))
            connection.execute(
                "INSERT INTO readings (store, at, level, backup, archive, total) VALUES (?, ?, ?, ?, ?, ?)",
                (store, at, level, backup, archive, total),
            )
            _add(connection, store, points)

        self._write(write)

    def add_points(self, store: str, points: Mapping[str, Point]) -> None:
        """Add to the hours what was measured after something went, and what that gave back."""
        self._write(lambda connection: _add(connection, store, points))

    def points(self, store: str, since: float, until: float) -> dict[str, list[Point]]:
        """The hours from ``since`` to ``until``, oldest first, by what was measured."""
        rows = self._rows(
            lambda row: (str(row[0]), _point(row[1:])),
            "SELECT what, at, used, usable, peak, freed FROM hours"
            " WHERE store = ? AND hour BETWEEN ? AND ? AND at <= ? ORDER BY hour",
            (store, since // _HOUR, until // _HOUR, until),
        )
        found: dict[str, list[Point]] = {}
        for what, point in rows:
            found.setdefault(what, []).append(point)
        return found

    def recent(self, store: str, limit: int) -> list[Measured]:
        """The last ``limit`` checks in the order in which they were made, whatever the clock said."""
        rows = self._rows(
            _measured,
            "SELECT at, level, backup, archive, total FROM readings WHERE store = ? ORDER BY id DESC LIMIT ?",
            (store, limit),
        )
        return rows[::-1]


def _add(connection: Connection, store: str, points: Mapping[str, Point]) -> None:
    for what, point in points.items():
        hour = int(point.at // _HOUR)
        connection.execute(
            "INSERT INTO hours (store, hour, what, at, used, usable, peak, freed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (store, hour, what) DO UPDATE SET at = excluded.at, used = excluded.used,"
            " usable = excluded.usable, peak = max(peak, excluded.peak), freed = freed + excluded.freed",
            (store, hour, what, point.at, point.used, point.usable, point.peak, point.freed),
        )
        connection.execute("DELETE FROM hours WHERE store = ? AND hour < ?", (store, hour - int(KEPT // _HOUR)))


def _point(row: Row) -> Point:
    return convert(dict(zip(Point.__struct_fields__, row, strict=True)), Point)


def _measured(row: Row) -> Measured:
    return convert(dict(zip(Measured.__struct_fields__, row, strict=True)), Measured)
