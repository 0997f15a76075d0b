"""Numbers: what something takes, several times, and how they are put beside each other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from msgspec import Struct

from benchmarks import ROOT

Measure = Callable[[], float]
"""Does the work once and gives what it took."""


class Sample(Struct, frozen=True):
    """What one thing took, every time, in seconds (or another unit of its row)."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value in the middle."""
        return median(self.values)


class Row(Struct, frozen=True, kw_only=True):
    """One line of the table. ``goal``: the median stays under it, where ``peer`` is None; else the ratio does."""

    topic: str
    what: str
    sample: Sample
    peer: str = ""
    peer_sample: Sample | None = None
    goal: float | None = None
    ratio_goal: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's; None without one."""
        return None if self.peer_sample is None else self.sample.median / self.peer_sample.median

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is not None:
            return self.sample.median < self.goal
        if self.ratio_goal is not None and self.ratio is not None:
            return self.ratio <= self.ratio_goal
        return None


def wall(act: Callable[[], object]) -> float:
    """Seconds that pass while ``act`` runs."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def cpu(act: Callable[[], object]) -> float:
    """User and system seconds that this process, all its threads, spends in ``act``."""
    began = time.process_time()
    act()
    return time.process_time() - began


def sample(measure: Measure, runs: int) -> Sample:
    """``runs`` measurements, after one that does not count."""
    measure()
    return Sample(tuple(measure() for _ in range(runs)))


def in_turn(measures: Mapping[str, Measure], runs: int) -> dict[str, Sample]:
    """``runs`` measurements of each, one of each at a time: what disturbs the machine disturbs all of them."""
    for measure in measures.values():
        measure()
    rounds = [{name: measure() for name, measure in measures.items()} for _ in range(runs)]
    return {name: Sample(tuple(one[name] for one in rounds)) for name in measures}


def process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Seconds from the start of a program to its end. Raises CalledProcessError where it fails."""
    began = time.perf_counter()
    subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        cwd=ROOT,
        check=True,
    )
    return time.perf_counter() - began


def ullage(*arguments: str) -> list[str]:
    """The command line of ``ullage ARGUMENTS``, as its installed script would start it."""
    return [sys.executable, "-c", "from ullage.cli.main import main; main()", *arguments]
