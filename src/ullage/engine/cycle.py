"""One cycle: look, assess, tell, reclaim, look again. And the same reclaim when a person asks for it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from ullage.engine import remarks
from ullage.engine.believe import belief, clock_fault
from ullage.engine.caps import CAPS, free_of, lifted_by, waiting
from ullage.engine.execute import describe
from ullage.engine.foresight import count_freed, foresee
from ullage.engine.reclaim import Reclaim
from ullage.engine.recover import recover
from ullage.engine.response import emergency, empty_trash, make_room, reason_of, relieve_archives, respond_to
from ullage.engine.telling import CLOCK, EXHAUSTED, FAILURE, HELD, UNCONFIRMED, Telling
from ullage.engine.trash import Trash, due
from ullage.errors import Busy, CatalogError, Interrupted, Refused, UllageError, Unavailable
from ullage.model.backups import Operation, Selection
from ullage.model.cycles import CycleRecord, QueuedAlert
from ullage.model.plans import SavedPlan, View
from ullage.model.readings import Pressure, Reading
from ullage.model.words import Action, CleanupLevel, Level, Result, Trigger
from ullage.policy.ageing import ages
from ullage.policy.assess import archive_pressed, assess
from ullage.policy.assume import Want
from ullage.policy.cadence import Rhythm
from ullage.policy.caps import binds, told
from ullage.policy.holding import held_by
from ullage.policy.respond import by_hand
from ullage.policy.stall import stall_after
from ullage.ports import Catalog, Clock, Notifier, OpenStore, Site, Stop

_DELETING = (Action.DELETE, Action.DELETE_ARCHIVE)


class Act(Struct, frozen=True, kw_only=True):
    """How an engine is to act. ``wait``: seconds for the store's lock. ``done`` hears of every step as it is done."""

    dry_run: bool = False
    wait: float = 30.0
    stop: Stop | None = None
    done: Callable[[str, Operation], None] = lambda _store, _op: None


