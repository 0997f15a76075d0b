"""A clock that can be set wrong, a time that can pass, and what the true time is."""

from __future__ import annotations

import time

from ullage.policy.clock import ClockMark
from ullage.system.clock import SystemClock

TOLERATED = 3600.0
"""Seconds by which a clock may be off and still be believed: SPEC.md 7.8 is kept within an hour."""


Trust = tuple[int, float, float, float]


class Watch(SystemClock):
    """The system's clocks, moved on by what has passed; the wall clock besides by how far it is ``off``."""

    def __init__(self) -> None:
        self.off = 0.0
        self._passed = 0.0
        self._boot = 1
        self.accept()

    def now(self) -> float:
        """What the wall clock says."""
        return time.time() + self._passed + self.off

    def monotonic(self) -> float:
        """Moves on with the true time."""
        return time.monotonic() + self._passed

    def mark(self) -> ClockMark:
        """As the system would give it."""
        boot = time.clock_gettime(time.CLOCK_BOOTTIME) + self._passed
        return ClockMark(wall=self.now(), boot_id=str(self._boot), boot_seconds=boot)

    def accept(self) -> None:
        """From now on what the wall clock says counts as the true time."""
        self._true, self._slack = self.off, TOLERATED

    def trust(self) -> Trust:
        """What is believed now, as a catalog remembers it."""
        return self._boot, self._true, self._slack, self._passed

    def go_back_to(self, trust: Trust) -> bool:
        """Whether what was believed then can be told apart now, in the same boot; then it is believed again."""
        boot, true, slack, passed = trust
        if boot == self._boot:
            self._true, self._slack = true, slack + 0.002 * (self._passed - passed)
        return boot == self._boot

    def let_pass(self, seconds: float) -> None:
        """Time goes by; a clock may be followed by two parts in a thousand of it."""
        self._passed += seconds
        self._slack += 0.002 * seconds

    def boot(self, seconds: float) -> None:
        """The machine was off for so long."""
        self._boot += 1
        self.let_pass(seconds)

    def set_right(self) -> None:
        """The wall clock says the true time again."""
        self.off = self._true

    @property
    def wrong(self) -> bool:
        """Whether the wall clock is so far off that nothing may go by it."""
        return abs(self.off - self._true) > self._slack

    @property
    def truth(self) -> float:
        """The true time."""
        return self.now() - (self.off - self._true)

    @property
    def latest(self) -> float:
        """The latest that may be taken for the true time."""
        return self.truth + self._slack
