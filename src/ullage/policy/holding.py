"""What to say of space that is freed and still held: by whom, and what ends it. Nobody is ever signalled."""

from __future__ import annotations

from msgspec.structs import replace

from ullage.model.holding import Holder, Holding
from ullage.model.readings import Reading, Space
from ullage.model.units import MIB, format_size, printable

_NAMED = 3
_LARGE_BYTES, _LARGE_SHARE = 64 * MIB, 0.01
"""Deleted files that are open are worth a word from so many bytes on, or from this share of the filesystem."""


def held_by(holding: Holding) -> str | None:
    """``41.0 GiB still held by process 812, postgres, 3 deleted files``, and snapshots; None where nothing is known."""
    said = []
    if holding.holders:
        said.append(f"{format_size(holding.size_bytes)} still held by {_listed([_named(h) for h in holding.holders])}")
    if holding.snapshots:
        many = "snapshot" if len(holding.snapshots) == 1 else "snapshots"
        names = [printable(name) for name in holding.snapshots]
        said.append(f"the btrfs {many} {_listed(names)} may keep what was deleted")
    return "; ".join(said) or None


def why_short(holding: Holding, predicted: int, gained: int) -> str:
    """What is added to the record of an act that gained too little."""
    short = f"gained {format_size(gained)} of {format_size(predicted)}"
    return f"{short}: {held_by(holding) or 'what holds the rest was not found'}"


def waited_for(holding: Holding) -> str:
    """Why no more is deleted although the goal is not reached: what is held of the store's own comes back by itself."""
    size = format_size(holding.own_bytes)
    return f"nothing more is deleted for {size} that were deleted already and will come back: {held_by(holding)}"


def worth_a_word(holding: Holding, reading: Reading) -> str | None:
    """Who holds deleted files, where they are much for the filesystem of the backups; else None."""
    total = sum(disk.total_bytes for disk in reading.backup[:1])
    if not holding.files or holding.size_bytes < min(_LARGE_BYTES, _LARGE_SHARE * total):
        return None
    return held_by(replace(holding, snapshots=()))


def as_if_back(reading: Reading, holding: Holding, *, archives: bool = False) -> Reading:
    """The reading with the store's own that is still held counted as free on that disk; a ``capacity`` has it back."""
    if archives:
        return replace(reading, archive=None if reading.archive is None else _freed(reading.archive, holding))
    return replace(reading, backup=tuple(_freed(disk, holding) for disk in reading.backup[:1]) + reading.backup[1:])


def still_coming(before: Reading, now: Reading, *, archives: bool = False) -> str | None:
    """Why nothing is deleted yet, where space that was freed still comes back after all waiting; else None."""
    came = _free(now, archives) - _free(before, archives)
    if came <= 0:
        return None
    return f"space that was freed is still coming back ({format_size(came)} so far): nothing is deleted until it has"


def _freed(space: Space, holding: Holding) -> Space:
    size = min(holding.own_bytes, space.used_bytes)
    inodes = min(holding.own_files, space.total_inodes - space.free_inodes)
    return replace(
        space,
        used_bytes=space.used_bytes - size,
        free_bytes=space.free_bytes + size,
        available_bytes=space.available_bytes + size,
        free_inodes=space.free_inodes + inodes,
    )


def _free(reading: Reading, archives: bool) -> int:
    space = reading.archive if archives else next(iter(reading.backup), None)
    return 0 if space is None else space.free_bytes


def _named(holder: Holder) -> str:
    files = "1 deleted file" if holder.files == 1 else f"{holder.files} deleted files"
    return f"process {holder.pid}, {printable(holder.name)}, {files}"


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    shown = names[:_NAMED] + ([f"{more} more"] if more > 0 else [])
    return " and ".join([*(["; ".join(shown[:-1])] if shown[:-1] else []), shown[-1]])
