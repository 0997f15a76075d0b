"""What is known of backups and archives since they were last looked at. Losing it costs another look, nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from sqlite3 import Connection

import msgspec

from ullage.catalog import room
from ullage.catalog.database import Database, Row
from ullage.catalog.values import Known, Together
from ullage.errors import CatalogError


class Knowledge(Database):
    """The cache of walked backups, and the archives that were made here."""

    def known(self, store: str) -> dict[str, Known]:
        """Every backup of the store as it was when last walked, by id."""
        where = "SELECT backup_id, signature, facts, walked_at FROM known WHERE store = ?"
        return {item.backup_id: item for item in self._rows(_known, where, (store,))}

    def remember(self, store: str, changed: Iterable[Known], gone: Iterable[str]) -> None:
        """Keep what was walked and drop what is gone; where room is scarce it is left to the journal, silently."""
        rows = [(store, os.fsencode(k.backup_id), k.signature, k.facts, k.walked_at) for k in changed]
        dead = [(store, os.fsencode(backup_id)) for backup_id in gone]

        def write(connection: Connection) -> None:
            connection.executemany("DELETE FROM known WHERE store = ? AND backup_id = ?", dead)
            if self._roomy(connection):
                connection.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?)", rows)

        if rows or dead:
            with suppress(CatalogError):  # a cache: the next look walks again
                self._write(write)

    def together(self, store: str) -> Together | None:
        """What its backups hold together, as of the last walk over all of them."""
        where = "SELECT value FROM meta WHERE store = ? AND key = 'together'"
        rows = self._rows(lambda row: msgspec.json.decode(row[0], type=Together), where, (store,))
        return rows[0] if rows else None

    def remember_together(self, store: str, found: Together) -> None:
        """Keep it; where room is scarce it is left to the journal, silently."""
        row = (store, msgspec.json.encode(found))

        def write(connection: Connection) -> None:
            if self._roomy(connection):
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, 'together', ?)", row)

        with suppress(CatalogError):  # a cache: whoever asks next walks again
            self._write(write)

    def _roomy(self, connection: Connection) -> bool:
        """Whether a cache may grow."""
        return room.free_pages(connection) >= room.POOL_PAGES // 2 or room.ample(self._directory)

    def remember_archive(self, store: str, path: str, backup_id: str, digest: str, size: int, created_at: int) -> None:
        """Keep the digest of a complete archive; ``path`` is relative to the archive root."""
        row = (store, os.fsencode(path), os.fsencode(backup_id), digest, size, created_at)
        self._write(lambda db: db.execute("INSERT OR REPLACE INTO archives VALUES (?, ?, ?, ?, ?, ?)", row))

    def archive_digest(self, store: str, path: str) -> str | None:
        """The digest the archive had when it was made; None where that is not known."""
        rows = self._read("SELECT digest FROM archives WHERE store = ? AND path = ?", (store, os.fsencode(path)))
        return str(rows[0][0]) if rows else None

    def archive_ids(self, store: str) -> dict[str, str]:
        """The backup of every archive that was made here, by the archive's path."""
        where = "SELECT path, backup_id FROM archives WHERE store = ?"
        return dict(self._rows(lambda row: (os.fsdecode(row[0]), os.fsdecode(row[1])), where, (store,)))

    def forget_archive(self, store: str, path: str) -> None:
        """Drop what is known of an archive that is gone."""
        key = (store, os.fsencode(path))
        self._write(lambda db: db.execute("DELETE FROM archives WHERE store = ? AND path = ?", key))


def _known(row: Row) -> Known:
    backup_id, signature, facts, walked_at = row
    if type(signature) is not bytes or type(facts) is not bytes or type(walked_at) is not float:
        raise TypeError("what is known of a backup is of another type")
    return Known(backup_id=os.fsdecode(backup_id), signature=signature, facts=facts, walked_at=walked_at)
