"""``python -m benchmarks``: measures everything in one run and prints it. A missed goal is said, and is no failure."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from benchmarks import choice, commands, cycles, durability, report, trees
from benchmarks.ground import ground, machine, make_store
from benchmarks.measure import Row


class Extent(Struct, frozen=True, kw_only=True):
    """How much is measured; ``patience`` is seconds for one of the seed's loops, all its runs."""

    runs: int = 5
    stores: tuple[int, ...] = (10, 100, 1_000, 10_000)
    files: int = 20_000
    mebibytes: int = 200
    patience: float = 30.0
    candidates: int = 100_000


QUICK = Extent(runs=3, stores=(10, 100, 1_000), files=4_000, mebibytes=48, patience=5.0, candidates=10_000)


def main() -> None:
    """Measure, print, and write where asked."""
    arguments = _arguments()
    began, date = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%d")
    with ground() as (directory, filesystem):
        here = machine(filesystem)
        _say(report.described(here))
        rows = []
        for row in _measured(directory, QUICK if arguments.quick else Extent()):
            _say(f"  {row.topic}: {row.what}")
            rows.append(row)
    print(report.text(rows))
    missed = [row for row in rows if row.met is False]
    _say(f"{len(missed)} of {sum(row.met is not None for row in rows)} goals missed; {time.monotonic() - began:.0f} s")
    if missed:
        _say("a busy machine misses goals too: see the load above, and measure again when it is idle")
    if arguments.json:
        Path(arguments.json).write_bytes(report.encoded(rows, here, date))
    if arguments.write:
        report.put_between(Path(arguments.write), report.markdown(rows, here, date))


def _measured(directory: Path, extent: Extent) -> Iterator[Row]:
    stores = [make_store(directory, count) for count in extent.stores]
    yield from cycles.rows(stores[-1], extent.runs)
    yield from choice.rows(extent.candidates, extent.runs)
    yield from commands.status_rows(stores[0], stores[-1], 2 * extent.runs)
    yield from commands.plan_rows(stores[1:], extent.runs, extent.patience)
    yield from durability.rows(directory / "journal", 10 * extent.runs)
    yield from trees.deletion_rows(directory / "trees", extent.files, extent.runs)
    yield from trees.archive_rows(directory / "archives", extent.mebibytes, extent.runs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller stores and fewer runs: under 40 s")
    parser.add_argument("--json", metavar="FILE", help="write every number to FILE")
    parser.add_argument("--write", metavar="FILE", help="replace the table between the marker lines of FILE")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
