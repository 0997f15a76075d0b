"""What is told of the demo, while it runs and at its end."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from ullage.model.backups import Archive, Operation
from ullage.model.settings import Watermarks
from ullage.model.words import Level


class View(Struct, frozen=True, kw_only=True):
    """The demo at one moment. Usage in percent, bytes, seconds since the writer began."""

    seconds: float
    level: Level
    usage: float | None
    written: int
    no_space: int
    last: bool = False


class Event(Struct, frozen=True, kw_only=True):
    """Something the daemon noted: that the level changed (``usage`` of then), or what became of a backup."""

    seconds: float
    level: Level | None = None
    usage: float | None = None
    operation: Operation | None = None


class Kept(Struct, frozen=True, kw_only=True):
    """A backup that is there at the end, and why."""

    backup_id: str
    state: str
    size_bytes: int
    reasons: tuple[str, ...]


class Report(Struct, frozen=True, kw_only=True):
    """What came of it. ``highest`` is the highest usage at any look, in percent and over 100 where it went over."""

    place: str
    loop: bool
    seconds: float
    written: int
    no_space: int
    highest: float
    levels: tuple[Level, ...]
    operations: tuple[Operation, ...]
    archives: tuple[Archive, ...]
    kept: tuple[Kept, ...]
    pinned: str
    pinned_kept: bool
    single: str
    single_kept: bool
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there was always room, and what must stay is there."""
        return not self.no_space and self.highest <= 100.0 and self.pinned_kept and self.single_kept


class Screen(Protocol):
    """Whoever shows the demo while it runs."""

    def begin(self, place: str, marks: Watermarks, to_write: int) -> None: ...

    def show(self, view: View, events: list[Event]) -> None: ...
