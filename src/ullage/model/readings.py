"""What the filesystem says, and what it means."""

from __future__ import annotations

from msgspec import Struct

from ullage.model.words import Kind, Level


class Space(Struct, frozen=True, kw_only=True):
    """One filesystem at one moment, or what of it binds a store. ``free`` counts the reserve, ``available`` does not.

    ``METADATA`` is that of btrfs: what its trees take, and what they may still take.
    """

    kind: Kind = Kind.FILESYSTEM
    total_bytes: int
    used_bytes: int
    free_bytes: int
    available_bytes: int
    total_inodes: int = 0
    free_inodes: int = 0

    @property
    def usage_percent(self) -> float:
        """``used / (used + available)`` as df means it, 0..100, not rounded; 100 where nothing may be used."""
        usable = self.used_bytes + self.available_bytes
        return 100.0 * self.used_bytes / usable if usable > 0 else 100.0

    @property
    def inode_percent(self) -> float | None:
        """Inodes used, 0..100; None where the filesystem counts none."""
        if self.total_inodes <= 0:
            return None
        return 100.0 * (self.total_inodes - self.free_inodes) / self.total_inodes


class Reading(Struct, frozen=True, kw_only=True):
    """One look at a store. ``backup`` holds every space that binds it: its filesystem first.

    ``fault`` says why the store is unavailable; then ``backup`` may be empty. ``total`` is ``/``.
    ``same_filesystem``: backups and archives are one pressure. ``filesystem`` is the kernel's name (``ext4``).
    """

    at: float
    backup: tuple[Space, ...] = ()
    archive: Space | None = None
    total: Space | None = None
    same_filesystem: bool = False
    filesystem: str = ""
    fault: str | None = None


class Pressure(Struct, frozen=True, kw_only=True):
    """A reading against the watermarks. Usage in percent; None where unavailable. ``brief``: how full what binds is."""

    level: Level
    usage: float | None
    archive_usage: float | None
    total_usage: float | None
    reason: str = ""
    brief: str = "unknown"
