"""A backup, an archive, a pin, and what was decided about them."""

from __future__ import annotations

from msgspec import Struct

from ullage.model.units import format_age
from ullage.model.words import Action, CleanupLevel, Phase, Result, State, Strategy, Trigger


class Backup(Struct, frozen=True, kw_only=True, gc=False):
    """What is known of one live backup. ``id`` is the directory's name as ``os.fsdecode`` gives it.

    ``state`` is None where ``.state`` is unknown, empty or unreadable, and ``fault`` says why. ``created_at`` has its
    fallback applied (the directory's mtime) and is None where the file is there but holds no time; the other times
    are None where their file is missing. ``size_bytes`` are allocated blocks as ``du`` counts, ``reclaimable_bytes``
    and ``inodes`` what goes when it goes alone: nothing that something else holds too, by a hard link (``linked``) or
    a shared extent (``reflinked``). Of them ``metadata_bytes`` are the items in btrfs trees, as long as they are
    written there: what they take is learnt from what was measured (``policy.metadata``). ``last_read_at`` is the
    newest atime of any file in it, ``newest_mtime`` the newest mtime of anything in it. ``busy`` says who uses it,
    where known.
    """

    id: str
    state: State | None
    created_at: int | None
    pending_since: int | None = None
    confirmed_at: int | None = None
    cleanable_since: int | None = None
    size_bytes: int = 0
    reclaimable_bytes: int = 0
    inodes: int = 0
    metadata_bytes: int = 0
    linked: bool = False
    reflinked: bool = False
    newest_mtime: float = 0.0
    last_read_at: float | None = None
    pinned: bool = False
    busy: str | None = None
    fault: str | None = None

    @property
    def shared(self) -> bool:
        """Whether something else holds a part of it too."""
        return self.linked or self.reflinked

    @property
    def good(self) -> bool:
        """CONFIRMED now or ever."""
        return self.state is State.CONFIRMED or self.confirmed_at is not None


class Share(Struct, frozen=True, kw_only=True, gc=False):
    """Blocks and inodes that come back only when the last of several backups goes, and that nothing else holds.

    ``owners``: two or more ids, sorted. None of it is in the ``reclaimable_bytes`` and ``inodes`` of any of them.
    """

    owners: tuple[str, ...]
    size_bytes: int
    inodes: int


class Archive(Struct, frozen=True, kw_only=True):
    """A compressed backup; ``path`` is relative to ``archive_root``, ``created_at`` the file's mtime."""

    backup_id: str
    path: str
    size_bytes: int
    created_at: int
    pinned: bool = False


class Pin(Struct, frozen=True, kw_only=True):
    """An operator's hold."""

    backup_id: str
    at: float
    reason: str = ""
    by: str = ""


TERMS = ("base", "age", "confirmed", "large", "huge", "recently_read")
"""What confidence is the sum of, held to 0..1 (SPEC.md 2)."""


class Score(Struct, frozen=True, kw_only=True, gc=False):
    """Confidence 0..1 that a backup may go, boosted, and its ``parts`` in the order of ``TERMS``."""

    confidence: float
    boosted: float
    boost: float
    parts: tuple[float, ...]

    @property
    def terms(self) -> dict[str, float]:
        """Every term by name."""
        return dict(zip(TERMS, self.parts, strict=True))

    @property
    def shown(self) -> str:
        """``0.80 + 0.20 = 1.00``, cut and not rounded: no "0.85 is under 0.85"."""
        return f"{_cut(self.confidence)} + {self.boost:.2f} = {_cut(self.boosted)}"


HARM_TERMS = ("state", "doubt", "age", "day", "week", "month", "year", "shared")
"""What harm is the sum of (docs/decisions)."""


class Harm(Struct, frozen=True, kw_only=True, gc=False):
    """What is lost when a backup goes, a positive number, with its ``parts`` in the order of ``HARM_TERMS``.

    That of a set is the sum. It has no unit: it is there to be compared within one store at one moment.
    """

    total: float
    parts: tuple[float, ...]

    @property
    def terms(self) -> dict[str, float]:
        """Every term by name."""
        return dict(zip(HARM_TERMS, self.parts, strict=True))


class Candidate(Struct, frozen=True, kw_only=True, gc=False):
    """A backup that may go, at its place in the order."""

    backup: Backup
    score: Score
    age_seconds: float

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it may go, for a person."""
        return (f"state {self.backup.state}", f"confidence {self.score.shown}", f"age {format_age(self.age_seconds)}")


def _cut(fraction: float) -> str:
    return f"{int(fraction * 100 + 1e-6) / 100:.2f}"


class Selection(Struct, frozen=True, kw_only=True):
    """Every backup of a store, judged for one level: who may go, in order, and why each of the others stays.

    ``candidates`` is the full ranking; ``limit`` (None: no limit) is how many of them may go.
    """

    level: CleanupLevel
    strategy: Strategy
    limit: int | None
    candidates: tuple[Candidate, ...]
    stays: dict[str, tuple[str, ...]]

    @property
    def chosen(self) -> tuple[Candidate, ...]:
        """The candidates within the limit."""
        return self.candidates if self.limit is None else self.candidates[: self.limit]


class Operation(Struct, frozen=True, kw_only=True):
    """One act on one backup: a row of the journal while it is under way, of the history ever after.

    ``handle`` names the directory itself (inode and birth time), ``token`` its place in the trash (or its part file, or
    its staging place), ``path`` an archive's or a destination. ``at`` is when it began.
    """

    id: int = 0
    at: float
    store: str
    backup_id: str
    action: Action
    from_state: State | None
    to_state: State | None
    trigger: Trigger
    reason: str
    forced: bool = False
    phase: Phase = Phase.INTENT
    handle: str = ""
    token: str = ""
    path: str = ""
    digest: str = ""
    result: Result | None = None
    predicted_bytes: int = 0
    predicted_inodes: int = 0
    reclaimed_bytes: int = 0
    reclaimed_inodes: int = 0
    duration_seconds: float = 0.0
