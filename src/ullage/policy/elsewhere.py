"""Backups that would give back next to nothing, for something else holds what is in them: no pressure takes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ullage.model.backups import Backup, Share
from ullage.model.units import format_size
from ullage.policy.gain import gain_of

OWN = 1 / 100
"""Of what a backup takes: if it gives back so much it goes like any other. Of what is missing: then it goes as well, of
bytes if it is not ``BARELY`` anything of what it takes."""
BARELY = 1 / 1000


def held_elsewhere(may_go: Iterable[Backup], shares: Sequence[Share], need: tuple[int, int] | None) -> dict[str, str]:
    """Of those that may go the ones that would not help, each with the sentence that says why.

    What several of ``may_go`` hold together (``shares``) comes back when all of them go, and counts for each. ``need``:
    (bytes, inodes) that the filesystem lacks (``assume.of_disk_alone``: a capacity or a quota has back what others
    hold, too); where nothing is missing, whoever is asked for goes. All are of use where what is missing can be had
    with them and not without.
    """
    if need is None or not any(need):
        return {}
    known = list(may_go)
    found = {one.id: one for one in known if one.shared and not _helps(one, one.reclaimable_bytes, one.inodes, need)}
    if not found:
        return {}
    ids = {one.id for one in known}
    size, inodes = ({name: 0 for name in found} for _ in range(2))
    for share in shares:
        if ids.issuperset(share.owners):
            for owner in found.keys() & set(share.owners):
                size[owner] += share.size_bytes
                inodes[owner] += share.inodes
    gains = {name: (one.reclaimable_bytes + size[name], one.inodes + inodes[name]) for name, one in found.items()}
    useless = {name for name, one in found.items() if not _helps(one, *gains[name], need)}
    for unit, units in enumerate(need):
        if units and useless:
            barely = {name for name in useless if not _gives(found[name], unit, gains[name][unit])}
            without, beside = (gain_of(ids - left, known, shares)[unit] for left in (useless, barely))
            useless = barely if without < units <= beside else useless
    return {name: _why(one) for name, one in found.items() if name in useless}


def _helps(backup: Backup, size: int, inodes: int, need: tuple[int, int]) -> bool:
    """Whether (bytes, inodes) that come back are worth the backup."""
    of_bytes, of_inodes = (gain / units if units else 0.0 for gain, units in zip((size, inodes), need, strict=True))
    if size >= OWN * backup.size_bytes or of_bytes >= 1 or of_inodes >= OWN:
        return True
    return size >= BARELY * backup.size_bytes and of_bytes >= OWN


def _gives(backup: Backup, unit: int, gain: int) -> bool:
    """Whether it gives back anything to speak of: of bytes (0) by what it takes, of inodes (1) any."""
    return gain > 0 if unit else gain >= BARELY * backup.size_bytes


def _why(backup: Backup) -> str:
    what = {(True, False): "other hard links", (False, True): "reflinks or snapshots"}
    holder = what.get((backup.linked, backup.reflinked), "other hard links, reflinks or snapshots")
    size, gain = format_size(backup.size_bytes), format_size(backup.reclaimable_bytes)
    return f"it would give back {gain} of its {size}: {holder} hold the rest"
