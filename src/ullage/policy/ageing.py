"""What time alone makes of a backup: the store's own ageing (SPEC.md 2), by the settings ``ageing``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ullage.model.backups import Backup
from ullage.model.settings import StoreSettings
from ullage.model.units import format_age
from ullage.model.words import Cause, State
from ullage.policy.confidence import DIGITS, score
from ullage.policy.protect import holds, obstacles


class Ripe(Struct, frozen=True, kw_only=True):
    """A backup that has been in its state for long enough, what it becomes, and why."""

    backup: Backup
    to_state: State
    why: str


class _Rule(Struct, frozen=True, kw_only=True):
    to_state: State
    after: float
    confidence: float

    @property
    def name(self) -> str:
        return f"ageing.{self.to_state.lower()}_after"


def ripe(backups: Iterable[Backup], floors: Mapping[str, str], store: StoreSettings, *, now: float) -> list[Ripe]:
    """Those that move along by themselves now, each by one state, in the order of their ids.

    A pin, doubt, use and its being written keep one as it is. From being CLEANABLE its floor and ``min_age`` keep it as
    well: nobody is to read of it that it may go while it may not.
    """
    rules = _rules(store)
    found = []
    for backup in sorted(backups, key=lambda b: b.id):
        rule = None if backup.state is None else rules.get(backup.state)
        since = _since(backup)
        if rule is None or since is None or now - since < rule.after or _held(backup, rule, floors, store, now=now):
            continue
        sure = score(backup, store.confidence, now=now).confidence
        if sure >= round(rule.confidence, DIGITS):
            why = f"{backup.state} for {format_age(now - since)} ({rule.name} {format_age(rule.after)})"
            found.append(Ripe(backup=backup, to_state=rule.to_state, why=f"{why}, confidence {sure:.2f}"))
    return found


def _rules(store: StoreSettings) -> dict[State, _Rule]:
    """What becomes of each state, of those that are on."""
    own = store.ageing
    known = {
        State.CREATED: _Rule(to_state=State.PENDING, after=own.pending_after, confidence=own.pending_confidence),
        State.PENDING: _Rule(to_state=State.CONFIRMED, after=own.confirmed_after, confidence=own.confirmed_confidence),
        State.CONFIRMED: _Rule(
            to_state=State.CLEANABLE, after=own.cleanable_after, confidence=own.cleanable_confidence
        ),
    }
    return {state: rule for state, rule in known.items() if rule.after > 0}


def ages(store: StoreSettings) -> bool:
    """Whether the store has any such rule."""
    return bool(_rules(store))


def _since(backup: Backup) -> int | None:
    """Since when it has been in its state; a time that is missing is the one before it (SPEC.md 2)."""
    times = {
        State.CREATED: (backup.created_at,),
        State.PENDING: (backup.pending_since, backup.created_at),
        State.CONFIRMED: (backup.confirmed_at, backup.pending_since, backup.created_at),
    }
    known = () if backup.state is None else times.get(backup.state, ())
    return next((at for at in known if at is not None), None)


def _held(backup: Backup, rule: _Rule, floors: Mapping[str, str], store: StoreSettings, *, now: float) -> bool:
    if rule.to_state is State.CLEANABLE:
        return bool(holds(backup, floors.get(backup.id), store.reclaim, now=now))
    return any(cause is not Cause.MIN_AGE for cause, _ in obstacles(backup, store.reclaim, now=now))
