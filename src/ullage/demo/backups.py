"""The backups of the demo: every state, several series, one pinned, one series of a single member."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from msgspec import Struct

from ullage.model.units import DAY, MIB
from ullage.model.words import State
from ullage.sources.facts import TIMES

_LIFE = (State.CREATED, State.PENDING, State.CONFIRMED, State.CLEANABLE)
_STEP = 3600
"""Seconds that a backup spent in each state before it came into the next."""


class Made(Struct, frozen=True):
    """One backup: its series, its age and size, and how many days ago somebody read it, where somebody did."""

    series: str
    days: int
    state: State
    mib: int
    read_days: int | None = None

    def created_at(self, now: float) -> int:
        """Epoch seconds."""
        return int(now - self.days * DAY)

    def id(self, now: float) -> str:
        """The series and the day, as most tools name backups."""
        return f"{self.series}-{datetime.fromtimestamp(self.created_at(now), UTC):%Y-%m-%d}"


PINNED = Made("shop-db", 60, State.CLEANABLE, 16)
SINGLE = Made("wiki", 95, State.CLEANABLE, 10)
TONIGHT = Made("shop-db", 0, State.CREATED, 315)
"""What the writer makes."""

BACKUPS = (
    PINNED,
    SINGLE,
    # What the warning takes: CLEANABLE, old, once confirmed.
    Made("shop-db", 40, State.CLEANABLE, 12),
    Made("web-files", 38, State.CLEANABLE, 14),
    Made("mail", 35, State.CLEANABLE, 12),
    Made("shop-db", 33, State.CLEANABLE, 12),
    # What critical takes besides: CONFIRMED, and small enough to be given up gladly.
    Made("shop-db", 12, State.CONFIRMED, 12),
    Made("web-files", 10, State.CONFIRMED, 12),
    Made("shop-db", 9, State.CONFIRMED, 12),
    Made("mail", 8, State.CONFIRMED, 12),
    # What only an emergency takes: not confirmed yet (deleted at once, and so there is time), or large and read lately
    # (archived, which takes long).
    Made("shop-db", 7, State.PENDING, 14),
    Made("web-files", 7, State.PENDING, 14),
    Made("mail", 7, State.PENDING, 14),
    Made("web-files", 6, State.PENDING, 14),
    Made("mail", 5, State.CONFIRMED, 21, read_days=1),
    Made("web-files", 5, State.CONFIRMED, 22, read_days=2),
    Made("shop-db", 4, State.CONFIRMED, 20, read_days=1),
    Made("shop-db", 2, State.PENDING, 14),
    # The newest good ones, and an upload that broke off.
    Made("mail", 4, State.CONFIRMED, 12),
    Made("web-files", 2, State.CONFIRMED, 14),
    Made("shop-db", 1, State.CONFIRMED, 14),
    Made("mail", 1, State.CREATED, 8),
)


def fill(root: str, now: float, check: Callable[[], None]) -> None:
    """Make every backup under ``root``; ``check`` is called between two of them and may raise."""
    pool = Random(20).randbytes(8 * MIB).hex().encode()  # as text dumps do, it halves when it is compressed
    for number, made in enumerate(BACKUPS):
        check()
        _make(Path(root) / made.id(now), made, pool, number * MIB, now)


def begin(root: str, now: float) -> Path:
    """The directory that the writer is to fill, CREATED now."""
    path = Path(root) / TONIGHT.id(now)
    path.mkdir(mode=0o700)
    _write_times(path, TONIGHT, now)
    return path


def digest(path: Path) -> str:
    """What identifies the content of a backup's dump; empty where it is not there."""
    try:
        with (path / "dump.sql").open("rb") as dump:
            return hashlib.file_digest(dump, hashlib.blake2b).hexdigest()
    except FileNotFoundError:
        return ""


def _make(path: Path, made: Made, pool: bytes, offset: int, now: float) -> None:
    path.mkdir(mode=0o700)
    created = made.created_at(now)
    dump = path / "dump.sql"
    with dump.open("wb") as file:
        for piece in range(made.mib):
            begin_ = (offset + piece * MIB) % len(pool)
            file.write(pool[begin_ : begin_ + MIB])
        file.flush()
        os.fsync(file.fileno())
    _write_times(path, made, now)
    read_at = created if made.read_days is None else now - made.read_days * DAY
    for one in (*path.iterdir(), path):
        os.utime(one, (read_at, created))


def _write_times(path: Path, made: Made, now: float) -> None:
    for number, state in enumerate(_LIFE[: _LIFE.index(made.state) + 1]):
        (path / TIMES[state]).write_text(f"{made.created_at(now) + number * _STEP}\n")
    (path / ".state").write_text(f"{made.state}\n")
