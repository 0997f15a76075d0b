"""Fixtures that more than one room uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from tests.loops import LoopDisk, why_not

settings.register_profile("patient", deadline=None)  # a busy machine is no fault
settings.load_profile("patient")

LoopDisks = Callable[..., LoopDisk]


@cache
def _obstacle(fstype: str) -> str | None:
    with TemporaryDirectory() as directory:
        return why_not(fstype, Path(directory))


@pytest.fixture
def loop_disk(tmp_path: Path) -> Iterator[LoopDisks]:
    """``loop_disk(fstype, size_mib=0, mkfs=())``: a mounted ``LoopDisk``, gone after the test; or a skip."""
    with ExitStack() as disks:

        def make(fstype: str, size_mib: int = 0, mkfs: Sequence[str] = ()) -> LoopDisk:
            obstacle = _obstacle(fstype)
            if obstacle:
                pytest.skip(obstacle)
            directory = tmp_path / f"disk{len(list(tmp_path.glob('disk*')))}"
            return disks.enter_context(LoopDisk(directory, fstype, size_mib, mkfs))

        yield make


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a long test printed of how much it has done."""
    for report in terminalreporter.getreports("passed"):
        if "long" in report.keywords:
            terminalreporter.write(report.capstdout)
