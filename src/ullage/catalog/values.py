"""What the catalog gives back beside operations."""

from __future__ import annotations

from msgspec import Struct

from ullage.model.words import Level


class Registration(Struct, frozen=True, kw_only=True):
    """A store as ``init`` left it: the identities found there, the roots, and the kernel's name of the filesystem."""

    name: str
    backup_id: str
    archive_id: str
    backup_root: str
    archive_root: str
    filesystem: str | None
    at: float


class Known(Struct, frozen=True, kw_only=True, gc=False):
    """A backup as it was when last walked; while its signature is the same, so are the facts."""

    backup_id: str
    signature: bytes
    facts: bytes
    walked_at: float


class Summed(Struct, frozen=True, kw_only=True):
    """What everything in a store with a capacity was found to take, in bytes.

    ``elsewhere``: what its filesystem held beside it when all of it was last walked; None where that is yet to be done.
    Where parts of it share files by hard links, ``digest`` stands for the sizes of all, ``bytes`` is what they take.
    """

    elsewhere: int | None = None
    digest: str = ""
    bytes: int = 0


class Together(Struct, frozen=True, kw_only=True):
    """What backups of a store hold together, as of one walk over all of them.

    ``names`` are those that share something, as the disk spells them; ``keys`` stand for what they were, ``seen`` is
    what each was taken to give back alone. ``alone``: what it does, as (bytes of data, bytes of items, inodes).
    ``shared``: the same of what two or more hold, whose bits (hex, the first of ``names`` lowest) come first.
    """

    names: tuple[bytes, ...] = ()
    keys: tuple[bytes, ...] = ()
    seen: tuple[int, ...] = ()
    alone: tuple[tuple[int, int, int], ...] = ()
    shared: tuple[tuple[str, int, int, int], ...] = ()


class Measured(Struct, frozen=True, kw_only=True):
    """One recorded check; usage in percent, None where it could not be measured."""

    at: float
    level: Level
    backup: float | None
    archive: float | None
    total: float | None


class OutboxItem(Struct, frozen=True, kw_only=True):
    """An alert for one channel. ``outcome``: ``waiting``, ``delivered`` or ``given up``; ``error`` is the last one."""

    id: int = 0
    store: str
    level: Level
    channel: str
    title: str
    body: str
    at: float
    attempts: int = 0
    next_at: float = 0.0
    outcome: str = "waiting"
    error: str = ""
