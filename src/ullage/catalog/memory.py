"""Small values by store: its registration, what was last told, when it was last reclaimed; and the trusted clock."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ullage.catalog.database import Database
from ullage.catalog.values import Registration, Summed
from ullage.policy.alerting import AlertState
from ullage.policy.cadence import Rhythm
from ullage.policy.caps import Cap
from ullage.policy.clock import ClockMark
from ullage.policy.metadata import Sample
from ullage.policy.stall import Stall

T = TypeVar("T")

_SITE = ""
"""The store of what belongs to no store."""


class Memory(Database):
    """One value for each key of each store."""

    def register(self, registration: Registration) -> None:
        """Remember the store as it is now, in the place of what was known of it."""
        self._set(registration.name, "registration", registration)

    def registered(self, name: str) -> Registration | None:
        """The store as it was registered; None where it never was."""
        return self._get(name, "registration", Registration)

    def alert_state(self, store: str) -> AlertState | None:
        """What was last told of the store's level."""
        return self._get(store, "alert", AlertState)

    def set_alert_state(self, store: str, state: AlertState) -> None:
        """Remember what was told."""
        self._set(store, "alert", state)

    def forget_alert(self, store: str) -> None:
        """Tell it anew when it is due again."""
        self._set(store, "alert", None)

    def clock_mark(self) -> ClockMark | None:
        """The last moment that was trusted."""
        return self._get(_SITE, "clock", ClockMark)

    def set_clock_mark(self, mark: ClockMark) -> None:
        """Trust this moment."""
        self._set(_SITE, "clock", mark)

    def rhythm(self, store: str) -> Rhythm | None:
        """When and for what the daemon last reclaimed the store; times in epoch seconds."""
        return self._get(store, "rhythm", Rhythm)

    def set_rhythm(self, store: str, rhythm: Rhythm) -> None:
        """Remember it: a restart is no reason to reclaim again."""
        self._set(store, "rhythm", rhythm)

    def stall(self, store: str, *, archives: bool = False) -> Stall | None:
        """The fruitless reclaim that the store waits after; None where the last one was of use.

        ``archives``: on the archives' own filesystem.
        """
        return self._get(store, "archive stall" if archives else "stall", Stall)

    def set_stall(self, store: str, stall: Stall | None, *, archives: bool = False) -> None:
        """Remember a fruitless reclaim, or that it is over."""
        self._set(store, "archive stall" if archives else "stall", stall)

    def capped(self, store: str) -> Cap | None:
        """The cap that stopped the last reclaim; None where none did."""
        return self._get(store, "capped", Cap)

    def set_capped(self, store: str, cap: Cap | None) -> None:
        """Remember it, or that the last reclaim met none."""
        self._set(store, "capped", cap)

    def resumed(self, store: str) -> int:
        """The newest operation when a person last lifted the caps; 0 where nobody did."""
        return self._get(store, "resumed", int) or 0

    def set_resumed(self, store: str, operation: int) -> None:
        """Count no operation up to this one against a cap."""
        self._set(store, "resumed", operation)

    def summed(self, store: str) -> Summed | None:
        """What the store was found to take when it was last summed up."""
        return self._get(store, "summed", Summed)

    def set_summed(self, store: str, summed: Summed) -> None:
        """Remember it, so that it need not be walked again while nothing moves."""
        self._set(store, "summed", summed)

    def learnt(self, store: str) -> tuple[Sample, ...]:
        """What metadata took when backups went, as far as it is remembered, oldest first."""
        return self._get(store, "learnt", tuple[Sample, ...]) or ()

    def set_learnt(self, store: str, samples: tuple[Sample, ...]) -> None:
        """Remember it."""
        self._set(store, "learnt", samples)

    def _get(self, store: str, key: str, kind: type[T]) -> T | None:
        where = "SELECT value FROM meta WHERE store = ? AND key = ?"
        rows = self._rows(lambda row: msgspec.json.decode(row[0], type=kind), where, (store, key))
        return rows[0] if rows else None

    def _set(self, store: str, key: str, value: object) -> None:
        """Remember a value; None forgets it."""
        if value is None:
            self._write(lambda db: db.execute("DELETE FROM meta WHERE store = ? AND key = ?", (store, key)))
            return
        row = (store, key, msgspec.json.encode(value))
        self._write(lambda db: db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", row))
