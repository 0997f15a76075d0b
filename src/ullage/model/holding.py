"""Who keeps space that was freed from coming back."""

from __future__ import annotations

from msgspec import Struct


class Holder(Struct, frozen=True, kw_only=True):
    """A process that has deleted files of one filesystem open, or mapped. ``name`` as the kernel has it, any bytes."""

    pid: int
    name: str
    files: int
    size_bytes: int


class Holding(Struct, frozen=True, kw_only=True):
    """What holds deleted files of one filesystem, the most first. ``files`` and ``size_bytes`` count each file once.

    ``own_files`` and ``own_bytes`` are those of them that stood in the store. ``snapshots`` names those of the
    subvolume the backups are in (btrfs), which keep all that was in it when they were taken.
    """

    holders: tuple[Holder, ...] = ()
    files: int = 0
    size_bytes: int = 0
    own_files: int = 0
    own_bytes: int = 0
    snapshots: tuple[str, ...] = ()
