"""A store as it stands on the disk, read by plain means, and what SPEC.md 3 holds of it: shares nothing with ullage."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from tests.cli import naive

TIMES = (".created_at", ".pending_since", ".confirmed_at", ".cleanable_since")
_STATES = {"CREATED", "PENDING", "CONFIRMED", "CLEANABLE"}


@dataclass(frozen=True)
class Seen:
    """One backup: ``state`` and ``created`` are None where they are in doubt; ``content`` is its fingerprint.

    ``word`` is what its ``.state`` says, which may be sure where a time is not.
    """

    id: str
    word: str | None
    state: str | None
    created: int | None
    good: bool
    size: int
    newest_mtime: float
    read_at: float
    content: str


@dataclass(frozen=True)
class Sight:
    """The whole store at one moment: backups and archives by name, and the bytes under the backup root."""

    backups: dict[str, Seen]
    archives: dict[str, int]
    used: int
    pins: frozenset[str] = field(default_factory=frozenset)


def look(backups: Path, archives: Path, pins: set[str]) -> Sight:
    """Everything there is; an archive by its path with the time of the backup."""
    found = {p.name: _backup(p) for p in backups.iterdir() if p.name != ".ullage" and os.path.lexists(p / ".state")}
    stored = {str(p.relative_to(archives)): int(p.lstat().st_mtime) for p in archives.glob("[0-9]*/*/*")}
    return Sight(found, stored, used(backups), frozenset(pins))


def used(root: Path) -> int:
    """Allocated bytes below a directory, each inode once."""
    below = {status.st_ino: status.st_blocks * 512 for status in map(os.lstat, _below(root))}
    return sum(below.values())


def fingerprint(top: Path) -> str:
    """Of names, kinds, modes, times and contents below a directory; no time of reading is changed by it."""
    digest = hashlib.sha256()
    for path in [str(top), *sorted(_below(top))]:
        status = os.lstat(path)
        digest.update(f"{os.path.relpath(path, top)!r} {status.st_mode} {int(status.st_mtime)}\n".encode())
        if stat.S_ISREG(status.st_mode):
            digest.update(_bytes(path))
    return digest.hexdigest()


def floor(sight: Sight, keeps: dict[str, int], now: float) -> set[str]:
    """The ids that the floors of their series hold."""
    known = [one for one in sight.backups.values() if one.state is not None and _age_known(one, now)]
    held: set[str] = set()
    for name in {naive.series(one.id) for one in known}:
        members = [one for one in known if naive.series(one.id) == name]
        held |= naive.floor([(one.good, one.created or 0, one.id) for one in members], keeps)
    return held


def archive_floor(ids: dict[str, str], made: dict[str, int], alive: set[str | None], keeps: dict[str, int]) -> set[str]:
    """The archives that stay by the floors of each series of which no backup stands. ``ids``: whose each path is."""
    held: set[str] = set()
    for name in {naive.series(one) for one in ids.values()} - alive:
        members = [path for path, backup_id in ids.items() if naive.series(backup_id) == name]
        held |= naive.floor([(True, made[path], path) for path in members], keeps)
    return held


def short_of(one: Seen, level: str, now: float) -> str | None:
    """What a backup lacks of a level's bar, within a hair (the clock goes on); None where nothing."""
    states, least, age = naive.LEVELS[level]
    assert one.created is not None
    facts = naive.Facts(one.id, one.state or "", one.created, one.good, size=one.size, read_at=one.read_at)
    sure = naive.boosted(facts, naive.Rules(), int(now))
    if one.state not in states:
        return f"state {one.state}"
    if sure + Fraction(1, 1000) < (Fraction(1, 2) if least is None else least):
        return f"confidence {float(sure)}"
    return f"age {now - one.created}" if now - one.created < age else None


def _age_known(one: Seen, now: float) -> bool:
    return one.created is not None and one.created <= now + 60


def _below(top: Path) -> list[str]:
    return [os.path.join(where, name) for where, dirs, files in os.walk(top) for name in (*dirs, *files)]


def _bytes(path: str) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NOATIME | os.O_NOFOLLOW), "rb") as file:  # noqa: PTH123
        return file.read()


def _backup(top: Path) -> Seen:
    times = {name: _time(top / name) for name in TIMES}
    word = _state(top)
    state = word if all(value != "doubt" for value in times.values()) else None
    created = times[".created_at"]
    paths = [str(top), *_below(top)]
    found = {status.st_ino: status for status in map(os.lstat, paths)}.values()
    return Seen(
        id=top.name,
        word=word,
        state=state,
        created=int(top.stat().st_mtime) if created is None else None if created == "doubt" else int(created),
        good=state == "CONFIRMED" or times[".confirmed_at"] is not None,
        size=sum(status.st_blocks * 512 for status in found),
        newest_mtime=max(status.st_mtime for status in found),
        read_at=max(status.st_atime for status in found if stat.S_ISREG(status.st_mode)),
        content=fingerprint(top / "data"),
    )


def _state(top: Path) -> str | None:
    status = os.lstat(top / ".state")
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        return None
    word = _bytes(str(top / ".state")).strip().decode("ascii", "replace")
    return word if word in _STATES else None


def _time(path: Path) -> str | None:
    """The digits in it; None where it is missing, "doubt" where it holds no time."""
    if not os.path.lexists(path):
        return None
    text = _bytes(str(path)).strip()
    return text.decode() if text.isdigit() and int(text) < 1 << 40 else "doubt"
