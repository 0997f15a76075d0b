"""The clocks (SPEC.md 7.8)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

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


def test_where_the_kernels_boot_id_is_hidden_it_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in ullage.service, which hides /proc/sys; both ways of writing it are one boot."""
    boot_id = SystemClock().mark().boot_id

    def hidden(path: Path, *_: object) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", hidden)
    monkeypatch.setenv("ULLAGE_BOOT_ID", boot_id.replace("-", ""))
    assert SystemClock().mark().boot_id == boot_id
    for nonsense in ("", "x"):
        monkeypatch.setenv("ULLAGE_BOOT_ID", nonsense)
        with pytest.raises(FileNotFoundError):
            SystemClock().mark()
