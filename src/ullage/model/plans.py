"""What a decision about a store is made of, and the plan that comes of it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ullage.model.backups import Backup, Candidate, Selection, Share
from ullage.model.readings import Reading
from ullage.model.words import Action, CleanupLevel, State


class View(Struct, frozen=True, kw_only=True):
    """A store at one moment, ``now`` in epoch seconds by the clock that is believed.

    ``pending_bytes`` and ``pending_inodes`` come back without another backup going: the trash, in an
    emergency the ballast, deleted files of the store that a process has open.
    """

    now: float
    reading: Reading
    backups: tuple[Backup, ...]
    shares: tuple[Share, ...] = ()
    pending_bytes: int = 0
    pending_inodes: int = 0


class Step(Struct, frozen=True, kw_only=True, gc=False):
    """One backup that may go, at its place: how, why so, and what that gives back once those before it are gone.

    ``usage`` (percent) is that after it, None where it is not known. ``needed``: the goal is not reached before it.
    """

    candidate: Candidate
    action: Action
    why: str
    size_bytes: int
    inodes: int
    usage: float | None
    needed: bool


class Plan(Struct, frozen=True, kw_only=True):
    """The steps within the limit of a selection, in order; ``target_bytes`` and ``target_inodes`` are to be gained.

    Both are None where nothing is needed and every step would be taken. ``usage`` is that before, percent.
    """

    selection: Selection
    target_bytes: int | None
    target_inodes: int | None
    pending_bytes: int
    pending_inodes: int
    usage: float | None
    steps: tuple[Step, ...]

    @property
    def taken(self) -> tuple[Step, ...]:
        """The steps that the goal needs; they are the first ones."""
        return tuple(step for step in self.steps if step.needed)

    @property
    def gain(self) -> tuple[int, int]:
        """(bytes, inodes) that those give back."""
        return sum(step.size_bytes for step in self.taken), sum(step.inodes for step in self.taken)

    @property
    def shortfall(self) -> tuple[int, int]:
        """(bytes, inodes) that are still missing after the last step; 0 where the goal is reached."""
        size, inodes = self.gain
        return (
            max(0, (self.target_bytes or 0) - self.pending_bytes - size),
            max(0, (self.target_inodes or 0) - self.pending_inodes - inodes),
        )

    @property
    def usage_after(self) -> float | None:
        """Usage in percent when the needed steps are taken; what is pending has not come back by then."""
        return self.taken[-1].usage if self.taken else self.usage


class Cost(Struct, frozen=True, kw_only=True):
    """The harm that one strategy does, to how many backups, and the bytes and inodes that come back for it.

    ``enough``: whether that is what is needed; None where nothing is, and all within the limit go.
    """

    harm: float
    backups: int
    size_bytes: int
    inodes: int
    enough: bool | None


class SavedStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One backup that a saved plan takes, and how it was known then; ``handle`` names the directory itself."""

    backup_id: str
    handle: str
    state: State
    created_at: int
    size_bytes: int
    newest_mtime: float
    action: Action
    reasons: tuple[str, ...]


class SavedPlan(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="schema_version", tag=1
):  # a file of another version is not read
    """A plan for later: what of which store is to go, until when, and what it was made of.

    ``goal`` is that of a level, ``until`` one that was asked for, as it was said. ``settings`` are those that decide,
    by key; ``assumed`` is what is not so; ``stays`` is what held the others.
    """

    made_at: float
    store: str
    identity: str
    cleanup_level: CleanupLevel
    goal: str | None
    until: str | None
    assumed: tuple[str, ...]
    settings: dict[str, Any]
    steps: tuple[SavedStep, ...]
    stays: dict[str, tuple[str, ...]]
