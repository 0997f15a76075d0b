"""Single acts on one backup of an opened, locked store, each journalled before and after.

The order is the safety: intent, then what can still be undone (an archive written, the move into the trash), then
the point of no return (``PURGING``), the removal, and what it really gained. A process killed anywhere between leaves a
row that ``recover`` settles.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from msgspec.structs import replace

from ullage.errors import Busy, CatalogError, Changed, Interrupted, NoRoom, UllageError
from ullage.model.backups import Archive, Backup, Operation
from ullage.model.readings import Reading, Space
from ullage.model.words import Phase, Result
from ullage.policy.respond import fruitless
from ullage.ports import Clock, Held, Journal, OpenStore, Stop

_SAMPLE = 0.02
"""Seconds over which the rate of a writer is measured, where a removal seems to have gained too little."""


class Executor:
    """Carries out acts on one opened store. ``stop`` is asked in the middle of long ones."""

    def __init__(self, opened: OpenStore, journal: Journal, clock: Clock, stop: Stop | None = None) -> None:
        self._opened = opened
        self._journal = journal
        self._clock = clock
        self._stop = stop

    def delete(self, held: Held, fresh: Backup, op: Operation) -> Operation:
        """The settled operation of deleting a held backup. Raises CatalogError with nothing done, or Interrupted."""
        began = self._journal.begin(
            replace(op, handle=held.handle, token=new_token(), predicted_bytes=fresh.reclaimable_bytes)
        )
        return self._stage_and_purge(held, began, undo=lambda: None)

    def archive(self, held: Held, fresh: Backup, op: Operation, room: Callable[[int], None]) -> Operation:
        """The settled operation of archiving a held backup. Raises NoRoom (settled as failed first), Interrupted."""
        reclaimer = self._opened.reclaimer
        path = reclaimer.archive_path(fresh, now=op.at)
        known = reclaimer.archive_handle(path) is not None
        if known:
            op = replace(op, reason=f"{op.reason}; it takes the place of its earlier archive")
        began = self._journal.begin(
            replace(op, handle=held.handle, token=new_token(), path=path, predicted_bytes=fresh.reclaimable_bytes)
        )
        try:
            size, digest = reclaimer.write_archive(held, began.token, room, self._stop)
            archive = reclaimer.publish_archive(fresh, began.token, now=op.at)
        except BaseException as error:
            reclaimer.discard_part(began.token)
            failed = self._failed(began, error)
            if isinstance(error, UllageError | OSError) and not isinstance(error, NoRoom | Interrupted):
                return failed
            raise
        made = self._journal.advance(began, Phase.ARCHIVED, digest=digest, path=archive.path)
        return self._stage_and_purge(held, made, undo=lambda: self._undo_archive(archive, keep=known), made=size)

    def transition(self, held: Held, op: Operation) -> Operation:
        """The settled operation of writing another state into a held backup."""
        assert op.to_state is not None
        began = self._journal.begin(replace(op, handle=held.handle))
        try:
            held.write_state(op.to_state, int(op.at))
        except (UllageError, OSError) as error:
            return self._failed(began, error)
        return self._settle(began, Result.DONE)

    def delete_archive(self, archive: Archive, op: Operation) -> Operation:
        """The settled operation of unlinking an archive."""
        handle = self._opened.reclaimer.archive_handle(archive.path)
        if handle is None:
            return self._journal.record(replace(op, result=Result.SKIPPED, reason=f"{op.reason}; it is gone already"))
        before = self._opened.gauge.read()
        began = self._journal.begin(replace(op, handle=handle, path=archive.path, predicted_bytes=archive.size_bytes))
        try:
            self._opened.reclaimer.delete_archive(archive.path, handle)
        except (UllageError, OSError) as error:
            return self._failed(began, error)
        self._opened.gauge.settle(before, archive.size_bytes)
        gained = _grown(before, self._opened.gauge.read(), archives=True)
        return self._settle(began, Result.DONE, gained=max(0, gained))

    def restore(self, archive: Archive, destination: str | None, digest: str | None, op: Operation) -> Operation:
        """The settled operation of bringing an archive back, to its place or to ``destination``."""
        reclaimer = self._opened.reclaimer
        op = self._journal.begin(replace(op, token=new_token(), path=destination or ""))
        try:
            handle = reclaimer.extract(archive, op.token, destination, digest, self._stop)
            op = self._journal.advance(op, Phase.STAGED, handle=handle)
            reclaimer.publish_restore(archive.backup_id, op.token, destination)
        except BaseException as error:
            reclaimer.discard_restore(op.token, destination)
            failed = self._failed(op, error)
            if isinstance(error, UllageError | OSError) and not isinstance(error, Interrupted):
                return failed
            raise
        return self._settle(op, Result.DONE)

    def _stage_and_purge(self, held: Held, op: Operation, undo: Callable[[], None], made: int = 0) -> Operation:
        before, began = self._opened.gauge.read(), self._clock.monotonic()
        reclaimer = self._opened.reclaimer
        try:
            staged = self._stage(held, op.token)
        except (UllageError, OSError) as error:
            undo()
            return self._failed(op, error)
        try:
            purging = self._journal.advance(op, Phase.PURGING, token=op.token if staged else "")
        except CatalogError:
            if staged:
                reclaimer.unstage(op.backup_id, op.token, op.handle)
            undo()
            raise
        reclaimer.purge(op.backup_id, purging.token, op.handle, self._stop)
        self._opened.gauge.settle(before, op.predicted_bytes)
        return self._settle(purging, Result.DONE, gained=self._gain(before, began, op.predicted_bytes))

    def _gain(self, before: Reading, began: float, predicted: int) -> int:
        """Bytes that the removal gave back. Where a writer took them at once, what it took in that time is added."""
        after, ended = self._opened.gauge.read(), self._clock.monotonic()
        gained = _grown(before, after)
        if not fruitless(predicted, gained):
            return gained
        self._clock.sleep(_SAMPLE)
        later = self._opened.gauge.read()
        taken = -_grown(after, later) / max(_SAMPLE, self._clock.monotonic() - ended) * (ended - began)
        return max(0, min(predicted, gained + int(max(0.0, taken))))

    def _stage(self, held: Held, token: str) -> bool:
        """Into the trash; where the disk has no room even for that, the ballast goes first. False: purge in place."""
        if self._opened.reclaimer.stage(held, token):
            return True
        return self._opened.gauge.give_up_ballast() > 0 and self._opened.reclaimer.stage(held, token)

    def _undo_archive(self, archive: Archive, *, keep: bool) -> None:
        """Take a fresh archive away again: its backup stays. One that took an older one's place is kept."""
        handle = self._opened.reclaimer.archive_handle(archive.path)
        if handle is not None and not keep:
            self._opened.reclaimer.delete_archive(archive.path, handle)

    def _failed(self, op: Operation, error: BaseException) -> Operation:
        result = Result.SKIPPED if isinstance(error, Busy | Changed) else Result.FAILED
        return self._settle(op, result, reason=f"{op.reason}; {describe(error)}")

    def _settle(self, op: Operation, result: Result, *, reason: str | None = None, gained: int = 0) -> Operation:
        lasted = max(0.0, self._clock.now() - op.at)
        return self._journal.settle(op, result, reason=reason, reclaimed_bytes=gained, duration_seconds=lasted)


def new_token() -> str:
    """A short name that nothing else has, for the trash and for part files."""
    return uuid4().hex[:16]


def describe(error: BaseException) -> str:
    """What went wrong, in one line for a record."""
    if isinstance(error, UllageError):
        return str(error)
    if isinstance(error, OSError):
        return f"the system said: {error.strerror or error}"
    return f"interrupted ({type(error).__name__})"


def _grown(before: Reading, after: Reading, *, archives: bool = False) -> int:
    """Bytes by which the free space grew between two readings; negative where it shrank."""
    first, second = (before.archive, after.archive) if archives else (_disk(before), _disk(after))
    if first is None or second is None:
        return 0
    return second.free_bytes - first.free_bytes


def _disk(reading: Reading) -> Space | None:
    return reading.backup[0] if reading.backup else None
