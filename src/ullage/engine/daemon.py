"""The daemon: a thread that watches each store, one that delivers alerts, and the main one that minds them all.

Each store has its own thread, so that the emergency of one, or a filesystem that hangs, holds up nobody else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Event, RLock, Thread

from ullage.engine.cycle import Act, Engine
from ullage.errors import UllageError
from ullage.model.backups import Operation
from ullage.model.cycles import CycleRecord
from ullage.model.units import format_size, printable
from ullage.model.words import Level
from ullage.policy.assess import assess, shown_percent
from ullage.policy.cadence import Rhythm, next_look, reclaim_due
from ullage.ports import Clock, Site

log = logging.getLogger("ullage")

FASTEST = 2e9
"""Bytes a second that a device is taken to be able to write until it was seen to be faster: a good NVMe disk."""
DUTY = 9.0
"""A look that takes long (a capacity that is summed up) is followed by so many times its own duration of rest."""
_PAUSE_AFTER_ERROR = 10.0
_SHORT = 1.0
"""Seconds after a record before an improvement is worth another."""
_NOTICE = 0.1
"""Seconds in which a signal is noticed."""
_LONG = 30.0
"""Seconds at one step (a large backup, or a filesystem that hangs) after which the store is looked at from outside."""


class Watch(Thread):
    """Watches one store until it is told to stop."""

    def __init__(self, site: Site, engine: Engine, clock: Clock, cycled: Callable[[CycleRecord], None]) -> None:
        super().__init__(name=f"store {site.settings.name}", daemon=True)
        self.site = site
        self._engine = engine
        self._clock = clock
        self._cycled = cycled
        self._ending = Event()
        self._rhythm: Rhythm | None = None
        self._recorded: tuple[float, Level] | None = None
        self._last_used: tuple[float, int] | None = None
        self._fastest = FASTEST
        self.working_since: float | None = None

    def end(self) -> None:
        """Come to an end as soon as the step under way is finished or undone."""
        self._ending.set()

    def reconfigure(self, site: Site) -> None:
        """From the next look on, watch it by these settings."""
        self.site = site

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                pause = self.look()
            except (UllageError, OSError) as error:
                log.error("store %s: %s", self.site.settings.name, error)
                pause = _PAUSE_AFTER_ERROR
            except Exception:
                log.exception("store %s: a fault in ullage itself; trying again", self.site.settings.name)
                pause = _PAUSE_AFTER_ERROR
            self._ending.wait(pause)

    def look(self) -> float:
        """One look, and the cycle where one is due; the seconds until the next."""
        site, began = self.site, self._clock.monotonic()
        self.working_since = began
        try:
            reading = site.read()
            looked = self._clock.monotonic() - began
            level = assess(reading, site.settings.watermarks).level
            due = self._due(level)
            if due or self._record_due(level, began):
                self._recorded = (began, level)
                self._cycled(self._engine.cycle(site, self._act(), reclaim=due or level is Level.OK))
                reading = site.read()
                level = assess(reading, site.settings.watermarks).level
        finally:
            self.working_since = None
        self._measure_rate(began, reading.backup[0].used_bytes if reading.backup else None)
        pause = next_look(reading, level, site.settings.watermarks, site.settings.monitor, self._fastest)
        return max(pause, DUTY * looked if site.settings.capacity is not None else 0.0)

    def _due(self, level: Level) -> bool:
        """Whether a reclaim is due; the rhythm is kept in the catalog, for a restart must not break it."""
        name = self.site.settings.name
        if self._rhythm is None:
            self._rhythm = self._engine.rhythm(name) or Rhythm()
        self._rhythm, due = reclaim_due(self._rhythm, level, self.site.settings.monitor, now=self._clock.now())
        if due:
            self._engine.keep_rhythm(name, self._rhythm)
        return due

    def _record_due(self, level: Level, now: float) -> bool:
        """At every interval, and where the level has changed; one that comes and goes is not recorded each time."""
        if self._recorded is None:
            return True
        at, before = self._recorded
        if level is not before:
            return level.severity > before.severity or now - at >= _SHORT
        monitor = self.site.settings.monitor
        every = monitor.emergency_interval if level is Level.EMERGENCY else monitor.interval
        return now - at >= every - 0.001

    def _measure_rate(self, now: float, used: int | None) -> None:
        """Remember the fastest the store was seen to fill; looks close together tell nothing."""
        if used is None:
            self._last_used = None
            return
        if self._last_used is not None and now - self._last_used[0] >= 0.05:
            rate = (used - self._last_used[1]) / (now - self._last_used[0])
            self._fastest = max(self._fastest, rate)
        elif self._last_used is not None:
            return
        self._last_used = (now, used)

    def _act(self) -> Act:
        return Act(wait=1.0, stop=self._ending.is_set, done=_log_step)


class Daemon:
    """Minds the watches. ``deliver`` sends what the outbox holds; ``alive`` is told every round that all goes on."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        deliver: Callable[[], None],
        alive: Callable[[str], None],
        cycled: Callable[[CycleRecord], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._deliver = deliver
        self._alive = alive
        self._cycled = cycled
        self._watches: dict[str, Watch] = {}
        self._retired: list[Watch] = []
        self._ended = False
        self._mail = Event()
        self._lock = RLock()  # a signal handler that reloads may come while we hold it
        self._records: dict[str, CycleRecord] = {}
        self._minded: dict[str, float] = {}

    def watch(self, sites: Sequence[Site]) -> None:
        """Watch these stores and no others; those that are watched already go on, by their new settings."""
        wanted = {site.settings.name: site for site in sites}
        for name, watch in list(self._watches.items()):
            if name not in wanted:
                watch.end()
                self._retired.append(self._watches.pop(name))
                with self._lock:
                    self._records.pop(name, None)
        for name, site in wanted.items():
            if name in self._watches:
                self._watches[name].reconfigure(site)
            else:
                self._watches[name] = Watch(site, self._engine, self._clock, self._noted)
                self._watches[name].start()

    def end(self) -> None:
        """Make ``run`` return. Fit for a signal handler: it takes no lock, which the main thread may hold."""
        self._ended = True

    def run(self, pulse: float = 1.0) -> None:
        """Until ``end`` is called: deliver alerts, and say every ``pulse`` seconds that we live."""
        Thread(target=self._deliveries, name="alerts", daemon=True).start()
        said = -pulse
        while not self._ended:
            now = self._clock.monotonic()
            if now - said >= pulse:
                said = now
                self._mind()
                self._alive(self._status())
            self._clock.sleep(_NOTICE)
        for watch in self._watches.values():
            watch.end()

    def wait_for_watches(self, seconds: float) -> bool:
        """Whether every watch has come to its end within so many seconds."""
        until = self._clock.monotonic() + seconds
        watches = [*self._watches.values(), *self._retired]
        for watch in watches:
            watch.join(max(0.0, until - self._clock.monotonic()))
        return not any(watch.is_alive() for watch in watches)

    def _mind(self) -> None:
        """A watch that has been at one step for long may hang in the kernel: then its store is told unavailable."""
        now = self._clock.monotonic()
        for name, watch in list(self._watches.items()):  # a reload may come in between
            since = watch.working_since
            if since is None or now - max(since, self._minded.get(name, 0.0)) < _LONG:
                continue
            self._minded[name] = now
            try:
                if watch.site.read().fault is not None:
                    self._noted(self._engine.cycle(watch.site, Act(), reclaim=False))
            except (UllageError, OSError) as error:
                log.error("store %s: %s", name, error)

    def _deliveries(self) -> None:
        while not self._ended:
            try:
                self._deliver()
            except UllageError as error:
                if not self._ended:  # then the catalog is closed already, and the alert waits in it
                    log.error("alerts could not be delivered, and will be tried again: %s", error)
            except Exception:
                log.exception("alerts could not be delivered; trying again")
            self._mail.wait(10.0)
            self._mail.clear()

    def _noted(self, record: CycleRecord) -> None:
        with self._lock:
            self._records[record.store] = record
        _log_cycle(record)
        self._cycled(record)
        if record.alerts:
            self._mail.set()

    def _status(self) -> str:
        with self._lock:
            parts = [f"{printable(name)} {_usage(record)}" for name, record in sorted(self._records.items())]
        return ", ".join(parts) or "looking"


def _usage(record: CycleRecord) -> str:
    shown = "" if record.usage_after is None else f" {shown_percent(record.usage_after)} %"
    return f"{record.level}{shown}"


def _log_cycle(record: CycleRecord) -> None:
    level = logging.INFO if record.level is Level.OK and not record.notes else logging.WARNING
    log.log(level, "store %s: %s", record.store, "; ".join([_usage(record), *map(printable, record.notes)]))


def _log_step(store: str, op: Operation) -> None:
    log.warning(
        "store %s: %s %s: %s, %s, %s gained: %s",
        store,
        op.action,
        printable(op.backup_id),
        f"{op.from_state} -> {op.to_state}",
        op.result,
        format_size(op.reclaimed_bytes),
        printable(op.reason),
    )
