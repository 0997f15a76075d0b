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


def clock_fault(marks: Marks, clock: Clock) -> str | None:
    """Why the wall clock is not believed; None where it is, and then the mark that is trusted moves on."""
    before = marks.clock_mark()
    verdict = check_clock(before, clock.mark())
    if verdict.ok and (
        before is None or verdict.mark.boot_seconds - before.boot_seconds >= _EVERY or _booted(before, verdict.mark)
    ):
        marks.set_clock_mark(verdict.mark)
    return None if verdict.ok else verdict.reason


_EVERY = 60.0
"""Seconds between two marks: each costs a write."""


def _booted(before: ClockMark, now: ClockMark) -> bool:
    return before.boot_id != now.boot_id
