"""``ullage history``: everything that was done, tried, refused or deferred."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options
from ullage.cli.output import out, print_json, table
from ullage.model.units import format_size, printable


@click.command()
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many, the newest."
)
@click.option("--backup", "backup_id", metavar="ID", help="Only this backup.")
@click.option("--forecasts", is_flag=True, help="Show what was seen coming, one a day, instead.")
@common_options
def history(limit: int, backup_id: str | None, forecasts: bool) -> None:
    """Show what became of backups: when, what, by whom, why, what it was to gain and did; the newest first."""
    with application() as app:
        store = common().store
        operations = app.catalog.history(store=store, backup_id=backup_id, limit=limit)
        if not operations:
            app.chosen(store)  # a store that left the settings has its history still; one that never was is a mistake
        seen = app.catalog.outlooks(store, limit) if backup_id is None else []
    rows = [shapes.transition(op) for op in operations]
    foreseen = [{"store": printable(name), **shapes.foreseen(outlook)} for name, outlook in seen]
    if common().json:
        print_json({"transitions": rows, "forecasts": foreseen})
        return
    if forecasts:
        _forecasts(foreseen)
        return
    if not rows:
        out("nothing was done yet" if backup_id is None else f"nothing was done with {printable(backup_id)} yet")
        return
    table(
        ["AT", "STORE", "BACKUP", "FROM", "TO", "BY", "OUTCOME", "PREDICTED>", "GAINED>", "WHY"],
        (
            [
                str(row["at"]),
                str(row["store"]),
                str(row["backup_id"]),
                str(row["from_state"]),
                str(row["to_state"]),
                str(row["trigger"]) + (" forced" if row["forced"] else ""),
                "in the trash" if row["in_trash"] else str(row["outcome"]),
                format_size(op.predicted_bytes),
                format_size(op.reclaimed_bytes),
                str(row["reason"]),
            ]
            for row, op in zip(rows, operations, strict=True)
        ),
    )


def _forecasts(rows: Iterable[shapes.Shape]) -> None:
    table(
        ["MADE", "STORE", "WARNED SINCE", "SEEN COMING"],
        (
            [str(row["made_at"]), str(row["store"]), str(row["warned_since"] or "-"), str(row["summary"])]
            for row in rows
        ),
    )
