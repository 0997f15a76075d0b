"""One configured store: looked at quickly, or opened for work once its identity is proven."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ullage.errors import NoRoom, UllageError, Unavailable
from ullage.model.readings import Reading, Space
from ullage.model.settings import StoreSettings
from ullage.model.words import Kind, Level
from ullage.policy.assess import level_of
from ullage.sources.roots import Expected, Roots, open_roots
from ullage.sources.states import Remembering, StateSource
from ullage.system import ballast, btrfs_room, gauge, linux, mounts, tree
from ullage.system.guard import Guard
from ullage.system.identity import open_private
from ullage.system.locks import FileLock

if TYPE_CHECKING:
    from ullage.model.holding import Holding
    from ullage.ports import Clock
    from ullage.sources.reclaimer import TreeReclaimer
    from ullage.sources.restore import TreeRestorer
    from ullage.sources.trash import StoreTrash

_SETTLE, _LONGEST = 5.0, 60.0
"""Seconds that space handed back in the background is waited for: while nothing comes, and in all."""
_WRITTEN = 120.0
"""Seconds that the kernel may take to write out a filesystem; after them it is measured as it is."""
_TRUST = 60.0
"""Seconds for which roots that are still the same directories need not show their identity again to a quick look."""

_Key = tuple[int, int, int, int]


class DirectorySite:
    """A store of directories. ``expected`` tells the registered identities, None where there are none."""

    def __init__(
        self,
        settings: StoreSettings,
        expected: Callable[[], Expected | None],
        catalog: Remembering,
        clock: Clock,
        guard: Guard,
        state_dir: str,
    ) -> None:
        self.settings = settings
        self._expected = expected
        self._catalog = catalog
        self._clock = clock
        self._guard = guard
        self._state_dir = state_dir
        self._trusted: tuple[_Key, float, str, bool] | None = None

    def read(self) -> Reading:
        """A quick look; whatever is wrong with the store is its ``fault``."""
        store = self.settings
        try:
            reading = self._guard.answer(store.name, store.monitor.timeout, self._look)
            return self._with_capacity(reading) if store.capacity is not None else reading
        except (UllageError, OSError) as error:
            return Reading(at=self._clock.now(), total=_total(), fault=str(error))

    @contextmanager
    def open(self) -> Iterator[OpenDirectoryStore]:
        """The store, verified. Raises Unavailable."""
        self._guard.answer(self.settings.name, self.settings.monitor.timeout, self._look)
        with open_roots(self.settings, self._expected()) as roots:
            yield self._opened(roots)

    def _look(self) -> Reading:
        """Measure by fresh descriptors that are closed again: nothing here keeps a disk from being unmounted."""
        store = self.settings
        backup = archive = -1
        try:
            backup = tree.open_root(store.backup_root)
            archive = tree.open_root(store.archive_root)
            key = _key(backup, archive)
            trusted = self._trusted
            if trusted is None or trusted[0] != key or not 0 <= self._clock.monotonic() - trusted[1] < _TRUST:
                with open_roots(store, self._expected()) as roots:
                    key = _key(roots.backup_fd, roots.archive_fd)
                    trusted = (key, self._clock.monotonic(), roots.filesystem, roots.same_filesystem)
                if key != _key(backup, archive):
                    raise Unavailable(f"{store.backup_root} was exchanged while it was looked at")
                self._trusted = trusted
            return _reading(self._clock.now(), store, backup, archive, trusted[2], same=trusted[3])
        except BaseException:
            self._trusted = None
            raise
        finally:
            for fd in (backup, archive):
                if fd >= 0:
                    os.close(fd)

    def _with_capacity(self, reading: Reading) -> Reading:
        with open_roots(self.settings, self._expected()) as roots:
            return self._opened(roots).gauge.with_capacity(reading)

    def _opened(self, roots: Roots) -> OpenDirectoryStore:
        return OpenDirectoryStore(self.settings, roots, self._catalog, self._clock, self._guard, self._state_dir)


class OpenDirectoryStore:
    """An opened store: gauge, source and reclaimer on the same descriptors."""

    def __init__(
        self,
        settings: StoreSettings,
        roots: Roots,
        catalog: Remembering,
        clock: Clock,
        guard: Guard,
        state_dir: str,
    ) -> None:
        self.settings = settings
        self._state_dir = state_dir
        self.source = StateSource(settings.name, roots, catalog, clock, settings.capacity)
        self.gauge = StoreGauge(settings, roots, self.source.allocated, clock, guard)
        self._roots = roots

    @cached_property
    def reclaimer(self) -> TreeReclaimer:
        """Made when first asked for: archives load much that a look does not need."""
        from ullage.sources.reclaimer import TreeReclaimer

        return TreeReclaimer(self._roots)

    @cached_property
    def restorer(self) -> TreeRestorer:
        """Made when first asked for, like the reclaimer."""
        from ullage.sources.restore import TreeRestorer

        return TreeRestorer(self._roots)

    @cached_property
    def trash(self) -> StoreTrash:
        """Made when first asked for, like the reclaimer."""
        from ullage.sources.trash import StoreTrash

        return StoreTrash(self.settings.name, self._roots, self.source.measure)

    @property
    def filesystem(self) -> int | None:
        """The device number of the filesystem of the backups; None where it is mounted no more."""
        return mounts.device_of(self._roots.backup_fd)

    @contextmanager
    def turn(self, wait: float) -> Iterator[None]:
        """The filesystem of the backups, for one backup: two stores on it must not both go for the same pressure.

        Among the processes of one state directory. Where its lock file cannot be made (a full disk) there is none.
        """
        device = self.filesystem
        fd = os.open(self._state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with ExitStack() as stack:
                with suppress(NoRoom):
                    name = f"filesystem-{device or 0:x}.lock"
                    stack.enter_context(FileLock(fd, name, f"store {self.settings.name}", wait=wait))
                yield
        finally:
            os.close(fd)

    @contextmanager
    def lock(self, wait: float) -> Iterator[None]:
        """The store's lock, for whoever makes backups go. Raises Busy naming who has it."""
        fd = open_private(self._roots.backup_fd)
        try:
            with FileLock(fd, "lock", "reclaim", wait=wait):
                yield
        finally:
            os.close(fd)


