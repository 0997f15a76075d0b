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
from ullage.model.units import MIB, printable
from ullage.model.words import Action, Kind, Phase, Result, State
from ullage.policy.holding import why_short
from ullage.policy.respond import fruitless
from ullage.ports import Catalog, Clock, Held, OpenStore, RestorePlace, Stop

_Grown = Callable[[Reading, Reading, bool], int | None]
_NAMED_FROM = MIB
"""Bytes that an act did not gain from which on it is looked who holds them; small ones are lost in metadata."""
_SAMPLE = 0.02
"""Seconds over which the rate of a writer is measured, where a removal seems to have gained too little."""


class Executor:
    """Carries out acts on one opened store. ``stop`` is asked in the middle of long ones.

    ``coming``: bytes of the last removal that did not show within the bounds of waiting, and may still come.
    """

    def __init__(self, opened: OpenStore, catalog: Catalog, clock: Clock, stop: Stop | None = None) -> None:
        self._opened = opened
        self._catalog = catalog
        self._clock = clock
        self._stop = stop
        self.undone: BaseException | None = None
        self.coming = 0

    def delete(self, held: Held, fresh: Backup, op: Operation) -> Operation:
        """The settled operation of deleting a held backup. Raises CatalogError with nothing done, or Interrupted."""
        return self._stage_and_purge(held, fresh, self._begin(held, fresh, op))

    def archive(
        self, held: Held, fresh: Backup, op: Operation, room: Callable[[int], None], still: Callable[[], None]
    ) -> Operation:
        """The settled operation of archiving a held backup. Raises NoRoom (settled as failed first), Interrupted.

        ``still`` raises where the backup may not go any more: archiving takes long.
        """
        reclaimer = self._opened.reclaimer
        made = self._begin(held, fresh, replace(op, path=reclaimer.archive_path(fresh, now=op.at)))
        try:
            size, digest = reclaimer.write_archive(held, made.token, room, self._stop)
            room(size)
            taken = size if self._opened.gauge.read().same_filesystem else 0
            predicted = max(0, made.predicted_bytes - taken)
            made = self._catalog.advance(made, Phase.ARCHIVED, digest=digest, predicted_bytes=predicted)
            archive = reclaimer.publish_archive(fresh, made.token, made.path, now=op.at)
            self._catalog.remember_archive(
                op.store, archive.path, op.backup_id, digest, archive.size_bytes, archive.created_at
            )
            still()
        except BaseException as error:
            return self._undone(made, error)
        return self._stage_and_purge(held, fresh, made, taken=taken)

    def transition(self, held: Held, op: Operation) -> Operation:
        """The settled operation of writing another state into a held backup."""
        assert op.to_state is not None
        began = self._catalog.begin(replace(op, handle=held.handle))
        try:
            self._write_state(held, op.to_state, int(op.at))
        except (UllageError, OSError) as error:
            now = self._opened.source.glance(op.backup_id)
            if now is None or now.state is not op.from_state:
                raise  # half done: recover finishes it
            return self._failed(began, error)
        return self._settle(began, Result.DONE)

    def _write_state(self, held: Held, state: State, at: int) -> None:
        """On a full disk the ballast makes room. Raises NoRoom."""
        try:
            held.write_state(state, at)
        except NoRoom:
            if not self._opened.gauge.give_up_ballast():
                raise
            held.write_state(state, at)

    def delete_archive(self, archive: Archive, op: Operation) -> Operation:
        """The settled operation of unlinking an archive."""
        handle = self._opened.reclaimer.archive_handle(archive.path)
        if handle is None:
            return self._gone_already(op)
        before, started = self._settled(archives=True), self._clock.monotonic()
        began = self._catalog.begin(replace(op, handle=handle, path=archive.path, predicted_bytes=archive.size_bytes))
        try:
            self._opened.reclaimer.delete_archive(archive.path, handle)
        except (UllageError, OSError) as error:
            if self._opened.reclaimer.archive_handle(archive.path) is None:
                raise  # gone, and perhaps not durably: recover settles it
            return self._failed(began, error)
        return self._archive_gone(began, before, started)

    def _archive_gone(self, op: Operation, before: Reading, started: float) -> Operation:
        forget_archive(self._opened, self._catalog, op)
        return self._measured(op, before, started, archives=True)

    def _gone_already(self, op: Operation) -> Operation:
        return self._catalog.record(replace(op, result=Result.SKIPPED, reason=f"{op.reason}; it is gone already"))

    def restore(self, archive: Archive, destination: str | None, digest: str | None, op: Operation) -> Operation:
        """The settled operation of bringing an archive back, to its place or to ``destination``."""
        op = self._catalog.begin(replace(op, token=new_token(), path=destination or ""))
        try:
            place = self._opened.restorer.place(archive.backup_id, op.token, destination)
        except (UllageError, OSError) as error:
            return self._failed(op, error)
        with place:
            return self._restored(place, archive, digest, op)

    def _restored(self, place: RestorePlace, archive: Archive, digest: str | None, op: Operation) -> Operation:
        try:
            handle = place.extract(archive, digest, self._stop)
            op = self._catalog.advance(op, Phase.STAGED, handle=handle)
            place.publish()
        except BaseException as error:
            if op.phase is Phase.STAGED and not op.path and stands(self._opened, op):
                raise  # it is in its place, perhaps not durably: recover settles it
            place.discard()
            failed = self._failed(op, error)
            if isinstance(error, UllageError | OSError) and not isinstance(error, Interrupted):
                return failed
            raise
        place.discard()  # where that fails, recover does it
        return self._settle(op, Result.DONE)

    def _begin(self, held: Held, fresh: Backup, op: Operation) -> Operation:
        return self._catalog.begin(_predicted(replace(op, handle=held.handle, token=new_token()), fresh))

    def _stage_and_purge(self, held: Held, fresh: Backup, op: Operation, taken: int = 0) -> Operation:
        """``taken``: bytes that its archive took from the same filesystem; they are no gain."""
        before, began = self._settled(), self._clock.monotonic()
        try:
            staged = self._stage(held, op.token)
            purging = self._catalog.advance(op, Phase.PURGING, token=op.token if staged else "")
        except BaseException as error:
            return self._undone(op, error)
        return self._removed(purging, before, began, fresh, taken)

    def _removed(
        self, op: Operation, before: Reading, began: float, fresh: Backup | None = None, taken: int = 0
    ) -> Operation:
        """The settled operation, past its point of no return. ``fresh``: as it was looked at for the prediction."""
        self._opened.reclaimer.purge(op.backup_id, op.token, op.handle, self._stop)
        return self._measured(op, before, began, fresh=fresh, taken=taken)

    def _measured(
        self,
        op: Operation,
        before: Reading,
        began: float,
        *,
        fresh: Backup | None = None,
        taken: int = 0,
        archives: bool = False,
    ) -> Operation:
        """The settled operation, with what came back once that was waited for; where it is too little, with why."""
        gauge, promised = self._opened.gauge, op.predicted_bytes + taken
        came = gauge.settle(before, promised, archives=archives)
        gain = self._gain(before, began, promised, archives=archives)
        if fresh is not None and came and not fruitless(promised, gain):
            self._opened.source.learn(fresh, gain)
        gained = max(0, gain - taken)
        inodes = self._gain(
            before, began, 1 if archives else op.predicted_inodes, archives=archives, grown=_inodes_grown
        )
        short = op.predicted_bytes - gained
        self.coming = 0 if came else max(0, short)
        reason = None
        if short >= _NAMED_FROM and fruitless(op.predicted_bytes, gained):
            reason = f"{op.reason}; {why_short(gauge.holding(archives=archives), op.predicted_bytes, gained)}"
        return self._settle(op, Result.DONE, reason=reason, gained=gained, inodes=inodes)

    def trash(self, held: Held, fresh: Backup, op: Operation) -> Operation:
        """The operation of deleting a held backup, which waits in the trash now; settled where that failed."""
        made = self._begin(held, fresh, replace(op, at=self._latest(op.at)))
        before, began = self._settled(), self._clock.monotonic()
        try:
            self._opened.trash.label(made)
            if self._stage(held, made.token):
                return self._catalog.advance(made, Phase.TRASHED, result=Result.DONE)
            self._opened.trash.unlabel(made.token)
            purging = self._catalog.advance(made, Phase.PURGING, token="")  # no room even for the move
        except BaseException as error:
            return self._undone(made, error)
        return self._removed(purging, before, began, fresh)

    def trash_archive(self, archive: Archive, op: Operation) -> Operation:
        """The operation of deleting an archive, which waits in the trash now; settled where that failed."""
        handle = self._opened.reclaimer.archive_handle(archive.path)
        if handle is None:
            return self._gone_already(op)
        digest = self._catalog.archive_digest(op.store, archive.path) or ""
        made = self._catalog.begin(
            replace(
                op,
                at=self._latest(op.at),
                handle=handle,
                path=archive.path,
                token=new_token(),
                digest=digest,
                predicted_bytes=archive.size_bytes,
                predicted_inodes=1,
            )
        )
        try:
            self._opened.trash.label(made)
            self._opened.trash.stage_archive(made.path, made.token, handle)
            return self._catalog.advance(made, Phase.TRASHED, result=Result.DONE)
        except BaseException as error:
            return self._undone(made, error)

    def purge(self, op: Operation, why: str) -> Operation:
        """What waits in the trash goes for good; the settled operation.

        Raises Busy, Refused, Changed, with nothing done, where not all of it can go.
        """
        archives = op.action is Action.DELETE_ARCHIVE
        with self._opened.trash.claim(op, self._stop) as fresh:
            op = op if fresh is None else _predicted(op, fresh)
            before, began = self._settled(archives=archives), self._clock.monotonic()
            self._opened.trash.unlabel(op.token)
            purging = self._catalog.advance(op, Phase.PURGING, result=None, reason=f"{op.reason}; {why}")
            if not archives:
                return self._removed(purging, before, began, fresh)
            self._opened.trash.purge_archive(op.token, op.handle)
        return self._archive_gone(purging, before, began)

    def bring_back(self, op: Operation) -> Operation:
        """What waits in the trash is in its place again; the settled operation.

        Raises Changed: the place is taken, or another has begun to remove it.
        """
        if not self._opened.trash.whole(op):
            raise Changed(f"another has begun to remove {printable(op.backup_id)} for good; it is not whole any more")
        back = self._catalog.advance(op, Phase.STAGED, result=None)
        try:
            there = undo(self._opened, self._catalog, back)
        except Changed:
            self._catalog.advance(op, Phase.TRASHED, result=Result.DONE)
            raise
        if not there:
            return self._settle(back, Result.FAILED, reason=f"{op.reason}; it is not in the trash any more")
        return self._settle(back, Result.UNDONE, reason=f"{op.reason}; brought back")

    def _latest(self, at: float) -> float:
        """The time from which the grace counts: a clock that is behind, and is set right, must not make it shorter."""
        mark = self._catalog.clock_mark()
        now = self._clock.mark()
        if mark is None or mark.boot_id != now.boot_id:
            return at
        return max(at, mark.wall + now.boot_seconds - mark.boot_seconds)

    def _settled(self, *, archives: bool = False) -> Reading:
        """The store as it is, nothing of it yet to be written or handed back: btrfs hides what is not synced."""
        gauge = self._opened.gauge
        gauge.settle(gauge.read(), 0, archives=archives)
        return gauge.read()

    def _undone(self, op: Operation, error: BaseException) -> Operation:
        """The operation settled as failed, all of it undone; ``undone`` keeps why.

        Raises ``error`` where it is more than a failure of it.
        Where undoing fails too, that is raised, and the row is left to ``recover``.
        """
        self.undone = error
        undo(self._opened, self._catalog, op)
        failed = self._failed(op, error)
        if isinstance(error, NoRoom | Interrupted | CatalogError) or not isinstance(error, UllageError | OSError):
            raise error
        return failed

    def _gain(
        self, before: Reading, began: float, predicted: int, *, archives: bool = False, grown: _Grown | None = None
    ) -> int:
        """What the removal gave back, in bytes unless ``grown`` counts another thing.

        Where a writer took it at once, what it took in that time is added.
        """
        grown = grown or _grown
        after, ended = self._opened.gauge.read(), self._clock.monotonic()
        gained = grown(before, after, archives)
        if gained is None:
            return 0
        if not fruitless(predicted, gained):
            return gained
        self._clock.sleep(_SAMPLE)
        since = grown(after, self._opened.gauge.read(), archives) or 0
        taken = -since / max(_SAMPLE, self._clock.monotonic() - ended) * (ended - began)
        return max(0, min(predicted, gained + int(max(0.0, taken))))

    def _stage(self, held: Held, token: str) -> bool:
        """Into the trash; where the disk has no room even for that, the ballast goes first. False: purge in place."""
        if self._opened.reclaimer.stage(held, token):
            return True
        return self._opened.gauge.give_up_ballast() > 0 and self._opened.reclaimer.stage(held, token)

    def _failed(self, op: Operation, error: BaseException) -> Operation:
        result = Result.SKIPPED if isinstance(error, Busy | Changed) else Result.FAILED
        return self._settle(op, result, reason=f"{op.reason}; {describe(error)}")

    def _settle(
        self, op: Operation, result: Result, *, reason: str | None = None, gained: int = 0, inodes: int = 0
    ) -> Operation:
        lasted = max(0.0, self._clock.now() - op.at)
        return self._catalog.settle(
            op,
            result,
            reason=reason,
            reclaimed_bytes=gained,
            reclaimed_inodes=max(0, inodes),
            duration_seconds=lasted,
        )


