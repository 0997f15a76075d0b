"""A disk and what lies on it, in numbers: backups come and grow, others use space too, and time goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from ullage.errors import NoRoom
from ullage.model.backups import Archive, Backup
from ullage.model.readings import Reading, Space
from ullage.model.words import State

ARCHIVE_INODES = 1


class Disk(Struct, kw_only=True):
    """One filesystem: what all that lies on it takes, in bytes and inodes. ``total_inodes`` 0: it counts none."""

    total_bytes: int
    used_bytes: int = 0
    total_inodes: int = 0
    used_inodes: int = 0

    @property
    def space(self) -> Space:
        """As a gauge would read it; without a reserve."""
        free = max(0, self.total_bytes - self.used_bytes)
        return Space(
            total_bytes=self.total_bytes,
            used_bytes=self.used_bytes,
            free_bytes=free,
            available_bytes=free,
            total_inodes=self.total_inodes,
            free_inodes=max(0, self.total_inodes - self.used_inodes),
        )

    def take(self, size: int, inodes: int) -> None:
        """Put so much on it. Raises NoRoom with nothing taken."""
        if self.used_bytes + size > self.total_bytes:
            raise NoRoom("no space left on the simulated disk")
        if 0 < self.total_inodes < self.used_inodes + inodes:
            raise NoRoom("no inodes left on the simulated disk")
        self.used_bytes += size
        self.used_inodes += inodes

    def give(self, size: int, inodes: int) -> None:
        """Take so much off it."""
        self.used_bytes -= size
        self.used_inodes -= inodes


@dataclass
class World:
    """The store's filesystems and all that is on them at ``now``. ``archives_disk`` may be the very same ``disk``."""

    now: float
    disk: Disk
    archives_disk: Disk
    capacity: int | None = None
    backups: dict[str, Backup] = field(default_factory=dict)
    archives: dict[str, Archive] = field(default_factory=dict)
    staged: dict[str, Backup] = field(default_factory=dict)

    @property
    def same_filesystem(self) -> bool:
        """Whether backups and archives are one pressure."""
        return self.disk is self.archives_disk

    @property
    def reading(self) -> Reading:
        """The store as a look would find it."""
        spaces = [self.disk.space]
        if self.capacity is not None:
            used = sum(b.size_bytes for b in (*self.backups.values(), *self.staged.values()))
            free = max(0, self.capacity - used)
            spaces.append(
                Space(total_bytes=self.capacity, used_bytes=used, free_bytes=free, available_bytes=free),
            )
        return Reading(
            at=self.now,
            backup=tuple(spaces),
            archive=self.archives_disk.space,
            total=self.disk.space,
            same_filesystem=self.same_filesystem,
            filesystem="simulated",
        )

    def add(self, backup: Backup) -> None:
        """A backup that was not there. Raises NoRoom."""
        self.disk.take(backup.reclaimable_bytes, backup.inodes)
        self.backups[backup.id] = backup

    def grow(self, backup_id: str, size: int) -> None:
        """A writer adds so many bytes. Raises NoRoom."""
        self.disk.take(size, 0)
        old = self.backups[backup_id]
        self.backups[backup_id] = replace(
            old,
            size_bytes=old.size_bytes + size,
            reclaimable_bytes=old.reclaimable_bytes + size,
            newest_mtime=self.now,
        )

    def remove(self, backup_id: str) -> None:
        """A writer takes back what it had begun."""
        gone = self.backups.pop(backup_id)
        self.disk.give(gone.reclaimable_bytes, gone.inodes)

    def move(self, backup_id: str, to_state: State) -> None:
        """Write a state, and the time that goes with it."""
        times = {State.PENDING: "pending_since", State.CONFIRMED: "confirmed_at", State.CLEANABLE: "cleanable_since"}
        changes: dict[str, object] = {"state": to_state}
        if to_state in times:
            changes[times[to_state]] = int(self.now)
        old = self.backups[backup_id]
        if old.state is State.CONFIRMED and old.confirmed_at is None:
            changes["confirmed_at"] = int(self.now)
        self.backups[backup_id] = replace(old, **changes)
