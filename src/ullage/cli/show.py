"""``ullage show ID``: all that is known of one backup."""

from __future__ import annotations

import os
from typing import Any

import click

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options
from ullage.cli.output import out, print_json
from ullage.cli.stores import find_one
from ullage.model.units import format_age, format_size, printable
from ullage.policy.confidence import score
from ullage.policy.protect import archive_floors, floors, holds


@click.command()
@click.argument("backup_id", metavar="ID")
@common_options
def show(backup_id: str) -> None:
    """Show one backup: its state, its confidence with every term, what holds it, and what became of it so far."""
    with application() as app:
        site = find_one(app, backup_id)
        document = _document(app, site, backup_id)
    if common().json:
        print_json(document)
    else:
        _print(document)


def _document(app: Any, site: Any, backup_id: str) -> dict[str, Any]:
    store, now = site.settings, app.clock.now()
    with site.open() as opened:
        backups, archives, pins = opened.source.backups(), opened.source.archives(), opened.source.pins()
    live = next((backup for backup in backups if backup.id == backup_id), None)
    if live is not None:
        kept = floors(backups, store.reclaim, now=now)
        held = holds(live, kept.get(backup_id), store.reclaim, now=now)
        scored = None if live.created_at is None else score(live, store.confidence, now=now)
        shape = shapes.listed(live, scored, held, os.path.join(store.backup_root, backup_id), now=now)
        terms = {} if scored is None else scored.terms
    else:
        archive = next(one for one in archives if one.backup_id == backup_id)
        kept_archives = archive_floors(archives, backups, store.reclaim, now=now)
        held = tuple(
            why for why in (kept_archives.get(archive.path), "it is pinned" if archive.pinned else None) if why
        )
        shape = shapes.listed_archive(archive, held, os.path.join(store.archive_root, archive.path), now=now)
        terms = {}
    return {
        "store": store.name,
        **shape,
        "terms": terms,
        "pin": shapes.pin(pins.get(backup_id)),
        "archives": [
            printable(os.path.join(store.archive_root, one.path)) for one in archives if one.backup_id == backup_id
        ],
        "transitions": [
            shapes.transition(op) for op in app.catalog.history(store=store.name, backup_id=backup_id, limit=1000)
        ],
    }


def _print(one: dict[str, Any]) -> None:
    out(f"{one['backup_id']}  {one['state']}  in store {one['store']}, series {one['series']}")
    out(f"  path         {one['path']}")
    age = "not known" if one["age_seconds"] is None else format_age(one["age_seconds"])
    out(f"  created      {one['created_at']}, age {age}")
    for name in ("pending_since", "confirmed_at", "cleanable_since"):
        if one.get(name):
            out(f"  {name.split('_')[0]:<11}  {one[name]}")
    out(f"  size         {format_size(one['size_bytes'])}, gain {format_size(one['reclaimable_bytes'])}")
    if one["confidence"] is not None:
        out(f"  confidence   {one['confidence']:.2f}, boosted {one['boosted_confidence']:.2f}")
        for name, value in one["terms"].items():
            out(f"    {name:<14} {value:+.3f}")
    if one["pin"]:
        out(f"  pinned       {one['pin']['at']} by {one['pin']['by']}: {one['pin']['reason']}")
    for reason in one["reasons"]:
        out(f"  stays        {reason}")
    for row in one["transitions"]:
        out("  {at}  {from_state} -> {to_state}  {trigger}  {outcome}  {reason}".format_map(row))