def _predicted(op: Operation, fresh: Backup) -> Operation:
    """The operation with what is to come back."""
    return replace(op, predicted_bytes=fresh.reclaimable_bytes, predicted_inodes=fresh.inodes)


def undo(opened: OpenStore, catalog: Catalog, op: Operation) -> bool:
    """Whether the backup had to be brought back; before ``PURGING``, what an operation has done is taken back.

    But no archive goes whose backup is not seen to stand: an older copy of the catalog may say ``ARCHIVED`` of what
    went long ago, and a person may have removed it meanwhile.
    """
    reclaimer = opened.reclaimer
    if op.action is Action.DELETE_ARCHIVE:
        back = opened.trash.unstage_archive(op.path, op.token)
    else:
        back = reclaimer.unstage(op.backup_id, op.token)
    if back and op.action is Action.DELETE_ARCHIVE:
        _remember(opened, catalog, op)
    if op.action in (Action.DELETE, Action.DELETE_ARCHIVE):
        opened.trash.unlabel(op.token)
    if op.action is Action.ARCHIVE:
        reclaimer.discard_part(op.token)
        needless = op.path and op.digest and reclaimer.stands(op.backup_id, op.handle)
        if needless and reclaimer.discard_archive(op.path, op.digest):
            catalog.forget_archive(op.store, op.path)
    return back


