"""A history replayed hour by hour through the real rule, and what its warnings were worth.

As strict as a judge would be. A full disk was warned of where people were told of it, for the first time or again, at
least 24 and at most 72 hours before. A warning that begins and is not followed by a full disk within 72 hours is a
false alarm, even where the disk is full on the fourth day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from tests.forecast.histories import SIZE, History
from ullage.model.readings import Reading, Space
from ullage.model.settings import ForecastSettings, Watermarks
from ullage.policy.forecast import MOST_DAYS
from ullage.policy.outlook import Outlook, outlook

AHEAD, WITHIN, REPEATED = 24, 72, 24
"""Hours: by when people must know, from when on it counts, and after which they are told again."""
MONTH = 30 * 24
WARN, MARKS = ForecastSettings().warn, Watermarks()


class Worth(Struct, frozen=True, kw_only=True):
    """What warnings were worth: full disks, those warned of, false alarms, hours watched; of how many histories."""

    events: int = 0
    warned: int = 0
    false: int = 0
    hours: int = 0
    histories: int = 1

    @property
    def share(self) -> float:
        """Of the full disks, those that were warned of."""
        return self.warned / self.events

    @property
    def false_a_month(self) -> float:
        """False alarms per filesystem and month."""
        return self.false * MONTH / self.hours


def told(history: History, *, step: int = 1) -> tuple[list[int], list[int]]:
    """The hours at which a warning began, and all at which people were told, by a forecast every ``step`` hours."""
    points, seen = history.points(), None
    began: list[int] = []
    heard: list[int] = []
    for hour in range(0, len(points), step):
        now = points[hour]
        space = Space(
            total_bytes=SIZE, used_bytes=now.used, free_bytes=SIZE - now.used, available_bytes=SIZE - now.used
        )
        reading = Reading(at=now.at, backup=(space,))
        late = points[max(0, hour - (MOST_DAYS + 1) * 24) : hour + 1]
        before: Outlook | None = seen
        seen = outlook({"bytes": late}, reading, MARKS, before, WARN, far=14.0)
        if seen.warned is None:
            continue
        if before is None or before.warned is None:
            began.append(hour)
            heard.append(hour)
        elif hour - heard[-1] >= REPEATED:
            heard.append(hour)
    return began, heard


def worth(history: History, *, step: int = 1) -> Worth:
    """What the warnings of one history were worth."""
    began, heard = told(history, step=step)
    full = history.full
    return Worth(
        events=int(full is not None),
        warned=int(full is not None and any(AHEAD <= full - hour <= WITHIN for hour in heard)),
        false=sum(1 for hour in began if full is None or full - hour > WITHIN),
        hours=len(history.used),
    )


def together(all_of: Iterable[Worth]) -> Worth:
    """The sum."""
    rows: Sequence[Worth] = list(all_of)
    return Worth(
        events=sum(row.events for row in rows),
        warned=sum(row.warned for row in rows),
        false=sum(row.false for row in rows),
        hours=sum(row.hours for row in rows),
        histories=len(rows),
    )
