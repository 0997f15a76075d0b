"""What the settings ``reclaim.keep_*`` hold of one series: its newest, and the last of each day, week, month and year.

As with restic's ``forget``, every keep has its reason. Unlike there good backups go before others: of the most recent
days that have a good one the newest good one stays, and only where there are fewer such days others make up the number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from functools import lru_cache
from heapq import nlargest
from typing import NamedTuple

from ullage.model.settings import ReclaimSettings
from ullage.model.units import DAY
from ullage.model.words import Cause

Rank = tuple[bool, int, str]
"""(good, epoch seconds, id): the greatest is kept first."""
_EPOCH = date(1970, 1, 1).toordinal()


class Hold(NamedTuple):
    """One rule that holds a backup; ``period`` is the day, week, month or year of which it is the last."""

    rule: Cause
    number: int
    period: str = ""


def numbers(reclaim: ReclaimSettings) -> dict[Cause, int]:
    """How many of a series each floor holds, from the finest to the coarsest."""
    return {
        Cause.KEEP_LAST: reclaim.keep_last,
        Cause.KEEP_DAILY: reclaim.keep_daily,
        Cause.KEEP_WEEKLY: reclaim.keep_weekly,
        Cause.KEEP_MONTHLY: reclaim.keep_monthly,
        Cause.KEEP_YEARLY: reclaim.keep_yearly,
    }


_PARTS = {
    Cause.KEEP_WEEKLY: {Cause.KEEP_DAILY: 7},
    Cause.KEEP_MONTHLY: {Cause.KEEP_DAILY: 31},
    Cause.KEEP_YEARLY: {Cause.KEEP_DAILY: 366, Cause.KEEP_MONTHLY: 12},
}
"""The most days or months of which a longer period consists; weeks are no parts of months or years."""


def superfluous(reclaim: ReclaimSettings) -> list[tuple[Cause, int, Cause]]:
    """(rule, number, another rule): floors that hold nothing, whatever the backups, which another does not hold too.

    The last of the period before the newest is at most so many parts behind the last of all. One alone is the newest.
    """
    of = numbers(reclaim)
    found = []
    for rule, number in of.items():
        covering = {Cause.KEEP_LAST: of[Cause.KEEP_LAST]} if number == 1 and rule is not Cause.KEEP_LAST else {}
        parts = _PARTS.get(rule, {})
        covering |= {finer: of[finer] for finer, most in parts.items() if of[finer] > most * (number - 1)}
        found += [(rule, number, other) for other, least in covering.items() if number and least][:1]
    return found


def kept(members: Collection[Rank], reclaim: ReclaimSettings) -> dict[str, list[Hold]]:
    """Those of one series that stay, each id with every rule that holds it.

    Periods are those of UTC; weeks are ISO weeks. Another member that is not good releases no good one, and a greater
    number holds no fewer.
    """
    found: dict[str, list[Hold]] = defaultdict(list)
    for rule, number in numbers(reclaim).items():
        if number:
            newest = members if rule is Cause.KEEP_LAST else _last_of_each(members, rule)
            for _, at, key in nlargest(number, newest):
                found[key].append(Hold(rule, number, "" if rule is Cause.KEEP_LAST else period_of(at, rule)))
    return found


def period_of(at: float, rule: Cause) -> str:
    """The day, week, month or year of a time in UTC: ``2026-11-24``, ``2026-W48``, ``2026-11``, ``2026``."""
    return periods(int(at // DAY))[rule]


def _last_of_each(members: Collection[Rank], rule: Cause) -> Collection[Rank]:
    last: dict[str, Rank] = {}
    for member in members:
        period = period_of(member[1], rule)
        last[period] = max(member, last.get(period, member))
    return last.values()


@lru_cache(maxsize=4096)
def periods(day: int) -> dict[Cause, str]:
    """All the periods of a day since 1970; beyond the years 1 to 9999, of their bounds."""
    on = date.fromordinal(min(max(day + _EPOCH, 1), date.max.toordinal()))
    text, week = on.isoformat(), on.isocalendar()
    return {
        Cause.KEEP_DAILY: text,
        Cause.KEEP_WEEKLY: f"{week.year:04}-W{week.week:02}",
        Cause.KEEP_MONTHLY: text[:7],
        Cause.KEEP_YEARLY: text[:4],
    }
