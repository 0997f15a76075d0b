"""``ullage monitor``, ``cleanup`` and ``emergency``: the reclaim, asked for by a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options, confirm, dry_run_option, yes_option
from ullage.cli.output import flow, out, percent, print_json, say
from ullage.cli.plan import DEFAULT_COUNT, DEFAULT_LEVEL, LEVELS
from ullage.engine.cycle import Act
from ullage.errors import UllageError
from ullage.model.backups import Operation
from ullage.model.cycles import CycleRecord
from ullage.model.units import format_size, printable
from ullage.model.words import Action, CleanupLevel, Level, Phase, Result, Trigger

_DELETING = (Action.DELETE, Action.DELETE_ARCHIVE)


@click.command()
@dry_run_option
@common_options
def monitor(dry_run: bool) -> None:
    """Run one cycle now: look at each store, act on its level, send alerts."""
    with application() as app:
        act = Act(dry_run=dry_run, done=told(dry_run))
        records = [app.engine.cycle(site, act) for site in app.chosen(common().store)]
        delivered = [] if dry_run else app.deliver()
        documents = [_with_deliveries(shapes.cycle(record), delivered) for record in records]
    finish(records, documents)


@click.command()
@click.argument("level", type=LEVELS, default=str(DEFAULT_LEVEL))
@click.argument("count", type=click.IntRange(min=1), default=DEFAULT_COUNT)
@dry_run_option
@yes_option
@common_options
def cleanup(level: str, count: int, dry_run: bool, yes: bool) -> None:
    """Delete what LEVEL (moderate) allows, at most COUNT (10) backups.

    Where usage is at warning or above, no more go than bring it under warning.
    """

    def run(app: Any, site: Any, act: Act) -> CycleRecord:
        record: CycleRecord = app.engine.cleanup(site, CleanupLevel(level), count, act)
        return record

    _asked(run, dry_run=dry_run, yes=yes, what=f"{level} clean-up")


@click.command()
@dry_run_option
@yes_option
@common_options
def emergency(dry_run: bool, yes: bool) -> None:
    """Reclaim as in an emergency until the target is free: archive or delete, forced, by emergency_strategy."""

    def run(app: Any, site: Any, act: Act) -> CycleRecord:
        record: CycleRecord = app.engine.emergency(site, act)
        return record

    _asked(run, dry_run=dry_run, yes=yes, what="emergency reclaim")


def _asked(run: Callable[[Any, Any, Act], CycleRecord], *, dry_run: bool, yes: bool, what: str) -> None:
    """Show the plan, ask, and carry it out; where the plan is empty there is nothing to ask and nothing is done."""
    with application() as app:
        sites = app.chosen(common().store)
        records = _each(app, sites, run, dry_run=dry_run or not yes)
        steps = sum(op.result is Result.PLANNED for record in records for op in record.actions)
        if steps and not dry_run:
            confirm(f"Go on with the {what} ({steps} step{'s' if steps > 1 else ''})?", yes=False)
            records = _each(app, sites, run, dry_run=False)
        documents = [shapes.cycle(record) for record in records]
    finish(records, documents)


def _each(
    app: Any, sites: list[Any], run: Callable[[Any, Any, Act], CycleRecord], *, dry_run: bool
) -> list[CycleRecord]:
    """The run on each store; of several, one that refuses does not keep the others from theirs."""
    records = []
    for site in sites:
        try:
            records.append(run(app, site, Act(dry_run=dry_run, done=told(dry_run))))
        except UllageError as error:
            if len(sites) == 1:
                raise
            records.append(_refused(site, str(error)))
    return records


def _refused(site: Any, why: str) -> CycleRecord:
    return CycleRecord(
        store=site.settings.name,
        level=Level.UNAVAILABLE,
        usage_before=None,
        usage_after=None,
        notes=(why,),
        served=False,
    )


def told(dry_run: bool) -> Callable[[str, Operation], None]:
    """Says each step to a person as it is done; in JSON it stands at the end. Where it cannot, the work goes on."""
    options = common()

    def tell(store: str, op: Operation) -> None:
        if options.json:
            return
        gained = f", {format_size(op.reclaimed_bytes)}" if op.result in (Result.DONE, Result.PLANNED) else ""
        gained = ", in the trash" if op.phase is Phase.TRASHED and op.result is Result.DONE else gained
        forced = ", forced" if op.forced else ""
        try:
            flow(f"{store}: {op.action} {printable(op.backup_id)}: {op.result}{gained}{forced}: {printable(op.reason)}")
        except OSError as error:  # stdout on the full disk, or nobody reads it any more
            options.unsaid = error

    return tell


def finish(records: list[CycleRecord], documents: list[shapes.Shape]) -> None:
    """Print the outcome; exit with 1 where a store could not be served, an act failed or not all could be printed."""
    if common().json:
        print_json({"stores": documents})
    else:
        for record in records:
            _print(record)
    unsaid = common().unsaid
    if unsaid is not None:
        raise unsaid
    failed = any(op.result is Result.FAILED or op.result is None for record in records for op in record.actions)
    if failed or not all(record.served for record in records):
        click.get_current_context().exit(1)


def _print(record: CycleRecord) -> None:
    for note in record.notes:
        say(f"{record.store}: {note}")
    done = [op for op in record.actions if op.result is Result.DONE]
    trashed = [op for op in done if op.phase is Phase.TRASHED]
    planned = [op for op in record.actions if op.result is Result.PLANNED]
    undone = [op for op in record.actions if op.result is Result.UNDONE]
    gained = sum(op.reclaimed_bytes for op in done or planned)
    what = f"{len(planned)} planned" if planned else f"{len(done)} done"
    what += f", {len(undone)} brought back" if undone else ""
    usage = percent(record.usage_before)
    if record.usage_after != record.usage_before:
        usage += f" -> {percent(record.usage_after)}"
    out(f"{record.store}: {record.level}, {usage}; {what}, {format_size(gained)}")
    for_good = [op for op in done if op.trigger is Trigger.USER and op.action in _DELETING and op not in trashed]
    if for_good:
        out(f"{record.store}: {len(for_good)} gone for good; that cannot be undone")
    if trashed:
        size = format_size(sum(op.predicted_bytes for op in trashed))
        back = "ullage undo" if len(trashed) == 1 else "ullage undo --all"
        out(f"{record.store}: {len(trashed)} in the trash, {size}; {back} brings back, ullage trash says until when")


def _with_deliveries(document: shapes.Shape, deliveries: list[Any]) -> shapes.Shape:
    """The alerts with what became of them; one that is not due yet stays queued."""
    outcomes = {(one.store, one.channel): one.outcome for one in deliveries}
    alerts: Any = document["alerts"]
    for alert in alerts:
        alert["outcome"] = outcomes.get((document["name"], alert["channel"]), alert["outcome"])
    return document
