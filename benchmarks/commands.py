"""What a command costs a person who waits for it: whole processes, from start to end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import ROOT
from benchmarks.ground import Store
from benchmarks.measure import Measure, Row, Sample, in_turn, process, sample, ullage

GOAL = 0.15
"""Seconds of ``ullage status`` on a small store."""
_SEED_NOTED = {
    "oldest_first": {100: 0.8, 1_000: 3.7, 10_000: 41.0},
    "largest_first": {100: 0.9, 1_000: 4.3, 10_000: 42.0},
    "confidence_based": {100: 2.3, 1_000: 24.0, 10_000: 253.0},
}
"""Seconds that the seed itself took, on another two-core machine: measured once, before this project began."""
_SEED_LOOPS = {"oldest_first": "oldest", "confidence_based": "confidence"}


def status_rows(small: Store, large: Store, runs: int) -> Iterator[Row]:
    """``ullage status`` beside the start of Python, and of Python with the two libraries it needs."""
    bare, libraries = "python -c pass", "python -c 'import click, msgspec'"
    taken = in_turn(
        {
            bare: _python("pass"),
            libraries: _python("import click, msgspec"),
            "small": _command(small, "status"),
            "large": _command(large, "status"),
        },
        runs,
    )
    for name in (bare, libraries):
        yield Row(topic="process", what=name, sample=taken[name])
    for name, store, goal in (("small", small, GOAL), ("large", large, None)):
        yield Row(
            topic="process",
            what=f"ullage status, {store.count:,} backups",
            sample=taken[name],
            peer=libraries,
            peer_sample=taken[libraries],
            goal=goal,
        )


def plan_rows(stores: Sequence[Store], runs: int, patience: float) -> Iterator[Row]:
    """``ullage plan`` by each strategy, beside the seed's loops for which ``patience`` seconds are enough."""
    for strategy in _SEED_NOTED:
        for store in stores:
            noted = _SEED_NOTED[strategy][store.count]
            seed = _seed(store, strategy, min(runs, int(patience / noted)))
            yield Row(
                topic="process",
                what=f"ullage plan, {strategy}, {store.count:,} backups",
                sample=sample(_command(store, "plan", "moderate", "10", strategy=strategy), runs),
                peer="" if seed is None else "the seed's loop",
                peer_sample=seed,
                ratio_goal=None if seed is None else 1.0,
                note=f"the seed, noted: {noted:g} s",
            )


def _seed(store: Store, strategy: str, runs: int) -> Sample | None:
    """What the seed's loop takes; None where there is none, or it takes too long."""
    loop = _SEED_LOOPS.get(strategy)
    if loop is None or runs < 1:
        return None
    script = str(Path(ROOT, "benchmarks", "seed.sh"))
    return Sample(tuple(process(["bash", script, loop, str(store.backups), "10"]) for _ in range(runs)))


def _command(store: Store, *arguments: str, strategy: str = "oldest_first") -> Measure:
    command = ullage(*arguments, "--config", store.config(strategy))
    return lambda: process(command, store.environment)


def _python(code: str) -> Measure:
    return lambda: process([sys.executable, "-c", code])
