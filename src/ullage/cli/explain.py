"""``ullage explain ID``: why this backup would go or stay at each level, and what would change that."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Any

import click

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options
from ullage.cli.output import flow, percent, print_json
from ullage.cli.plan import DEFAULT_COUNT
from ullage.engine.cycle import Act
from ullage.errors import Refused, UllageError, UsageError
from ullage.model.backups import Operation
from ullage.model.cycles import CycleRecord
from ullage.model.plans import View
from ullage.model.units import format_age, format_size, format_span, printable, rfc3339
from ullage.model.words import Action, CleanupLevel, Level, Result
from ullage.policy import assess, respond
from ullage.policy.explain import Change, Explanation, Verdict, Way
from ullage.policy.explain import explain as explained
from ullage.policy.plan import plan as planned
from ullage.policy.protect import archive_floors
from ullage.policy.series import named, series_of

_DOES = {
    Change.UNPIN: "it is unpinned (ullage unpin)",
    Change.END_OF_USE: "it is no longer in use",
    Change.CLEANABLE: "it is CLEANABLE (ullage transition)",
}
_NAMED = 3
_LABEL = 14  # where what is said of a level begins
"""So many of those that stand before it are named, and the others counted."""


@click.command()
@click.argument("backup_id", metavar="ID")
@common_options
def explain(backup_id: str) -> None:
    """Say why one backup would go or stay at each level, its rank, every term, and what would change the answer."""
    with application() as app:
        document = _document(app, backup_id)
    if common().json:
        print_json(document)
    else:
        for line in document["sentences"]:
            flow(line, _LABEL if line.startswith((" ", *(f"{level}:" for level in CleanupLevel))) else 2)


def _document(app: Any, backup_id: str) -> dict[str, Any]:
    """The one thing of that id. Raises Refused (nothing has it), UsageError (several stores do)."""
    found: list[dict[str, Any]] = []
    known: set[str] = set()
    faults: list[str] = []
    for site in app.chosen(common().store):
        try:
            one = _in_store(app, site, backup_id, known)
        except UllageError as error:
            faults.append(str(error))
            continue
        found += [] if one is None else [one]
    if len(found) > 1:
        names = ", ".join(one["store"] for one in found)
        raise UsageError(f"{printable(backup_id)} is in several stores ({names}); say which with --store")
    if not found:
        near = ", ".join(printable(name) for name in get_close_matches(backup_id, sorted(known), 3))
        hint = f"; there is {near}" if near else ""
        lines = [f"there is no backup {printable(backup_id)!r} in any store that answers{hint}", *faults]
        raise Refused("\n".join(lines))
    return found[0]


def _in_store(app: Any, site: Any, backup_id: str, known: set[str]) -> dict[str, Any] | None:
    """What a store knows of that id; None where it knows nothing. Every name it does know is added to ``known``."""
    view: View = app.engine.view(site)
    with site.open() as opened:
        archives = opened.source.archives()
    lying = [op for op in app.engine.trashed(site) if op.action in (Action.DELETE, Action.DELETE_ARCHIVE)]
    known |= {b.id for b in view.backups} | {a.backup_id for a in archives} | {op.backup_id for op in lying}
    if any(backup.id == backup_id for backup in view.backups):
        return _of_backup(app, site, backup_id, view)
    mine = [archive for archive in archives if archive.backup_id == backup_id]
    if mine:
        return _of_archive(site, max(mine, key=lambda one: (one.created_at, one.path)), view, archives)
    trashed = [op for op in lying if op.backup_id == backup_id]
    return _of_trash(site, trashed[-1]) if trashed else None


def _of_backup(app: Any, site: Any, backup_id: str, view: View) -> dict[str, Any]:
    store = site.settings
    pressure = assess.assess(view.reading, store.watermarks)
    told = explained(backup_id, view, store, pressure.level, DEFAULT_COUNT)
    record = app.engine.cycle(site, Act(dry_run=True))
    outcome, why = _next(record, told, view, store)
    used = pressure.brief or f"{percent(pressure.usage)} used"
    place = f"The store {store.name} is {pressure.level}, {used}. The next cycle {why}."
    verdicts = [line for verdict in told.verdicts for line in _levels(verdict, view.now)]
    return {
        "store": store.name,
        "kind": "backup",
        **shapes.candidate(told.backup, told.score, told.held, now=view.now),
        "path": printable(os.path.join(store.backup_root, backup_id)),
        "terms": {} if told.score is None else told.score.terms,
        "level": pressure.level,
        "usage_percent": pressure.usage,
        "next": outcome,
        "levels": [_shape(verdict) for verdict in told.verdicts],
        "sentences": [*_what(told, view.now), printable(place), *verdicts],
    }


def _what(told: Explanation, now: float) -> list[str]:
    backup = told.backup
    age = "of unknown age"
    if backup.created_at is not None:
        age = f"{format_age(max(0.0, now - backup.created_at))} old (created {rfc3339(backup.created_at)})"
    lines = [
        f"{printable(backup.id)} is {backup.state or 'of unknown state'}, of {named(series_of(backup.id))}, {age};"
        f" it takes {format_size(backup.size_bytes)} and gives back {format_size(backup.reclaimable_bytes)}."
    ]
    if told.held:
        lines.append(f"Whatever the level it stays: {printable('; '.join(told.held))}.")
    else:
        lines.append("Nothing holds it whatever the level: no pin, no floor, no use, no doubt.")
    if told.score is not None:
        terms = ", ".join(f"{name.replace('_', ' ')} {value:+.3f}" for name, value in told.score.terms.items())
        lines.append(f"Its confidence, with the boost, is {told.score.shown}: {terms}; held to 0..1.")
    return lines


def _next(record: CycleRecord, told: Explanation, view: View, store: Any) -> tuple[str, str]:
    """What the next cycle would do with it, by the engine's own dry run; in one word, and for a person."""
    backup_id, response = told.backup.id, respond.response(told.pressure, store)
    mine = [op for op in record.actions if op.backup_id == backup_id and op.action is not Action.DELETE_ARCHIVE]
    if mine:
        return _planned(mine[-1])
    notes = f" ({'; '.join(record.notes)})" if record.notes else ""
    if response is None:
        return "nothing", f"needs nothing of it{notes}"
    found = planned(view, response, store)
    level = f"reclaims at {response.cleanup_level}"
    if backup_id in found.selection.stays:
        return "nothing", f"{level} and leaves it{notes}"
    if any(step.candidate.backup.id == backup_id for step in found.steps):
        return "nothing", f"{level} and does not come to it: enough goes before its turn{notes}"
    return "nothing", f"{level} and does not come to it: at most {response.limit} go{notes}"


