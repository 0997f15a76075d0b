"""Room kept for the day when the disk under the catalog is full; every part of it was found needed on real full disks.

Inside the database: free pages, and a rollback journal that was grown once and is never truncated, so that rows are
written into blocks that are there already. On btrfs that needs files that are overwritten in place (NOCOW).
Beside it: files to give up when SQLite has no room all the same (journal removed by another tool, pages used up).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

from ullage.catalog.schema import roll_back
from ullage.model.units import MIB

PAGE = 4096
POOL_PAGES = 4 * MIB // PAGE
"""About 12,000 operations; topped up when half of it is used."""
JOURNAL_BYTES = 1 * MIB
"""At least: the pages that one transaction may touch: a split of a few B-trees; 21 KiB were too few."""
RESERVE_BYTES = 4 * MIB
RESERVE_FILES = 64
"""Inodes, and on btrfs metadata: each holds 2,000 bytes inline; 16 of them did not free enough for a new journal."""
ENOUGH = 2 * (POOL_PAGES * PAGE + JOURNAL_BYTES + RESERVE_BYTES)
"""Bytes that must be available before any are taken: the room must not be what fills the disk. It is no more than that
because a disk that is nearly full already needs the room most."""

_GET_FLAGS, _SET_FLAGS, _NOCOW = 0x80086601, 0x40086602, 0x00800000  # linux/fs.h


def forbid_cow(directory: int) -> None:
    """Files made in this directory from now on are overwritten in place; where that is not a question, nothing."""
    flags = bytearray(8)
    try:
        fcntl.ioctl(directory, _GET_FLAGS, flags)
        fcntl.ioctl(directory, _SET_FLAGS, struct.pack("l", struct.unpack("l", flags)[0] | _NOCOW))
    except OSError:
        return  # only btrfs copies on write and knows the flag


def ample(directory: Path) -> bool:
    """Whether the filesystem has so much room that the catalog may take some of it."""
    space = os.statvfs(directory)
    inodes = space.f_files == 0 or space.f_favail > 10 * RESERVE_FILES
    return inodes and space.f_bavail * space.f_frsize >= ENOUGH


def free_pages(connection: sqlite3.Connection) -> int:
    """Pages of the database that rows can still be written into without a new block."""
    count: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return count


def grow(connection: sqlite3.Connection) -> None:
    """Fill the pool of free pages, and with it the journal. Raises sqlite3.Error where there is no room."""
    pages = max(POOL_PAGES - free_pages(connection), JOURNAL_BYTES // PAGE)
    try:
        _commit(
            connection,
            "DROP TABLE IF EXISTS pool",  # left by a process that died half-way
            "CREATE TABLE pool (zeros BLOB)",
            f"INSERT INTO pool VALUES (zeroblob({pages * PAGE}))",
        )
        # Freeing a page with secure_delete overwrites it, so each one passes through the journal, which grows by it.
        connection.execute("PRAGMA secure_delete = ON")
        _commit(connection, "DROP TABLE IF EXISTS pool")
    finally:
        connection.execute("PRAGMA secure_delete = OFF")


def _commit(connection: sqlite3.Connection, *statements: str) -> None:
    try:
        for statement in ("BEGIN IMMEDIATE", *statements, "COMMIT"):
            connection.execute(statement)
    finally:
        roll_back(connection)


def make_reserve(directory: Path) -> None:
    """Make the files to give up, where they are missing. Raises OSError where there is no room."""
    for number in range(RESERVE_FILES):
        _make(directory / f"small-{number}", lambda descriptor: os.write(descriptor, b"\0" * 2000))
    _make(directory / "large", lambda descriptor: os.posix_fallocate(descriptor, 0, RESERVE_BYTES))


def _make(path: Path, fill: Callable[[int], object]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        fill(descriptor)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)


def give_up_reserve(directory: Path) -> bool:
    """Unlink the files to give up; True where there were any."""
    files = list(directory.iterdir())
    for file in files:
        file.unlink(missing_ok=True)
    return bool(files)
