"""``ullage clock``: is the clock believed, and confirming it by hand."""

from __future__ import annotations

import click

from ullage.cli.context import application, common, common_options, confirm, dry_run_option, yes_option
from ullage.cli.output import out, print_json
from ullage.model.units import rfc3339


@click.group(invoke_without_command=True)
@common_options
@click.pass_context
def clock(context: click.Context) -> None:
    """Show whether the clock is believed; ages, and so deletions, depend on it."""
    if context.invoked_subcommand is None:
        with application() as app:
            _print(app.clock_fault(), app.clock.now())


@clock.command()
@dry_run_option
@yes_option
@common_options
def accept(dry_run: bool, yes: bool) -> None:
    """Confirm that the clock is right now, after it was found to have jumped; deletions go on."""
    from ullage.engine.telling import forget_clock_notice

    with application() as app:
        now = app.clock.now()
        fault = app.clock_fault()
        if fault is not None and not dry_run:
            confirm(f"It is {rfc3339(now)}. Is that right?", yes=yes)
            app.catalog.set_clock_mark(app.clock.mark())
            for site in app.chosen(None):
                forget_clock_notice(app.catalog, site.settings.name)
        _print(fault if dry_run else app.clock_fault(), now)


def _print(fault: str | None, now: float) -> None:
    if common().json:
        print_json({"believed": fault is None, "reason": fault, "now": rfc3339(now)})
    else:
        out(f"{rfc3339(now)}: believed" if fault is None else fault)
