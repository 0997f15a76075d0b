"""Finding the store that a command is about."""

from __future__ import annotations

from typing import Any

from ullage.cli.context import common
from ullage.errors import Refused, UllageError, UsageError
from ullage.model.units import printable


def find_one(app: Any, backup_id: str, *, pinned: bool = False) -> Any:
    """The one store that has a backup or archive (``pinned``: or only a pin) of that id.

    Raises Refused (none has it), UsageError (several).
    """
    sites = app.chosen(common().store)
    faults: list[str] = []
    found = []
    for site in sites:
        try:
            with site.open() as opened:
                there = opened.source.glance(backup_id) is not None and has_state(opened, backup_id)
                there = there or any(a.backup_id == backup_id for a in opened.source.archives())
                if there or (pinned and backup_id in opened.source.pins()):
                    found.append(site)
        except UllageError as error:
            faults.append(str(error))
    if not found:
        if any(op.backup_id == backup_id for site in sites for op in app.catalog.trashed(site.settings.name)):
            raise Refused(
                f"{printable(backup_id)!r} lies in the trash; ullage undo {printable(backup_id)} brings it back"
            )
        raise Refused("\n".join([f"there is no backup {printable(backup_id)!r} in any store that answers", *faults]))
    if len(found) > 1:
        names = ", ".join(site.settings.name for site in found)
        raise UsageError(f"{printable(backup_id)} is in several stores ({names}); say which with --store")
    return found[0]


def has_state(opened: Any, backup_id: str) -> bool:
    """Whether the directory is a backup at all: it holds a ``.state``, whatever that says."""
    backup = opened.source.glance(backup_id)
    return backup is not None and backup.fault != "there is no .state"
