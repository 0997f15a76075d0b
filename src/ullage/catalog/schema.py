"""The tables, as numbered migrations; ``PRAGMA user_version`` says how many have been applied.

Names that come from the disk, and sentences that may quote them, are BLOBs (``os.fsencode``): not every name is UTF-8.
"""

from __future__ import annotations

import sqlite3
import time

from ullage.errors import CatalogError

TAKEN = """"trigger" = 90 AND action IN ('archive', 'delete') AND (result = 'done' OR phase = 'purging')"""
"""The operations that count against a cap: what pressure took, also where it is half gone and cannot be finished."""
PREDICTED = "action IN ('archive', 'delete') AND result = 'done' AND phase = 'settled' AND predicted_bytes > 0"
"""Those of which it was measured what they gave back."""
TAKEN_ARCHIVES = """"trigger" = 90 AND action = 'delete_archive' AND (result = 'done' OR phase = 'purging')"""
"""Those that count against the caps of archives."""

MIGRATIONS = (
    """
    CREATE TABLE operations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        store TEXT NOT NULL,
        backup_id BLOB NOT NULL,
        action TEXT NOT NULL,
        from_state TEXT,
        to_state TEXT,
        "trigger" INTEGER NOT NULL,
        reason BLOB NOT NULL,
        forced INTEGER NOT NULL,
        phase TEXT NOT NULL,
        handle BLOB NOT NULL,
        token BLOB NOT NULL,
        path BLOB NOT NULL,
        digest BLOB NOT NULL,
        result TEXT,
        predicted_bytes INTEGER NOT NULL,
        reclaimed_bytes INTEGER NOT NULL,
        duration_seconds REAL NOT NULL
    );
    CREATE INDEX operations_backup ON operations (store, backup_id, id);
    CREATE INDEX operations_unsettled ON operations (store) WHERE phase <> 'settled';
    CREATE TABLE known (
        store TEXT NOT NULL,
        backup_id BLOB NOT NULL,
        signature BLOB NOT NULL,
        facts BLOB NOT NULL,
        walked_at REAL NOT NULL,
        PRIMARY KEY (store, backup_id)
    ) WITHOUT ROWID;
    CREATE TABLE archives (
        store TEXT NOT NULL,
        path BLOB NOT NULL,
        backup_id BLOB NOT NULL,
        digest TEXT NOT NULL,
        size INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (store, path)
    ) WITHOUT ROWID;
    CREATE TABLE readings (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        store TEXT NOT NULL,
        at REAL NOT NULL,
        level TEXT NOT NULL,
        backup REAL,
        archive REAL,
        total REAL
    );
    CREATE INDEX readings_store ON readings (store, at);
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        store TEXT NOT NULL,
        level TEXT NOT NULL,
        channel TEXT NOT NULL,
        title BLOB NOT NULL,
        body BLOB NOT NULL,
        at REAL NOT NULL,
        attempts INTEGER NOT NULL,
        next_at REAL NOT NULL,
        outcome TEXT NOT NULL,
        error BLOB NOT NULL
    );
    CREATE INDEX outbox_waiting ON outbox (channel, id) WHERE outcome = 'waiting';
    CREATE TABLE meta (
        store TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (store, key)
    ) WITHOUT ROWID
    """,
    "ALTER TABLE operations ADD COLUMN predicted_inodes INTEGER NOT NULL DEFAULT 0",
    f"CREATE INDEX operations_taken ON operations (store, at, predicted_bytes) WHERE {TAKEN}",
    f"CREATE INDEX operations_predicted ON operations (store, id) WHERE {PREDICTED}",
    "DELETE FROM known",  # what is known now tells shared extents, metadata and whether anything is shared
    """
    CREATE TABLE hours (
        store TEXT NOT NULL,
        hour INTEGER NOT NULL,
        what TEXT NOT NULL,
        at REAL NOT NULL,
        used INTEGER NOT NULL,
        usable INTEGER NOT NULL,
        peak INTEGER NOT NULL,
        freed INTEGER NOT NULL,
        PRIMARY KEY (store, hour, what)
    ) WITHOUT ROWID;
    CREATE TABLE forecasts (
        store TEXT NOT NULL,
        at REAL NOT NULL,
        outlook BLOB NOT NULL,
        PRIMARY KEY (store, at)
    ) WITHOUT ROWID
    """,
    "ALTER TABLE operations ADD COLUMN reclaimed_inodes INTEGER NOT NULL DEFAULT 0",
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date, all at once or not at all. Raises CatalogError where a newer ullage made them."""
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _apply(connection, _version(connection))
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo the transaction under way; an error that ended it already is no further news."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        return


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise CatalogError(
            f"its schema is version {version}, this ullage knows up to {len(MIGRATIONS)}; upgrade ullage"
        )
    return version


def _apply(connection: sqlite3.Connection, done: int) -> None:
    for script in MIGRATIONS[done:]:
        for statement in script.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    if done == 0:
        # A catalog made anew starts above every id of the one before it: an operation that began in that one can be
        # settled in this one without meeting another's row.
        connection.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('operations', ?)", (time.time_ns() // 1_000_000,)
        )
