"""SPEC.md 7 and issue 4, over whole simulated lives of random stores: the real engine, cycle after cycle.

Each step is held against rules that are written out here anew, in their simplest form.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.cli import naive
from ullage.model.backups import Archive, Backup, Operation
from ullage.model.settings import (
    ArchiveSettings,
    CapSettings,
    ReclaimSettings,
    StoreSettings,
    Watermarks,
)
from ullage.model.units import DAY, GIB
from ullage.model.words import Action, EmergencyStrategy, Level, Result, State, Strategy
from ullage.policy.assess import assess
from ullage.policy.series import series_of
from ullage.simulation.pattern import Pattern, Series
from ullage.simulation.world import Disk, World
from ullage.simulation.year import Outcome, Year

NOW = 1_780_000_000.0
SHORT, LONG, FIRST = 5_000, 100_000, 21
LIVE = (State.CREATED, State.PENDING, State.CONFIRMED, State.CLEANABLE)
MAY_GO = {
    Level.WARNING: {State.CLEANABLE},
    Level.CRITICAL: {State.CLEANABLE, State.CONFIRMED},
    (Level.EMERGENCY, EmergencyStrategy.CONSERVATIVE): {State.CLEANABLE, State.CREATED},
    (Level.EMERGENCY, EmergencyStrategy.AGGRESSIVE): {State.CLEANABLE, State.CONFIRMED, State.PENDING, State.CREATED},
    (Level.EMERGENCY, EmergencyStrategy.NUCLEAR): set(LIVE),
}


class Laws:
    """Watches a world: what stood before each step, and whether the step was allowed."""

    def __init__(self, world: World, store: StoreSettings) -> None:
        self.world = world
        self.store = store
        self.deleted = 0
        self.archived = 0
        self._backups: dict[str, Backup] = {}
        self._archives: dict[str, Archive] = {}
        self._level = Level.OK
        self._went = 0

    def looking(self) -> None:
        """A cycle begins."""
        self._level = assess(self.world.reading, self.store.watermarks).level
        self._went = 0
        self._note()

    def done(self, op: Operation) -> None:
        """A step was reported."""
        if op.result is Result.DONE:
            if op.action in (Action.DELETE, Action.ARCHIVE):
                self._assert_may_go(self._backups[op.backup_id], op)
            if op.action is Action.DELETE_ARCHIVE:
                self._assert_archive_may_go(op)
        self._note()

    def _note(self) -> None:
        self._backups = dict(self.world.backups)
        self._archives = dict(self.world.archives)
        self._usage = assess(self.world.reading, self.store.watermarks).usage or 0.0

    def _assert_may_go(self, gone: Backup, op: Operation) -> None:
        store, marks, now = self.store, self.store.watermarks, self.world.now
        self.deleted += op.action is Action.DELETE
        self.archived += op.action is Action.ARCHIVE
        self._went += 1
        assert gone.id not in self.world.backups
        assert not gone.pinned and gone.busy is None and gone.fault is None
        assert gone.created_at is not None and gone.created_at <= now + 60
        assert gone.state is not State.CREATED or now - gone.newest_mtime >= store.reclaim.settle
        assert gone.id not in floor(self._backups, store.reclaim, now)
        assert now - gone.created_at >= store.reclaim.min_age
        which = (self._level, store.reclaim.emergency_strategy) if self._level is Level.EMERGENCY else self._level
        assert gone.state in MAY_GO[which], (which, gone.state)
        low = 100 - marks.target_free if self._level is Level.EMERGENCY else marks.warning
        assert self._usage >= min(low, marks.emergency), "a deletion after the low mark"
        most = {Level.WARNING: 5, Level.CRITICAL: store.reclaim.max_per_cycle}.get(self._level, store.caps.cycle)
        assert self._went <= min(most, store.caps.cycle)
        assert op.reason
        if op.action is Action.ARCHIVE:
            assert any(one.backup_id == gone.id for one in self.world.archives.values())

    def _assert_archive_may_go(self, op: Operation) -> None:
        gone = self._archives[op.path]
        assert not gone.pinned
        alive = {series_of(b.id) for b in self._backups.values() if b.state in LIVE and b.fault is None}
        if series_of(gone.backup_id) not in alive:
            same = [one for one in self._archives.values() if series_of(one.backup_id) == series_of(gone.backup_id)]
            newer = sorted(same, key=lambda one: (one.created_at, one.path))[-self.store.reclaim.keep_last :]
            assert self.store.reclaim.keep_last == 0 or gone not in newer


def floor(backups: dict[str, Backup], keep: ReclaimSettings, now: float) -> set[str]:
    """Whom the floors of each series hold, as the tests of the command line reckon it."""
    kept: set[str] = set()
    known = [
        b
        for b in backups.values()
        if b.state in LIVE and b.fault is None and b.created_at is not None and b.created_at <= now + 60
    ]
    keeps = {
        rule: int(getattr(keep, rule))
        for rule in ("keep_last", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
    }
    for series in {series_of(b.id) for b in known}:
        kept |= naive.floor([(b.good, b.created_at or 0, b.id) for b in known if series_of(b.id) == series], keeps)
    return kept


def random_store(dice: Random) -> StoreSettings:
    marks = sorted(dice.sample(range(50, 99), 3))
    return StoreSettings(
        name="main",
        backup_root="/b",
        archive_root="/a",
        watermarks=Watermarks(warning=marks[0], critical=marks[1], emergency=marks[2], target_free=dice.randint(2, 60)),
        reclaim=ReclaimSettings(
            strategy=dice.choice(list(Strategy)),
            emergency_strategy=dice.choice(list(EmergencyStrategy)),
            max_per_cycle=dice.randint(1, 12),
            emergency_limit=dice.randint(1, 60),
            keep_last=dice.choice([0, 1, 1, 2, 5]),
            keep_daily=dice.choice([0, 0, 0, 7]),
            keep_weekly=dice.choice([0, 0, 4]),
            keep_monthly=dice.choice([0, 0, 2]),
            keep_yearly=dice.choice([0, 0, 1]),
            min_age=dice.choice([0.0, 0.0, DAY]),
        ),
        caps=CapSettings(cycle=dice.choice([100, 100, 2]), hour=dice.choice([2000, 3]), day=dice.choice([10_000, 10])),
        archive=ArchiveSettings(before_delete=dice.random() < 0.6, ratio_estimate=dice.uniform(0.05, 1.0)),
    )


def random_world(dice: Random, pattern: Pattern) -> World:
    size = dice.randint(200, 2000) * GIB
    disk = Disk(total_bytes=size, total_inodes=dice.choice([0, 0, 40_000]))
    world = World(
        now=NOW, disk=disk, archives_disk=disk if dice.random() < 0.5 else Disk(total_bytes=size // dice.randint(1, 9))
    )
    for number in range(dice.randint(0, 25)):
        series = dice.choice(pattern.series)
        age = dice.choice([dice.uniform(-DAY, 5 * DAY), dice.uniform(0, 200 * DAY)])
        allocated = min(series.size, (size - disk.used_bytes) // 2)
        once = dice.random() < 0.4
        one = Backup(
            id=f"{series.name}-2025{1 + number // 28:02d}{1 + number % 28:02d}",
            state=dice.choice([*LIVE, None]),
            created_at=None if dice.random() < 0.05 else int(NOW - age),
            confirmed_at=int(NOW - age) if once else None,
            size_bytes=allocated,
            reclaimable_bytes=allocated,
            inodes=series.files,
            newest_mtime=NOW - age,
            last_read_at=NOW - age if dice.random() < 0.5 else None,
            pinned=dice.random() < 0.1,
            busy="it is locked (flock)" if dice.random() < 0.1 else None,
        )
        if disk.total_inodes == 0 or disk.used_inodes + one.inodes < disk.total_inodes:
            world.add(one)
    return world


def random_pattern(dice: Random) -> Pattern:
    series = [
        Series(
            name=name,
            every=dice.choice([6 * 3600.0, DAY, DAY, 7 * DAY]),
            size=dice.randint(1, 40) * GIB,
            growth=dice.choice([0.0, 0.1, 0.5]),
            spread=dice.random(),
            full_every=dice.choice([0, 7]),
            full_size=dice.randint(1, 200) * GIB,
            files=dice.randint(1, 500),
            confirmed_after=dice.choice([None, 60.0, 3600.0, 3 * DAY]),
            cleanable_after=dice.choice([None, 7 * DAY, 30 * DAY]),
            fails=dice.choice([0.0, 0.1, 1.0]),
        )
        for name in dice.sample(["db", "web", "mail", "wiki", "www_"], dice.randint(1, 4))
    ]
    return Pattern(series=tuple(series), others=dice.choice([0, 0, GIB]), rate=dice.choice([20, 500]) * 2.0**20)


def live(seed: int, days: float) -> tuple[Laws, Outcome]:
    """One store's life, its laws held at every step."""
    dice = Random(seed)
    pattern, store = random_pattern(dice), random_store(dice)
    world = random_world(dice, pattern)
    laws = Laws(world, store)
    year = Year(store, world, pattern, seed=seed, done=laws.done, looking=laws.looking)
    outcome = year.run(days * DAY)
    assert world.disk.used_bytes >= sum(b.reclaimable_bytes for b in world.backups.values())
    pinned = {b.id for b in random_world_of(seed).backups.values() if b.pinned}
    assert pinned <= world.backups.keys()
    return laws, outcome


def random_world_of(seed: int) -> World:
    """The world that the seed began with."""
    dice = Random(seed)
    pattern = random_pattern(dice)
    random_store(dice)
    return random_world(dice, pattern)


def lives(cycles: int, first: int) -> tuple[int, int, int]:
    """(cycles, deleted, archived) of as many lives as so many cycles take."""
    done = deleted = archived = 0
    seed = first
    while done < cycles:
        try:
            laws, outcome = live(seed, days=45)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        done, deleted, archived = done + outcome.cycles, deleted + laws.deleted, archived + laws.archived
        seed += 1
    return done, deleted, archived


def test_in_every_life_of_a_store_the_laws_hold() -> None:
    _, deleted, archived = lives(SHORT, FIRST)
    assert deleted > 50 and archived > 50


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_in_a_hundred_thousand_cycles_the_laws_hold() -> None:
    first = Random().randrange(1 << 30)
    done, deleted, archived = lives(LONG, first)
    print(f"{done} simulated cycles from seed {first}: {deleted} deleted, {archived} archived, every law held")
