"""The ports of the engine over a ``World``: what an opened store does, done to numbers."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime

from msgspec.structs import replace

from ullage.errors import Busy, Changed, Refused
from ullage.model.backups import Archive, Backup, Operation, Pin, Share
from ullage.model.holding import Holding
from ullage.model.readings import Reading
from ullage.model.settings import StoreSettings
from ullage.model.words import Level, State
from ullage.policy.clock import ClockMark
from ullage.ports import Held, RestorePlace, Stop
from ullage.simulation.world import ARCHIVE_INODES, World

_STEPS = 4
"""Looks at the room while an archive is written."""


class SimulatedClock:
    """The time of the world; to wait takes none, for nothing happens meanwhile."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> float:
        return self._world.now

    def monotonic(self) -> float:
        return self._world.now

    def sleep(self, seconds: float) -> None:
        return

    def mark(self) -> ClockMark:
        return ClockMark(self._world.now, "simulated", self._world.now)


class SimulatedNotifier:
    """Keeps what people would have been told: (when, level, kind, details)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.told: list[tuple[float, Level, str, tuple[str, ...]]] = []

    def notify(
        self, store: StoreSettings, level: Level, kind: str, usage: float | None, details: Iterable[str]
    ) -> list[str]:
        self.told.append((self._world.now, level, kind, tuple(details)))
        return ["simulated"]


class SimulatedSite:
    """A store that is always there."""

    def __init__(self, settings: StoreSettings, world: World) -> None:
        self.settings = settings
        self._world = world
        self._opened = SimulatedStore(settings, world)

    def read(self) -> Reading:
        return self._world.reading

    def open(self) -> AbstractContextManager[SimulatedStore]:
        return nullcontext(self._opened)


class SimulatedStore:
    """An opened store: gauge, source, reclaimer and trash on the same world."""

    def __init__(self, settings: StoreSettings, world: World) -> None:
        self.settings = settings
        self.gauge = _Gauge(world)
        self.source = _Source(world)
        self.reclaimer = _Reclaimer(settings, world)
        self.restorer = _Restorer()
        self.trash = _Trash()
        self.filesystem = 1

    def turn(self, wait: float) -> AbstractContextManager[None]:
        return nullcontext()

    def lock(self, wait: float) -> AbstractContextManager[None]:
        return nullcontext()


class _Gauge:
    def __init__(self, world: World) -> None:
        self._world = world

    def read(self) -> Reading:
        return self._world.reading

    def settle(self, before: Reading, pending: int, *, archives: bool = False) -> bool:
        return True

    def holding(self, *, archives: bool = False) -> Holding:
        return Holding()

    def ballast(self) -> int:
        return 0

    def give_up_ballast(self) -> int:
        return 0

    def restore_ballast(self) -> None:
        return


class _Source:
    def __init__(self, world: World) -> None:
        self._world = world

    def backups(self) -> list[Backup]:
        return list(self._world.backups.values())

    def shares(self) -> tuple[Share, ...]:
        return ()

    def learn(self, gone: Backup, gained: int) -> None:
        """Nothing: its backups give back what they say."""

    def glance(self, backup_id: str) -> Backup | None:
        return self._world.backups.get(backup_id)

    def handle(self, backup_id: str) -> str | None:
        return backup_id if backup_id in self._world.backups else None

    def archives(self) -> list[Archive]:
        return list(self._world.archives.values())

    @contextmanager
    def hold(self, backup_id: str) -> Iterator[_Held]:
        found = self._world.backups.get(backup_id)
        if found is None:
            raise Changed(f"{backup_id} is gone")
        if found.busy is not None:
            raise Busy(f"{backup_id} is in use: {found.busy}")
        yield _Held(self._world, backup_id)

    def pins(self) -> dict[str, Pin]:
        return {b.id: Pin(backup_id=b.id, at=0.0) for b in self._world.backups.values() if b.pinned}

    def pin(self, pin: Pin) -> bool:
        before = self._world.backups[pin.backup_id]
        self._world.backups[pin.backup_id] = replace(before, pinned=True)
        return not before.pinned

    def unpin(self, backup_id: str) -> bool:
        before = self._world.backups[backup_id]
        self._world.backups[backup_id] = replace(before, pinned=False)
        return before.pinned


class _Held:
    def __init__(self, world: World, backup_id: str) -> None:
        self._world = world
        self.backup_id = backup_id
        self.handle = backup_id

    def look(self, stop: Stop | None = None) -> Backup:
        return self._world.backups[self.backup_id]

    def write_state(self, state: State, at: int) -> None:
        self._world.move(self.backup_id, state)

    def tidy(self) -> None:
        return


class _Reclaimer:
    def __init__(self, settings: StoreSettings, world: World) -> None:
        self._settings = settings
        self._world = world
        self._parts: dict[str, int] = {}

    def stage(self, held: Held, token: str) -> bool:
        self._world.staged[token] = self._world.backups.pop(held.backup_id)
        return True

    def unstage(self, backup_id: str, token: str) -> bool:
        found = self._world.staged.pop(token, None)
        if found is None:
            return False
        self._world.backups[backup_id] = found
        return True

    def purge(self, backup_id: str, token: str, handle: str, stop: Stop | None = None) -> None:
        gone = self._world.staged.pop(token, None)
        if gone is not None:
            self._world.disk.give(gone.reclaimable_bytes, gone.inodes)

    def write_archive(
        self, held: Held, token: str, room: Callable[[int], None], stop: Stop | None = None
    ) -> tuple[int, str]:
        size = int(self._world.backups[held.backup_id].size_bytes * self._settings.archive.ratio_estimate)
        self._world.archives_disk.take(0, ARCHIVE_INODES)
        self._parts[token] = 0
        for step in range(1, _STEPS + 1):
            more = size * step // _STEPS - self._parts[token]
            self._world.archives_disk.take(more, 0)
            self._parts[token] += more
            room(self._parts[token])
        return size, token

    def publish_archive(self, backup: Backup, token: str, path: str, *, now: float) -> Archive:
        if path in self._world.archives:
            raise Changed(f"{path} is taken")
        made = int(now) if backup.created_at is None else backup.created_at
        archive = Archive(backup_id=backup.id, path=path, size_bytes=self._parts.pop(token), created_at=made)
        self._world.archives[path] = archive
        return archive

    def archive_path(self, backup: Backup, *, now: float) -> str:
        made = datetime.fromtimestamp(now if backup.created_at is None else backup.created_at, UTC)
        path = f"{made:%Y/%m}/{backup.id}.tar.zst"
        number = 2
        while path in self._world.archives:
            path, number = f"{made:%Y/%m}/{backup.id}~{number}.tar.zst", number + 1
        return path

    def sweep(self, keep: Container[str], stop: Stop | None = None) -> None:
        return

    def discard_part(self, token: str) -> None:
        size = self._parts.pop(token, None)
        if size is not None:
            self._world.archives_disk.give(size, ARCHIVE_INODES)

    def stands(self, backup_id: str, handle: str) -> bool:
        return backup_id == handle and backup_id in self._world.backups

    def discard_archive(self, path: str, digest: str) -> bool:
        found = path in self._world.archives
        if found:
            self.delete_archive(path, path)
        return found

    def archive_handle(self, path: str) -> str | None:
        return path if path in self._world.archives else None

    def delete_archive(self, path: str, handle: str) -> None:
        self._world.archives_disk.give(self._world.archives.pop(path).size_bytes, ARCHIVE_INODES)


class _Restorer:
    def place(self, backup_id: str, token: str, destination: str | None) -> RestorePlace:
        raise Refused("nothing is restored in a simulation")

    def discard(self, token: str) -> None:
        return


class _Trash:
    """Empty: what lies in a trash is there because a person put it there, and here is none."""

    def label(self, op: Operation) -> None:
        return

    def unlabel(self, token: str) -> None:
        return

    def labelled(self) -> list[Operation]:
        return []

    def stands(self, op: Operation) -> bool:
        return False

    def whole(self, op: Operation) -> bool:
        return False

    def claim(self, op: Operation, stop: Stop | None = None) -> AbstractContextManager[Backup | None]:
        return nullcontext()

    def stage_archive(self, path: str, token: str, handle: str) -> None:
        raise Refused("nobody deletes by hand in a simulation")

    def unstage_archive(self, path: str, token: str) -> bool:
        return False

    def purge_archive(self, token: str, handle: str) -> None:
        return
