"""Why one backup would go or stay at each level, and what would change that. Every claim follows from ``select``.

What would change it is found by trying: the backup is judged again as it would be, with the same functions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from enum import StrEnum
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from ullage.model.backups import Backup, Score
from ullage.model.plans import Plan, Step, View
from ullage.model.settings import StoreSettings
from ullage.model.units import DAY
from ullage.model.words import CleanupLevel, Level, State, Strategy
from ullage.policy.assess import Goal
from ullage.policy.assume import of_disk_alone
from ullage.policy.confidence import score
from ullage.policy.elsewhere import held_elsewhere
from ullage.policy.plan import plan
from ullage.policy.protect import floors, holds
from ullage.policy.respond import by_hand
from ullage.policy.select import LEVELS, recheck
from ullage.policy.series import series_of

FOREVER = 100 * 366 * 86400
"""Seconds; what does not come in a hundred years does not come."""
_DOUBLING = tuple(1 << power for power in range(1, 13))
"""So many newer backups, one a day, are tried: up to eleven years of them."""


class Change(StrEnum):
    """What somebody could do."""

    UNPIN = "unpin"
    END_OF_USE = "end_of_use"
    CLEANABLE = "cleanable"


class Way(Struct, frozen=True, kw_only=True):
    """What makes a backup eligible: these changes together, ``newer`` good backups of its series (one a day), time.

    ``at``: the first whole second, epoch, at which it may go then. Without changes and newer ones it comes by itself.
    """

    changes: tuple[Change, ...] = ()
    newer: int = 0
    at: int


class Verdict(Struct, frozen=True, kw_only=True):
    """A backup at one cleanup level: why it stays (``against``), or its ``rank`` (from 1) among the ``of`` that may go.

    ``taken``: a clean-up by hand at this level would take it now. ``before``: those that go before it. ``turn``: where
    it would not because enough is gained before, the bytes and inodes of which more must be missing, of either; None
    where those that go are chosen for what is missing. ``of_inodes``: these alone are missing. ``way``: what lets it
    go, None where it may, and where nothing does; then ``never`` are the reasons that no time ends.
    """

    level: CleanupLevel
    against: tuple[str, ...]
    rank: int | None
    of: int
    taken: bool
    before: tuple[str, ...] = ()
    step: Step | None = None
    turn: tuple[int, int] | None = None
    of_inodes: bool = False
    way: Way | None = None
    never: tuple[str, ...] = ()


class Explanation(Struct, frozen=True, kw_only=True):
    """One backup: its confidence, what holds it whatever the level, and a verdict for each level."""

    backup: Backup
    score: Score | None
    held: tuple[str, ...]
    pressure: Level
    verdicts: tuple[Verdict, ...]


def explain(backup_id: str, view: View, store: StoreSettings, pressure: Level, count: int) -> Explanation:
    """All there is to say of a live backup in the store as it is seen; ``count``: how many a clean-up may take."""
    members = [one for one in view.backups if series_of(one.id) == series_of(backup_id)]
    backup = next(one for one in members if one.id == backup_id)
    floor = floors(members, store.reclaim, now=view.now).get(backup_id)
    return Explanation(
        backup=backup,
        score=None if backup.created_at is None else score(backup, store.confidence, now=view.now),
        held=holds(backup, floor, store.reclaim, now=view.now),
        pressure=pressure,
        verdicts=tuple(_verdict(backup, members, level, view, store, pressure, count) for level in CleanupLevel),
    )


def _verdict(
    backup: Backup,
    members: Sequence[Backup],
    level: CleanupLevel,
    view: View,
    store: StoreSettings,
    pressure: Level,
    count: int,
) -> Verdict:
    asked = by_hand(level, count, pressure)
    found = plan(view, asked, store)
    order = [one.backup.id for one in found.selection.candidates]
    against = found.selection.stays.get(backup.id, ())
    if against:
        useless = () if asked.goal is None else of_no_use(backup, found, asked.goal, view, store)
        way = None if useless else way_out(backup, members, level, store, now=view.now)
        never = useless or (_at_last(backup, members, level, store, view.now) if way is None else ())
        return Verdict(level=level, against=against, rank=None, of=len(order), taken=False, way=way, never=never)
    place = order.index(backup.id)
    step = found.steps[place] if place < len(found.steps) else None
    turn = None
    if step is not None and not step.needed and found.selection.strategy is not Strategy.LEAST_HARM:
        before = found.steps[:place]
        turn = (
            view.pending_bytes + sum(one.size_bytes for one in before),
            view.pending_inodes + sum(one.inodes for one in before),
        )
    return Verdict(
        level=level,
        against=(),
        rank=place + 1,
        of=len(order),
        taken=step is not None and step.needed,
        before=tuple(order[:place]),
        step=step,
        turn=turn,
        of_inodes=(found.target_inodes or 0) > view.pending_inodes and (found.target_bytes or 0) <= view.pending_bytes,
    )


def of_no_use(backup: Backup, found: Plan, goal: Goal, view: View, store: StoreSettings) -> tuple[str, ...]:
    """Why it would stay although it might go beside those that may: it would not help; empty where it would."""
    left = (
        max(0, (found.target_bytes or 0) - view.pending_bytes),
        max(0, (found.target_inodes or 0) - view.pending_inodes),
    )
    others = [one.backup for one in found.selection.candidates]
    need = of_disk_alone(goal, left, view.reading, store.watermarks)
    useless = held_elsewhere([backup, *others], view.shares, need)
    return (useless[backup.id],) if backup.id in useless else ()


def way_out(
    backup: Backup, members: Sequence[Backup], level: CleanupLevel, store: StoreSettings, *, now: float
) -> Way | None:
    """The least that makes it eligible at a level; None where nothing of what is known here does.

    ``members``: the backups of its series, itself too.
    """
    changes = needed(backup, level)
    after = changed(backup, changes)
    if recheck(after, level, None, store, now=now + FOREVER):
        return None
    others = [one for one in members if one.id != backup.id]
    newer = _fewest_newer(after, others, store, now)
    if newer is None:
        return None
    crowd = [*others, after, *newer_ones(backup, newer, now=now)]
    return Way(changes=changes, newer=newer, at=_earliest(after, crowd, level, store, now))


def needed(backup: Backup, level: CleanupLevel) -> tuple[Change, ...]:
    """The changes without which it stays, whatever else comes."""
    found = [Change.UNPIN] if backup.pinned else []
    if backup.busy is not None:
        found.append(Change.END_OF_USE)
    if backup.state is not None and backup.state not in LEVELS[level].states:
        found.append(Change.CLEANABLE)
    return tuple(found)


def changed(backup: Backup, changes: Sequence[Change]) -> Backup:
    """The backup after these changes."""
    if Change.UNPIN in changes:
        backup = replace(backup, pinned=False)
    if Change.END_OF_USE in changes:
        backup = replace(backup, busy=None)
    if Change.CLEANABLE in changes and backup.state is not None:
        once = backup.confirmed_at if backup.state is not State.CONFIRMED else backup.confirmed_at or backup.created_at
        backup = replace(backup, state=State.CLEANABLE, confirmed_at=once)
    return backup


def newer_ones(backup: Backup, count: int, *, now: float) -> list[Backup]:
    """So many newer good backups of its series, the first at once, then one a day."""
    first = max(ceil(now), (backup.created_at or 0) + 1)
    return [
        Backup(id=f"{backup.id}~{number}", state=State.CONFIRMED, created_at=first + number * int(DAY))
        for number in range(count)
    ]


def _fewest_newer(backup: Backup, others: Sequence[Backup], store: StoreSettings, now: float) -> int | None:
    """How many newer good backups it takes until no floor holds it, when all time has passed; None: too many."""

    def free(count: int) -> bool:
        crowd = [*others, backup, *newer_ones(backup, count, now=now)]
        return backup.id not in floors(crowd, store.reclaim, now=now + FOREVER)

    most = next((count for count in (0, 1, *_DOUBLING) if free(count)), None)
    return most and most // 2 + bisect_left(range(most // 2, most), True, key=free)


def _earliest(backup: Backup, members: Sequence[Backup], level: CleanupLevel, store: StoreSettings, now: float) -> int:
    """The first whole second at which it may go, as it once may.

    Once it may go it may go ever after: age and confidence grow, and others come to be known that are newer.
    """
    first = ceil(now)

    def goes(seconds: int) -> bool:
        floor = floors(members, store.reclaim, now=first + seconds).get(backup.id)
        return not recheck(backup, level, floor, store, now=first + seconds)

    return first + bisect_left(range(FOREVER), True, key=goes)


def _at_last(
    backup: Backup, members: Sequence[Backup], level: CleanupLevel, store: StoreSettings, now: float
) -> tuple[str, ...]:
    """What stands against it when all that can be done is done, and all time has passed."""
    floor = floors(members, store.reclaim, now=now + FOREVER).get(backup.id)
    after = changed(backup, needed(backup, level))
    return recheck(after, level, None, store, now=now + FOREVER) or ((floor,) if floor else ())
