"""When a disk is at critical or above and nothing more may go: what holds the backups, and what would have to give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import nlargest

from ullage.model.backups import Archive, Backup
from ullage.model.settings import StoreSettings
from ullage.model.units import format_size, printable
from ullage.model.words import Level
from ullage.policy.protect import archive_floors, floors, holds
from ullage.policy.respond import archives_to_go, forced_deletions, forced_promotions, response
from ullage.policy.select import select

_LARGEST = 3
"""So many of the largest are named."""
_WAYS = {
    "held by reclaim.keep_last": "lower reclaim.keep_last",
    "pinned": "unpin what may go",
    "in use or in doubt": "see in ullage list what is in use or in doubt",
    "not ripe for it": "delete by hand what is not needed (ullage plan nuclear)",
}
"""What holds a backup, the first that does, and what would have to give."""


def nothing_more(
    level: Level, backups: Iterable[Backup], archives: Sequence[Archive], store: StoreSettings, *, now: float
) -> str | None:
    """Why no backup may go at this level, with what to change; None where one may, or the level is under critical.

    ``archives``: those on the same filesystem, which go when nothing else helps.
    """
    asked = response(level, store)
    if asked is None or level is Level.WARNING:
        return None
    known = list(backups)
    kept = floors(known, store.reclaim, now=now)
    if select(known, asked.cleanup_level, None, store, now=now, kept=kept).candidates:
        return None
    if archives_to_go(archives, archive_floors(archives, known, store.reclaim, now=now)):
        return None
    others = (forced_deletions, forced_promotions) if level is Level.EMERGENCY else ()
    if any(more(known, kept, store, now=now) for more in others):
        return None
    if not known:
        return "nothing more may go: there is no backup left; look what else fills the disk, or enlarge it"
    held = {backup.id: _holder(backup, kept.get(backup.id), store, now) for backup in known}
    counts = Counter(held.values())
    numbers = ", ".join(f"{counts[what]} {what}" for what in _WAYS if counts[what])
    largest = nlargest(_LARGEST, known, key=lambda b: (b.reclaimable_bytes, b.id))
    names = ", ".join(f"{printable(b.id)} ({format_size(b.reclaimable_bytes)}, {held[b.id]})" for b in largest)
    ways = [way for what, way in _WAYS.items() if counts[what]]
    return (
        f"nothing more may go at {asked.cleanup_level}: of {len(known)} backups {numbers}; the largest: {names};"
        f" {', or '.join([*ways, 'enlarge the disk'])}"
    )


def _holder(backup: Backup, floor: str | None, store: StoreSettings, now: float) -> str:
    if backup.pinned:
        return "pinned"
    if floor is not None:
        return "held by reclaim.keep_last"
    return "in use or in doubt" if holds(backup, None, store.reclaim, now=now) else "not ripe for it"
