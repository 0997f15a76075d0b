"""One reclaim: go down a ranking, look again at each, act, measure, and stop as soon as it is enough."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property, partial

from msgspec.structs import replace

from ullage.engine.caps import Budget, waiting
from ullage.engine.execute import Executor, describe
from ullage.engine.remarks import held_own
from ullage.engine.trash import Trash
from ullage.engine.weighing import Scales
from ullage.errors import Busy, CatalogError, Changed, Interrupted, NoRoom, Refused, UllageError, Unavailable
from ullage.model.backups import Archive, Backup, Operation, Selection, Share
from ullage.model.holding import Holding
from ullage.model.plans import SavedPlan, View
from ullage.model.readings import Reading
from ullage.model.settings import StoreSettings
from ullage.model.words import Action, CleanupLevel, Kind, Level, Phase, Result, State, Strategy, Trigger, Unit
from ullage.policy import ageing, assess, lifecycle, protect, respond, select, stale
from ullage.policy.assess import Goal
from ullage.policy.assume import Until, Want, needed_for, of_disk_alone, shifted
from ullage.policy.course import Course
from ullage.policy.elsewhere import held_elsewhere
from ullage.policy.gain import Gains
from ullage.policy.holding import as_if_back, still_coming, waited_for
from ullage.policy.lifecycle import Prior
from ullage.policy.series import series_of
from ullage.ports import Catalog, Clock, Held, OpenStore, Stop

TURN = 60.0
"""Seconds to wait while another store on the same filesystem takes a backup."""
ARCHIVE_LIMIT = 10
"""Archives that one clean-up of the archive filesystem may delete (SPEC.md 4)."""
_BROKEN = 2
"""Failures of the disk itself in a row after which it is taken to be the filesystem, and not one backup."""


class Reclaim:
    """A reclaim on one opened, locked store, by one trigger. ``dry_run`` plans the same steps and changes nothing.

    ``disbelief``: why the clock is not believed; then nothing goes, for ages are not known. After the steps ``gained``
    says whether any was of use, ``missing`` what the last in a row promised and did not give, where that ended it;
    both by filesystem, of the backups or of archives on their own. ``waits``: why no more went although the
    goal is not reached: space that is freed, and not back yet.
    """

    def __init__(
        self,
        opened: OpenStore,
        catalog: Catalog,
        clock: Clock,
        *,
        trigger: Trigger,
        dry_run: bool = False,
        disbelief: str | None = None,
        stop: Stop | None = None,
        done: Callable[[Operation], None] = lambda _: None,
    ) -> None:
        self._opened = opened
        self._store = opened.settings
        self._catalog = catalog
        self._clock = clock
        self._trigger = trigger
        self.dry_run = dry_run
        self.waits: str | None = None
        self._disbelief = disbelief
        self._stop = stop
        self._done = done
        self._executor = Executor(opened, catalog, clock, stop)
        free = trigger is not Trigger.DISK_SPACE
        self.budget = Budget(self._store, catalog, clock, free=free)
        self.archive_budget = Budget(self._store, catalog, clock, free=free, archives=True)
        self._scales = (Scales(), Scales())
        self._lacks: frozenset[Unit] = frozenset()
        self._trees: int | None = None
        self._broken = 0
        self._acted = 0
        self._trash = Trash(opened, catalog, clock, stop)
        self._planned = (0, 0)
        self._coming = 0
        self._foreseen = (0, 0)
        self._chosen: list[str] = []
        self._pending = self._trash.pending
        self._gone: set[str] = set()
        self._load()

    @property
    def reading(self) -> Reading:
        """The store as it is now."""
        return self._opened.gauge.read()

    @property
    def to_be(self) -> Reading:
        """The store as it will be: with what it is reckoned with; in a dry run, what a plan starts from."""
        return self._reckoned(self._first_reading if self.dry_run else self.reading)

    @property
    def view(self) -> View:
        """What a plan is made of: the backups as they were looked at, the store as it is now."""
        return View(
            now=self._clock.now(),
            reading=self.reading,
            backups=tuple(self._backups.values()),
            shares=self._shares,
            pending_bytes=self._pending[0],
            pending_inodes=self._pending[1],
        )

    @property
    def settings(self) -> StoreSettings:
        """The settings of the store."""
        return self._store

    def done(self, goal: Goal) -> bool:
        """Whether the goal is reached, or will be with what is on its way; in a dry run, would be."""
        return self.waits is not None or self._enough(goal)

    def holding(self, *, archives: bool = False) -> Holding:
        """Who keeps space that was freed from coming back."""
        return self._opened.gauge.holding(archives=archives)

    def gained(self, *, archives: bool = False) -> bool:
        """Whether any step was of use."""
        return self._scales[archives].gained

    def missing(self, *, archives: bool = False) -> int:
        """What did not come back, where that ends the reclaim; else 0."""
        return self._scales[archives].missing(coming=self._executor.coming > 0)

    def missing_unit(self, *, archives: bool = False) -> Unit:
        """What ``missing`` counts."""
        return self._scales[archives].unit

    @property
    def archives_wait(self) -> str | None:
        """Why no archives go yet on a filesystem of their own: the last ones that went gave nothing back."""
        return waiting(self._catalog, self._store.name, self.reading, archives=True, now=self._clock.now())[1]

    @cached_property
    def _archives_apart(self) -> bool:
        return not self.reading.same_filesystem

    def give_up_ballast(self) -> None:
        """Room at once, before anything goes; a dry run counts on it."""
        if self.dry_run:
            self.expect(self._opened.gauge.ballast(), 0)
        else:
            self._opened.gauge.give_up_ballast()

    def empty_trash(self, why: str, *, archives: bool = False) -> Iterator[Operation]:
        """What a person deleted already goes for good before anything else is chosen; ``archives``: of those alone.

        A dry run counts it as ``_pending``, which is gained either way.
        """
        reason = f"{why}; the trash goes first"

        def chosen(op: Operation) -> bool:
            if self._stopping() or self.missing(archives=self._apart(op)):
                return False
            if not self.dry_run:
                self._note(Goal.LOW, self.reading)
            return not archives or op.action is Action.DELETE_ARCHIVE

        if self.dry_run:
            for op in self._trash.plan(chosen, reason):
                yield self._reported(op)
            return
        for op in self._trash.empty(chosen, reason):
            if op.result is Result.DONE:
                self._weigh(op)
            yield self._reported(op)
        self._pending = self._trash.pending if archives else (0, 0)  # what could not go now is no room

    def reckon_with(self, size: int) -> None:
        """From now on so many bytes more count as used: they are about to be written."""
        self._coming = size

    def expect(self, size: int, inodes: int) -> None:
        """Room that is to come without this reclaim."""
        self._pending = (self._pending[0] + size, self._pending[1] + inodes)

    def expect_held(self) -> None:
        """In a plan, what processes hold of the store's own deleted files: no reclaim goes for that."""
        if self.dry_run:
            self.expect(*held_own(self._opened))

    def tidy(self) -> None:
        """Make the ballast again once usage is under the warning watermark."""
        if not self.dry_run and self._enough(Goal.LOW):
            self._opened.gauge.restore_ballast()

    def _load(self) -> None:
        shares = self._shares  # before the backups: they are known by it
        self._backups = {b.id: b for b in self._opened.source.backups() if b.id not in self._gone}
        self._seen = dict(self._backups)
        self._floors = protect.floors(self._backups.values(), self._store.reclaim, now=self._clock.now())
        self._holders: dict[str | None, list[str]] = {}
        for backup_id in self._floors:
            self._holders.setdefault(series_of(backup_id), []).append(backup_id)
        self._gains = Gains(self._backups.values(), shares)
        for backup_id in self._backups.keys() & set(self._chosen):
            self._gains.take(backup_id)

    @property
    def _shares(self) -> tuple[Share, ...]:
        """What several hold together: for a plan, and where several are chosen at once. Else each is looked at anew."""
        several = self.dry_run or self._store.reclaim.strategy is Strategy.LEAST_HARM
        return self._opened.source.shares() if several else ()

    def _shared(self, backups: Sequence[Backup], need: tuple[int, int] | None) -> tuple[Share, ...]:
        """What they hold together, where some of them alone would give nothing for the need."""
        alone = any(held_elsewhere((one,), (), need) for one in backups)
        return self._opened.source.shares() if alone else ()

    def _of_disk(self, goal: Want) -> tuple[int, int] | None:
        """What the filesystem alone is missing until the goal."""
        reading = self.to_be
        return of_disk_alone(goal, self._lacking(goal, reading), reading, self._store.watermarks)

    @property
    def _left(self) -> list[Backup]:
        """The backups that stand when those that are planned to go are gone."""
        planned = set(self._chosen)
        return [backup for backup in self._backups.values() if backup.id not in planned]

    def select(
        self,
        level: CleanupLevel,
        limit: int | None,
        need: tuple[int, int] | None = None,
        *,
        of_disk: tuple[int, int] | None = None,
        without: Container[str] = (),
        net: Callable[[Backup], Backup] | None = None,
    ) -> Selection:
        """Who may go at this level, in order, and why the others stay; of all but those ``without``."""
        backups = [backup for backup in self._backups.values() if backup.id not in without]
        now, floors = self._clock.now(), self._floors
        shares = self._shares or self._shared(backups, of_disk)
        return select.select(
            backups,
            level,
            limit,
            self._store,
            now=now,
            kept=floors,
            need=need,
            of_disk=of_disk,
            shares=shares,
            net=net,
        )

    def _ranking(
        self, level: CleanupLevel, limit: int | None, goal: Goal | None, archive_first: bool
    ) -> Iterator[Backup]:
        """The candidates in order; a set that was chosen for what is missing is chosen anew where it comes otherwise.

        The rankings of the other strategies are not: there each stands by itself.
        """
        if goal is None or self._store.reclaim.strategy is not Strategy.LEAST_HARM:
            need, of_disk = (None, None) if goal is None else (self._lacking(goal), self._of_disk(goal))
            yield from (one.backup for one in self.select(level, limit, need, of_disk=of_disk).candidates)
            return
        if self._no_more(goal):  # else a set would be chosen for what is on its way
            return
        tried: set[str] = set()
        while (need := self._lacking(goal)) != (0, 0):
            room = None if limit is None else max(0, limit - self._acted)
            net = partial(respond.lighter, store=self._store, reading=self._room) if archive_first else None
            found = self.select(level, room, need, of_disk=self._of_disk(goal), without=tried, net=net)
            ranking = [one.backup for one in found.candidates]
            if not ranking or room == 0:
                return
            course = Course(need, ranking if net is None else map(net, ranking), self._shares)
            for backup in ranking:
                tried.add(backup.id)
                yield backup
                if course.left(backup.id, self._lacking(goal)):
                    break
            self._load()  # what those that went shared with one other is its own by now

    def clean(
        self,
        level: CleanupLevel,
        limit: int | None,
        goal: Goal | None,
        reason: str,
        *,
        forced: bool = False,
        archive_first: bool = False,
    ) -> Iterator[Operation]:
        """Archive or delete down the ranking until ``goal`` is reached (None: until ``limit``)."""

        def allowed(fresh: Backup) -> tuple[str, ...]:
            floor = self._floor(fresh.id)
            return select.recheck(fresh, level, floor, self._store, now=self._clock.now())

        for op in self._each(self._ranking(level, limit, goal, archive_first), limit, goal):
            why = f"{reason}; {self._store.reclaim.strategy}"
            yield self._reported(self._reclaim(op, why, allowed, forced=forced, archive_first=archive_first))

    def apply(self, saved: SavedPlan, want: Want | None, reason: str) -> Iterator[Operation]:
        """The steps of a saved plan, in its order, until ``want`` is reached; only the very directories it names."""

        def allowed(fresh: Backup) -> tuple[str, ...]:
            floor = self._floor(fresh.id)
            against = select.recheck(fresh, saved.cleanup_level, floor, self._store, now=self._clock.now())
            return stale.written(steps[fresh.id], fresh) + against

        steps = {step.backup_id: step for step in saved.steps}
        for backup in self._each([self._backups[name] for name in steps], None, want):
            step = steps[backup.id]
            only = step.action is Action.ARCHIVE  # what was to be archived is not deleted in the place of that
            yield self._reported(
                self._reclaim(backup, reason, allowed, forced=False, archive_first=False, only=only, handle=step.handle)
            )

    def staleness(self, saved: SavedPlan, identity: str) -> tuple[str, ...]:
        """Why a saved plan may not be carried out on the store as it is."""
        source = self._opened.source
        found = {step.backup_id: source.handle(step.backup_id) or "" for step in saved.steps}
        return stale.staleness(saved, self.view, self._store, identity=identity, handles=found)

    def promote(self, reason: str, *, forced: bool = False) -> Iterator[Operation]:
        """CONFIRMED (forced: PENDING) backups that become CLEANABLE, so that the next cycle may choose them."""
        now = self._clock.now()
        backups = self._left
        if forced:
            chosen = respond.forced_promotions(backups, self._floors, self._store, now=now)
        else:
            missing = self._lacking(Goal.BELOW_CRITICAL)
            chosen = respond.promotable(backups, self._floors, missing, self._store, now=now)
        for backup in chosen:
            yield self._reported(self._promote(backup, reason, forced=forced))

    def age(self) -> Iterator[Operation]:
        """Backups that have been in their state for as long as the settings say are moved along."""
        for one in ageing.ripe(self._backups.values(), self._floors, self._store, now=self._clock.now()):
            op = self._operation(one.backup.id, Action.TRANSITION, one.backup.state, one.to_state, one.why, False)
            yield self._reported(self._transition(op, partial(_as_it_was, one.backup)))

    def force_delete(self, reason: str) -> Iterator[Operation]:
        """CREATED backups that an emergency deletes when all else was not enough."""
        store, now = self._store, self._clock.now()

        def allowed(fresh: Backup) -> tuple[str, ...]:
            if fresh.state is not State.CREATED:
                return ("it is not CREATED any more",)
            return protect.holds(fresh, self._floor(fresh.id), store.reclaim, now=self._clock.now())

        old = respond.forced_deletions(self._left, self._floors, store, now=now)
        need = self._of_disk(Goal.BELOW_EMERGENCY)
        useless = held_elsewhere(old, self._shared(old, need), need)
        chosen = [one for one in old if one.id not in useless]
        for backup in self._each(chosen, None, Goal.BELOW_EMERGENCY):
            yield self._reported(self._reclaim(backup, reason, allowed, forced=True, archive_first=False))

    def delete_archives(self, reason: str, enough: Callable[[Reading], bool]) -> Iterator[Operation]:
        """The oldest archives, at most ten, until there is enough room for archives again."""
        archives = self._opened.source.archives()
        floors = self._archive_floors(archives)
        gone = freed = 0
        for archive in respond.archives_to_go(archives, floors):
            if archive.backup_id in self._gone:
                continue  # made a moment ago by this very reclaim
            if gone >= ARCHIVE_LIMIT or self._stopping() or self.missing(archives=self._archives_apart):
                return
            if not self.dry_run and self._needless(enough, archives=self._archives_apart):
                return
            if self.archive_budget.forbids(archive.size_bytes, sum(one.size_bytes for one in archives) - freed):
                return
            op = self.delete_archive(archive, reason)
            if op.result in (Result.DONE, Result.PLANNED):
                gone += 1
                if self.dry_run:
                    self.archive_budget.plan(archive.size_bytes)
                else:
                    freed += archive.size_bytes
            if op.result is Result.DONE:
                self._weigh(op)
            yield self._reported(op)

    def delete_archive(self, archive: Archive, reason: str) -> Operation:
        """One archive, deleted or planned to be."""
        op = self._operation(archive.backup_id, Action.DELETE_ARCHIVE, State.ARCHIVED, State.DELETED, reason, False)
        op = replace(op, path=archive.path, reclaimed_bytes=archive.size_bytes if self.dry_run else 0)
        if self.dry_run:
            return replace(op, result=Result.PLANNED)
        if archive.backup_id in self._opened.source.pins():
            return self._record(op, Result.SKIPPED, "it is pinned")
        if any(other.path == archive.path for other in self._catalog.unsettled(op.store)):
            return self._record(op, Result.SKIPPED, "what made it is not settled yet; it may be the only copy")
        if self._kept:
            return self._executor.trash_archive(archive, op)
        return self._executor.delete_archive(archive, op)

    def one(self, backup: Backup, reason: str, *, archive: bool, forced: bool = False) -> Operation:
        """A person's own choice of one backup: every hold applies, no level does."""

        def allowed(fresh: Backup) -> tuple[str, ...]:
            return protect.holds(fresh, self._floor(fresh.id), self._store.reclaim, now=self._clock.now())

        self._acted = 0
        op = self._reclaim(backup, reason, allowed, forced=forced, archive_first=archive, only=archive)
        return self._reported(op)

    def move(self, backup: Backup, to_state: State, reason: str, *, forced: bool) -> Operation:
        """A live backup in another live state."""
        op = self._operation(backup.id, Action.TRANSITION, backup.state, to_state, reason, forced)
        return self._reported(self._transition(op, lambda fresh: fresh.state is backup.state))

    def one_archive(self, archive: Archive, reason: str) -> Operation:
        """A person's own choice of one archive; its floor and pin hold."""
        archives = self._opened.source.archives()
        floor = self._archive_floors(archives)
        op = self._operation(archive.backup_id, Action.DELETE_ARCHIVE, State.ARCHIVED, State.DELETED, reason, False)
        if archive.path in floor:
            return self._reported(self._record(op, Result.SKIPPED, floor[archive.path]))
        refused = self._refusal(op)
        return self._reported(self.delete_archive(archive, reason) if refused is None else refused)

    def restore(self, archive: Archive, destination: str | None, reason: str) -> Operation:
        """An archive back in its place, CONFIRMED, or at ``destination``; the archive stays."""
        op = self._operation(archive.backup_id, Action.RESTORE, State.ARCHIVED, State.CONFIRMED, reason, False)
        refused = self._refusal(op) if destination is None else None
        if refused is not None:
            return self._reported(refused)
        if self.dry_run:
            return self._reported(replace(op, result=Result.PLANNED))
        digest = self._catalog.archive_digest(op.store, archive.path)
        return self._reported(self._executor.restore(archive, destination, digest, op))

    def find_archive(self, backup_id: str) -> Archive | None:
        """The newest archive of that id."""
        found = [archive for archive in self._opened.source.archives() if archive.backup_id == backup_id]
        return max(found, key=lambda archive: (archive.created_at, len(archive.path), archive.path), default=None)

    def find(self, backup_id: str) -> Backup | None:
        """The live backup of that id."""
        return self._backups.get(backup_id)

    def _each(self, ranking: Iterable[Backup], limit: int | None, goal: Want | None) -> Iterator[Backup]:
        """The backups to try, one after the other, as long as one more is needed and allowed."""
        self._acted = 0
        most = len(self._backups) if limit is None else 3 * limit + 20
        for backup in itertools.islice(ranking, most):
            if limit is not None and self._acted >= limit:
                return
            if self._stopping() or self.missing():
                return
            with nullcontext() if self.dry_run else self._opened.turn(TURN):
                if self._no_more(goal):
                    return
                standing = sum(one.reclaimable_bytes for one in self._backups.values())
                if self.budget.forbids(backup.reclaimable_bytes, standing):
                    return
                yield backup

    def _no_more(self, goal: Want | None) -> bool:
        if goal is None:
            return False
        if self._enough(goal) or self._needless(lambda now: self._reached(goal, self._reckoned(now))):
            return True
        self._note(goal, self.to_be)
        return False

    def _enough(self, goal: Want | None) -> bool:
        if goal is None:
            return False
        reading = self.to_be
        self._note(goal, reading)
        return self._reached(goal, reading)

    def _note(self, goal: Want, reading: Reading) -> None:
        """Note what is lacking: by that the next act is weighed."""
        if isinstance(goal, Until):
            needed = zip((Unit.BYTES, Unit.INODES), needed_for(goal, reading, self._store.watermarks), strict=True)
            self._lacks = frozenset(unit for unit, units in needed if units)
        else:
            self._lacks = assess.lacking(goal, reading, self._store.watermarks)
        if any(space.total_inodes > 0 and space.free_inodes == 0 for space in reading.backup):
            self._lacks -= {Unit.INODES}  # xfs may be beyond its cap: the first that come back are not seen
        self._trees = _metadata(reading)

    def _reached(self, goal: Want, reading: Reading) -> bool:
        if self.dry_run or any(self._pending) or isinstance(goal, Until):
            return self._lacking(goal, reading) == (0, 0)
        return reading.fault is not None or assess.reached(goal, reading, self._store.watermarks)

    def _lacking(self, goal: Want, reading: Reading | None = None) -> tuple[int, int]:
        """(bytes, inodes) that are missing until the goal, besides what is planned or to come without more going."""
        if reading is None:
            reading = self.to_be
        size, inodes = needed_for(goal, reading, self._store.watermarks)
        planned, pending = self._planned, self._pending
        return max(0, size - planned[0] - pending[0]), max(0, inodes - planned[1] - pending[1])

    def _needless(self, enough: Callable[[Reading], bool], *, archives: bool = False) -> bool:
        """Whether no more need go once what is on its way is back, whoever freed it; looked at before each that goes.

        What the store's own deleted files still take, because a process has them open, is not deleted for once more.
        """
        if self.dry_run:
            return False
        before = self.reading
        came = self._opened.gauge.settle(before, 0, archives=archives)
        now = self.reading
        if enough(now):
            return True
        self.waits = None if came else still_coming(before, now, archives=archives)
        if self.waits is None:
            held = self.holding(archives=archives)
            if held.own_files and enough(as_if_back(now, held, archives=archives)):
                self.waits = waited_for(held)
        return self.waits is not None

    def _reckoned(self, reading: Reading) -> Reading:
        return shifted(reading, self._coming) if self._coming else reading

    @cached_property
    def _first_reading(self) -> Reading:
        """What a plan starts from."""
        return self.reading

    @property
    def _room(self) -> Reading:
        """The store when the next one goes; in a dry run, as it would be then."""
        if not self.dry_run:
            return self.reading
        planned, pending = self._planned, self._pending
        room = shifted(self._first_reading, -planned[0] - pending[0], -planned[1] - pending[1])
        return respond.beside(room, *self._foreseen)

    def _stopping(self) -> bool:
        return self._stop is not None and self._stop()

    def _reclaim(
        self,
        backup: Backup,
        reason: str,
        allowed: Callable[[Backup], tuple[str, ...]],
        *,
        forced: bool,
        archive_first: bool,
        only: bool = False,
        handle: str = "",
    ) -> Operation:
        """One backup, archived or deleted, or the reason why not.

        ``only``: archived or nothing. ``handle``: this very directory.
        """
        archive, why = (True, "asked for") if only else self._choice(backup, archive_first)
        action, to_state = (Action.ARCHIVE, State.ARCHIVED) if archive else (Action.DELETE, State.DELETED)
        full = f"{reason}; {why}" if archive_first and not only else reason
        op = self._operation(backup.id, action, backup.state, to_state, full, forced and (only or not archive))
        op = replace(op, handle=handle)
        refused = self._refusal(op)
        if refused is not None:
            return refused
        if self.dry_run:
            return self._plan(op, backup, allowed)
        return self._attempt(op, lambda held: self._act(held, op, allowed, only=only or not archive_first))

    def _refusal(self, op: Operation) -> Operation | None:
        """The operation refused or deferred by the lifecycle, where it is."""
        if op.to_state is None:
            return None
        if self._disbelief is not None and op.to_state in (State.ARCHIVED, State.DELETED):
            return self._record(op, Result.SKIPPED, f"{self._disbelief} (ullage clock accept)")
        no = lifecycle.refusal(op.from_state, op.to_state, forced=op.forced)
        if no is not None:
            return self._record(op, Result.SKIPPED, no)
        since = op.at - lifecycle.DEFERRAL_SECONDS
        priors = [
            Prior(trigger=o.trigger, at=o.at, holding=o.result is None)
            for o in self._catalog.latest(op.store, op.backup_id, since)
        ]
        later = lifecycle.deferral(op.trigger, priors, now=op.at)
        return None if later is None else self._record(op, Result.DEFERRED, later)

    def _plan(self, op: Operation, backup: Backup, allowed: Callable[[Backup], tuple[str, ...]]) -> Operation:
        no = allowed(backup)
        if no:
            return replace(op, result=Result.SKIPPED, reason="; ".join(no))
        ratio = (
            self._store.archive.ratio_estimate if op.action is Action.ARCHIVE and self.reading.same_filesystem else 0
        )
        size, inodes = self._gains.take(backup.id)
        self._chosen.append(backup.id)
        gain = max(0, int(size - ratio * backup.size_bytes))
        if op.action is Action.ARCHIVE:
            archives, count = self._foreseen
            self._foreseen = (archives + respond.estimated(backup, self._store), count + 1)
        self._planned = (self._planned[0] + gain, self._planned[1] + inodes)
        self._acted += 1
        self.budget.plan(gain)
        return replace(
            op,
            result=Result.PLANNED,
            predicted_bytes=gain,
            predicted_inodes=inodes,
            reclaimed_bytes=gain,
            reclaimed_inodes=inodes,
        )

    def _attempt(self, op: Operation, act: Callable[[Held], Operation]) -> Operation:
        """The act under the backup's lock, with every failure turned into a record.

        Raises Unavailable where the filesystem itself fails one after the other: then the next would fail too.
        """
        self._executor.undone = None
        try:
            with self._opened.source.hold(op.backup_id) as held:
                done = act(held)
            cause = self._executor.undone
        except (Busy, Changed) as error:
            return self._record(op, Result.SKIPPED, describe(error))
        except (Interrupted, CatalogError):
            raise
        except (UllageError, OSError) as error:
            done, cause = self._record(op, Result.FAILED, describe(error)), error
            self._count_half_gone(op.backup_id)
        self._broken = self._broken + 1 if isinstance(cause, Unavailable) else 0
        if cause is not None and self._broken >= _BROKEN:
            raise Unavailable(f"stopped after {_BROKEN} failures of the disk: {describe(cause)}") from cause
        return done

    def _count_half_gone(self, backup_id: str) -> None:
        """What began to go and could not end is finished later: no other need go for its bytes."""
        for op in self._catalog.unsettled(self._store.name):
            if op.backup_id == backup_id and op.phase is Phase.PURGING:
                self._add_pending(op)

    def _add_pending(self, op: Operation) -> None:
        self.expect(op.predicted_bytes, op.predicted_inodes)

    def _act(self, held: Held, op: Operation, allowed: Callable[[Backup], tuple[str, ...]], *, only: bool) -> Operation:
        """Look again, then archive or delete. ``only``: no deleting in the place of archiving."""
        if op.handle not in ("", held.handle):
            raise Changed("it is another directory by that name; look again")
        fresh = held.look(self._stop)
        self._backups[fresh.id] = fresh
        no = allowed(fresh)
        if no:
            return self._record(op, Result.SKIPPED, "; ".join(no))
        if fresh.state is not op.from_state:  # what to do with it was decided by its state
            raise Changed(f"it is {fresh.state or 'unknown'} by now and was {op.from_state or 'unknown'}; look again")
        if op.action is Action.DELETE:
            return self._deleted(held, fresh, op)
        return self._archived(held, fresh, op, only=only)

    def _archived(self, held: Held, fresh: Backup, op: Operation, *, only: bool) -> Operation:
        before, began = self.reading, self._clock.monotonic()

        def room(written: int) -> None:
            """Raises NoRoom when the archive under way takes more than there is or, not asked for, than it gains."""
            now = self.reading
            no = respond.archive_must_stop(now, self._store)
            if no is None and not only:
                no = respond.archive_gains_nothing(fresh, written, before, self._store)
                seconds = self._clock.monotonic() - began
                no = no or respond.archive_too_late(fresh, written, seconds, before, now, self._store)
            if no is not None:
                raise NoRoom(f"{no}, after {written} bytes")

        try:
            done = self._executor.archive(held, fresh, op, room, lambda: self._still(fresh))
        except NoRoom as error:
            if only:
                return self._record(op, Result.FAILED, f"no room for the archive: {describe(error)}")
            return self._deleted(held, fresh, self._instead(op, f"no room for the archive: {describe(error)}"))
        if done.result is Result.DONE:
            return self._gone_now(done)
        if not only and done.result is Result.FAILED and self._store.archive.on_failure == "delete":
            self._reported(done)
            return self._deleted(held, fresh, self._instead(op, "archiving failed and on_failure is delete"))
        return done

    def _instead(self, op: Operation, why: str) -> Operation:
        return replace(
            op,
            action=Action.DELETE,
            to_state=State.DELETED,
            forced=True,
            at=self._clock.now(),
            reason=f"{op.reason}; {why}",
        )

    def _deleted(self, held: Held, fresh: Backup, op: Operation) -> Operation:
        done = self._executor.trash(held, fresh, op) if self._kept else self._executor.delete(held, fresh, op)
        return self._gone_now(done) if done.result is Result.DONE else done

    @property
    def _kept(self) -> bool:
        """Whether what goes waits in the trash: it was asked for, and the store is not so pressed that it goes first.

        What nobody can measure is no pressure.
        """
        if self._trigger is Trigger.DISK_SPACE or not self._store.reclaim.grace:
            return False
        return assess.assess(self.reading, self._store.watermarks).level in (Level.OK, Level.WARNING)

    def _gone_now(self, op: Operation) -> Operation:
        self._backups.pop(op.backup_id, None)
        self._gone.add(op.backup_id)
        self._acted += 1
        if op.phase is Phase.TRASHED:
            self._add_pending(op)
        else:
            self._weigh(op)
            if self._executor.coming:
                self.expect(self._executor.coming, op.predicted_inodes)
        return op

    def _weigh(self, op: Operation) -> None:
        where = self._apart(op)
        self._scales[where].weigh(op, frozenset() if where else self._lacks, self._of_trees())

    def _of_trees(self) -> int:
        """Bytes of btrfs metadata that came back since what is lacking was noted; 0 where they are not."""
        if Unit.METADATA not in self._lacks or self._trees is None:
            return 0
        return self._trees - (_metadata(self.reading) or 0)

    def _apart(self, op: Operation) -> bool:
        """Whether it gives back to the archives' own filesystem."""
        return op.action is Action.DELETE_ARCHIVE and self._archives_apart

    def _still(self, fresh: Backup) -> None:
        """Raises Refused where it was pinned, or came to be held by its floor, while it was archived."""
        now, floor = self._opened.source.glance(fresh.id), self._floor(fresh.id)
        if now is None or now.pinned or floor is not None:
            raise Refused(floor or "it is pinned by now, or gone (then its archive stays)")

    def _choice(self, backup: Backup, archive_first: bool) -> tuple[bool, str]:
        if not archive_first:
            return False, ""
        if self.dry_run:
            left = replace(backup, reclaimable_bytes=self._gains.more(backup.id)[0])
            return respond.archive_foreseen(left, self._store, self._room)
        return respond.archive_choice(backup, self._store, self.reading)

    def _promote(self, backup: Backup, reason: str, *, forced: bool) -> Operation:
        op = self._operation(backup.id, Action.PROMOTE, backup.state, State.CLEANABLE, reason, forced)
        return self._transition(op, lambda fresh: fresh.state is backup.state and not fresh.pinned)

    def _transition(self, op: Operation, still: Callable[[Backup], bool]) -> Operation:
        refused = self._refusal(op)
        if refused is not None:
            return refused
        if self.dry_run:
            return replace(op, result=Result.PLANNED)

        def act(held: Held) -> Operation:
            fresh = self._opened.source.glance(op.backup_id)
            if fresh is None or not still(fresh):
                return self._record(op, Result.SKIPPED, "it changed since it was looked at")
            return self._executor.transition(held, op)

        return self._attempt(op, act)

    def _floor(self, backup_id: str) -> str | None:
        """Why the floor of its series holds this backup; it and the holders are looked at again first.

        The others may be left alone: who holds nothing lets nobody go by leaving, or by coming to hold something.
        """
        holders = self._holders.get(series_of(backup_id), [])
        if any(self._moved(one) for one in (backup_id, *holders) if one in self._backups):
            self._load()
        return self._floors.get(backup_id)

    def _archive_floors(self, archives: Sequence[Archive]) -> dict[str, str]:
        return protect.archive_floors(archives, self._backups.values(), self._store.reclaim, now=self._clock.now())

    def _moved(self, backup_id: str) -> bool:
        """Whether it is another than the floors were found by."""
        known, now = self._seen.get(backup_id), self._opened.source.glance(backup_id)
        return known is None or now is None or _counts(now) != _counts(known)

    def _operation(
        self, backup_id: str, action: Action, before: State | None, after: State, reason: str, forced: bool
    ) -> Operation:
        return Operation(
            at=self._clock.now(),
            store=self._store.name,
            backup_id=backup_id,
            action=action,
            from_state=before,
            to_state=after,
            trigger=self._trigger,
            reason=reason,
            forced=forced,
        )

    def _record(self, op: Operation, result: Result, why: str) -> Operation:
        refused = replace(op, result=result, reason=f"{why} ({op.reason})")
        return refused if self.dry_run else self._catalog.record(refused)

    def _reported(self, op: Operation) -> Operation:
        self._done(op)
        return op


def _as_it_was(before: Backup, fresh: Backup) -> bool:
    """Whether it is in its state since when it was, and may be moved along."""
    times = (before.created_at, before.pending_since, before.confirmed_at)
    same = fresh.state is before.state and (fresh.created_at, fresh.pending_since, fresh.confirmed_at) == times
    return same and not fresh.pinned


def _counts(backup: Backup) -> tuple[object, ...]:
    """What of a backup decides who is held by the floors of its series."""
    return backup.state, backup.created_at, backup.good, backup.fault is None


def _metadata(reading: Reading) -> int | None:
    """Bytes that the trees of btrfs take; None where there are none to speak of."""
    return next((space.used_bytes for space in reading.backup if space.kind is Kind.METADATA), None)
