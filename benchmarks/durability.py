"""What it costs to journal one act: two durable transactions."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.measure import Row, in_turn, wall
from ullage.catalog.catalog import Catalog
from ullage.model.backups import Operation
from ullage.model.words import Action, Result, State, Trigger


def rows(directory: Path, runs: int) -> Iterator[Row]:
    """begin + settle of the catalog, beside two bare commits of SQLite, and two bare writes that are synced."""
    directory.mkdir()
    state = directory / "state"
    with Catalog.open(str(state)) as catalog, closing(_bare(directory / "bare.db")) as bare:
        fd = os.open(directory / "file", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            taken = in_turn(
                {
                    "journal": lambda: wall(lambda: _journal(catalog)),
                    "sqlite": lambda: wall(lambda: _commits(bare)),
                    "fsync": lambda: wall(lambda: _syncs(fd)),
                },
                runs,
            )
        finally:
            os.close(fd)
    yield Row(
        topic="journal",
        what="begin + settle of one operation",
        sample=taken["journal"],
        peer="two bare SQLite commits, EXTRA",
        peer_sample=taken["sqlite"],
    )
    yield Row(topic="journal", what="write + fsync of one block, twice", sample=taken["fsync"])


def _journal(catalog: Catalog) -> None:
    began = catalog.begin(
        Operation(
            at=time.time(),
            store="main",
            backup_id="db-20260101",
            action=Action.DELETE,
            from_state=State.CLEANABLE,
            to_state=State.DELETED,
            trigger=Trigger.DISK_SPACE,
            reason="critical level cleanup: 88.1 % used",
        )
    )
    catalog.settle(began, Result.DONE)


def _bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for line in ("PRAGMA journal_mode = PERSIST", "PRAGMA synchronous = EXTRA", "CREATE TABLE t (a INTEGER, b TEXT)"):
        connection.execute(line)
    return connection


def _commits(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO t VALUES (1, 'begun')")
    connection.execute("UPDATE t SET b = 'settled' WHERE rowid = (SELECT max(rowid) FROM t)")


def _syncs(fd: int) -> None:
    for _ in range(2):
        os.pwrite(fd, b"x" * 4096, 0)
        os.fsync(fd)
