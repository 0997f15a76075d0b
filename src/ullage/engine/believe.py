"""Whether the wall clock is believed (SPEC.md 7.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ullage.policy.clock import ClockMark, check_clock

if TYPE_CHECKING:
    from ullage.ports import Clock  # its Protocols take longer to make than ``status`` has to spare


class Marks(Protocol):
    """Where the last trusted moment is kept."""

    def clock_mark(self) -> ClockMark | None: ...

    def set_clock_mark(self, mark: ClockMark) -> None: ...


class Steady:
    """A clock that shows the time that is trusted, where the wall clock is ahead of it: no step makes a backup old."""

    def __init__(self, clock: Clock, ahead: float) -> None:
        self._clock = clock
        self._ahead = ahead
        self.monotonic, self.sleep, self.mark = clock.monotonic, clock.sleep, clock.mark

    def now(self) -> float:
        """Epoch seconds."""
        return self._clock.now() - self._ahead


def clock_fault(marks: Marks, clock: Clock) -> str | None:
    """Why the wall clock is not believed; None where it is, and then the mark that is trusted moves on."""
    return belief(marks, clock)[0]


def belief(marks: Marks, clock: Clock) -> tuple[str | None, Clock]:
    """Why the wall clock is not believed, None where it is; and the clock to reckon ages by."""
    before, current = marks.clock_mark(), clock.mark()
    verdict = check_clock(before, current)
    if before is None or _news(before, verdict.mark):
        marks.set_clock_mark(verdict.mark)
    ahead = max(0.0, current.wall - verdict.mark.wall) if verdict.ok else 0.0
    return (None if verdict.ok else verdict.reason), Steady(clock, ahead)


_EVERY = 60.0
"""Seconds between two marks: each costs a write."""


def _news(before: ClockMark, now: ClockMark) -> bool:
    """Whether the mark is worth a write: of another boot, otherwise doubted, or a minute later."""
    if (before.boot_id, before.doubted) != (now.boot_id, now.doubted):
        return True
    return now.boot_seconds - before.boot_seconds >= _EVERY
