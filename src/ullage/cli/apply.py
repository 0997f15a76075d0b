"""``ullage apply FILE``: what a saved plan names, and nothing else, as long as the plan is still true."""

from __future__ import annotations

from functools import partial

import click

from ullage.cli import shapes
from ullage.cli.act import finish, told
from ullage.cli.context import application, common, common_options, confirm, dry_run_option, yes_option
from ullage.engine.cycle import Act
from ullage.errors import UsageError
from ullage.model.cycles import CycleRecord
from ullage.model.plans import SavedPlan
from ullage.model.units import printable, rfc3339
from ullage.model.words import Result
from ullage.policy.assess import Goal
from ullage.policy.assume import Want, parse_until


@click.command()
@click.argument("file", metavar="FILE")
@dry_run_option
@yes_option
@common_options
def apply(file: str, dry_run: bool, yes: bool) -> None:
    """Carry out a plan that plan --save kept: the backups it names, in its order, until its goal is reached.

    A plan that is not true any more is refused as a whole, with all that changed.
    """
    from ullage.config.planfile import read_plan

    saved = read_plan(file)
    want = _want(saved, file)
    with application() as app:
        if common().store not in (None, saved.store):
            raise UsageError(f"{printable(file)} is a plan of store {printable(saved.store)}")
        [site] = app.chosen(saved.store)
        reason = f"plan {printable(file)} of {rfc3339(saved.made_at)}"
        identity = partial(app.identity, saved.store)

        def run(rehearsal: bool) -> CycleRecord:
            act = Act(dry_run=rehearsal, done=told(rehearsal))
            record: CycleRecord = app.engine.apply(site, saved, want, reason, identity, act)
            return record

        record = run(dry_run or not yes)
        steps = sum(op.result is Result.PLANNED for op in record.actions)
        if steps and not dry_run:
            confirm(f"Go on with {reason} ({steps} step{'s' if steps > 1 else ''})?", yes=False)
            record = run(False)
    finish([record], [shapes.cycle(record)])


def _want(saved: SavedPlan, file: str) -> Want | None:
    """Until when it is to be carried out. Raises UsageError."""
    try:
        if saved.until is not None:
            return parse_until(saved.until)
        return None if saved.goal is None else Goal(saved.goal)
    except ValueError as error:
        raise UsageError(f"{printable(file)} is not a plan of ours: {printable(str(error))}") from None
