"""``ullage doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from random import SystemRandom
from typing import Any

import click

from ullage.cli.context import application, common, common_options
from ullage.cli.output import flow, print_json
from ullage.engine.caps import holds
from ullage.engine.remarks import still_open, to_come
from ullage.errors import ArchiveError, Changed, Interrupted, UllageError
from ullage.model.backups import Backup
from ullage.model.readings import Reading
from ullage.model.units import printable
from ullage.model.words import Level
from ullage.policy.ahead import floors_to_come
from ullage.policy.assess import assess
from ullage.policy.exhausted import nothing_more, told
from ullage.policy.limits import senseless
from ullage.policy.predictions import LAST, judged
from ullage.policy.reach import out_of_reach
from ullage.policy.unconfirmed import unconfirmed

Finding = tuple[str, str]
"""(severity: ok, warning or fault; what)."""
_SECONDS = 10.0
"""How long archives of one store are read where not all are to be."""
_NEWEST = 3
"""So many of the newest archives are read first, then others at random."""


@click.command()
@click.option(
    "--archives", "all_archives", is_flag=True, help="Read every archive, not only some of each store, for 10 s."
)
@common_options
def doctor(all_archives: bool) -> None:
    """Check settings, stores, backups, archives, clock and leftovers; exit 1 where something needs attention."""
    seconds = float("inf") if all_archives else _SECONDS
    with application() as app:
        findings = [*_general(app)]
        for site in app.chosen(common().store):
            findings += [(severity, f"{site.settings.name}: {text}") for severity, text in _store(app, site, seconds)]
    if common().json:
        print_json({"findings": [{"severity": severity, "text": printable(text)} for severity, text in findings]})
    else:
        for severity, text in findings:
            flow(f"{severity:<8} {printable(text)}", 9)
    if any(severity == "fault" for severity, _ in findings):
        click.get_current_context().exit(1)


def _general(app: Any) -> Iterator[Finding]:
    from ullage.config.advice import contradictions, warnings
    from ullage.config.roots import check_paths
    from ullage.system.processes import sees_all

    yield from (("fault", fault) for fault in check_paths(app.settings, os.environ))
    settings = app.settings
    yield from (("warning", line) for line in [*contradictions(settings), *warnings(settings)])
    if not sees_all():
        yield "warning", "what other users' processes have open for writing is not seen: that takes CAP_SYS_PTRACE"
    clock = app.clock_fault()
    yield ("fault", f"{clock} (ullage clock accept)") if clock else ("ok", "the clock is believed")
    if app.catalog.recovered_from:
        yield "fault", f"the catalog was corrupt and is kept as {app.catalog.recovered_from}; run: ullage init"
    waiting = app.catalog.undelivered()
    if waiting:
        yield "warning", f"{waiting} alerts could not be delivered yet; see: ullage alert test"


def _store(app: Any, site: Any, seconds: float) -> Iterator[Finding]:
    reading = site.read()
    pressure = assess(reading, site.settings.watermarks)
    severity = {Level.OK: "ok", Level.WARNING: "warning"}.get(pressure.level, "fault")
    yield severity, f"{pressure.level}: {pressure.reason}"
    for op in app.catalog.unsettled(site.settings.name):
        yield "warning", f"{op.action} of {printable(op.backup_id)} is under way, or was interrupted at {op.phase}"
    for hold in holds(app.catalog, site.settings, reading, now=app.clock.now()):
        yield "warning", f"{hold.reason} ({hold.lifted_by})"
    if text := judged(app.catalog.predictions(site.settings.name, LAST)).told:
        yield "warning", f"{text} (ullage history)"
    if reading.fault is not None:
        return
    try:
        with site.open() as opened:
            backups = opened.source.backups()
            yield from _room(app, opened, reading, pressure.level, backups)
            yield from _contents(app, site, opened, backups)
            yield from _archives(app, opened, time.monotonic() + seconds)
    except (UllageError, OSError) as error:
        yield "fault", str(error)


def _room(app: Any, opened: Any, reading: Reading, level: Level, backups: list[Backup]) -> Iterator[Finding]:
    """What stands in the way of room, now or in the next emergency, and series that have no good backup of late."""
    store, now = opened.settings, app.clock.now()
    archives, shares = opened.source.archives() if reading.same_filesystem else [], opened.source.shares()
    backups = opened.source.backups()  # which knows of them now
    coming = to_come(opened, app.catalog.trashed(store.name), level)
    if short := nothing_more(level, reading, backups, store, now=now, archives=archives, shares=shares, waiting=coming):
        yield "fault", told(short)
    yield from (("warning", text) for text in senseless(reading, store.watermarks))
    why = out_of_reach(store, reading, backups, now=now, shares=shares)
    if text := why or floors_to_come(store, reading, backups, now=now):
        yield "warning", text
    if text := still_open(opened, reading, level):
        yield "warning", f"{text}; it comes back when they are closed, or that process ends"
    if text := unconfirmed(backups, now=now):
        yield "warning", f"{text}; look at what makes and confirms them"


def _contents(app: Any, site: Any, opened: Any, backups: list[Backup]) -> Iterator[Finding]:
    for backup in backups:
        if backup.fault is not None:
            yield "warning", f"{printable(backup.id)} is eligible for nothing: {backup.fault}"
    yield from (("warning", f"{printable(name)}: {why}") for name, why in opened.source.oddities())
    name = site.settings.name
    known = {op.token for op in (*app.catalog.unsettled(name), *app.engine.trashed(site))}
    yield from _leftovers(opened, known)
    there = {backup.id for backup in backups} | {archive.backup_id for archive in opened.source.archives()}
    for backup_id in opened.source.pins().keys() - there:
        yield "warning", f"{printable(backup_id)} is pinned, but there is no such backup (ullage unpin)"
    yield "ok", f"{len(backups)} backups"


def _leftovers(opened: Any, known: set[str]) -> Iterator[Finding]:
    for place, name in opened.reclaimer.leftovers():
        what = f"in the {place}: {printable(name)} belongs to no operation"
        if name.removesuffix(".part").removesuffix(".json") in known:
            continue
        if place.startswith("trash"):
            yield "fault", f"{what}; it may be a whole backup: look at it, then move it back by hand, or remove it"
        else:
            yield "warning", f"{what} of this catalog; if it is ours, the next reclaim removes it"


def _archives(app: Any, opened: Any, until: float) -> Iterator[Finding]:
    """What reading archives to their ends found; the newest first, then any."""
    archives = sorted(opened.source.archives(), key=lambda archive: archive.created_at, reverse=True)
    others = archives[_NEWEST:]
    SystemRandom().shuffle(others)
    whole = broken = 0
    for archive in [*archives[:_NEWEST], *others]:
        try:
            digest = app.catalog.archive_digest(opened.settings.name, archive.path)
            opened.reclaimer.check_archive(archive.path, digest, lambda: time.monotonic() >= until)
            whole += 1
        except Interrupted:
            break
        except (Changed, FileNotFoundError):
            continue  # it went meanwhile
        except ArchiveError as error:
            broken += 1
            yield "fault", str(error)
    rest = len(archives) - whole - broken
    more = f"; {rest} were not read (--archives reads all)" if rest else ""
    yield "ok", f"{whole} of {len(archives)} archives were read and are whole{more}"
