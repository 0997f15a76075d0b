"""A series whose newest backups were never confirmed: the floor still holds a good one, and it grows old. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile

from ullage.model.backups import Backup
from ullage.model.units import DAY, format_age
from ullage.policy.protect import age_known
from ullage.policy.rank import oldest_first
from ullage.policy.series import named, series_of

FAILED = 3
"""So many in a row are told of: one that failed may be chance."""
TIME = DAY
"""Seconds in which a backup may still come to be confirmed; when SPEC.md 4 takes a CREATED one for stuck."""
_NAMED = 3
"""So many series are named, and the others counted."""


def unconfirmed(backups: Iterable[Backup], *, now: float) -> str | None:
    """Which series had no confirmed backup of late, and how old the newest good one is; None where all have.

    One of unknown state is not known to be good. One of unknown age has no place in the row, and is left out.
    """
    by_series: dict[str | None, list[Backup]] = defaultdict(list)
    for backup in backups:
        if age_known(backup, now):
            by_series[series_of(backup.id)].append(backup)
    told = [text for series in sorted(by_series, key=named) if (text := _told(series, by_series[series], now))]
    rest = [f"{len(told) - _NAMED} more series are like that"] if len(told) > _NAMED else []
    return "; ".join(told[:_NAMED] + rest) or None


def _told(series: str | None, members: list[Backup], now: float) -> str | None:
    newest = sorted(members, key=oldest_first, reverse=True)
    failed = list(takewhile(lambda backup: not _good(backup), newest))
    if sum(now - (backup.created_at or 0) >= TIME for backup in failed) < FAILED:
        return None
    good = next(iter(newest[len(failed) :]), None)
    last = "there is no good one" if good is None else f"the newest good one is {_age(good, now)} old"
    return f"{named(series)}: the last {len(failed)} backups were never confirmed; {last}"


def _good(backup: Backup) -> bool:
    return backup.fault is None and backup.good


def _age(backup: Backup, now: float) -> str:
    return format_age(max(0.0, now - (backup.created_at or 0)))