class StoreGauge:
    """What the filesystems of an opened store say; with a ``capacity``, what lies under ``backup_root`` too."""

    def __init__(
        self, settings: StoreSettings, roots: Roots, allocated: Callable[[], int], clock: Clock, guard: Guard
    ) -> None:
        self._settings = settings
        self._roots = roots
        self._allocated = allocated
        self._clock = clock
        self._guard = guard

    def read(self) -> Reading:
        """The store as it is now."""
        roots = self._roots
        reading = _reading(
            self._clock.now(),
            self._settings,
            roots.backup_fd,
            roots.archive_fd,
            roots.filesystem,
            same=roots.same_filesystem,
        )
        return reading if self._settings.capacity is None else self.with_capacity(reading)

    def with_capacity(self, reading: Reading) -> Reading:
        """The reading with the store's own capacity as one more space that binds it."""
        capacity = self._settings.capacity or 0
        used = self._allocated()
        free = max(0, capacity - used)
        space = Space(kind=Kind.CAPACITY, total_bytes=capacity, used_bytes=used, free_bytes=free, available_bytes=free)
        return replace(reading, backup=(*reading.backup, space))

    def settle(self, before: Reading, pending: int, *, archives: bool = False) -> bool:
        """Wait until ``pending`` bytes more than ``before`` are visible, within bounds; False: more may come."""
        roots = self._roots
        fd, space = (
            (roots.archive_fd, before.archive) if archives else (roots.backup_fd, next(iter(before.backup), None))
        )
        kind = linux.filesystem_type(fd) if archives else roots.filesystem
        return self._settled(fd, kind, pending, None if space is None else space.free_bytes)

    def _settled(self, fd: int, kind: str, pending: int, before: int | None) -> bool:
        def wait() -> bool:
            own = os.dup(fd)  # it may be waited for in vain, and for longer than the store is open
            try:
                return gauge.settle(own, kind, pending=pending, timeout=_SETTLE, longest=_LONGEST, before=before)
            finally:
                os.close(own)

        try:
            return self._guard.answer(f"{self._settings.name}, which writes out,", _WRITTEN, wait)
        except Unavailable:
            return False

    def holding(self, *, archives: bool = False) -> Holding:
        """Who keeps space that was freed from coming back; nobody where that cannot be seen."""
        from ullage.sources.holding import holding

        roots = self._roots
        own = (roots.backup_path, mounts.real_path(roots.archive_fd))
        return holding(roots.archive_fd if archives else roots.backup_fd, own)

    def ballast(self) -> int:
        """Bytes that giving it up would free; 0 where that cannot be seen."""
        with suppress(Unavailable, OSError), self._private() as fd:
            return ballast.Ballast(fd).size
        return 0

    def give_up_ballast(self) -> int:
        """Bytes given up at once."""
        with self._private() as fd:
            given = ballast.Ballast(fd).give_up()
            if given:
                self._settled(self._roots.backup_fd, self._roots.filesystem, given, None)
            return given

    def restore_ballast(self) -> None:
        """Make it again; nothing happens where it stands, or where usage would come to the warning watermark."""
        if self._settings.capacity is not None:
            return
        with self._private() as fd, suppress(OSError):
            now = self.read()
            size = ballast.size_for(now.backup[0].total_bytes)
            if ballast.Ballast(fd).size < size and self._has_room(now, size):
                self.settle(now, 0)  # btrfs hides what is written and not on the disk yet
                if self._has_room(self.read(), size):
                    ballast.Ballast(fd).restore(size)

    def _has_room(self, now: Reading, size: int) -> bool:
        """Whether no backup would go for the sake of the ballast."""
        marks = self._settings.watermarks
        return all(level_of(_with(space, size), marks) is Level.OK for space in now.backup)

    @contextmanager
    def _private(self) -> Iterator[int]:
        fd = open_private(self._roots.backup_fd)
        try:
            yield fd
        finally:
            os.close(fd)


def _reading(now: float, store: StoreSettings, backup: int, archive: int, filesystem: str, *, same: bool) -> Reading:
    beside = _of_btrfs(backup, store) if filesystem == "btrfs" else ()
    return Reading(
        at=now,
        backup=(gauge.measure(backup), *beside),
        archive=gauge.measure(archive),
        total=_total(),
        same_filesystem=same,
        filesystem=filesystem,
    )


def _of_btrfs(backup: int, store: StoreSettings) -> list[Space]:
    """What binds a store on btrfs beside what df says; metadata where inodes count, for which it stands."""
    metadata = btrfs_room.metadata(backup) if store.watermarks.inodes else None
    return [space for space in (btrfs_room.quota(backup), metadata) if space is not None]


def _with(space: Space, size: int) -> Space:
    """The space with so many bytes more of data in it."""
    if space.kind is Kind.METADATA:
        return space
    return replace(space, used_bytes=space.used_bytes + size, available_bytes=max(0, space.available_bytes - size))


def _total() -> Space | None:
    try:
        fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return gauge.measure(fd)
    finally:
        os.close(fd)


def _key(backup: int, archive: int) -> _Key:
    first, second = os.fstat(backup), os.fstat(archive)
    return first.st_dev, first.st_ino, second.st_dev, second.st_ino
