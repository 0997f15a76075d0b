"""What holds a backup, whatever the level and the force (SPEC.md 3 and 7): floors, pins, use, doubt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from heapq import nlargest

from ullage.model.backups import Archive, Backup
from ullage.model.settings import ReclaimSettings
from ullage.model.words import LIVE_STATES, State
from ullage.policy.rank import oldest_first
from ullage.policy.series import named, series_of

FUTURE_TOLERANCE = 60.0
"""Seconds by which a creation time may be ahead of us and still be believed: two hosts' clocks differ by so much."""


def floors(backups: Iterable[Backup], keep_last: int, *, now: float) -> dict[str, str]:
    """Backups that stay as the newest ``keep_last`` good ones of their series, each id with the reason.

    Only one whose state and age are known counts: what is not known never lets another go.
    """
    by_series: dict[str | None, list[Backup]] = defaultdict(list)
    for backup in backups:
        if _state_known(backup) and age_known(backup, now):
            by_series[series_of(backup.id)].append(backup)
    kept: dict[str, str] = {}
    for series, members in by_series.items():
        kept.update(_floor(series, members, keep_last))
    return kept


def archive_floors(archives: Iterable[Archive], backups: Iterable[Backup], keep_last: int) -> dict[str, str]:
    """Archives that stay as the newest of a series that has no live backup, each path with the reason."""
    alive = {series_of(backup.id) for backup in backups if _state_known(backup)}
    by_series: dict[str | None, list[Archive]] = defaultdict(list)
    for archive in archives:
        series = series_of(archive.backup_id)
        if series not in alive:
            by_series[series].append(archive)
    kept: dict[str, str] = {}
    for series, members in by_series.items():
        newest = nlargest(keep_last, members, key=lambda a: (a.created_at, a.path))
        kept |= {a.path: f"{_last(keep_last)} archive of {named(series)}, which has no live backup" for a in newest}
    return kept


def holds(backup: Backup, floor: str | None, reclaim: ReclaimSettings, *, now: float) -> tuple[str, ...]:
    """Every reason, as a sentence, why nobody may archive or delete this backup; empty where there is none."""
    found = []
    if backup.pinned:
        found.append("it is pinned")
    if floor is not None:
        found.append(floor)
    if not _state_known(backup):
        found.append(_doubt(backup))
    if not age_known(backup, now):
        found.append("its age is not known" if backup.created_at is None else "its age is not known: it is dated ahead")
    if backup.busy is not None:
        found.append(f"it is in use: {backup.busy}")
    if backup.state is State.CREATED and now - backup.newest_mtime < reclaim.settle:
        found.append("it is being written: CREATED, and changed a moment ago")
    return tuple(found)


def age_known(backup: Backup, now: float) -> bool:
    """Whether a backup has an age: its time is known, and not ahead of us."""
    return backup.created_at is not None and backup.created_at <= now + FUTURE_TOLERANCE


def _floor(series: str | None, members: Sequence[Backup], keep_last: int) -> dict[str, str]:
    ranked = nlargest(keep_last, members, key=lambda b: (b.good, *oldest_first(b)))
    good = f"{_last(keep_last)} good backup of {named(series)}"
    other = f"the newest that {named(series)} has in the place of a good backup"
    return {b.id: good if b.good else other for b in ranked}


def _state_known(backup: Backup) -> bool:
    return backup.state in LIVE_STATES and backup.fault is None


def _doubt(backup: Backup) -> str:
    if backup.fault is not None:
        return f"it cannot be judged: {backup.fault}"
    return "its state is not known" if backup.state is None else f"{backup.state} is not the state of a live backup"


def _last(keep_last: int) -> str:
    return "the newest" if keep_last == 1 else f"one of the newest {keep_last}:"
