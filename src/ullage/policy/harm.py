"""What is lost when a backup goes (issue 4), so that sets can be compared; ``least_harm`` keeps it small."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache

from ullage.model.backups import Backup, Candidate, Harm, Share
from ullage.model.units import DAY
from ullage.model.words import LIVE_STATES, State
from ullage.policy.keep import periods
from ullage.policy.protect import age_known
from ullage.policy.series import series_of

STATE = {State.CLEANABLE: 1.0, State.CONFIRMED: 4.0, State.PENDING: 6.0, State.CREATED: 8.0}
"""The order in which the levels come to take them. CLEANABLE is the unit: somebody said that it may go, and still it is
one way back less, so that of two sets that are alike otherwise the smaller one goes."""
DOUBT = 4.0
"""For each whole point that confidence is short of 1: to be wholly unsure weighs as much as to be CONFIRMED."""
AGE, HALF_DAYS = 4.0, 7.0
"""What one made just now is worth more than one of long ago, and after how many days half of that: what is restored is
mostly of the last days, and the older ones differ from each other less and less."""
LAST = {"day": 1.0, "week": 2.0, "month": 4.0, "year": 8.0}
"""The last good one of its day, its week and so on in its series, each besides the others: each doubles, for a longer
time has no other to stand for it. The last of a year is that of a month and a day too, and so weighs most of all."""
SHARED = 2.0
"""For the part of its bytes that other backups hold too: the next one links to them, and they give back little."""
_DIGITS = 6
_SECONDS = int(DAY)
_LASTS = [tuple(weight if flags >> at & 1 else 0.0 for at, weight in enumerate(LAST.values())) for flags in range(16)]
"""What weighs one that is the last of its day (1), week (2), month (4), year (8), by the sum of these."""


def harms(
    candidates: Iterable[Candidate], backups: Iterable[Backup], shares: Iterable[Share], *, now: float
) -> dict[str, Harm]:
    """The harm of each candidate's going, by id; additive, and the same whoever else goes.

    ``backups``: all that live, among which it may be the last of its day. ``shares``: of all of them.
    """
    last = _lasts(backups, now)
    held: dict[str, int] = defaultdict(int)
    for share in shares:
        for owner in share.owners:
            held[owner] += share.size_bytes
    return {
        one.backup.id: _harm(one, _LASTS[last.get(one.backup.id, 0)], held.get(one.backup.id, 0)) for one in candidates
    }


def _harm(candidate: Candidate, last: tuple[float, ...], shared: int) -> Harm:
    backup, days = candidate.backup, candidate.age_seconds / DAY
    parts = (
        STATE[backup.state] if backup.state in STATE else max(STATE.values()),
        round(DOUBT * (1.0 - candidate.score.confidence), _DIGITS),
        round(AGE * HALF_DAYS / (HALF_DAYS + days), _DIGITS),
        *last,
        round(SHARED * shared / (shared + backup.reclaimable_bytes), _DIGITS) if shared else 0.0,
    )
    return Harm(total=round(sum(parts), _DIGITS), parts=parts)


def _lasts(backups: Iterable[Backup], now: float) -> dict[str, int]:
    """Of which periods each backup is the last, by id, for those that are of any: see ``_LASTS``.

    The last is the newest good one, or where there is none the newest. Only one whose state and age are known counts,
    as for the floors: what is not known stands for no other.
    """
    by_series: dict[str | None, list[tuple[bool, int, str]]] = defaultdict(list)
    for backup in backups:
        if backup.state in LIVE_STATES and backup.fault is None and age_known(backup, now):
            by_series[series_of(backup.id)].append((backup.good, backup.created_at or 0, backup.id))
    found: dict[str, int] = {}
    coarser = cache(lambda day: tuple(periods(day).values())[1:])
    for members in by_series.values():
        members.sort()
        days = {member[1] // _SECONDS: member for member in members}  # the last one put stays
        week: dict[str, str] = {}
        month: dict[str, str] = {}
        year: dict[str, str] = {}
        for _, made, backup_id in sorted(days.values()):  # the last of a longer time is that of its day too
            found[backup_id] = 1
            weeks, months, years = coarser(made // _SECONDS)
            week[weeks] = month[months] = year[years] = backup_id
        for flag, end in ((2, week), (4, month), (8, year)):
            for backup_id in end.values():
                found[backup_id] |= flag
    return found
