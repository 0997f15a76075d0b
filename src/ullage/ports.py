"""What the engine needs from the world. Each Protocol is as small as its one use; fakes in tests stand behind them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from ullage.model.backups import Archive, Backup, Operation, Pin, Share
from ullage.model.holding import Holding
from ullage.model.readings import Reading
from ullage.model.settings import StoreSettings
from ullage.model.words import Level, Phase, Result, State
from ullage.policy.alerting import AlertState
from ullage.policy.cadence import Rhythm
from ullage.policy.caps import Cap, Taken
from ullage.policy.clock import ClockMark
from ullage.policy.forecast import Point
from ullage.policy.outlook import Outlook
from ullage.policy.stall import Stall

Stop = Callable[[], bool]
"""Asked in the middle of long work; True means: come to an orderly end now (``Interrupted``)."""


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Epoch seconds by the wall clock."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def mark(self) -> ClockMark:
        """Wall clock, boot and time since boot, read together."""
        ...


class Gauge(Protocol):
    """What the filesystems of one opened store say."""

    def read(self) -> Reading:
        """The store as it is now."""
        ...

    def settle(self, before: Reading, pending: int, *, archives: bool = False) -> bool:
        """Wait, within bounds, until ``pending`` bytes more than ``before``, handed back in the background, show.

        False: more may come after the bounds. ``archives``: on the filesystem of the archives.
        """
        ...

    def holding(self, *, archives: bool = False) -> Holding:
        """Who keeps space of the filesystem, of the backups or of ``archives``, that was freed from coming back."""
        ...

    def ballast(self) -> int:
        """Bytes that giving up the ballast would free."""
        ...

    def give_up_ballast(self) -> int:
        """Bytes of ballast given up, 0 where there was none."""
        ...

    def restore_ballast(self) -> None:
        """Make the ballast again where it is missing and there is room."""
        ...


class Held(Protocol):
    """A live backup under its lock; nobody else moves it along meanwhile."""

    backup_id: str
    handle: str

    def look(self, stop: Stop | None = None) -> Backup:
        """Every fact of it, read anew from the whole tree. Raises Refused for a mount or an immutable entry."""
        ...

    def write_state(self, state: State, at: int) -> None:
        """Make ``.state`` say so, durably, then the time that goes with it; what was CONFIRMED says that first.

        Raises NoRoom.
        """
        ...

    def tidy(self) -> None:
        """Remove what a killed ``write_state`` left."""
        ...


class Source(Protocol):
    """The backups of one opened store."""

    def backups(self) -> list[Backup]:
        """Every backup; what did not change since the last look is remembered, not walked."""
        ...

    def shares(self) -> tuple[Share, ...]:
        """What several of the backups hold together (hard links, reflinks).

        To be asked before ``backups``, which knows then what each holds alone: the first may walk over all of them.
        """
        ...

    def learn(self, gone: Backup, gained: int) -> None:
        """Nothing; later predictions know what ``gone``, as it was looked at last, really gave back (bytes)."""
        ...

    def glance(self, backup_id: str) -> Backup | None:
        """One backup without its tree: state, times, pin; None where it is gone."""
        ...

    def handle(self, backup_id: str) -> str | None:
        """What names its directory itself (``Held.handle``), without its lock; None where it is gone."""
        ...

    def archives(self) -> list[Archive]:
        """Every archive."""
        ...

    def hold(self, backup_id: str) -> AbstractContextManager[Held]:
        """The backup under its lock. Raises Busy where it is locked, Changed where it is gone."""
        ...

    def pins(self) -> dict[str, Pin]:
        """Every pin by backup."""
        ...

    def pin(self, pin: Pin) -> bool:
        """Hold a backup, durably; False where it was pinned already."""
        ...

    def unpin(self, backup_id: str) -> bool:
        """Let it go again; False where it was not pinned."""
        ...


class Reclaimer(Protocol):
    """How backups of one opened store go, step by step; the engine journals between the steps."""

    def stage(self, held: Held, token: str) -> bool:
        """Move the backup into the trash, durably, and look again; False where there is no room even to rename.

        Raises Busy where a writer has got in, Changed where the name led elsewhere; it is back in its place then.
        """
        ...

    def unstage(self, backup_id: str, token: str) -> bool:
        """Back from the trash to its place; False where it is not there. Raises Changed where the place is taken."""
        ...

    def purge(self, backup_id: str, token: str, handle: str, stop: Stop | None = None) -> None:
        """Remove what was staged (where ``token`` is empty: what still stands in its place). Gone already is fine."""
        ...

    def write_archive(
        self, held: Held, token: str, room: Callable[[int], None], stop: Stop | None = None
    ) -> tuple[int, str]:
        """(bytes, digest) of a complete, verified, durable part file. The source is proven unchanged."""
        ...

    def publish_archive(self, backup: Backup, token: str, path: str, *, now: float) -> Archive:
        """The part file at ``path``, durably. Raises Changed where something stands there by now."""
        ...

    def archive_path(self, backup: Backup, *, now: float) -> str:
        """Where the archive of this backup will stand, and nothing stands yet, relative to ``archive_root``."""
        ...

    def sweep(self, keep: Container[str], stop: Stop | None = None) -> None:
        """Remove the part files and stagings of operations that are not in ``keep``, as far as that can be done."""
        ...

    def discard_part(self, token: str) -> None:
        """Remove a part file, if there."""
        ...

    def stands(self, backup_id: str, handle: str) -> bool:
        """Whether the very backup of that handle is in its place, and whole."""
        ...

    def discard_archive(self, path: str, digest: str) -> bool:
        """Whether there was an archive of that content at ``path``, which is unlinked now."""
        ...

    def archive_handle(self, path: str) -> str | None:
        """The handle of the file at ``path``; None where there is none."""
        ...

    def delete_archive(self, path: str, handle: str) -> None:
        """Unlink an archive, durably. Raises Changed where it is another file by now."""
        ...


class RestorePlace(Protocol):
    """Where one archive comes back: held open until the ``with`` ends, whatever comes to stand at its path."""

    def __enter__(self) -> RestorePlace: ...

    def __exit__(self, *_: object) -> None: ...

    def extract(self, archive: Archive, digest: str | None, stop: Stop | None = None) -> str:
        """The handle of the restored tree, whole and durable, beside the place where it will stand."""
        ...

    def publish(self) -> None:
        """The restored tree in its place, durably, never over anything that is there (Changed)."""
        ...

    def discard(self) -> None:
        """Remove what the restore wrote beside its place."""
        ...


class Restorer(Protocol):
    """How archives of one opened store come back; the engine journals between the steps."""

    def place(self, backup_id: str, token: str, destination: str | None) -> RestorePlace:
        """Where it will stand: as that backup, or at a path. Raises Unavailable where that cannot be opened."""
        ...

    def discard(self, token: str) -> None:
        """Remove what an unfinished restore of a backup to its own place wrote."""
        ...


class Trash(Protocol):
    """Where what a person deleted waits; live backups come and go by the reclaimer's ``stage`` and ``unstage``."""

    def label(self, op: Operation) -> None:
        """Lay beside it, durably, what it is and who deleted it: the catalog may be lost."""
        ...

    def unlabel(self, token: str) -> None:
        """Take the label off, durably: what goes for good from now on must not be brought back by it."""
        ...

    def labelled(self) -> list[Operation]:
        """What stands in the trash under a label, as the label tells it."""
        ...

    def stands(self, op: Operation) -> bool:
        """Whether what was deleted still lies there: another host may have taken it out."""
        ...

    def whole(self, op: Operation) -> bool:
        """Whether nobody has begun to remove it: another host may."""
        ...

    def claim(self, op: Operation, stop: Stop | None = None) -> AbstractContextManager[Backup | None]:
        """What lies there, locked, once all of it is known to be able to go. Raises Busy, Refused, Changed.

        Of a backup: what it gives back now; what it shared with others in the trash comes back with the last of them.
        """
        ...

    def stage_archive(self, path: str, token: str, handle: str) -> None:
        """The archive in the trash, durably. Raises Changed where it is another file by now."""
        ...

    def unstage_archive(self, path: str, token: str) -> bool:
        """Back in its place; False where it is not in the trash. Raises Changed where the place is taken."""
        ...

    def purge_archive(self, token: str, handle: str) -> None:
        """Unlink it; gone already is fine. Raises Changed where it is another file."""
        ...


