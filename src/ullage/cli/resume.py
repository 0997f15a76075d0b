"""``ullage resume``: lift the caps and the wait for space that did not come back."""

from __future__ import annotations

import click

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options, confirm, dry_run_option, yes_option
from ullage.cli.output import out, print_json
from ullage.engine.caps import Hold, holds
from ullage.model.units import printable, rfc3339


@click.command()
@dry_run_option
@yes_option
@common_options
def resume(dry_run: bool, yes: bool) -> None:
    """Lift what holds reclaims back: a cap that stopped one, and the wait for space that did not come back.

    What went until now counts against no cap any more.
    """
    from ullage.engine.caps import resume as lift
    from ullage.system.runfile import note

    with application() as app:
        now = app.clock.now()
        held = {
            site.settings.name: holds(app.catalog, site.settings, site.read(), now=now)
            for site in app.chosen(common().store)
        }
        found = [name for name, reasons in held.items() if reasons]
        if found and not dry_run:
            confirm("\n".join([*_lines(held), "Go on all the same?"]), yes=yes)
            for name in found:
                lift(app.catalog, name)
            for line in _lines(held):
                note(app.settings.state_dir, f"{rfc3339(now)} resumed, {line}")
    _print(held, dry_run=dry_run)


def _lines(held: dict[str, list[Hold]]) -> list[str]:
    return [f"store {name}: {printable(hold.reason)}" for name, found in held.items() for hold in found]


def _print(held: dict[str, list[Hold]], *, dry_run: bool) -> None:
    if common().json:
        stores = [
            {"name": name, "lifted": bool(found) and not dry_run, "held": [shapes.hold(hold) for hold in found]}
            for name, found in held.items()
        ]
        print_json({"stores": stores})
        return
    for line in _lines(held):
        out(f"{'would be lifted' if dry_run else 'lifted'}: {line}")
    for name, found in held.items():
        if not found:
            out(f"store {name}: nothing is held back")
