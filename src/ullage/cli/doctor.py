"""``ullage doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import click

from ullage.cli.context import application, common, common_options
from ullage.cli.output import out, print_json
from ullage.errors import UllageError
from ullage.model.units import printable
from ullage.model.words import Level
from ullage.policy.assess import assess

Finding = tuple[str, str]
"""(severity: ok, warning or fault; what)."""


@click.command()
@common_options
def doctor() -> None:
    """Check settings, stores, backups, clock and leftovers; exit 1 where something needs attention."""
    with application() as app:
        findings = [*_general(app)]
        for site in app.chosen(common().store):
            findings += [(severity, f"{site.settings.name}: {text}") for severity, text in _store(app, site)]
    if common().json:
        print_json({"findings": [{"severity": severity, "text": printable(text)} for severity, text in findings]})
    else:
        for severity, text in findings:
            out(f"{severity:<8} {printable(text)}")
    if any(severity == "fault" for severity, _ in findings):
        click.get_current_context().exit(1)


def _general(app: Any) -> Iterator[Finding]:
    from ullage.config.advice import contradictions, warnings
    from ullage.config.roots import check_paths

    yield from (("fault", fault) for fault in check_paths(app.settings, os.environ))
    yield from (("warning", line) for line in [*contradictions(app.settings), *warnings(app.settings)])
    clock = app.clock_fault()
    yield ("fault", f"{clock} (ullage clock accept)") if clock else ("ok", "the clock is believed")
    if app.catalog.recovered_from:
        yield "fault", f"the catalog was corrupt and is kept as {app.catalog.recovered_from}; run: ullage init"
    waiting = app.catalog.undelivered()
    if waiting:
        yield "warning", f"{waiting} alerts could not be delivered yet; see: ullage alert test"


def _store(app: Any, site: Any) -> Iterator[Finding]:
    reading = site.read()
    pressure = assess(reading, site.settings.watermarks)
    bad = pressure.level in (Level.UNAVAILABLE, Level.CRITICAL, Level.EMERGENCY)
    yield ("fault" if bad else "ok"), f"{pressure.level}: {pressure.reason}"
    for op in app.catalog.unsettled(site.settings.name):
        yield "warning", f"{op.action} of {printable(op.backup_id)} is under way, or was interrupted at {op.phase}"
    if reading.fault is not None:
        return
    try:
        with site.open() as opened:
            yield from _contents(app, site, opened)
    except (UllageError, OSError) as error:
        yield "fault", str(error)


def _contents(app: Any, site: Any, opened: Any) -> Iterator[Finding]:
    backups = opened.source.backups()
    for backup in backups:
        if backup.fault is not None:
            yield "warning", f"{printable(backup.id)} is eligible for nothing: {backup.fault}"
    yield from (("warning", f"{printable(name)}: {why}") for name, why in opened.source.oddities())
    known = {op.token for op in app.catalog.unsettled(site.settings.name)}
    for name in opened.reclaimer.trash():
        if name not in known:
            yield (
                "fault",
                f".ullage/trash/{printable(name)} belongs to no operation; look at it, then remove it by hand",
            )
    there = {backup.id for backup in backups} | {archive.backup_id for archive in opened.source.archives()}
    for backup_id in opened.source.pins().keys() - there:
        yield "warning", f"{printable(backup_id)} is pinned, but there is no such backup"
    yield "ok", f"{len(backups)} backups"
