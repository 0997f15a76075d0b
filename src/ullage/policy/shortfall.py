"""Where what may go is not enough for the goal: by how much, what holds the rest, and what would have to give. Pure.

Floors, pins and the level's bar win over the goal; this says what that costs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import nlargest

from msgspec import Struct
from msgspec.structs import replace

from ullage.model.backups import Backup, Share
from ullage.model.readings import Reading
from ullage.model.settings import ReclaimSettings, StoreSettings, Watermarks
from ullage.model.shortfall import Because, Large, Shortfall
from ullage.model.units import format_age
from ullage.model.words import Cause, CleanupLevel, State, Unit
from ullage.policy.assess import Goal, free_told, missing
from ullage.policy.assume import of_disk_alone
from ullage.policy.elsewhere import held_elsewhere
from ullage.policy.gain import gain_of
from ullage.policy.keep import Rank, kept, numbers
from ullage.policy.protect import counted, obstacles, young
from ullage.policy.respond import FORCED_DELETE_AGE, FORCED_PROMOTE_AGE
from ullage.policy.select import short_of
from ullage.policy.series import series_of

_LARGEST = 3
"""So many of the largest are named."""
_WAYS = {
    Cause.PINNED: "unpin what may go",
    Cause.IN_USE: "wait for what is in use",
    Cause.IN_DOUBT: "mend what is in doubt (ullage list)",
    Cause.LEVEL: "delete by hand what is not needed (ullage plan nuclear)",
    Cause.ELSEWHERE: "remove the links, reflinks or snapshots that hold the same",
}
Room = tuple[int, int]
"""Bytes and inodes."""


class Asked(Struct, frozen=True, kw_only=True):
    """What is asked for: ``goal``, by what may go at ``level`` (None: by all that nothing holds).

    ``last``: with what an emergency takes at last. ``counting``: the causes that count; the others pass with time.
    """

    goal: Goal
    level: CleanupLevel | None
    last: bool = False
    counting: Collection[Cause] = frozenset(Cause)


def shortfall(
    asked: Asked,
    reading: Reading,
    backups: Sequence[Backup],
    store: StoreSettings,
    *,
    now: float,
    shares: Iterable[Share] = (),
    still: Callable[[Room], Room] | None = None,
) -> Shortfall | None:
    """What is missing for the goal when all went that may go; None where nothing is.

    ``still``: what is when the backups gave so much, where more comes back beside them.
    """
    wanted = missing(asked.goal, reading, store.watermarks)
    if not any(wanted):
        return None
    lack = still or (lambda gain: (max(0, wanted[0] - gain[0]), max(0, wanted[1] - gain[1])))
    of_disk = of_disk_alone(asked.goal, wanted, reading, store.watermarks)
    view = _View(asked, backups, store, tuple(shares), of_disk, now)
    goes = view.goes(store.reclaim, frozenset())
    gained = view.gain(goes)
    lacking = lack(gained)
    if not any(lacking):
        return None
    because = view.because(goes, gained, by_inodes=not lacking[0])
    ways, enough = _ways(view, [one.cause for one in because], lack)
    held = [b for b in backups if b.id not in goes]
    largest = nlargest(_LARGEST, held, key=lambda b: (view.size(b), b.id))
    return Shortfall(
        goal=named(asked.goal, store.watermarks, Unit.BYTES if lacking[0] else Unit.INODES),
        level=asked.level,
        size_bytes=lacking[0],
        inodes=lacking[1],
        count=len(goes),
        may_bytes=gained[0],
        may_inodes=gained[1],
        because=because,
        largest=tuple(Large(backup_id=b.id, size_bytes=view.size(b), cause=view.first_cause(b.id)) for b in largest),
        ways=ways,
        enough=enough,
    )


def named(goal: Goal, watermarks: Watermarks, unit: Unit) -> str:
    """A goal, for a person, as the settings have it."""
    marks = watermarks.of_inodes if unit is Unit.INODES else watermarks.of_bytes
    percent, free = {
        Goal.LOW: (marks.warning, marks.free.warning),
        Goal.BELOW_CRITICAL: (marks.critical, marks.free.critical),
        Goal.BELOW_EMERGENCY: (marks.emergency, marks.free.emergency),
        Goal.TARGET: (100 - marks.target_free, marks.free.target_free),
    }[goal]
    used = f"{100 - percent:g} % free" if goal is Goal.TARGET else f"a usage under {percent:g} %"
    return " and ".join([used] * (percent < 100 or not free) + [free_told(unit, free)] * (free > 0))


class _View:
    """The backups of a store, what holds each, and what comes back under other settings."""

    def __init__(
        self,
        asked: Asked,
        backups: Sequence[Backup],
        store: StoreSettings,
        shares: tuple[Share, ...],
        of_disk: Room | None,
        now: float,
    ) -> None:
        self.reclaim = store.reclaim
        self.now = now
        self._asked = asked
        self._shares = shares
        self._backups = {b.id: b for b in backups}
        self._series: dict[str | None, list[Rank]] = defaultdict(list)
        for b in backups:
            if counted(b, now):
                self._series[series_of(b.id)].append((b.good, b.created_at or 0, b.id))
        self._beside = {b.id: self._obstacles(b, store) for b in backups}
        self._floors = self._held_by_floors(store.reclaim)
        self._of_disk = of_disk
        self._elsewhere = self._useless(self._free(store.reclaim, frozenset()))

    def goes(self, reclaim: ReclaimSettings, lifted: frozenset[Cause]) -> set[str]:
        """Those that may go by these settings, were it not for the causes that are lifted."""
        free = self._free(reclaim, lifted)
        useless = () if Cause.ELSEWHERE in lifted else self._useless(free)
        return {b.id for b in free if b.id not in useless}

    def gain(self, goes: Iterable[str]) -> Room:
        """What comes back when they go."""
        return gain_of(goes, self._backups.values(), self._shares)

    def because(self, goes: set[str], gained: Room, *, by_inodes: bool) -> tuple[Because, ...]:
        """What each cause holds beside what may go, the largest first."""
        by_cause: dict[Cause, list[str]] = defaultdict(list)
        for backup_id in self._backups:
            for cause in self.causes(backup_id):
                by_cause[cause].append(backup_id)
        found = []
        for cause, held in by_cause.items():
            size, inodes = self.gain([*goes, *held])
            size -= gained[0]
            if cause is Cause.ELSEWHERE:
                size = sum(map(self.size, map(self._backups.__getitem__, held)))
            found.append(Because(cause=cause, count=len(held), size_bytes=size, inodes=inodes - gained[1]))
        return tuple(sorted(found, key=lambda b: (-b.inodes if by_inodes else -b.size_bytes, -b.count, b.cause)))

    def causes(self, backup_id: str) -> list[Cause]:
        """Every cause that holds it."""
        found = [*self._floors.get(backup_id, ()), *sorted(self._beside[backup_id])]
        found += [Cause.ELSEWHERE] if backup_id in self._elsewhere else []
        is_young = young(self._backups[backup_id].created_at, self.reclaim, self.now)
        return [*found, Cause.MIN_AGE] if is_young else found

    def first_cause(self, backup_id: str) -> Cause:
        """The one to name where there is room for one: a pin before all."""
        return min(self.causes(backup_id), key=lambda cause: cause is not Cause.PINNED)

    def size(self, backup: Backup) -> int:
        """What it gives back; what it takes where something else holds that."""
        return backup.size_bytes if backup.id in self._elsewhere else backup.reclaimable_bytes

    def ages(self) -> list[float]:
        """The ages of those that ``min_age`` holds, the greatest first: where to lower it to lets one more go."""
        held = [b for b in self._backups.values() if young(b.created_at, self.reclaim, self.now)]
        return sorted({max(0.0, self.now - (b.created_at or 0)) for b in held}, reverse=True)

    def _free(self, reclaim: ReclaimSettings, lifted: frozenset[Cause]) -> list[Backup]:
        floors = self._held_by_floors(reclaim).keys()
        free = (b for b in self._backups.values() if b.id not in floors and self._beside[b.id] <= lifted)
        return [b for b in free if not young(b.created_at, reclaim, self.now)]

    def _useless(self, free: Iterable[Backup]) -> Collection[str]:
        if Cause.ELSEWHERE not in self._asked.counting:
            return ()
        return held_elsewhere(free, self._shares, self._of_disk)

    def _held_by_floors(self, reclaim: ReclaimSettings) -> dict[str, list[Cause]]:
        held = {}
        for members in self._series.values():
            held.update({one: [hold.rule for hold in why] for one, why in kept(members, reclaim).items()})
        return held

    def _obstacles(self, backup: Backup, store: StoreSettings) -> frozenset[Cause]:
        """What holds it beside floors and its age."""
        found = {cause for cause, _ in obstacles(backup, store.reclaim, now=self.now)} - {Cause.MIN_AGE}
        level = self._asked.level
        if level is not None and short_of(backup, level, store, now=self.now) and not self._at_last(backup):
            found.add(Cause.LEVEL)
        return frozenset(found).intersection(self._asked.counting)

    def _at_last(self, backup: Backup) -> bool:
        ages = {State.CREATED: FORCED_DELETE_AGE, State.PENDING: FORCED_PROMOTE_AGE}
        least = None if backup.state is None else ages.get(backup.state)
        return self._asked.last and least is not None and self.now - (backup.created_at or 0) >= least


class _Terms(Struct, frozen=True, kw_only=True):
    """What would be: other settings, and causes that hold nothing any more."""

    reclaim: ReclaimSettings
    lifted: frozenset[Cause] = frozenset()


def _ways(view: _View, causes: Sequence[Cause], lack: Callable[[Room], Room]) -> tuple[tuple[str, ...], bool]:
    """What would have to give, and whether that is enough: as little of it as can be, where nothing is then as much.

    One after the other, the largest first and ``keep_last`` at the end; then each is taken back as far as can be. Where
    not even ``keep_last`` would do, nobody is told to give up the last good backups for nothing.
    """
    order = sorted(causes, key=lambda cause: cause is Cause.KEEP_LAST)

    def left(terms: _Terms) -> Room:
        return lack(view.gain(view.goes(terms.reclaim, terms.lifted)))

    terms, taken = _Terms(reclaim=view.reclaim), []
    for cause in order:
        if not any(left(terms)):
            break
        given = _without(terms, cause)
        if cause is Cause.KEEP_LAST and any(left(given)):
            break
        terms = given
        taken.append(cause)
    least = left(terms)
    for cause in reversed(taken):
        terms = _least_change(view, terms, cause, lambda other: left(other) == least)
    texts = [text for cause in taken if (text := _way(cause, view.reclaim, terms)) is not None]
    return tuple(texts), not any(least)


def _without(terms: _Terms, cause: Cause) -> _Terms:
    """The same where the cause holds nothing."""
    if cause in _WAYS:
        return replace(terms, lifted=terms.lifted | {cause})
    return replace(terms, reclaim=replace(terms.reclaim, **{str(cause): 0}))


def _least_change(view: _View, terms: _Terms, cause: Cause, enough: Callable[[_Terms], bool]) -> _Terms:
    """The terms with as much of a cause as may stay."""
    if cause in _WAYS:
        kept_up = replace(terms, lifted=terms.lifted - {cause})
        return kept_up if enough(kept_up) else terms
    if cause is Cause.MIN_AGE:
        values: Sequence[float] = [view.reclaim.min_age, *view.ages(), 0.0]
    else:
        values = range(numbers(view.reclaim)[cause], -1, -1)

    def at(value: float) -> _Terms:
        return replace(terms, reclaim=replace(terms.reclaim, **{str(cause): value}))

    return at(values[bisect_left(values, True, key=lambda value: enough(at(value)))])


def _way(cause: Cause, before: ReclaimSettings, terms: _Terms) -> str | None:
    """What a person would do; None where the cause may stay as it is."""
    if cause in _WAYS:
        return _WAYS[cause] if cause in terms.lifted else None
    old, new = (getattr(reclaim, cause) for reclaim in (before, terms.reclaim))
    if old == new:
        return None
    if cause is Cause.MIN_AGE:
        return f"lower reclaim.min_age from {format_age(old)} to {format_age(new)}"
    return f"lower reclaim.{cause} from {old} to {new}"
