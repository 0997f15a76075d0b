"""Printing: one JSON object, or lines and tables for people. Data on stdout, messages on stderr."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import click
import msgspec

from ullage.model.units import printable
from ullage.model.words import Level

SCHEMA_VERSION = 1
_LEAST_COLUMN = 30  # a text in a narrower one is harder to read than one that the terminal breaks
_COLOURS = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.CRITICAL: "red",
    Level.EMERGENCY: "red",
    Level.UNAVAILABLE: "magenta",
}


def print_json(document: dict[str, object]) -> None:
    """One JSON object with its schema's version, and nothing else."""
    data = msgspec.json.encode({"schema_version": SCHEMA_VERSION, **document})
    click.echo(msgspec.json.format(data, indent=2) if sys.stdout.isatty() else data)  # bytes: UTF-8 in any locale


def say(text: str) -> None:
    """A message to a person, on stderr; where there is no way to say it (a full disk), it is lost, and all goes on."""
    with suppress(OSError):
        click.echo(printable_lines(text), err=True)


def fail_where_unavailable(stores: Iterable[Mapping[str, object]]) -> None:
    """Say the ``fault`` of each store that has one, and exit with 1 where any has."""
    faults = [f"ullage: {store['fault']}" for store in stores if store["fault"] is not None]
    for fault in faults:
        say(fault)
    if faults:
        click.get_current_context().exit(1)


def out(text: str = "") -> None:
    """A line of data."""
    click.echo(text, color=coloured())


def flow(text: str, column: int = 2) -> None:
    """A line of data that a terminal too narrow for it gets broken between words, what follows from ``column`` on."""
    width = shutil.get_terminal_size(fallback=(0, 0)).columns if sys.stdout.isatty() else 0
    if not column + _LEAST_COLUMN <= width < len(text):
        out(text)
        return
    from textwrap import wrap

    for line in wrap(
        text, width, subsequent_indent=" " * column, break_long_words=False, break_on_hyphens=False, tabsize=1
    ):
        out(line)


def coloured() -> bool:
    """Whether stdout is a terminal whose user has not asked for no colour."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def level_text(level: Level) -> str:
    """The level, in its colour on a terminal."""
    return click.style(level, fg=_COLOURS[level], bold=level is Level.EMERGENCY) if coloured() else str(level)


def percent(usage: float | None) -> str:
    """A percentage for a person; a dash where it is not known."""
    from ullage.policy.assess import shown_percent

    return "-" if usage is None else f"{shown_percent(usage)} %"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; those whose head ends in ``>`` are set to the right; the last one flows."""
    lines = [[head.rstrip(">") for head in heads], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for number, line in enumerate(lines):
        cells = [
            cell.rjust(width) if head.endswith(">") else cell.ljust(width)
            for head, cell, width in zip(heads, line, widths, strict=True)
        ]
        text = "  ".join(cells).rstrip()
        if number == 0:
            out(click.style(text, bold=True) if coloured() else text)
        else:
            flow(text, sum(widths[:-1]) + 2 * len(widths[:-1]))


def printable_lines(text: str) -> str:
    """Text whose lines are ours and whose other control characters are spelled out."""
    return "\n".join(printable(line) for line in text.split("\n"))
