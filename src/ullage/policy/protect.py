"""What holds a backup, whatever the level and the force (SPEC.md 3 and 7): floors, pins, age, use, doubt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import ceil

from msgspec import Struct

from ullage.model.backups import Archive, Backup
from ullage.model.settings import ReclaimSettings
from ullage.model.units import format_age
from ullage.model.words import LIVE_STATES, Cause, State
from ullage.policy.keep import Hold, kept
from ullage.policy.series import named, series_of

FUTURE_TOLERANCE = 60.0
"""Seconds by which a creation time may be ahead of us and still be believed: two hosts' clocks differ by so much."""


class Floor(Struct, frozen=True, kw_only=True):
    """The rules by which the floor of its series holds a backup, and the reason that names them all."""

    rules: tuple[Cause, ...]
    reason: str


def floors(backups: Iterable[Backup], reclaim: ReclaimSettings, *, now: float) -> dict[str, str]:
    """Backups that stay by the floors of their series (``reclaim.keep_*``), each id with the reason."""
    return {backup_id: floor.reason for backup_id, floor in floors_by_rule(backups, reclaim, now=now).items()}


def floors_by_rule(backups: Iterable[Backup], reclaim: ReclaimSettings, *, now: float) -> dict[str, Floor]:
    """The same with the rules that hold each.

    Only one whose state and age are known counts: what is not known never lets another go.
    """
    by_series: dict[str | None, list[Backup]] = defaultdict(list)
    for backup in backups:
        if counted(backup, now):
            by_series[series_of(backup.id)].append(backup)
    found: dict[str, Floor] = {}
    for series, members in by_series.items():
        good = {backup.id: backup.good for backup in members}
        for backup_id, why in kept([(b.good, b.created_at or 0, b.id) for b in members], reclaim).items():
            reason = _reason(why, *(_GOOD if good[backup_id] else _OTHER), named(series))
            found[backup_id] = Floor(rules=tuple(hold.rule for hold in why), reason=reason)
    return found


def archive_floors(
    archives: Iterable[Archive], backups: Iterable[Backup], reclaim: ReclaimSettings, *, now: float
) -> dict[str, str]:
    """Archives that stay, each path with the reason: by the floors of a series that has no live backup, or their age.

    One that is dated ahead stays, and never lets another go.
    """
    alive = {series_of(backup.id) for backup in backups if _state_known(backup)}
    by_series: dict[str | None, list[Archive]] = defaultdict(list)
    found: dict[str, str] = {}
    for archive in archives:
        series = series_of(archive.backup_id)
        if archive.created_at > now + FUTURE_TOLERANCE:
            found[archive.path] = _AHEAD
        elif series not in alive:
            by_series[series].append(archive)
        if young(archive.created_at, reclaim, now):
            found.setdefault(archive.path, _for_how_long(archive.created_at, reclaim, now))
    for series, members in by_series.items():
        for path, why in kept([(True, one.created_at, one.path) for one in members], reclaim).items():
            found[path] = _reason(why, *_ARCHIVE, named(series))
    return found


def holds(backup: Backup, floor: str | None, reclaim: ReclaimSettings, *, now: float) -> tuple[str, ...]:
    """Every reason, as a sentence, why nobody may archive or delete this backup; empty where there is none."""
    found = [text for _, text in obstacles(backup, reclaim, now=now)]
    if floor is not None:
        found.insert(int(backup.pinned), floor)
    return tuple(found)


def obstacles(backup: Backup, reclaim: ReclaimSettings, *, now: float) -> Sequence[tuple[Cause, str]]:
    """What holds a backup beside the floor of its series, each with the sentence that says so."""
    found = []
    if backup.pinned:
        found.append((Cause.PINNED, "it is pinned"))
    if not _state_known(backup):
        found.append((Cause.IN_DOUBT, _doubt(backup)))
    if not age_known(backup, now):
        found.append((Cause.IN_DOUBT, "its age is not known" if backup.created_at is None else _AHEAD))
    if young(backup.created_at, reclaim, now):
        found.append((Cause.MIN_AGE, _for_how_long(backup.created_at, reclaim, now)))
    if backup.busy is not None:
        found.append((Cause.IN_USE, f"it is in use: {backup.busy}"))
    if backup.state is State.CREATED and now - backup.newest_mtime < reclaim.settle:
        found.append((Cause.IN_USE, "it is being written: CREATED, and changed a moment ago"))
    return found


def counted(backup: Backup, now: float) -> bool:
    """Whether it counts for the floors of its series: its state and its age are known."""
    return _state_known(backup) and age_known(backup, now)


def age_known(backup: Backup, now: float) -> bool:
    """Whether a backup has an age: its time is known, and not ahead of us."""
    return backup.created_at is not None and backup.created_at <= now + FUTURE_TOLERANCE


_AHEAD = "its age is not known: it is dated ahead"
_GOOD = ("{newest} good backup of {series}", "the last good backup of {periods} in {series}")
_OTHER = (
    "the newest that {series} has in the place of a good backup",
    "the last that {series} has of {periods} in the place of a good backup",
)
_ARCHIVE = (
    "{newest} archive of {series}, which has no live backup",
    "the last archive of {periods} in {series}, which has no live backup",
)
"""How it is said that one is among the newest, and that it is the last of its periods."""


def _reason(why: Sequence[Hold], among_newest: str, last: str, series: str) -> str:
    """One sentence that names every rule."""
    periods = " and of ".join(f"{hold.period} ({hold.rule} {hold.number})" for hold in why if hold.period)
    newest = [hold for hold in why if not hold.period]
    if not newest:
        return last.format(periods=periods, series=series)
    text = among_newest.format(newest=_last(newest[0].number), series=series)
    return f"{text}; its last of {periods}" if periods else text


def young(created_at: int | None, reclaim: ReclaimSettings, now: float) -> bool:
    """Whether ``reclaim.min_age`` holds what was made then."""
    return created_at is not None and max(0.0, now - created_at) < reclaim.min_age


def _for_how_long(created_at: int | None, reclaim: ReclaimSettings, now: float) -> str:
    left = reclaim.min_age - max(0.0, now - (created_at or 0))
    return f"it is younger than {format_age(reclaim.min_age)} (reclaim.min_age), for {format_age(ceil(left))} more"


def _state_known(backup: Backup) -> bool:
    return backup.state in LIVE_STATES and backup.fault is None


def _doubt(backup: Backup) -> str:
    if backup.fault is not None:
        return f"it cannot be judged: {backup.fault}"
    return "its state is not known" if backup.state is None else f"{backup.state} is not the state of a live backup"


def _last(keep_last: int) -> str:
    return "the newest" if keep_last == 1 else f"one of the newest {keep_last}:"
