"""The clocks (SPEC.md 7.8)."""

from __future__ import annotations

import time
from pathlib import Path

from ullage.system.clock import SystemClock


def test_a_mark_holds_wall_clock_boot_and_time_since_boot_of_one_moment() -> None:
    clock = SystemClock()
    before = time.time()
    mark = clock.mark()
    assert before <= mark.wall <= time.time()
    assert mark.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - mark.boot_seconds < 10


def test_now_is_the_wall_clock_and_monotonic_never_goes_back() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 10
    assert clock.monotonic() <= clock.monotonic()
