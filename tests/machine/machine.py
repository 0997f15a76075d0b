"""Everything that may happen to a store, in any order; after each step the laws of SPEC.md 7 are looked at.

To let something else happen: a ``Doing`` in ``place``, and a rule of two lines here that gives it to ``_step``.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.machine import laws, place
from tests.machine.laws import Asked
from tests.machine.place import Doing, Place
from ullage.errors import UllageError
from ullage.model.words import EmergencyStrategy, Level, State, Strategy

steps: Counter[str] = Counter()
"""How often each thing happened, over all runs of this process; ``any`` counts every step."""

SERIES = ("db-", "web_", "", "-", "mail~")
DAYS = ("20260101", "2026-01-02", "2026_01_03", "20260104T0500", "20260105~2")
ODD = ("plain", "-rf", "*", "new\nline", "\x1b[31mred", os.fsdecode(b"\xff\xfe"), "x" * 255, "a~2", " ", "...")
NAMES = st.sampled_from([series + day for series in SERIES for day in DAYS] * 2 + list(ODD))
STATES = st.sampled_from([*("CLEANABLE\n",) * 4, *("CONFIRMED",) * 3, "PENDING", "CREATED", "CREATED\r\n"] * 2
                         + ["", "cleanable", "ARCHIVED", "link", "twice"])  # fmt: skip
AGES = st.sampled_from([0, 600, 3000, 3600, 7200, 43200, 86400, 172800, 10 * 86400, 20 * 86400, 40 * 86400, -172800])
TIMES = st.sampled_from(["c", "cg", "cg", "cgl", "", "g", "x"])
WHICH = st.integers(0, 1000)
LEVELS = st.sampled_from(["conservative", "gentle", "moderate", "aggressive", "nuclear"])
CALLS = st.one_of(st.integers(1, 60), st.integers(20, 120), st.integers(100, 400))
UNEVEN = 100
"""Seconds added to every age, so that none lies at a bound that a slow test would pass."""


class Machine(RuleBasedStateMachine):
    """One store. ``ground`` is where it is made; set by whoever runs the machine."""

    ground: Path

    def __init__(self) -> None:
        super().__init__()
        self.path = self.ground / "store"
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir()
        self.place = Place(self.path)
        self.world = self.place.world
        self.world.set(reclaim={"settle": 300}, capacity=1 << 30)
        self.place.run(place.cycle)

    def teardown(self) -> None:
        self.place.release()
        shutil.rmtree(self.path)

    @invariant()
    def count(self) -> None:
        steps["any"] += 1

    # What others do.

    @rule(name=NAMES, state=STATES, age=AGES, kib=st.integers(0, 64), times=TIMES)
    def create(self, name: str, state: str, age: int, kib: int, times: str) -> None:
        if not os.path.lexists(self.world.backups / name):
            self.place.make(name, state, age + UNEVEN, kib, times)

    @rule(dice=st.integers(0, 3), state=STATES, old=st.booleans())
    def create_many(self, dice: int, state: str, old: bool) -> None:
        for day in range(1, 5):
            self.create(f"big{dice}-2026020{day}", state, (40 - day) * 86400 if old else 0, 24, "cg")

    @rule(which=WHICH, kib=st.integers(1, 64))
    def grow(self, which: int, kib: int) -> None:
        for backup_id in self._some(which):
            self.place.grow(backup_id, kib)

    @rule(which=WHICH, days=st.sampled_from([0, 3, 6, 8]))
    def read(self, which: int, days: int) -> None:
        for backup_id in self._some(which):
            self.place.read(backup_id, days * 86400 + UNEVEN)

    @rule(which=WHICH, how=st.sampled_from(["write", "flock", ".lock"]))
    def use(self, which: int, how: str) -> None:
        for backup_id in self._some(which):
            if backup_id not in self.place.users:
                self.place.use(backup_id, how)

    @rule()
    def release(self) -> None:
        self.place.release()

    @rule(usage=st.sampled_from([50, 74, 77, 84, 87, 94, 97, 100, 130, 180]))
    def fill(self, usage: int) -> None:
        self.world.set(capacity=max(4096, self.place.look().used * 100 // usage))

    # What people do.

    @rule(which=WHICH, hold=st.booleans())
    def pin(self, which: int, hold: bool) -> None:
        known = sorted({*self.place.look().backups, *(one for one, _ in self.place.stored.values())})
        if known:
            self.place.pin(known[which % len(known)], hold)

    @rule(
        keep_last=st.integers(0, 2),
        keep_daily=st.sampled_from([0, 0, 0, 1, 3]),
        keep_weekly=st.sampled_from([0, 0, 0, 2]),
        keep_monthly=st.sampled_from([0, 0, 0, 2]),
        keep_yearly=st.sampled_from([0, 0, 0, 2]),
        min_age=st.sampled_from([0.0, 0.0, 0.0, 7200.0, 3 * 86400.0]),
        settle=st.sampled_from([0, 300]),
        strategy=st.sampled_from(list(Strategy)),
        emergency=st.sampled_from(list(EmergencyStrategy)),
        limit=st.sampled_from([1, 3, 10]),
    )
    def set_reclaim(self, **settings: Any) -> None:
        limit, urgent = settings.pop("limit"), settings.pop("emergency")
        settings |= {"emergency_strategy": urgent, "max_per_cycle": limit, "emergency_limit": limit}
        self.world.set(reclaim=settings)

    @rule(first=st.booleans(), failure=st.sampled_from(["keep", "delete"]), free=st.sampled_from([10, 20, 60]))
    def set_others(self, first: bool, failure: str, free: int) -> None:
        self.world.set(archive={"before_delete": first, "on_failure": failure}, watermarks={"target_free": free})

    @rule(which=WHICH, to_state=st.sampled_from(list(State)[:4]), forced=st.booleans())
    def transition(self, which: int, to_state: State, forced: bool) -> None:
        self._named("transition", which, lambda one: place.transition(one, to_state, forced))

    @rule(which=WHICH)
    def delete(self, which: int) -> None:
        self._named("delete", which, place.delete)

    @rule(which=WHICH)
    def archive(self, which: int) -> None:
        self._named("archive", which, place.archive)

    @rule(which=WHICH)
    def restore(self, which: int) -> None:
        self._named("restore", which, place.restore, stored=True)

    @rule(which=WHICH)
    def delete_archive(self, which: int) -> None:
        self._named("delete archive", which, place.delete, stored=True)

    @rule(level=LEVELS, count=st.integers(1, 5))
    def cleanup(self, level: str, count: int) -> None:
        asked = laws.cleanup(self.place, self.place.look(), level, count)
        self._step("cleanup", place.cleanup(level, count), asked)

    # What the daemon does.

    @rule()
    def cycle(self) -> None:
        self._step("cycle", place.cycle, laws.pressed(self.place, self.place.look()))

    @rule()
    def emergency(self) -> None:
        self._step("emergency", place.emergency, laws.emergency(self.place))

    # What befalls it.

    @rule(
        what=st.integers(0, 6),
        which=WHICH,
        number=CALLS,
        again=st.none() | CALLS,
        copy=st.booleans(),
        deep=st.booleans(),
    )
    def crash(self, what: int, which: int, number: int, again: int | None, copy: bool, deep: bool) -> None:
        """Killed at some call, perhaps in the recovery from that too; most often in the middle of what may be done."""
        if which % 2:
            self.create_many(which % 4, "CLEANABLE\n", old=True)
            self.fill(97)
        sight = self.place.look()
        free = sorted(sight.backups.keys() - laws.held(self.place, sight)) or ["none"]
        live = free[which % len(free)]
        stored = (self._some(which, stored=True) or ["none"])[0]
        doing, asked = [
            (place.cycle, laws.pressed(self.place, sight)),
            (place.emergency, laws.emergency(self.place)),
            (place.cleanup("aggressive", 3), laws.cleanup(self.place, sight, "aggressive", 3)),
            (place.delete(live), Asked(named=live)),
            (place.archive(live), Asked(named=live)),
            (place.restore(stored), Asked(named=stored)),
            (place.transition(live, State.CLEANABLE, forced=True), Asked(named=live)),
        ][what]
        earlier, wrong = self.place.history(), self.place.watch.wrong
        if not self.place.killed(doing, number, deep=deep):
            steps["not killed"] += 1
        laws.stand(self.place, sight)
        if copy:
            self.place.keep_copy()
        if again is not None and self.place.killed(place.recovering, again):
            laws.stand(self.place, sight)
        self.place.recover()
        self._judge("crash", sight, earlier, asked, wrong)

    @rule(which=st.sampled_from(["backups", "archives"]), bare=st.booleans(), what=st.integers(0, 2))
    def unmount(self, which: str, bare: bool, what: int) -> None:
        """SPEC.md 7.3: a root that is not there is not an empty one."""
        sight, doing = self.place.look(), (place.cycle, place.emergency, place.delete("db-20260101"))[what]
        with self.place.unmounted(which, bare=bare):
            record = self.place.run(doing)
            assert record is None or record.level is Level.UNAVAILABLE
        assert self.place.look() == sight
        steps["unmount"] += 1

    @rule(hours=st.sampled_from([1, 6, 24, 24 * 8, 24 * 20]))
    def time_passes(self, hours: int) -> None:
        self.place.watch.let_pass(hours * 3600)
        steps["time"] += 1

    @rule(jump=st.sampled_from([600, -600, 3000, -3000, 86400, -86400, 3650 * 86400, -7300 * 86400]))
    def clock_jumps(self, jump: int) -> None:
        self.place.watch.off += jump
        self._step("jump", place.cycle, laws.pressed(self.place, self.place.look()))

    @rule()
    def clock_is_set_right(self) -> None:
        self.place.watch.set_right()
        self._step("set right", place.cycle, laws.pressed(self.place, self.place.look()))

    @rule()
    def clock_is_accepted(self) -> None:
        self.place.accept_clock()
        steps["accept"] += 1

    @precondition(lambda self: not self.place.watch.wrong)
    @rule(hours=st.sampled_from([1, 24 * 10, 24 * 40]))
    def reboot(self, hours: int) -> None:
        """Off for so long. By how much the clock was off before cannot be known any more."""
        with self.place.app() as app:
            app.clock_fault()
        self.place.watch.boot(hours * 3600)
        with self.place.app() as app:
            if app.clock_fault() is None:
                self.place.watch.accept()
        steps["reboot"] += 1

    @rule()
    def catalog_is_copied(self) -> None:
        self.place.keep_copy()

    @rule(lost=st.booleans())
    def catalog_is_lost(self, lost: bool) -> None:
        """All of it, or what happened since a copy of it was made."""
        if lost:
            self.place.lose_catalog()
        elif not self.place.take_copy():
            return
        self._after_the_catalog("older" if not lost else "lost")

    @rule(at=st.integers(0, 1 << 20), data=st.binary(min_size=1, max_size=3000))
    def catalog_is_spoiled(self, at: int, data: bytes) -> None:
        """Whatever it says then: either it is set aside, or nothing goes."""
        self.place.spoil_catalog(at, data)
        sight = self.place.look()
        with suppress(UllageError), self.place.app() as app:
            app.catalog.history()
        laws.stand(self.place, sight)
        self.place.lose_catalog()
        self._after_the_catalog("spoiled")

    def _after_the_catalog(self, what: str) -> None:
        """The next start settles what it says was under way; nothing goes for it."""
        sight = self.place.look()
        self.place.recover()
        laws.stand(self.place, sight)
        assert self.place.look().backups.keys() >= sight.backups.keys()
        steps[what] += 1

    def _some(self, which: int, *, stored: bool = False) -> list[str]:
        """One backup, or of one archive the id; none where there is none."""
        sight = self.place.look()
        known = sorted({self.place.stored[path][0] for path in sight.archives} if stored else sight.backups)
        return [known[which % len(known)]] if known else []

    def _named(self, name: str, which: int, doing: Any, *, stored: bool = False) -> None:
        for backup_id in self._some(which, stored=stored):
            self._step(name, doing(backup_id), Asked(named=backup_id))

    def _step(self, name: str, doing: Doing, asked: Asked) -> None:
        sight, earlier, wrong = self.place.look(), self.place.history(), self.place.watch.wrong
        record = self.place.run(doing)
        self._judge(name, sight, earlier, asked, wrong)
        laws.readable(record, list(self.place.history().values()))

    def _judge(self, name: str, sight: Any, earlier: Any, asked: Asked, wrong: bool) -> None:
        laws.judge(self.place, sight, earlier, asked, wrong=wrong)
        steps[name] += 1