def _planned(op: Operation) -> tuple[str, str]:
    if op.result is not Result.PLANNED:
        return "nothing", f"would try it and leave it: {op.reason}"
    does = {Action.DELETE: "delete it", Action.ARCHIVE: "archive it", Action.PROMOTE: "make it CLEANABLE"}[op.action]
    return str(op.action), f"would {does} ({op.reason})"


def _levels(verdict: Verdict, now: float) -> list[str]:
    level = f"{verdict.level}:"
    if verdict.against:
        stays = f"{level:<{_LABEL}}stays: {printable('; '.join(verdict.against))}"
        return [stays, f"{'':<{_LABEL}}{_otherwise(verdict, now)}"]
    goes = f"{level:<{_LABEL}}may go, {verdict.rank} of {verdict.of}"
    command = f"ullage cleanup {verdict.level}"
    if verdict.taken and verdict.step is not None:
        inodes = f" and {verdict.step.inodes:,} inodes" if verdict.of_inodes else ""
        text = f"{command} would take it now, for {format_size(verdict.step.size_bytes)}{inodes}"
    elif verdict.step is None:
        text = f"{command} would not take it now: it takes {DEFAULT_COUNT} at most"
    else:
        text = f"{command} would not take it now: enough is gained before its turn"
        if verdict.turn is not None:
            size, inodes_ = verdict.turn
            more = f"{inodes_:,} inodes" if verdict.of_inodes else format_size(size)
            text += f", which comes when more than {more} are missing"
    return [f"{goes}{_before(verdict)}; {text}"]


