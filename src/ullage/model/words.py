"""The closed sets of words: states, levels, triggers, strategies, actions, outcomes (SPEC.md 1 to 4)."""

from __future__ import annotations

from enum import Enum, StrEnum


class State(StrEnum):
    """Where a backup is in its life; the word in its ``.state`` (SPEC.md 2)."""

    CREATED = "CREATED"
    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    CLEANABLE = "CLEANABLE"
    ARCHIVED = "ARCHIVED"
    DELETED = "DELETED"


LIVE_STATES = frozenset({State.CREATED, State.PENDING, State.CONFIRMED, State.CLEANABLE})
"""The states a ``.state`` file may hold while the backup stands in ``backup_root``."""


class Trigger(Enum):
    """Who asks for a transition; the value is its priority (SPEC.md 2)."""

    USER = 100
    DISK_SPACE = 90
    GIT_HOOK = 80
    TIME_BASED = 70


class Level(StrEnum):
    """The assessed condition of a store, from best to worst."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    EMERGENCY = "emergency"
    UNAVAILABLE = "unavailable"

    @property
    def severity(self) -> int:
        """The rank of this level: 0 for ok, 4 for unavailable."""
        return list(Level).index(self)


class Kind(StrEnum):
    """What a space is: the filesystem itself, or what binds a store beside it."""

    FILESYSTEM = "filesystem"
    CAPACITY = "capacity"
    QUOTA = "quota"
    METADATA = "metadata"


class Unit(StrEnum):
    """What there may be too little of."""

    BYTES = "bytes"
    INODES = "inodes"
    METADATA = "metadata"


class CleanupLevel(StrEnum):
    """How far a reclaim may go (SPEC.md 3)."""

    CONSERVATIVE = "conservative"
    GENTLE = "gentle"
    MODERATE = "moderate"
    AGGRESSIVE = "aggressive"
    NUCLEAR = "nuclear"


class Strategy(StrEnum):
    """How candidates are ranked."""

    OLDEST_FIRST = "oldest_first"
    LARGEST_FIRST = "largest_first"
    CONFIDENCE_BASED = "confidence_based"
    LEAST_HARM = "least_harm"


class EmergencyStrategy(StrEnum):
    """Which cleanup level an emergency uses."""

    CONSERVATIVE = "conservative"
    AGGRESSIVE = "aggressive"
    NUCLEAR = "nuclear"


class Action(StrEnum):
    """What a step does; ``A.action`` in the JSON (SPEC.md 6), with transition and restore beside."""

    ARCHIVE = "archive"
    DELETE = "delete"
    PROMOTE = "promote"
    DELETE_ARCHIVE = "delete_archive"
    TRANSITION = "transition"
    RESTORE = "restore"


class Result(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    DEFERRED = "deferred"
    PLANNED = "planned"
    UNDONE = "undone"


class Cause(StrEnum):
    """What holds a backup: a floor (the setting's name), another rule, a person, its use, doubt, the level's bar.

    ``ELSEWHERE``: it would give back next to nothing, for something else holds what is in it.
    """

    KEEP_LAST = "keep_last"
    KEEP_DAILY = "keep_daily"
    KEEP_WEEKLY = "keep_weekly"
    KEEP_MONTHLY = "keep_monthly"
    KEEP_YEARLY = "keep_yearly"
    MIN_AGE = "min_age"
    PINNED = "pinned"
    IN_USE = "in_use"
    IN_DOUBT = "in_doubt"
    LEVEL = "level"
    ELSEWHERE = "elsewhere"


class Phase(StrEnum):
    """How far an operation came; the journal's word. Up to ``STAGED`` it is undone, from ``PURGING`` on finished.

    ``TRASHED`` is neither: it waits in the trash, whole, for its time or for somebody who wants it back.
    """

    INTENT = "intent"
    ARCHIVED = "archived"
    STAGED = "staged"
    TRASHED = "trashed"
    PURGING = "purging"
    SETTLED = "settled"
