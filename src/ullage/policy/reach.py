"""Whether what nobody may take leaves room for the target at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ullage.model.backups import Backup
from ullage.model.readings import Reading
from ullage.model.settings import StoreSettings
from ullage.model.units import format_size
from ullage.policy.assess import Goal, missing
from ullage.policy.protect import floors


def out_of_reach(store: StoreSettings, reading: Reading, backups: Sequence[Backup], *, now: float) -> str | None:
    """Why no emergency could reach ``target_free`` now, and what to change; None where one could.

    Only what holds for long counts against it: a pin, a floor. Who writes now will be done some day.
    """
    wanted, _inodes = missing(Goal.TARGET, reading, store.watermarks)
    kept = floors(backups, store.reclaim, now=now)
    pinned = sum(b.reclaimable_bytes for b in backups if b.pinned)
    floor = sum(b.reclaimable_bytes for b in backups if b.id in kept and not b.pinned)
    free = sum(b.reclaimable_bytes for b in backups if not b.pinned and b.id not in kept)
    if wanted <= free:
        return None
    return (
        f"watermarks.target_free is out of reach: {format_size(wanted)} would have to go, and all that may go is"
        f" {format_size(free)}; {format_size(pinned)} are pinned, reclaim.keep_last holds {format_size(floor)}:"
        " unpin, lower keep_last or target_free, or enlarge the disk"
    )
