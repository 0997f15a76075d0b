"""The table: for a terminal, for the documentation, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.ground import Machine
from benchmarks.measure import Row, Sample

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_HEADS = ("", "what", "median", "runs", "range", "beside", "median", "ratio", "goal", "")


def text(rows: Sequence[Row]) -> str:
    """Columns for a terminal."""
    lines = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def markdown(rows: Sequence[Row], machine: Machine, date: str) -> str:
    """A table with the day and the machine above it."""
    heads = ["topic", *_HEADS[1:-1], "met"]
    cells = [[cell.replace("|", "\\|") for cell in _cells(row)] for row in rows]
    table = ["| " + " | ".join(line) + " |" for line in (heads, ["---"] * len(heads), *cells)]
    return "\n".join([f"Measured on {date}:", f"{described(machine)}.", "", *table])


def described(machine: Machine) -> str:
    """The machine in a line."""
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.kernel}, {machine.filesystem}, Python {machine.python}; "
        f"load {machine.load} at the start"
    )


def encoded(rows: Sequence[Row], machine: Machine, date: str) -> bytes:
    """One JSON object; every value in seconds."""
    return msgspec.json.encode(
        {
            "schema_version": 1,
            "measured_on": date,
            "machine": machine,
            "rows": [
                {
                    **msgspec.structs.asdict(row),
                    "median": row.sample.median,
                    "peer_median": None if row.peer_sample is None else row.peer_sample.median,
                    "ratio": row.ratio,
                    "met": row.met,
                }
                for row in rows
            ],
        }
    )


def put_between(path: Path, table: str) -> None:
    """Replaces what stands between the two marker lines of a file. Raises SystemExit where it has none."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no lines {BEGIN} and {END}; put them where the table belongs")
    path.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    peer = row.peer_sample
    beside = " ".join(part for part in (row.peer, f"({row.note})" if row.note else "") if part)
    return (
        row.topic,
        row.what,
        _seconds(row.sample.median),
        str(len(row.sample.values)),
        _range(row.sample),
        beside,
        "" if peer is None else _seconds(peer.median) + (" (once)" if len(peer.values) == 1 else ""),
        "" if row.ratio is None else f"{row.ratio:.3g}",
        _goal(row),
        "" if row.met is None else "met" if row.met else "not met",
    )


def _goal(row: Row) -> str:
    if row.goal is not None:
        return f"< {_seconds(row.goal)}"
    return "" if row.ratio_goal is None else f"ratio ≤ {row.ratio_goal:g}"


def _range(sample: Sample) -> str:
    return f"{_seconds(min(sample.values))} to {_seconds(max(sample.values))}"


def _seconds(value: float) -> str:
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
