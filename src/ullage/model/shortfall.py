"""What cannot be had of the room that is wanted, what holds it, and what would have to give."""

from __future__ import annotations

from msgspec import Struct

from ullage.model.words import Cause, CleanupLevel


class Because(Struct, frozen=True, kw_only=True):
    """What one cause holds: so many backups, and what they would give back. One backup may be held by several."""

    cause: Cause
    count: int
    size_bytes: int
    inodes: int


class Large(Struct, frozen=True, kw_only=True):
    """One of the largest that are held, with the first cause that holds it."""

    backup_id: str
    size_bytes: int
    cause: Cause


class Shortfall(Struct, frozen=True, kw_only=True):
    """So many bytes and inodes are missing for ``goal`` when all went that may go (``count``, ``may_*``) at ``level``.

    ``level`` None: whatever nothing holds. ``because``: the largest first. ``ways``: what would have to give, all of
    it; ``enough``: whether the goal were then reached.
    """

    goal: str
    level: CleanupLevel | None
    size_bytes: int
    inodes: int
    count: int
    may_bytes: int
    may_inodes: int
    because: tuple[Because, ...]
    largest: tuple[Large, ...]
    ways: tuple[str, ...]
    enough: bool
