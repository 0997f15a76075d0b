"""One SQLite file, used by several processes and threads, that can be written on a full disk and survives its own loss.

Nothing else in this process may open and close ``catalog.db``: POSIX locks vanish with any descriptor of the file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, Self, TypeVar

import msgspec

from ullage.catalog import room
from ullage.catalog.schema import migrate, roll_back
from ullage.errors import CatalogError
from ullage.model.units import printable

T = TypeVar("T")
D = TypeVar("D")
R = TypeVar("R")
Row = tuple[Any, ...]

_Fault = sqlite3.Error | OSError | UnicodeDecodeError

BUSY_SECONDS = 10.0
_PRAGMAS = (
    f"page_size = {room.PAGE}",
    "journal_mode = PERSIST",  # WAL needs new blocks, and its mapped file is a SIGBUS on a full btrfs
    "journal_size_limit = -1",
    "mmap_size = 0",
    "synchronous = EXTRA",
    "temp_store = MEMORY",
    "secure_delete = OFF",
)
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ADVICE = {
    sqlite3.SQLITE_FULL: "free some space or inodes there, or move state_dir to another filesystem",
    sqlite3.SQLITE_CANTOPEN: "free some space or inodes there, and look at its owner and mode",
    sqlite3.SQLITE_BUSY: f"another process has been writing for {BUSY_SECONDS:.0f} s; try again",
    sqlite3.SQLITE_CORRUPT: "another process uses it: stop the daemon (ullage stop) and try again",
    sqlite3.SQLITE_NOTADB: "another process uses it: stop the daemon (ullage stop) and try again",
}


class Database:
    """The file, its room and its recovery; safe to share between threads.

    ``recovered_from`` is where a corrupt one was moved to, None where there was none. One that is taken away while it
    is used is opened again, or made anew: it would be written to no more, and read as it was for ever.
    """

    def __init__(self, state_dir: str) -> None:
        self._directory = Path(state_dir)
        self._path = self._directory / "catalog.db"
        self._reserve = self._directory / "reserve"
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._presence = -1
        self.recovered_from: str | None = None
        try:
            self._be_present()
        except OSError as error:
            raise self._explained(error) from error

    @classmethod
    def open(cls, state_dir: str) -> Self:
        """The catalog under ``state_dir``, made where there is none. Raises CatalogError."""
        catalog = cls(state_dir)
        try:
            catalog._run(lambda connection: None)
        except BaseException:
            catalog.close()
            raise
        catalog.reserve()
        return catalog

    def _be_present(self) -> None:
        """Hold the directory for life: who has it exclusively may move the files away, for nobody else uses them."""
        _prepare(self._directory, self._reserve)
        presence = os.open(self._reserve, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if self._presence >= 0:
            os.close(self._presence)
        self._presence = presence
        fcntl.flock(presence, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go of the files; any later use raises CatalogError."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            if self._presence >= 0:
                os.close(self._presence)
                self._presence = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def reserve(self) -> None:
        """Keep room inside the catalog for the day when the disk is full; where there is none to take, do nothing."""
        with self._lock:
            try:
                if not self._reserved() and room.ample(self._directory):
                    room.grow(self._connected())
                    room.make_reserve(self._reserve)
            except (sqlite3.Error, OSError):
                return  # it is for worse days, and tried again in the next cycle

    def give_up_reserve(self) -> bool:
        """Unlink the reserve files, which ``reserve`` makes again; True where there were any."""
        try:
            return room.give_up_reserve(self._reserve)
        except OSError:
            return False

    def fault(self) -> str | None:
        """What SQLite finds wrong with the whole file; None where it is sound. Reads all of it."""
        found = self._read("PRAGMA quick_check(1)")[0][0]
        return None if found == "ok" else str(found)

    def _reserved(self) -> bool:
        journal = self._path.with_name(self._path.name + "-journal")
        return (
            (self._reserve / "large").exists()
            and journal.exists()
            and journal.stat().st_size >= room.JOURNAL_BYTES
            and room.free_pages(self._connected()) >= room.POOL_PAGES // 2
        )

    def _write(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """What ``act`` gives, in a transaction that is durable on return. Raises CatalogError with nothing written."""

        def transaction(connection: sqlite3.Connection) -> T:
            try:
                connection.execute("BEGIN IMMEDIATE")
                given = act(connection)
                connection.execute("COMMIT")
            finally:
                roll_back(connection)
            return given

        return self._run(transaction)

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Every row of one query. Raises CatalogError."""
        return self._run(lambda connection: connection.execute(sql, tuple(values)).fetchall())

    def _rows(self, make: Callable[[Row], T], sql: str, values: Sequence[object] = ()) -> list[T]:
        """What ``make`` makes of every row of one query; one that makes no sense is corruption. Raises CatalogError."""

        def made(rows: list[Row]) -> list[T]:
            return [make(row) for row in rows]

        return self._run(lambda connection: sensible(made, connection.execute(sql, tuple(values)).fetchall()))

    def _run(self, act: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            for mend in (self._mend, self._mend, None):  # twice: once for the room, once for the corruption
                try:
                    return act(self._connected())
                except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
                    if mend is None or not mend(error):
                        raise self._explained(error) from error
        raise AssertionError("the last turn returns or raises")

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and self._opened != _inode(self._path) and self._presence >= 0:
            self._connection.close()
            self._connection = None
            self._be_present()
        if self._connection is None:
            connection = _connect(self._path)
            try:
                migrate(connection)
            except CatalogError as error:
                connection.close()
                raise CatalogError(f"cannot use the catalog {printable(str(self._path))}: {error}") from None
            except BaseException:
                connection.close()
                raise
            self._connection, self._opened = connection, _inode(self._path)
        return self._connection

    def _mend(self, error: _Fault) -> bool:
        """Whether something was done after which it is worth trying again."""
        code = _code(error)
        if code in _CORRUPT:
            return self._set_aside(senseless=_senseless(error))
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_DBMOVED:
            return True  # taken away since it was looked for: ``_connected`` sees it now
        full = code in _NO_ROOM or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT)
        return full and self.give_up_reserve()

    def _set_aside(self, *, senseless: bool) -> bool:
        """Move a corrupt catalog away, unless somebody else has it open. Nothing is ever deleted on its word alone.

        One that is sound stays: SQLite says of a read that failed that the file is corrupt. What was read, and makes no
        sense, need not be wrong to SQLite.
        """
        try:
            fcntl.flock(self._presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            fcntl.flock(self._presence, fcntl.LOCK_SH)  # a conversion that fails may have lost it
            return False
        try:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if senseless or not self._sound():
                self.recovered_from = self._move_aside()
        except OSError as error:
            raise self._explained(error) from error
        finally:
            fcntl.flock(self._presence, fcntl.LOCK_SH)
        return True

    def _sound(self) -> bool:
        """Whether nothing is wrong with it, read anew. Raises OSError where the disk does not give it back."""
        for path in (self._path, self._path.with_name(self._path.name + "-journal")):
            with suppress(FileNotFoundError):
                _read_through(path)
        try:
            with closing(_connect(self._path)) as connection:
                return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
        except (sqlite3.Error, UnicodeDecodeError):
            return False

    def _move_aside(self) -> str:
        aside = f"{self._path}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        for suffix in ("-journal", ""):  # the database last: with it gone, nothing would be moved after a kill
            with suppress(FileNotFoundError):
                os.rename(f"{self._path}{suffix}", f"{aside}{suffix}")
        return aside

    def _explained(self, error: _Fault) -> CatalogError:
        advice = _ADVICE.get(_code(error), "look at the directory's owner, mode and filesystem")
        return CatalogError(f"cannot use the catalog {printable(str(self._path))}: {printable(str(error))}; {advice}")


def sensible(make: Callable[[D], R], data: D) -> R:
    """What ``make`` makes of what was read. Raises what SQLite raises for a corrupt file where that makes no sense."""
    try:
        return make(data)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise _Senseless(f"a row makes no sense: {error}") from error


class _Senseless(sqlite3.DatabaseError):
    """A row that no version of ours has written."""


def _senseless(error: _Fault) -> bool:
    """Whether it is corruption that we or Python met: text that is not UTF-8, of ours or in SQLite's own words."""
    return isinstance(error, UnicodeDecodeError | _Senseless) or str(error).startswith("Could not decode to UTF-8")


def _code(error: _Fault) -> int:
    """SQLite's number."""
    if _senseless(error):
        return sqlite3.SQLITE_CORRUPT
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF  # without the extension


def _read_through(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def _inode(path: Path) -> tuple[int, int] | None:
    """Which file stands there (device and inode), None where there is none; not opened, for the locks' sake."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _connect(path: Path) -> sqlite3.Connection:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        path.chmod(0o600)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(directory: Path, reserve: Path) -> None:
    """The directory, ours alone. Raises CatalogError where somebody else could change what is in it, or OSError."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    _verify(directory)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        room.forbid_cow(descriptor)
    finally:
        os.close(descriptor)
    reserve.mkdir(mode=0o700, exist_ok=True)


def _verify(directory: Path) -> None:
    found = directory.lstat()
    fault = None
    if not stat.S_ISDIR(found.st_mode):
        fault = "is not a directory but a link or a file; name the real directory"
    elif found.st_uid not in (0, os.geteuid()):
        fault = f"belongs to user {found.st_uid}; it must be ours or root's: chown it"
    elif found.st_mode & 0o022:
        fault = f"may be written by others (mode {stat.S_IMODE(found.st_mode):04o}): chmod go-w"
    if fault is not None:
        raise CatalogError(f"cannot use the state directory {printable(str(directory))}: it {fault}")