class OpenStore(Protocol):
    """A store whose identity was verified, and whose roots are held open meanwhile."""

    settings: StoreSettings

    @property
    def filesystem(self) -> int | None:
        """What its backups lie on: the same number for every store on it; None where that cannot be told."""
        ...

    @property
    def gauge(self) -> Gauge: ...

    @property
    def source(self) -> Source: ...

    @property
    def reclaimer(self) -> Reclaimer: ...

    @property
    def restorer(self) -> Restorer: ...

    @property
    def trash(self) -> Trash: ...

    def turn(self, wait: float) -> AbstractContextManager[None]:
        """The filesystem to ourselves, for one backup: another store on it must not go for the same pressure.

        Raises Busy naming who has it.
        """
        ...

    def lock(self, wait: float) -> AbstractContextManager[None]:
        """The store to ourselves, before anything goes. Raises Busy naming who has it."""
        ...


class Site(Protocol):
    """A configured store, wherever it is and whether or not it is there."""

    settings: StoreSettings

    def read(self) -> Reading:
        """A quick look. Never raises for what is wrong with the store, never hangs: ``fault`` says so."""
        ...

    def open(self) -> AbstractContextManager[OpenStore]:
        """The store, verified. Raises Unavailable."""
        ...


class Journal(Protocol):
    """Operations, durable before the act and after it."""

    def begin(self, op: Operation) -> Operation: ...

    def advance(self, op: Operation, phase: Phase, **changes: object) -> Operation: ...

    def settle(
        self,
        op: Operation,
        result: Result,
        *,
        reason: str | None = None,
        reclaimed_bytes: int = 0,
        reclaimed_inodes: int = 0,
        duration_seconds: float = 0.0,
    ) -> Operation: ...

    def record(self, op: Operation) -> Operation: ...

    def unsettled(self, store: str) -> list[Operation]: ...

    def trashed(self, store: str) -> list[Operation]: ...

    def latest(self, store: str, backup_id: str, since: float) -> list[Operation]: ...


