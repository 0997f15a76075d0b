"""Time as the system tells it."""

from __future__ import annotations

import os
import time
import uuid
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
        return ClockMark(wall=time.time(), boot_id=_boot_id(), boot_seconds=time.clock_gettime(time.CLOCK_BOOTTIME))


def _boot_id() -> str:
    """The kernel's, or that of $ULLAGE_BOOT_ID, by which ullage.service says it where /proc/sys is hidden."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except FileNotFoundError as error:
        try:
            return str(uuid.UUID(os.environ.get("ULLAGE_BOOT_ID", "")))
        except ValueError:
            raise error from None