def _before(verdict: Verdict) -> str:
    if not verdict.before:
        return ""
    names = [printable(name) for name in verdict.before[-_NAMED:]]
    more = len(verdict.before) - len(names)
    rest = f"{more} {'other' if more == 1 else 'others'} and " if more else ""
    return f", after {rest}{', '.join(names)}"


def _otherwise(verdict: Verdict, now: float) -> str:
    """What would let it go."""
    way = verdict.way
    if way is None:
        more = [reason for reason in verdict.never if reason not in verdict.against]
        return "nothing lets it go here as it is" + (f": {printable('; '.join(more))}" if more else "")
    wait = f"from {rfc3339(way.at)} on (in {format_span(way.at - now)})" if way.at - now >= 1 else "at once"
    conditions = [_DOES[change] for change in way.changes] + ([_newer(way)] if way.newer else [])
    if not conditions:
        return f"may go {wait}, if nothing else changes"
    return f"may go {wait}, once {', '.join(conditions[:-1])}{' and ' if conditions[1:] else ''}{conditions[-1]}"


def _newer(way: Way) -> str:
    if way.newer == 1:
        return "a newer good backup of its series stands"
    return f"{way.newer} newer good backups of its series stand (one a day)"


def _shape(verdict: Verdict) -> dict[str, Any]:
    way = verdict.way
    return {
        "cleanup_level": verdict.level,
        "goes": not verdict.against,
        "rank": verdict.rank,
        "of": verdict.of,
        "taken": verdict.taken,
        "before": [printable(name) for name in verdict.before],
        "turn_bytes": None if verdict.turn is None else verdict.turn[0],
        "turn_inodes": None if verdict.turn is None else verdict.turn[1],
        "gain_bytes": None if verdict.step is None else verdict.step.size_bytes,
        "gain_inodes": None if verdict.step is None else verdict.step.inodes,
        "reasons": [printable(reason) for reason in verdict.against],
        "way": None if way is None else {"changes": way.changes, "newer": way.newer, "at": rfc3339(way.at)},
        "never": [printable(reason) for reason in verdict.never],
    }


def _of_archive(site: Any, archive: Any, view: View, archives: list[Any]) -> dict[str, Any]:
    store = site.settings
    kept = archive_floors(archives, view.backups, store.reclaim, now=view.now)
    held = [why for why in ("it is pinned" if archive.pinned else None, kept.get(archive.path)) if why]
    order = [one.path for one in respond.archives_to_go(archives, kept)]
    pressed = "no backup goes first and the disk is at critical or above"
    if not view.reading.same_filesystem:
        pressed = "the archives' own filesystem is at critical or above"
    name = printable(archive.backup_id)
    lines = [
        f"{name} is an archive of {named(series_of(archive.backup_id))}, {format_size(archive.size_bytes)},"
        f" {format_age(max(0.0, view.now - archive.created_at))} old; ullage restore {name} brings the backup back.",
        f"It stays: {printable('; '.join(held))}."
        if held
        else f"It may go, {order.index(archive.path) + 1} of {len(order)}, oldest first, when {pressed}.",
    ]
    path = os.path.join(store.archive_root, archive.path)
    return {
        "store": store.name,
        "kind": "archive",
        **shapes.listed_archive(archive, held, path, now=view.now),
        "rank": None if held else order.index(archive.path) + 1,
        "of": len(order),
        "levels": [],
        "sentences": lines,
    }


def _of_trash(site: Any, op: Operation) -> dict[str, Any]:
    row = shapes.trashed(op, site.settings.reclaim.grace)
    name = printable(op.backup_id)
    what = "archive" if op.action is Action.DELETE_ARCHIVE else "backup"
    lines = [
        f"{name} lies in the trash: the {what} was deleted at {row['deleted_at']} ({row['reason']}).",
        f"It goes for good at {row['goes_at']}, and before that when the store is at {Level.CRITICAL} or above, first"
        f" of all; ullage undo {name} brings it back until then.",
    ]
    return {**row, "kind": "trash", "levels": [], "sentences": lines}
