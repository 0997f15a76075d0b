"""Backups as directories with a ``.state`` file (SPEC.md 1 and 2): found, looked through, remembered, pinned.

Reading never trusts a name: directories are opened below the root's descriptor without following links or crossing
mounts. What did not change since the last look is taken from
the catalog; ``docs/decisions`` says which changes the signature sees and how the others are bounded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec.structs import replace

from ullage.catalog.values import Known, Summed
from ullage.errors import Busy, Changed, Refused, UllageError
from ullage.model.backups import Archive, Backup, Pin, Share
from ullage.model.units import printable
from ullage.model.words import State
from ullage.sources import archived, begun, pins
from ullage.sources.capacity import Total
from ullage.sources.facts import read_facts
from ullage.sources.held import StateHeld, lock_file
from ullage.sources.roots import Roots
from ullage.sources.signature import Signature, decoded, signature, unmoved
from ullage.sources.together import Measure
from ullage.sources.together import Remembering as Measuring
from ullage.system import locks, processes, tree

if TYPE_CHECKING:
    from ullage.ports import Clock

PRIVATE = ".ullage"
_LOOK_AGAIN = {State.CREATED: 600.0, State.PENDING: 600.0}
_LOOK_AGAIN_OTHERS = 6 * 3600.0
_FRESH = 5.0
"""Seconds for which the sizes of one look are summed up without another."""
_WRITTEN_TO = 3600.0
"""Seconds after its newest mtime for which a CREATED backup is taken to be still written: walked at every look."""
_TICK = 1.0
"""Seconds: a change so shortly before a look may carry the same time stamp as one after it."""


class Remembering(Measuring, Protocol):
    """The part of the catalog that remembers what was seen."""

    def known(self, store: str) -> dict[str, Known]: ...

    def remember(self, store: str, changed: Iterable[Known], gone: Iterable[str]) -> None: ...

    def archive_ids(self, store: str) -> dict[str, str]: ...

    def summed(self, store: str) -> Summed | None: ...

    def set_summed(self, store: str, summed: Summed) -> None: ...


class StateSource:
    """The backups of one opened store. With a ``capacity`` (bytes) more is walked again: sizes decide there."""

    def __init__(self, store: str, roots: Roots, catalog: Remembering, clock: Clock, capacity: int | None) -> None:
        self._store = store
        self._roots = roots
        self._catalog = catalog
        self._clock = clock
        self._capacity = capacity
        self._total = Total(store, roots.backup_fd, catalog)
        self.measure = Measure(store, roots.backup_fd, roots.filesystem, catalog)
        self._looked: float | None = None

    def backups(self) -> list[Backup]:
        """Every backup, with who uses it now, as far as that can be seen without touching its lock."""
        pinned = self.pins()
        uses = _Uses(self._roots)
        found = []
        looked = self._looked_at()
        for backup, (_, sign) in zip(self.measure.alone(looked, self._clock.now()), looked, strict=True):
            busy = backup.busy or uses.of(backup.id, sign)
            held = busy is not None or backup.id in pinned
            found.append(replace(backup, pinned=backup.id in pinned, busy=busy) if held else backup)
        return found

    def shares(self) -> tuple[Share, ...]:
        """What several of them hold together; where one has come that shares something, all are walked for it.

        To be asked before ``backups``, which knows then what each of them holds alone.
        """
        return self.measure.shares(self._looked_at(), self._clock.now())

    def learn(self, gone: Backup, gained: int) -> None:
        """Nothing; later predictions know what this one, as it was looked at last, really gave back."""
        self.measure.learn(gone, gained)

    def facts(self) -> list[Backup]:
        """Every backup, without its pin and who uses it: quicker by tens of milliseconds, and enough to count."""
        return [backup for backup, _ in self._looked_at()]

    def glance(self, backup_id: str) -> Backup | None:
        """State, times and pin read anew; sizes are not looked at."""
        try:
            fd = tree.open_directory(self._roots.backup_fd, backup_id)
        except UllageError:
            return None
        try:
            backup = read_facts(fd, backup_id, None)
        finally:
            os.close(fd)
        return replace(backup, pinned=backup_id in self.pins())

    def handle(self, backup_id: str) -> str | None:
        """What names its directory itself; None where it is gone."""
        return tree.handle_at(self._roots.backup_fd, backup_id)

    def archives(self) -> list[Archive]:
        """Every archive, ours and the seed's."""
        names = self._catalog.archive_ids(self._store)
        pinned = self.pins()
        return [
            replace(found, pinned=found.backup_id in pinned) for found in archived.find(self._roots.archive_fd, names)
        ]

    @contextmanager
    def hold(self, backup_id: str) -> Iterator[StateHeld]:
        """The backup under ``flock`` on its directory and on its ``.lock``."""
        if backup_id == PRIVATE:
            raise Refused(f"{PRIVATE} is ullage's own directory, not a backup")
        fd = tree.open_directory(self._roots.backup_fd, backup_id)
        lock_fd = -1
        try:
            locks.lock_directory(fd)
            lock_fd = lock_file(fd)
            yield StateHeld(backup_id, fd, self._roots, self.measure, pinned=lambda: backup_id in self.pins())
        except Busy as error:
            raise Busy(f"{printable(backup_id)} {error}") from None
        finally:
            if lock_fd >= 0:
                os.close(lock_fd)
            os.close(fd)

    def begin(self, backup_id: str, at: int) -> int:
        """The descriptor of a new backup's directory, locked until it is closed. Raises Refused, NoRoom."""
        return begun.begin(self._roots.backup_fd, backup_id, at)

    def pins(self) -> dict[str, Pin]:
        """Every pin; kept in the store itself, so that losing the catalog loses none."""
        return pins.read(self._roots.backup_fd)

    def pin(self, pin: Pin) -> bool:
        """Hold a backup; False where it was pinned already. Raises Changed where it went at the same moment.

        Whoever takes a backup away looks for a pin after the first step, and we look for the backup after pinning.
        """
        stood = self.glance(pin.backup_id) is not None
        added = pins.add(self._roots.backup_fd, pin)
        if stood and self.glance(pin.backup_id) is None:
            raise Changed(f"{printable(pin.backup_id)} was taken away while it was pinned; look where it is, with list")
        return added

    def unpin(self, backup_id: str) -> bool:
        """Let it go; False where it was not pinned."""
        return pins.remove(self._roots.backup_fd, backup_id)

    def oddities(self) -> list[tuple[str, str]]:
        """(name, why) of entries that look like backups and are none: links to directories."""
        found = []
        with tree.entries(self._roots.backup_fd) as entries:
            for entry in entries:
                if entry.is_symlink() and _has_state(self._roots.backup_fd, entry.name, follow=True):
                    found.append((entry.name, "is a symbolic link to a directory with a .state; it is never touched"))
        return sorted(found)

    def allocated(self) -> int:
        """Bytes that everything below ``backup_root`` takes, as ``du`` says, for a store with a ``capacity``.

        Within ``_FRESH`` seconds of a look what is gone and what is new is seen, but growth only by what the filesystem
        says: where its use and the sum no longer go together, it is looked again, and at last everything is walked.
        """
        allowed = (self._capacity or 0) // 100
        fresh = self._looked is not None and self._clock.monotonic() - self._looked < _FRESH
        total = self._total.within(allowed) if fresh else None
        if total is None:
            self._looked_at()
            total = self._total.within(allowed)
        if total is None:
            self._looked_at(everything=True)
            total = self._total.anew()
        return total

    def _looked_at(self, *, everything: bool = False) -> list[tuple[Backup, Signature]]:
        self._looked = self._clock.monotonic()
        writing = frozenset[str]() if self._capacity is None else _written_to(self._roots)
        known = self._catalog.known(self._store)
        found, changed = [], []
        for name in self._names():
            again = everything or name in writing
            seen = self._seen(name, known.pop(name, None), again=again)
            if seen is None:
                continue
            fresh, backup, sign = seen
            if fresh is not None:
                changed.append(fresh)
            found.append((backup, sign))
        if changed or known:
            self._catalog.remember(self._store, changed, list(known))
        self._total.know({b.id: (sign.parts[0], b.size_bytes, b.linked) for b, sign in found})
        return found

    def _names(self) -> list[str]:
        with tree.entries(self._roots.backup_fd) as entries:
            return sorted(e.name for e in entries if e.name != PRIVATE and e.is_dir(follow_symlinks=False))

    def _seen(self, name: str, known: Known | None, *, again: bool) -> tuple[Known | None, Backup, Signature] | None:
        """(what to remember, the backup, its signature); the first is None where the memory still holds."""
        before = None if known is None else decoded(known.signature)
        root = self._roots.backup_fd
        sign = before if before and unmoved(root, name, before) else signature(root, name, before)
        if sign is None:
            return None
        backup = None if known is None else _remembered(known)
        good = known is not None and backup is not None and sign == before and self._still_good(known, backup, sign)
        if good and backup is not None and not (again or self._unsteady(backup)):
            return None, backup, sign
        found = self._look(name, backup)
        if found is None:
            return None
        if good and found == backup:
            return None, found, sign
        facts = _ENCODE(found if name.isascii() else replace(found, id=""))  # a name need not be UTF-8
        fresh = Known(backup_id=name, signature=sign.encoded(), facts=facts, walked_at=self._clock.now())
        return (None if found.busy else fresh), found, sign

    def _still_good(self, known: Known, backup: Backup, sign: Signature) -> bool:
        age = self._clock.now() - known.walked_at
        longest = _LOOK_AGAIN.get(backup.state, _LOOK_AGAIN_OTHERS) if backup.state else 600.0
        spread = 0.5 + (sign.parts[0] % 512) / 1024  # so that a store walked at once is not walked at once again
        if backup.state is State.CREATED and known.walked_at - backup.newest_mtime < _WRITTEN_TO:
            return False
        return known.walked_at - sign.changed_at > _TICK and 0 <= age < longest * spread

    def _unsteady(self, backup: Backup) -> bool:
        """Whether it may grow without a sign, and its size decides."""
        return self._capacity is not None and backup.state not in (State.CONFIRMED, State.CLEANABLE)

    def _look(self, name: str, before: Backup | None) -> Backup | None:
        try:
            fd = tree.open_directory(self._roots.backup_fd, name)
        except Changed:
            return None
        except Refused as error:
            return Backup(id=name, state=None, created_at=None, fault=str(error))
        try:
            return read_facts(fd, name, tree.survey(fd, meter=self.measure.meter))
        except Changed:
            now = replace(read_facts(fd, name, None), busy="it changes while it is looked at")
            return now if before is None else _with_sizes(now, before)
        except (UllageError, OSError) as error:
            return replace(read_facts(fd, name, None), fault=str(error))
        finally:
            os.close(fd)