class Catalog(Journal, Protocol):
    """The journal, and what else is remembered from cycle to cycle."""

    def add_reading(
        self,
        store: str,
        at: float,
        level: Level,
        backup: float | None,
        archive: float | None,
        total: float | None,
        points: Mapping[str, Point],
    ) -> None: ...

    def add_points(self, store: str, points: Mapping[str, Point]) -> None:
        """What was measured after something went, with what that gave back, for the forecast."""
        ...

    def points(self, store: str, since: float, until: float) -> dict[str, list[Point]]:
        """The history of each space by the hour, oldest first, by what it measures."""
        ...

    def add_outlook(self, store: str, seen: Outlook, *, instead: float | None) -> None:
        """The newest forecast, instead of the one of that time."""
        ...

    def outlook(self, store: str) -> Outlook | None:
        """The newest forecast; None where there is none yet."""
        ...

    def alert_state(self, store: str) -> AlertState | None: ...

    def set_alert_state(self, store: str, state: AlertState) -> None: ...

    def forget_alert(self, store: str) -> None: ...

    def clock_mark(self) -> ClockMark | None: ...

    def set_clock_mark(self, mark: ClockMark) -> None: ...

    def rhythm(self, store: str) -> Rhythm | None: ...

    def set_rhythm(self, store: str, rhythm: Rhythm) -> None: ...

    def stall(self, store: str, *, archives: bool = False) -> Stall | None: ...

    def set_stall(self, store: str, stall: Stall | None, *, archives: bool = False) -> None: ...

    def newest(self) -> int:
        """The id of the newest operation of all; those begun later have higher ones, whatever the clock says."""
        ...

    def taken(self, store: str, since: float | None, after: int, *, archives: bool = False) -> Taken:
        """What the disk's pressure took: operations with an id above ``after``, begun at ``since`` or later."""
        ...

    def capped(self, store: str) -> Cap | None: ...

    def set_capped(self, store: str, cap: Cap | None) -> None: ...

    def resumed(self, store: str) -> int:
        """The newest operation when a person last lifted the caps; 0 where nobody did."""
        ...

    def set_resumed(self, store: str, operation: int) -> None: ...

    def remember_archive(
        self, store: str, path: str, backup_id: str, digest: str, size: int, created_at: int
    ) -> None: ...

    def archive_digest(self, store: str, path: str) -> str | None: ...

    def forget_archive(self, store: str, path: str) -> None: ...

    def reserve(self) -> None:
        """Keep room inside the catalog for the day when the disk is full."""
        ...


class Notifier(Protocol):
    """Puts alerts into the outbox; never waits for a delivery."""

    def notify(
        self, store: StoreSettings, level: Level, kind: str, usage: float | None, details: Iterable[str]
    ) -> list[str]:
        """The channels an alert was queued for."""
        ...