def _remember(opened: OpenStore, catalog: Catalog, op: Operation) -> None:
    """What is known of an archive that is back, and not of another that stood in its place meanwhile."""
    there = [archive for archive in opened.source.archives() if archive.path == op.path]
    if not op.digest:
        catalog.forget_archive(op.store, op.path)
    for archive in there if op.digest else ():
        catalog.remember_archive(op.store, op.path, op.backup_id, op.digest, archive.size_bytes, archive.created_at)


def forget_archive(opened: OpenStore, catalog: Catalog, op: Operation) -> None:
    """Nothing more is known of the archive that is gone; another that took its place meanwhile stays known."""
    if opened.reclaimer.archive_handle(op.path) is None:
        catalog.forget_archive(op.store, op.path)


def stands(opened: OpenStore, op: Operation) -> bool:
    """Whether the very directory of the operation is in its place."""
    try:
        with opened.source.hold(op.backup_id) as held:
            return held.handle == op.handle
    except Changed:
        return False


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


def _grown(before: Reading, after: Reading, archives: bool) -> int | None:
    """Bytes that came back between two readings, of the disk and of a capacity alike; negative where more is used."""
    pairs = zip(_spaces(before, archives), _spaces(after, archives), strict=False)
    return min((first.used_bytes - second.used_bytes for first, second in pairs), default=0)


def _inodes_grown(before: Reading, after: Reading, archives: bool) -> int | None:
    """The same of inodes; None where the filesystem counts none."""
    pairs = zip(_spaces(before, archives)[:1], _spaces(after, archives)[:1], strict=False)
    grown = [
        first.total_inodes - first.free_inodes - (second.total_inodes - second.free_inodes)
        for first, second in pairs
        if second.total_inodes > 0
    ]
    return grown[0] if grown else None


def _spaces(reading: Reading, archives: bool) -> tuple[Space, ...]:
    """Those that bytes come back to."""
    if not archives:
        return tuple(space for space in reading.backup if space.kind is not Kind.METADATA)
    return () if reading.archive is None else (reading.archive,)
