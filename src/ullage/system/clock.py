"""Time as the system tells it."""

from __future__ import annotations

import time
from pathlib import Path

from ullage.policy.clock import ClockMark


class SystemClock:
    """The wall clock, and those beside it that no one can set."""

    def now(self) -> float:
        """Epoch seconds by the wall clock, which may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump, from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait so long."""
        time.sleep(seconds)

    def mark(self) -> ClockMark:
        """The wall clock, this boot's id and the seconds since it, suspended ones too. Raises OSError without /proc."""
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return ClockMark(wall=time.time(), boot_id=boot_id, boot_seconds=time.clock_gettime(time.CLOCK_BOOTTIME))
