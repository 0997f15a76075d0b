"""``ullage demo``: the daemon at its work, on a disk made for it. Touches no store and no settings of the user."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ullage.cli import shapes
from ullage.cli.context import common, common_options
from ullage.cli.output import out, print_json, say
from ullage.errors import Interrupted
from ullage.model.units import printable


@click.command()
@common_options
def demo() -> None:
    """Show ullage at work: a disk is made and filled while the daemon keeps room on it; then all of it is removed."""
    from ullage.demo.ending import Ending
    from ullage.demo.play import play
    from ullage.demo.words import summary

    with Ending() as ending:
        try:
            with _screen() as screen:
                report = play(screen, ending)
        except Interrupted as ended:
            say(f"ullage: {ended}")
            click.get_current_context().exit(128 + ending.number)
        if common().json:
            print_json({"demo": _document(report)})
        else:
            for line in summary(report):
                out(line)
    click.get_current_context().exit(0 if report.ok else 1)


@contextmanager
def _screen() -> Iterator[Any]:
    """Redrawn on a terminal that can, lines through a pipe, nothing where one JSON object is wanted."""
    from ullage.demo.words import Lines

    if common().json:
        yield Lines(lambda _: None)
    elif sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from rich.console import Console

        from ullage.demo.live import LiveScreen

        with LiveScreen(Console(highlight=False)) as live:
            yield live
    else:
        yield Lines(_line)


def _line(text: str) -> None:
    """A line that is seen at once, also through a pipe."""
    out(text)
    sys.stdout.flush()


def _document(report: Any) -> shapes.Shape:
    return {
        "place": report.place,
        "loop_mounted": report.loop,
        "seconds": report.seconds,
        "written_bytes": report.written,
        "no_space_left": report.no_space,
        "highest_usage_percent": report.highest,
        "levels": list(report.levels),
        "actions": [shapes.action(op) for op in report.operations],
        "kept": [
            {
                "backup_id": printable(kept.backup_id),
                "state": kept.state,
                "size_bytes": kept.size_bytes,
                "reasons": [printable(reason) for reason in kept.reasons],
            }
            for kept in report.kept
        ],
        "pinned": {"backup_id": report.pinned, "kept": report.pinned_kept},
        "only_one_of_its_series": {"backup_id": report.single, "kept": report.single_kept},
        "faults": [printable(fault) for fault in report.faults],
        "ok": report.ok,
    }
