"""``ullage pin`` and ``unpin``: an operator's hold on a backup."""

from __future__ import annotations

import getpass
import os

import click

from ullage.cli.context import application, common, common_options, dry_run_option
from ullage.cli.output import print_json, say
from ullage.cli.stores import find_one
from ullage.model.backups import Pin
from ullage.model.units import printable


@click.command()
@click.argument("backup_id", metavar="ID")
@click.option("--reason", default="", help="Why; shown wherever the pin is.")
@dry_run_option
@common_options
def pin(backup_id: str, reason: str, dry_run: bool) -> None:
    """Hold a backup: nothing archives or deletes it until it is unpinned."""
    with application() as app:
        site = find_one(app, backup_id)
        with site.open() as opened:
            found = Pin(backup_id=backup_id, at=app.clock.now(), reason=reason, by=_user())
            changed = False if dry_run else opened.source.pin(found)
    _finish(backup_id, site.settings.name, pinned=True, changed=changed, dry_run=dry_run)


@click.command()
@click.argument("backup_id", metavar="ID")
@dry_run_option
@common_options
def unpin(backup_id: str, dry_run: bool) -> None:
    """Let a pinned backup go again; a pin whose backup is gone is taken away too."""
    with application() as app:
        site = find_one(app, backup_id, pinned=True)
        with site.open() as opened:
            changed = False if dry_run else opened.source.unpin(backup_id)
    _finish(backup_id, site.settings.name, pinned=False, changed=changed, dry_run=dry_run)


def _finish(backup_id: str, store: str, *, pinned: bool, changed: bool, dry_run: bool) -> None:
    if common().json:
        print_json({"store": store, "backup_id": printable(backup_id), "pinned": pinned, "changed": changed})
        return
    word = "pinned" if pinned else "unpinned"
    would = "would be " if dry_run else ""
    name = printable(backup_id)
    say(f"{store}: {name} {would}{word}" if changed or dry_run else f"{store}: {name} was {word} already")


def _user() -> str:
    """Who asks; behind sudo, the person."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