class Engine:
    """Cycles and commands over any store; what it knows from one to the next is in the catalog."""

    def __init__(self, catalog: Catalog, clock: Clock, notifier: Notifier, sites: Callable[[], Iterable[Site]]) -> None:
        self._catalog = catalog
        self._clock = clock
        self._notifier = notifier
        self._telling = Telling(catalog, clock, notifier)
        self._sites = sites
        self._looked: dict[str, float] = {}
        self._ages: dict[str, float] = {}
        self._short: dict[str, str | None] = {}

    def cycle(self, site: Site, act: Act, *, reclaim: bool = True) -> CycleRecord:
        """One check of a store: recorded, told where its level changed, acted upon if ``reclaim``.

        Raises CatalogError, which is told too: nothing goes without a record.
        """
        try:
            return self._cycle(site, act, reclaim=reclaim)
        except CatalogError as error:
            details = [
                str(error),
                "Nothing is archived or deleted until that is mended: there would be no record of it.",
            ]
            if not act.dry_run:
                self._notifier.notify(site.settings, Level.CRITICAL, "notice", None, details)
            raise

    def _cycle(self, site: Site, act: Act, *, reclaim: bool) -> CycleRecord:
        reading, disbelief = site.read(), self.clock_fault()
        pressure = assess(reading, site.settings.watermarks)
        alerts: tuple[QueuedAlert, ...] = ()
        if not act.dry_run:
            known = self._short.get(site.settings.name)
            alerts = self._telling.check(site.settings, reading, pressure, known, believed=disbelief is None)
            alerts += self._telling.of(CLOCK, site.settings, pressure, disbelief)
        faults = [fault for fault in (reading.fault, disbelief) if fault is not None]
        notes: list[str] = []
        actions: list[Operation] = []
        if reclaim and reading.fault is None and not act.dry_run:
            notes = self._tend(site, act, pressure)
            if disbelief is None:
                actions += self._expired(site, act, faults)
        now = pressure
        if actions:  # that may have been enough
            reading = site.read()
            now = assess(reading, site.settings.watermarks)
            faults += [] if reading.fault is None else [reading.fault]
        pressed = now.level is not Level.OK or archive_pressed(reading, site.settings.watermarks)
        if reclaim and pressed and reading.fault is None:
            done, said = self._relieve(site, act, reading, now, disbelief, faults)
            actions += done
            alerts += said
        if reclaim and disbelief is None and reading.fault is None:
            actions += self._aged(site, act, faults)
        if reclaim and not act.dry_run and disbelief is None and reading.fault is None:
            moved = pressed or any(op.result is Result.DONE for op in actions)
            why, said = self._remark(site, reading, now, moved=moved)
            notes += [] if why is None else [why]
            alerts += said
        record = self._record(site, pressure, actions, alerts, notes, faults)
        if act.dry_run or disbelief is not None:
            return record
        return replace(
            record, alerts=(*record.alerts, *foresee(self._catalog, self._telling, site, now=self._clock.now()))
        )

    def _relieve(
        self, site: Site, act: Act, reading: Reading, pressure: Pressure, disbelief: str | None, faults: list[str]
    ) -> tuple[list[Operation], tuple[QueuedAlert, ...]]:
        """What was done and told against the pressure; where the clock or a stall forbids it, the trash alone goes."""
        if not act.dry_run:
            reading, pressure = self._settled(site, reading, pressure)
        apart = not reading.same_filesystem and archive_pressed(reading, site.settings.watermarks)
        if pressure.level is Level.OK and not archive_pressed(reading, site.settings.watermarks):
            return [], ()
        name = site.settings.name
        stalled = self._waiting(name, reading) if disbelief is None else None
        also = self._waiting(name, reading, archives=True) if disbelief is None and apart else None
        faults += [why for why in (stalled, also) if why is not None]
        held = disbelief is not None or stalled is not None
        emptied, expected = self._trash_beside(site, act, pressure, faults)
        if emptied and not act.dry_run:
            pressure = assess(site.read(), site.settings.watermarks)
        archives = stalled is not None and apart  # on a filesystem of their own they may go all the same

        def run(reclaim: Reclaim) -> Iterator[Operation]:
            reclaim.expect(*expected)
            reclaim.expect_held()
            if not held:
                yield from respond_to(reclaim, pressure)
                return
            yield from empty_trash(reclaim, pressure)  # a person chose what lies there: no age was needed for it
            if archives:
                yield from relieve_archives(reclaim)

        if held and not archives and not self._catalog.trashed(name):
            return emptied, ()
        done, failed = self._guarded(site, act, run, faults)
        return emptied + done, () if act.dry_run else self._telling.of(FAILURE, site.settings, pressure, failed)

    def _settled(self, site: Site, reading: Reading, pressure: Pressure) -> tuple[Reading, Pressure]:
        """The store once what others freed is back: the trash, too, goes for no pressure that is over."""
        with suppress(UllageError, OSError), site.open() as opened:
            opened.gauge.settle(reading, 0)
            if not reading.same_filesystem:
                opened.gauge.settle(reading, 0, archives=True)
            now = opened.gauge.read()
            return now, assess(now, site.settings.watermarks)
        return reading, pressure

    def _remark(
        self, site: Site, reading: Reading, pressure: Pressure, *, moved: bool
    ) -> tuple[str | None, tuple[QueuedAlert, ...]]:
        """What is missing where not enough may go, and what was told of that and of series without a good backup.

        ``moved``: something may have gone in this cycle, be it the ballast alone, and the reading is older.
        """
        store, now, since = site.settings, self._clock.now(), self._clock.monotonic()
        told: tuple[QueuedAlert, ...] = ()
        why = None
        try:
            if moved:
                reading = site.read()
                pressure = replace(pressure, usage=assess(reading, store.watermarks).usage)
            why = remarks.nothing_more(site, reading, pressure.level, now=now)
            self._short[store.name] = why
            told = self._telling.of(EXHAUSTED, store, pressure, why)
            last = self._looked.get(store.name)
            if last is None or since - last >= remarks.LOOK:
                series = remarks.not_confirmed(site, now=now)
                self._looked[store.name] = since
                told += self._telling.of(UNCONFIRMED, store, pressure, series, Level.WARNING)
        except CatalogError:
            raise
        except (UllageError, OSError):
            pass  # the store went away meanwhile, which the next look tells
        return why, told

    def emergency(self, site: Site, act: Act) -> CycleRecord:
        """The emergency reclaim, until the target is free, at whatever level the store is."""
        return self._command(site, act, Trigger.DISK_SPACE, emergency)

    def make_room(self, site: Site, size: int, act: Act) -> CycleRecord:
        """Room for a backup of so many bytes, before it is written."""
        return self._command(site, act, Trigger.DISK_SPACE, lambda reclaim, _: make_room(reclaim, size))

    def cleanup(self, site: Site, level: CleanupLevel, limit: int, act: Act) -> CycleRecord:
        """A person's clean-up: at most ``limit`` backups, under pressure no more than end it."""

        def clean(reclaim: Reclaim, pressure: Pressure) -> Iterator[Operation]:
            asked = by_hand(level, limit, pressure.level)
            yield from empty_trash(reclaim, pressure)
            yield from reclaim.clean(level, limit, asked.goal, f"manual disk cleanup: {level}")

        return self._command(site, act, Trigger.USER, clean)

    def apply(
        self, site: Site, saved: SavedPlan, want: Want | None, reason: str, identity: Callable[[], str], act: Act
    ) -> CycleRecord:
        """A saved plan carried out. Raises Refused, with nothing done, where it is stale: with all that changed."""
        doubt = self.clock_fault()
        if doubt is not None:
            raise Refused(f"{doubt} (ullage clock accept)")
        pressure = assess(site.read(), site.settings.watermarks)
        with self.working(site, act, Trigger.USER) as reclaim:
            changes = reclaim.staleness(saved, identity())
            if changes:
                raise Refused("\n".join([f"{reason} is stale, and nothing was done:", *changes]))
            actions = list(reclaim.apply(saved, want, reason))
            faults = self._judge(reclaim)
            reclaim.tidy()
        return self._record(site, pressure, actions, (), faults=faults)

    def select(self, opened: OpenStore, level: CleanupLevel, limit: int | None) -> Selection:
        """Every backup of an opened store judged for a level."""
        return self._reclaim(opened, Act(dry_run=True), Trigger.USER).select(level, limit)

    def view(self, site: Site) -> View:
        """What a decision about the store is made of, as it is now. Raises Unavailable."""
        with self.working(site, Act(dry_run=True), Trigger.USER) as reclaim:
            pressure = assess(reclaim.reading, site.settings.watermarks)
            _, expected = self._trash_beside(site, Act(dry_run=True), pressure, [])
            reclaim.expect(*expected)
            reclaim.expect_held()
            if pressure.level is Level.EMERGENCY:
                reclaim.give_up_ballast()
            return reclaim.view

    def clock_fault(self) -> str | None:
        """Why the wall clock is not believed; None where it is. The mark that is trusted moves on."""
        return clock_fault(self._catalog, self._clock)

    def rhythm(self, store: str) -> Rhythm | None:
        """When and for what the daemon last reclaimed the store."""
        return self._catalog.rhythm(store)

    def keep_rhythm(self, store: str, rhythm: Rhythm) -> None:
        """Remember that over a restart."""
        self._catalog.set_rhythm(store, rhythm)

    @contextmanager
    def working(self, site: Site, act: Act, trigger: Trigger, *, alone: bool = True) -> Iterator[Reclaim]:
        """A reclaim on the store: opened, and (``alone``) locked and recovered. Raises Unavailable, Busy."""
        if act.dry_run or not alone:
            with site.open() as opened:
                yield self._reclaim(opened, act, trigger)
            return
        with self._alone(site, act) as opened:
            yield self._reclaim(opened, act, trigger)

    @contextmanager
    def _alone(self, site: Site, act: Act) -> Iterator[OpenStore]:
        """The store opened, locked and recovered. Raises Unavailable, Busy."""
        with site.open() as opened, opened.lock(act.wait):
            for op in recover(opened, self._catalog, act.stop):
                act.done(site.settings.name, op)
            yield opened

    def trashed(self, site: Site) -> list[Operation]:
        """What waits in the trash of a store, oldest first; of one that is not there, what is known of it.

        Without a result is what comes or goes at this moment, or was interrupted: ``settle`` ends that.
        """
        known = self._catalog.trashed(site.settings.name)
        try:
            with site.open() as opened:
                unsettled = self._catalog.unsettled(site.settings.name)
                tokens = {op.token for op in (*known, *unsettled)}
                known += [op for op in unsettled if op.token and op.action in _DELETING and opened.trash.stands(op)]
                known += [op for op in opened.trash.labelled() if op.token not in tokens]
        except (UllageError, OSError):
            return known
        return sorted(known, key=lambda op: op.at)

    def settle(self, site: Site, act: Act) -> CycleRecord | None:
        """What an interrupted run left is settled, as before every reclaim; None where there is nothing."""
        if not self._catalog.unsettled(site.settings.name):
            return None
        pressure = assess(site.read(), site.settings.watermarks)
        settled: list[Operation] = []

        def note(store: str, op: Operation) -> None:
            settled.append(op)
            act.done(store, op)

        with self._alone(site, replace(act, done=note)):
            return self._record(site, pressure, settled, ())

    def undo(self, site: Site, act: Act, tokens: Container[str]) -> CycleRecord:
        """What was deleted under these tokens is brought back out of the trash."""

        def bring_back(trash: Trash) -> Iterator[Operation]:
            newest_first = reversed(trash.content)  # of two of one name the newer one gets its place
            return (trash.bring_back(op) for op in newest_first if op.token in tokens)

        return self._in_trash(site, act, tokens, bring_back)

    def empty_trash(self, site: Site, act: Act, tokens: Container[str]) -> CycleRecord:
        """What was deleted under these tokens goes for good."""

        def empty(trash: Trash) -> Iterator[Operation]:
            return trash.empty(partial(_is_of, tokens), "the trash was emptied by hand")

        return self._in_trash(site, act, tokens, empty)

    def _in_trash(
        self, site: Site, act: Act, tokens: Container[str], run: Callable[[Trash], Iterator[Operation]]
    ) -> CycleRecord:
        pressure = assess(site.read(), site.settings.watermarks)
        actions = []
        if act.dry_run:
            planned = (replace(op, result=Result.PLANNED) for op in self.trashed(site) if op.token in tokens)
            actions = list(self._told(site, act, planned))
        else:
            with self._alone(site, act) as opened:
                actions = list(self._told(site, act, run(Trash(opened, self._catalog, self._clock, act.stop))))
        return self._record(site, pressure, actions, ())

    def _told(self, site: Site, act: Act, steps: Iterable[Operation]) -> Iterator[Operation]:
        for op in steps:
            act.done(site.settings.name, op)
            yield op

    def _expired(self, site: Site, act: Act, faults: list[str]) -> list[Operation]:
        """What had waited in the trash for its time, and went."""
        grace, now = site.settings.reclaim.grace, belief(self._catalog, self._clock)[1].now()
        old = {op.token for op in self._catalog.trashed(site.settings.name) if due(op, grace, now)}
        actions: list[Operation] = []
        if not old:
            return actions
        try:
            with self._alone(site, act) as opened:
                trash = Trash(opened, self._catalog, self._clock, act.stop)
                steps = trash.empty(lambda op: op.token in old, "its time in the trash was over")
                for op in self._told(site, act, steps):
                    actions.append(op)
        except CatalogError:
            raise
        except (UllageError, OSError) as error:
            faults.append(str(error))
        return actions

    def _aged(self, site: Site, act: Act, faults: list[str]) -> list[Operation]:
        """What time alone moved along, once an hour at most; a store that is held by another is left for later."""
        name, now = site.settings.name, self._clock.monotonic()
        last = self._ages.get(name)
        if not ages(site.settings) or (last is not None and now - last < remarks.LOOK):
            return []
        actions: list[Operation] = []
        try:
            with self.working(site, replace(act, wait=0.0), Trigger.TIME_BASED) as reclaim:
                actions.extend(reclaim.age())
            self._ages[name] = now
        except CatalogError:
            raise
        except Busy:
            pass
        except (UllageError, OSError) as error:
            faults.append(str(error))
        return actions

    def _trash_beside(
        self, site: Site, act: Act, pressure: Pressure, faults: list[str]
    ) -> tuple[list[Operation], tuple[int, int]]:
        """What people deleted in other stores on this filesystem: it goes from critical on, before anything is chosen.

        Also the (bytes, inodes) that are to come of it without this store's doing: all of it, where none goes now.
        """
        reason = f"{reason_of(pressure)}, in store {site.settings.name} on the same filesystem; the trash goes first"
        goes = pressure.level in (Level.CRITICAL, Level.EMERGENCY)
        actions: list[Operation] = []
        size = inodes = 0
        for other, lying in self._beside(site):
            tokens = {op.token for op in lying}
            if goes and act.dry_run:
                planned = [replace(op, result=Result.PLANNED, reason=reason) for op in lying]
                actions += self._told(other, act, planned)
            if goes and not act.dry_run:
                try:
                    with self._alone(other, act) as opened:
                        trash = Trash(opened, self._catalog, self._clock, act.stop)
                        chosen = partial(_is_of, tokens)
                        actions += self._told(other, act, trash.empty(chosen, reason))
                except (Busy, Unavailable) as error:
                    faults.append(str(error))
            else:
                size += sum(op.predicted_bytes for op in lying)
                inodes += sum(op.predicted_inodes for op in lying)
        return actions, (size, inodes)

    def _beside(self, site: Site) -> Iterator[tuple[Site, list[Operation]]]:
        """Other stores whose backups lie on the filesystem of this one, and what may go of their trash."""
        for other in self._sites():
            name = other.settings.name
            lying = [op for op in self._catalog.trashed(name) if op.action is Action.DELETE]
            if name == site.settings.name or not lying:
                continue
            with suppress(UllageError, OSError), site.open() as here, other.open() as there:
                if here.filesystem is not None and here.filesystem == there.filesystem:
                    pins = there.source.pins()
                    yield other, [op for op in lying if op.backup_id not in pins]

    def _waiting(self, store: str, reading: Reading, *, archives: bool = False) -> str | None:
        """Why the store is not reclaimed now although it is pressed: the last time it was of no use."""
        return waiting(self._catalog, store, reading, archives=archives, now=self._clock.now())[1]

    def _said_of(self, reclaim: Reclaim) -> list[str]:
        """What to say of how a reclaim ended."""
        return [*self._judge(reclaim), *self._capped(reclaim), *self._awaited(reclaim)]

    def _awaited(self, reclaim: Reclaim) -> list[str]:
        """What to say of space that is freed and not back, for which no more goes; that and its end are told."""
        if not reclaim.dry_run:
            pressure = assess(reclaim.reading, reclaim.settings.watermarks)
            self._telling.of(HELD, reclaim.settings, pressure, reclaim.waits, Level.WARNING)
        return [] if reclaim.waits is None else [reclaim.waits]

    def _judge(self, reclaim: Reclaim) -> list[str]:
        """What to say of a reclaim that gained nothing; it is remembered, and told, and the next one waits."""
        return [why for archives in (False, True) for why in self._judged(reclaim, archives=archives)]

    def _judged(self, reclaim: Reclaim, *, archives: bool) -> list[str]:
        store, name, missing = reclaim.settings, reclaim.settings.name, reclaim.missing(archives=archives)
        before = self._catalog.stall(name, archives=archives)
        if reclaim.dry_run or (before is None and not missing):
            return []
        if not missing:
            if reclaim.gained(archives=archives):
                self._catalog.set_stall(name, None, archives=archives)
            return []
        reading, now = reclaim.reading, self._clock.now()
        unit, first = reclaim.missing_unit(archives=archives), store.monitor.cleanup_interval
        free, held = free_of(reading, unit, archives=archives), held_by(reclaim.holding(archives=archives))
        after = stall_after(before, missing=missing, free=free, now=now, first=first, unit=unit, why=held)
        self._catalog.set_stall(name, after, archives=archives)
        why = self._waiting(name, reading, archives=archives)
        if why is None:
            return []  # it has come back meanwhile
        pressure = assess(reading, store.watermarks)
        self._telling.tell(store, pressure.level, "notice", pressure.usage, [why])
        return [why]

    def _capped(self, reclaim: Reclaim) -> list[str]:
        """What to say of a reclaim that a cap ended; it is remembered, and told once within the alerts' repeat."""
        store, cap = reclaim.settings, reclaim.budget.stop or reclaim.archive_budget.stop
        why = [] if cap is None else [f"{told(cap)} ({lifted_by(store.name)} lifts it)"]
        if reclaim.dry_run or reclaim.budget.free:
            return why
        before = self._catalog.capped(store.name)
        lasting = before is not None and before.until is not None
        if cap is None and lasting and binds(before, store.caps, now=self._clock.now()):
            return why  # nothing came to be tried that it would have stopped
        if cap != before:
            self._catalog.set_capped(store.name, cap)
        if cap is not None:
            pressure = assess(reclaim.reading, store.watermarks)
            self._telling.once(store, f"{CAPS}{cap.key}", pressure.level, pressure.usage, why)
        return why

    def _tend(self, site: Site, act: Act, pressure: Pressure) -> list[str]:
        """What an interrupted run left is settled, and while all is well the ballast is made again; notes of it."""
        name = site.settings.name
        notes = []
        try:
            if self._catalog.unsettled(name):
                heard: list[Operation] = []

                def hear(store: str, op: Operation) -> None:
                    heard.append(op)
                    act.done(store, op)

                with self.working(site, replace(act, wait=0.0, done=hear), Trigger.DISK_SPACE):
                    notes += remarks.settled(heard, {op.id for op in self._catalog.unsettled(name)})
            if pressure.level is Level.OK:
                with site.open() as opened:
                    opened.gauge.restore_ballast()
                self._catalog.reserve()
        except (UllageError, OSError) as error:
            notes.append(str(error))
        return notes

    def _reclaim(self, opened: OpenStore, act: Act, trigger: Trigger) -> Reclaim:
        name = opened.settings.name
        disbelief, clock = belief(self._catalog, self._clock)
        return Reclaim(
            opened,
            self._catalog,
            clock,
            trigger=trigger,
            dry_run=act.dry_run,
            stop=act.stop,
            done=lambda op: act.done(name, op),
            disbelief=disbelief,
        )

    def _command(
        self, site: Site, act: Act, trigger: Trigger, run: Callable[[Reclaim, Pressure], Iterable[Operation]]
    ) -> CycleRecord:
        """A person's command on one store; what forbids it is raised."""
        frozen = self.clock_fault()
        if frozen is not None:
            raise Refused(f"{frozen} (ullage clock accept)")
        reading = site.read()
        before = pressure = assess(reading, site.settings.watermarks)
        if not act.dry_run:
            pressure = self._settled(site, reading, pressure)[1]
        faults: list[str] = []
        actions, expected = self._trash_beside(site, act, pressure, faults)
        if actions and not act.dry_run:
            pressure = assess(site.read(), site.settings.watermarks)
        with self.working(site, act, trigger) as reclaim:
            reclaim.expect(*expected)
            reclaim.expect_held()
            actions += run(reclaim, pressure)
            faults += self._said_of(reclaim)
            reclaim.tidy()
        return self._record(site, before, actions, (), faults=faults)

    def one(
        self, site: Site, act: Act, trigger: Trigger, run: Callable[[Reclaim], Operation], *, alone: bool
    ) -> CycleRecord:
        """One act that a person, or a person's program, asked for on one backup."""
        pressure = assess(site.read(), site.settings.watermarks)
        with self.working(site, act, trigger, alone=alone) as reclaim:
            op = run(reclaim)
        return self._record(site, pressure, [op], ())

    def _guarded(
        self, site: Site, act: Act, run: Callable[[Reclaim], Iterator[Operation]], faults: list[str]
    ) -> tuple[list[Operation], str | None]:
        """What was done, and why no more could be; in ``faults`` too, where a store that another holds also stands."""
        actions: list[Operation] = []
        failed = None
        try:
            with self.working(site, act, Trigger.DISK_SPACE) as reclaim:
                for op in run(reclaim):  # one by one: what was done stays in the record when the next one fails
                    actions.append(op)
                faults += self._said_of(reclaim)
        except (UllageError, OSError) as error:
            failed = None if isinstance(error, Busy | Interrupted) else describe(error)
            faults.append(str(error))
        if not act.dry_run:
            self._catalog.reserve()
        return actions, failed

    def _after(self, site: Site, done: tuple[Operation, ...]) -> Pressure:
        """What the acts came to; where that is better than was told, it has been so from now on."""
        reading, store = site.read(), site.settings
        if self.clock_fault() is None:
            count_freed(self._catalog, store, reading, done)
        pressure = assess(reading, store.watermarks)
        self._telling.better(store, reading, pressure)
        return pressure

    def _record(
        self,
        site: Site,
        pressure: Pressure,
        actions: Iterable[Operation],
        alerts: tuple[QueuedAlert, ...],
        notes: Iterable[str] = (),
        faults: Iterable[str] = (),
    ) -> CycleRecord:
        done = tuple(actions)
        changed = any(op.result is Result.DONE for op in done)
        after = self._after(site, done).usage if changed else pressure.usage
        return CycleRecord(
            store=site.settings.name,
            level=pressure.level,
            usage_before=pressure.usage,
            usage_after=after,
            actions=done,
            alerts=alerts,
            notes=(*faults, *notes),
            served=not tuple(faults),
        )


def _is_of(tokens: Container[str], op: Operation) -> bool:
    return op.token in tokens
