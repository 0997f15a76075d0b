"""Time goes by in a simulated store: backups come, people's programs move them along, and ullage does what it does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from random import Random

from msgspec.structs import replace

from ullage.engine.cycle import Act, Engine
from ullage.errors import NoRoom
from ullage.model.backups import Backup, Operation
from ullage.model.settings import StoreSettings
from ullage.model.shortfall import Shortfall
from ullage.model.units import DAY
from ullage.model.words import Level, Result, State
from ullage.policy.assess import assess
from ullage.policy.cadence import Rhythm, reclaim_due
from ullage.policy.exhausted import nothing_more
from ullage.simulation.catalog import SimulatedCatalog
from ullage.simulation.pattern import MONTH, Pattern, Series
from ullage.simulation.store import SimulatedClock, SimulatedNotifier, SimulatedSite
from ullage.simulation.world import World

_STUCK = 6 * 3600.0
"""Seconds to the next look where the last one could do nothing: only ages change then, and what comes is looked at."""
_PIECES = 100
"""A backup is written in pieces of a hundredth of the disk, and looked at in between."""
_WRITING = "it is being written"


@dataclass
class Outcome:
    """What came of it. ``peaks``: the highest usage (percent) by month; ``failed``: backups that found no room.

    ``short``: the reclaims that ended at critical or above with too little that may go, and what held the rest.
    """

    began: float
    ended: float
    cycles: int = 0
    arrived: int = 0
    operations: list[Operation] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    failed: list[tuple[float, str]] = field(default_factory=list)
    short: list[tuple[float, Level, Shortfall]] = field(default_factory=list)
    told: list[tuple[float, Level, str, tuple[str, ...]]] = field(default_factory=list)


class Year:
    """One store over time. ``done`` hears of every step of ullage as it is done, ``looking`` before every cycle."""

    def __init__(
        self,
        settings: StoreSettings,
        world: World,
        pattern: Pattern,
        *,
        seed: int = 0,
        done: Callable[[Operation], None] = lambda _: None,
        looking: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._world = world
        self._pattern = pattern
        self._random = Random(seed)
        self._looking = looking
        self._catalog = SimulatedCatalog()
        self._notifier = SimulatedNotifier(world)
        self._site = SimulatedSite(settings, world)
        self._engine = Engine(self._catalog, SimulatedClock(world), self._notifier, lambda: [self._site])
        self._act = Act(done=lambda _store, op: done(op))
        self._rhythm = Rhythm()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._made: dict[str, int] = defaultdict(int)
        self._others_since = world.now
        self._next_look: float | None = None
        self._outcome = Outcome(began=world.now, ended=world.now)

    def run(self, seconds: float) -> Outcome:
        """What comes of so much time."""
        end = self._world.now + seconds
        for series in self._pattern.series:
            self._expect(self._first(series), self._arrival(series))
        for backup in list(self._world.backups.values()):
            self._go_on(backup)
        self._look()
        while self._events and self._events[0][0] <= end:
            at, _, event = heappop(self._events)
            self._world.now = max(self._world.now, at)
            self._others()
            event()
            self._look()
        self._world.now = max(self._world.now, end)
        outcome = self._outcome
        outcome.ended = self._world.now
        outcome.operations = list(self._catalog.history.values())
        outcome.told = self._notifier.told
        return outcome

    def _expect(self, at: float, event: Callable[[], None]) -> None:
        self._number += 1
        heappush(self._events, (at, self._number, event))

    def _first(self, series: Series) -> float:
        """When the next backup of a series is due: one interval after its newest, or some time within the first."""
        newest = max(
            (b.created_at for b in self._world.backups.values() if _of(b.id, series) and b.created_at is not None),
            default=None,
        )
        if newest is None:
            return self._world.now + self._random.random() * min(series.every, DAY)
        return max(self._world.now, newest + series.every)

    def _go_on(self, backup: Backup) -> None:
        """What is still to become of a backup that was there before."""
        for series in self._pattern.series:
            if _of(backup.id, series) and backup.state is not None:
                self._move_along(backup.id, series, backup.created_at or self._world.now)

    def _arrival(self, series: Series) -> Callable[[], None]:
        def arrive() -> None:
            self._expect(self._world.now + series.every, self._arrival(series))
            self._write(series)

        return arrive

    def _write(self, series: Series) -> None:
        world = self._world
        moment = datetime.fromtimestamp(world.now, UTC)
        backup_id = f"{series.name}-{moment:%Y%m%d}" + ("" if series.every >= DAY else f"{moment:%H%M%S}")
        if backup_id in world.backups:
            return
        size = self._size(series)
        try:
            world.add(
                Backup(
                    id=backup_id,
                    state=State.CREATED,
                    created_at=int(world.now),
                    inodes=series.files,
                    newest_mtime=world.now,
                    busy=_WRITING,
                )
            )
            piece = max(1, world.disk.total_bytes // _PIECES)
            for at in range(0, size, piece):
                part = min(piece, size - at)
                world.now += part / self._pattern.rate
                world.grow(backup_id, part)
                self._peak()
                if assess(world.reading, self._settings.watermarks).level is not Level.OK:
                    self._look()
        except NoRoom:
            if backup_id in world.backups:
                world.remove(backup_id)
            self._outcome.failed.append((world.now, backup_id))
            return
        self._outcome.arrived += 1
        world.backups[backup_id] = replace(world.backups[backup_id], busy=None)
        world.move(backup_id, State.PENDING)
        if self._random.random() >= series.fails:
            self._move_along(backup_id, series, world.now)

    def _size(self, series: Series) -> int:
        self._made[series.name] += 1
        full = series.full_every and self._made[series.name] % series.full_every == 1 % series.full_every
        months = (self._world.now - self._outcome.began) / MONTH
        off = 1.0 + series.spread * (2.0 * self._random.random() - 1.0)
        return int((series.full_size if full else series.size) * (1.0 + series.growth) ** months * off)

    def _move_along(self, backup_id: str, series: Series, since: float) -> None:
        """What the program that made it will do with it, where it still stands then."""
        for wait, before, after in (
            (series.confirmed_after, State.PENDING, State.CONFIRMED),
            (series.cleanable_after, State.CONFIRMED, State.CLEANABLE),
        ):
            if wait is None:
                return
            self._expect(max(self._world.now, since + wait), self._move(backup_id, before, after))

    def _move(self, backup_id: str, before: State, after: State) -> Callable[[], None]:
        def move() -> None:
            found = self._world.backups.get(backup_id)
            if found is not None and found.state is before:
                self._world.move(backup_id, after)

        return move

    def _others(self) -> None:
        """What others have written meanwhile, as far as there is room."""
        world = self._world
        more = int(self._pattern.others * (world.now - self._others_since) / DAY)
        if more:
            self._others_since = world.now
            world.disk.take(min(more, world.disk.total_bytes - world.disk.used_bytes), 0)
            self._peak()

    def _peak(self) -> None:
        usage = assess(self._world.reading, self._settings.watermarks).usage or 0.0
        month = f"{datetime.fromtimestamp(self._world.now, UTC):%Y-%m}"
        self._outcome.peaks[month] = max(usage, self._outcome.peaks.get(month, 0.0))

    def _look(self) -> None:
        """As the daemon does: a cycle, with a reclaim where the rhythm says so."""
        self._peak()
        now, settings = self._world.now, self._settings
        level = assess(self._world.reading, settings.watermarks).level
        self._rhythm, due = reclaim_due(self._rhythm, level, settings.monitor, now=now)
        self._looking()
        record = self._engine.cycle(self._site, self._act, reclaim=due or level is Level.OK)
        self._outcome.cycles += 1
        acted = any(op.result is Result.DONE for op in record.actions)
        after = assess(self._world.reading, settings.watermarks).level
        if due:
            self._note_shortfall(now, after)
        if after is not Level.OK:
            self._look_again(now + (self._pause(after) if acted or not due else _STUCK))

    def _note_shortfall(self, now: float, level: Level) -> None:
        world = self._world
        archives = tuple(world.archives.values()) if world.same_filesystem else ()
        short = nothing_more(
            level, world.reading, tuple(world.backups.values()), self._settings, now=now, archives=archives
        )
        if short is not None:
            self._outcome.short.append((now, level, short))

    def _pause(self, level: Level) -> float:
        monitor = self._settings.monitor
        if level is Level.EMERGENCY:
            return 3 * monitor.emergency_interval
        return monitor.cleanup_interval

    def _look_again(self, at: float) -> None:
        """One look is expected at a time, the earliest."""
        if self._next_look is not None and self._world.now < self._next_look <= at:
            return
        self._next_look = at
        self._expect(at, lambda: None)


def _of(backup_id: str, series: Series) -> bool:
    return backup_id.startswith(f"{series.name}-")
