"""``ullage undo`` and ``ullage trash``: what a person deleted, brought back, listed, or gone for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ullage.cli import shapes
from ullage.cli.act import finish, told
from ullage.cli.context import application, common, common_options, confirm, dry_run_option, yes_option
from ullage.cli.output import out, print_json, say, table
from ullage.engine.cycle import Act
from ullage.errors import Refused
from ullage.model.backups import Operation
from ullage.model.cycles import CycleRecord
from ullage.model.units import format_size, printable
from ullage.model.words import Phase, Result

Found = tuple[Any, Operation]
"""A store's site, and what was deleted there."""


@click.command()
@click.argument("backup_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that lies in the trash.")
@dry_run_option
@common_options
def undo(backup_ids: tuple[str, ...], everything: bool, dry_run: bool) -> None:
    """Bring back what was deleted last, or the backups ID, out of the trash; nothing is overwritten."""
    with application() as app:
        settled = [] if dry_run else _settle(app)
        found = _found(app)
        if backup_ids:
            back = {op.backup_id for op in _ended(settled) if op.result is not Result.DONE}
            chosen = _named(found, tuple(name for name in backup_ids if name not in back))
        elif everything:
            chosen = found
        else:  # what was under way is what was deleted last
            chosen = [] if _ended(settled) else found[:1]
        _act(chosen, app.engine.undo, settled, dry_run=dry_run)


@click.group(invoke_without_command=True)
@common_options
@click.pass_context
def trash(context: click.Context) -> None:
    """List what was deleted by hand and can be brought back, until reclaim.grace is over or the disk is pressed."""
    if context.invoked_subcommand is None:
        with application() as app:
            found = _found(app)
        _print(found)


@trash.command()
@click.argument("backup_ids", metavar="[ID]...", nargs=-1)
@dry_run_option
@yes_option
@common_options
def empty(backup_ids: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Delete for good what lies in the trash: all of it, or the backups ID."""
    with application() as app:
        settled = [] if dry_run else _settle(app)
        found = _found(app)
        chosen = _named(found, backup_ids) if backup_ids else found
        if chosen and not dry_run:
            size = format_size(sum(op.predicted_bytes for _, op in chosen))
            confirm(f"Delete {len(chosen)} in the trash for good ({size})?", yes=yes)
        _act(chosen, app.engine.empty_trash, settled, dry_run=dry_run)


def _found(app: Any) -> list[Found]:
    """All that lies in the trash of the stores that were asked for, what was deleted last first."""
    found = [(site, op) for site in app.chosen(common().store) for op in app.engine.trashed(site)]
    return sorted(found, key=lambda pair: pair[1].at, reverse=True)


def _named(found: list[Found], backup_ids: tuple[str, ...]) -> list[Found]:
    """Of each id what was deleted last. Raises Refused where there is none."""
    newest = {op.backup_id: (site, op) for site, op in reversed(found)}
    for backup_id in backup_ids:
        if backup_id not in newest:
            raise Refused(f"there is no {printable(backup_id)!r} in the trash; ullage trash lists what there is")
    return [newest[backup_id] for backup_id in dict.fromkeys(backup_ids)]


def _settle(app: Any) -> list[CycleRecord]:
    """What an interrupted run left is settled first: what it was about is brought back, or gone, by that."""
    settled = (app.engine.settle(site, Act(done=told(dry_run=False))) for site in app.chosen(common().store))
    return [record for record in settled if record is not None]


def _ended(settled: list[CycleRecord]) -> list[Operation]:
    return [op for record in settled for op in record.actions if op.phase is Phase.SETTLED]


def _act(
    chosen: list[Found],
    run: Callable[[Any, Act, set[str]], CycleRecord],
    settled: list[CycleRecord],
    *,
    dry_run: bool,
) -> None:
    if not chosen and not settled:
        raise Refused("there is nothing in the trash")
    tokens: dict[Any, set[str]] = {}
    for site, op in chosen:
        tokens.setdefault(site, set()).add(op.token)
    records = [run(site, Act(dry_run=dry_run, done=told(dry_run)), wanted) for site, wanted in tokens.items()]
    documents = [shapes.cycle(record) for record in (*settled, *records)]
    left = [record for record in settled if any(op.phase is not Phase.SETTLED for op in record.actions)]
    met = {op.token for record in records for op in record.actions}
    gone = [op for _, op in chosen if op.token not in met]
    for op in gone:
        say(f"{op.store}: {printable(op.backup_id)} is not in the trash any more; another took it out (ullage history)")
    finish([*left, *records], documents)
    if gone or any(op.result is Result.SKIPPED for record in records for op in record.actions):
        click.get_current_context().exit(1)


def _print(found: list[Found]) -> None:
    rows = [shapes.trashed(op, site.settings.reclaim.grace) for site, op in found]
    if common().json:
        print_json({"trash": rows})
        return
    if not found:
        out("the trash is empty")
        return
    table(
        ["DELETED AT", "STORE", "BACKUP", "WAS", "SIZE>", "GOES AT", "WHY"],
        (
            [
                str(row["deleted_at"]),
                str(row["store"]),
                str(row["backup_id"]),
                str(row["state"]),
                format_size(op.predicted_bytes),
                str(row["goes_at"]),
                str(row["reason"]),
            ]
            for row, (_, op) in zip(rows, found, strict=True)
        ),
    )
