"""``ullage list``: every backup and archive, and whether it may go at all."""

from __future__ import annotations

import os
from typing import Any

import click

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options
from ullage.cli.output import fail_where_unavailable, out, print_json, say, table
from ullage.errors import UllageError
from ullage.model.units import format_age, format_size, printable
from ullage.policy.confidence import score
from ullage.policy.protect import archive_floors, floors, holds


@click.command(name="list")
@common_options
def list_() -> None:
    """List every backup and archive: state, age, size, confidence, and what holds it."""
    with application() as app:
        stores = [_store(app, site) for site in app.chosen(common().store)]
    if common().json:
        print_json({"stores": stores})
    else:
        for store in stores:
            _print(store, alone=len(stores) == 1)
    fail_where_unavailable(stores)


def _store(app: Any, site: Any) -> dict[str, Any]:
    """One store; one that cannot be read says why, and the others are listed all the same."""
    try:
        return {"name": site.settings.name, "backups": backups_of(app, site), "fault": None}
    except UllageError as error:
        return {"name": site.settings.name, "backups": [], "fault": printable(str(error))}


def _print(store: dict[str, Any], *, alone: bool) -> None:
    if store["fault"] is not None:
        return
    if not alone:
        out(f"store {store['name']}")
    table(["BACKUP", "STATE", "AGE>", "SIZE>", "GAIN>", "CONFIDENCE>", "STAYS BECAUSE"], map(_row, store["backups"]))


def backups_of(app: Any, site: Any) -> list[dict[str, Any]]:
    """Every backup and archive of a store as ``list`` shows it, by name. Raises Unavailable."""
    store, now = site.settings, app.clock.now()
    with site.open() as opened:
        backups, archives = opened.source.backups(), opened.source.archives()
    kept = floors(backups, store.reclaim, now=now)
    kept_archives = archive_floors(archives, backups, store.reclaim, now=now)
    found = []
    for backup in backups:
        if backup.fault is not None:
            say(f"store {store.name}: {printable(backup.id)}: {backup.fault}")
        held = holds(backup, kept.get(backup.id), store.reclaim, now=now)
        scored = None if backup.created_at is None else score(backup, store.confidence, now=now)
        found.append(shapes.listed(backup, scored, held, os.path.join(store.backup_root, backup.id), now=now))
    for archive in archives:
        held = (("it is pinned",) if archive.pinned else ()) + tuple(
            [kept_archives[archive.path]] if archive.path in kept_archives else []
        )
        path = os.path.join(store.archive_root, archive.path)
        found.append(shapes.listed_archive(archive, held, path, now=now))
    return found


def _row(backup: dict[str, Any]) -> list[str]:
    confidence = backup["confidence"]
    shown = "-" if confidence is None else f"{confidence:.2f} +> {backup['boosted_confidence']:.2f}"
    return [
        backup["backup_id"],
        backup["state"],
        "-" if backup["age_seconds"] is None else format_age(backup["age_seconds"]),
        format_size(backup["size_bytes"]),
        format_size(backup["reclaimable_bytes"]),
        shown,
        "; ".join(backup["reasons"]),
    ]