class _Uses:
    """Who uses which backup, from /proc: seen without taking anybody's lock."""

    def __init__(self, roots: Roots) -> None:
        self._locked = locks.flocked(roots.backup_fd)
        self._writing = _written_to(roots)

    def of(self, name: str, sign: Signature) -> str | None:
        if name in self._writing:
            return "a process has a file in it open for writing"
        if self._locked and not self._locked.isdisjoint(sign.inodes):
            return "it is locked (flock)"
        return None


def _written_to(roots: Roots) -> frozenset[str]:
    """The names below ``backup_root`` in which a process has a file open for writing."""
    root = roots.backup_path.rstrip("/") + "/"
    paths = processes.open_for_writing(roots.backup_fd).paths
    return frozenset(path[len(root) :].split("/", 1)[0] for path in paths if path.startswith(root))


def _has_state(root_fd: int, name: str, *, follow: bool = False) -> bool:
    try:
        os.stat(f"{name}/.state", dir_fd=root_fd, follow_symlinks=follow)
    except OSError:
        return False
    return True


def _with_sizes(now: Backup, before: Backup) -> Backup:
    """What a writer is at work on, as large as it was when it could be looked through."""
    return replace(
        now,
        size_bytes=before.size_bytes,
        reclaimable_bytes=before.reclaimable_bytes,
        metadata_bytes=before.metadata_bytes,
        inodes=before.inodes,
        linked=before.linked,
        reflinked=before.reflinked,
    )


def _remembered(known: Known) -> Backup | None:
    """The backup as it was remembered; None where that is damaged, or of another version."""
    try:
        backup = _DECODE(known.facts)
    except (msgspec.MsgspecError, ValueError):
        return None
    return backup if backup.id else replace(backup, id=known.backup_id)


_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Backup).decode
