"""What may become what, and who must wait for whom (SPEC.md 2)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ullage.model.units import format_age
from ullage.model.words import LIVE_STATES, State, Trigger

DEFERRAL_SECONDS = 300.0
"""How long a transition makes those of lower priority wait (SPEC.md 2)."""

MAY_BECOME: dict[State, tuple[State, ...]] = {
    State.CREATED: (State.PENDING, State.CLEANABLE, State.DELETED),
    State.PENDING: (State.CONFIRMED, State.CLEANABLE, State.DELETED),
    State.CONFIRMED: (State.CLEANABLE, State.ARCHIVED, State.DELETED),
    State.CLEANABLE: (State.ARCHIVED, State.DELETED, State.CONFIRMED),
    State.ARCHIVED: (State.DELETED, State.CONFIRMED),
    State.DELETED: (),
}


class Prior(Struct, frozen=True, kw_only=True):
    """An earlier transition of the same backup, or an attempt at one; ``holding``: it holds the backup now."""

    trigger: Trigger
    at: float
    holding: bool = False


def refusal(from_state: State | None, to_state: State, *, forced: bool) -> str | None:
    """Why this transition may not be, naming what may; None where it may.

    Force skips the table among live backups only: what became of an archive is a fact that no force changes.
    """
    if from_state is None:
        return "its state is not known, so nothing may be made of it; write the right word into its .state first"
    if from_state is to_state:
        return f"it is {from_state} already"
    ways = MAY_BECOME[from_state]
    if to_state in ways or (forced and from_state in LIVE_STATES):
        return None
    return f"{from_state} may not become {to_state}, but {', '.join(ways) or 'nothing any more'}"


def deferral(trigger: Trigger, others: Sequence[Prior], *, now: float) -> str | None:
    """Why this trigger must wait for one of higher priority; None where it need not.

    One that holds the backup counts however old it is; one up to 300 s in the future does too: clocks of two hosts
    differ, and a clock set back must not end the wait early.
    """
    higher = [o for o in others if o.trigger.value > trigger.value]
    for other in sorted(higher, key=lambda o: (-o.trigger.value, -o.at)):
        if other.holding:
            return f"{other.trigger.name} holds it now and goes before {trigger.name}"
        if abs(now - other.at) <= DEFERRAL_SECONDS:
            ago = format_age(max(0.0, now - other.at))
            return f"{other.trigger.name} acted on it {ago} ago and goes before {trigger.name}"
    return None
