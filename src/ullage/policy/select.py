"""Who may go at a cleanup level, in order, and why each of the others stays (SPEC.md 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

from msgspec import Struct

from ullage.model.backups import Backup, Candidate, Score, Selection, Share
from ullage.model.settings import ConfidenceSettings, StoreSettings
from ullage.model.units import format_age
from ullage.model.words import CleanupLevel, State, Strategy
from ullage.policy.confidence import DIGITS, score
from ullage.policy.elsewhere import held_elsewhere
from ullage.policy.least_harm import by_harm
from ullage.policy.protect import floors, holds
from ullage.policy.rank import order


class Bar(Struct, frozen=True, kw_only=True):
    """What a level asks of a backup; a confidence of None is ``confidence.emergency_minimum``, the age in seconds."""

    states: tuple[State, ...]
    confidence: float | None = 0.0
    age: float = 0.0


LEVELS: dict[CleanupLevel, Bar] = {
    CleanupLevel.CONSERVATIVE: Bar(states=(State.CLEANABLE,), confidence=0.75),
    CleanupLevel.GENTLE: Bar(states=(State.CLEANABLE,), confidence=0.85),
    CleanupLevel.MODERATE: Bar(states=(State.CLEANABLE, State.CONFIRMED), confidence=0.70),
    CleanupLevel.AGGRESSIVE: Bar(states=(State.CLEANABLE, State.CONFIRMED, State.PENDING), confidence=None),
    CleanupLevel.NUCLEAR: Bar(states=(State.CLEANABLE, State.CONFIRMED, State.PENDING, State.CREATED), age=3600.0),
}


def select(
    backups: Iterable[Backup],
    level: CleanupLevel,
    limit: int | None,
    store: StoreSettings,
    *,
    now: float,
    kept: Mapping[str, str] | None = None,
    need: tuple[int, int] | None = None,
    of_disk: tuple[int, int] | None = None,
    shares: Sequence[Share] = (),
    net: Callable[[Backup], Backup] | None = None,
) -> Selection:
    """Every backup judged: the full ranking of those that may go, and all the reasons of each that stays.

    The same backups give the same selection in whatever order they come. ``limit`` is applied after the filters.
    ``kept``: their floors, where they are known already. ``need``: (bytes, inodes) that are missing, where anything is;
    ``of_disk``: the same where the filesystem alone lacks it: then nobody goes who would be no help, for something else
    holds the same. ``shares``: what several hold together. ``net``, which is a backup with what it gives back less its
    archive, is for the strategies that look at more than one backup at a time.
    """
    known = sorted(backups, key=lambda b: b.id)
    kept = floors(known, store.reclaim, now=now) if kept is None else kept
    candidates: list[Candidate] = []
    stays: dict[str, tuple[str, ...]] = {}
    for backup in known:
        scored = score(backup, store.confidence, now=now)
        against = _against(backup, scored, level, kept.get(backup.id), store, now=now)
        if against:
            stays[backup.id] = against
        else:
            candidates.append(_candidate(backup, scored, now))
    useless = held_elsewhere((one.backup for one in candidates), shares, of_disk)
    stays |= {backup_id: (why,) for backup_id, why in useless.items()}
    candidates = [one for one in candidates if one.backup.id not in useless]
    strategy = store.reclaim.strategy
    ranking = tuple(ranked(candidates, strategy, known, shares, need, limit, now=now, net=net))
    return Selection(level=level, strategy=strategy, limit=limit, candidates=ranking, stays=stays)


def ranked(
    candidates: Sequence[Candidate],
    strategy: Strategy,
    backups: Iterable[Backup],
    shares: Sequence[Share],
    need: tuple[int, int] | None,
    limit: int | None,
    *,
    now: float,
    net: Callable[[Backup], Backup] | None = None,
) -> list[Candidate]:
    """The candidates, which are some of ``backups``, in the order in which they would go by a strategy."""
    if strategy is Strategy.LEAST_HARM:
        return by_harm(candidates, backups, shares, need, limit, now=now, net=net)
    return order(candidates, strategy, need)


def recheck(
    backup: Backup, level: CleanupLevel, floor: str | None, store: StoreSettings, *, now: float
) -> tuple[str, ...]:
    """Why a backup that was looked at again may not go; empty where it may."""
    return _against(backup, score(backup, store.confidence, now=now), level, floor, store, now=now)


def short_of(backup: Backup, level: CleanupLevel, store: StoreSettings, *, now: float) -> tuple[str, ...]:
    """What the backup lacks of the level's bar, whatever holds it beside."""
    return _short_of(backup, score(backup, store.confidence, now=now), level, store.confidence, now)


def _against(
    backup: Backup, scored: Score, level: CleanupLevel, floor: str | None, store: StoreSettings, *, now: float
) -> tuple[str, ...]:
    return holds(backup, floor, store.reclaim, now=now) + _short_of(backup, scored, level, store.confidence, now)


def _short_of(
    backup: Backup, scored: Score, level: CleanupLevel, settings: ConfidenceSettings, now: float
) -> tuple[str, ...]:
    """What the backup lacks of the level's bar."""
    bar = LEVELS[level]
    least = settings.emergency_minimum if bar.confidence is None else bar.confidence
    found = []
    if backup.state not in bar.states:
        found.append(_not_for(backup.state, level))
    if scored.boosted < round(least, DIGITS):
        found.append(f"confidence {scored.shown} is under {least:.2f}")
    if backup.created_at is not None and _age(backup, now) < bar.age:
        found.append(f"age {format_age(_age(backup, now))} is under {format_age(bar.age)}")
    return tuple(found)


def _candidate(backup: Backup, scored: Score, now: float) -> Candidate:
    return Candidate(backup=backup, score=scored, age_seconds=_age(backup, now))


def _age(backup: Backup, now: float) -> float:
    """Seconds; 0 where it is not known (a hold of its own) or dated a little ahead."""
    return 0.0 if backup.created_at is None else max(0.0, now - backup.created_at)


@cache
def _not_for(state: State | None, level: CleanupLevel) -> str:
    return f"state {state or 'unknown'} is not for {level}, which takes {', '.join(LEVELS[level].states)}"
