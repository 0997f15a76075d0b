"""What the directory of a backup says of it: ``.state``, its times (SPEC.md 2) and, of its tree, the sizes.

Files are read only where they are small and regular.
"""

from __future__ import annotations

import os

from msgspec.structs import replace

from ullage.model.backups import Backup
from ullage.model.units import printable
from ullage.model.words import LIVE_STATES, State
from ullage.system import files, tree

TIMES = {
    State.CREATED: ".created_at",
    State.PENDING: ".pending_since",
    State.CONFIRMED: ".confirmed_at",
    State.CLEANABLE: ".cleanable_since",
}
_WORDS = "CREATED, PENDING, CONFIRMED or CLEANABLE"
_LATEST = 1 << 40
"""A time in seconds beyond any real one (the year 36812): larger numbers are not times."""


def _unchangeable(fd: int) -> str | None:
    """Why not even root may change a directory, so that it can never go; of others the attempt itself tells."""
    if os.geteuid() != 0 or os.access(".", os.W_OK, dir_fd=fd):
        return None
    return "it is immutable, or a read-only subvolume (btrfs property set PATH ro false)"


def read_facts(fd: int, name: str, survey: tree.Survey | None) -> Backup:
    """The backup that an open directory holds; without a survey its sizes are 0."""
    state, fault = _state(fd)
    times: dict[str, int | None] = {}
    for file in TIMES.values():
        try:
            times[file] = _time(fd, file)
        except ValueError as error:
            times[file] = None
            fault = fault or str(error)
    created = times[".created_at"]
    if created is None and files.stat_or_none(fd, ".created_at") is None:
        created = int(os.fstat(fd).st_mtime)
    backup = Backup(
        id=name,
        state=state,
        created_at=created,
        pending_since=times[".pending_since"],
        confirmed_at=times[".confirmed_at"],
        cleanable_since=times[".cleanable_since"],
        fault=fault,
    )
    if survey is None:
        return backup
    return replace(
        backup,
        fault=fault or _unchangeable(fd),
        size_bytes=survey.size_bytes,
        reclaimable_bytes=survey.reclaimable_bytes,
        inodes=survey.inodes,
        metadata_bytes=survey.metadata_bytes,
        linked=survey.linked,
        reflinked=survey.reflinked,
        newest_mtime=survey.newest_mtime,
        last_read_at=survey.last_read_at,
    )


def _state(fd: int) -> tuple[State | None, str | None]:
    """The state, or None and why not. CRLF and surrounding blanks are tolerated."""
    try:
        status = files.stat_or_none(fd, ".state")
        text = files.read_small(fd, ".state")
    except (ValueError, OSError) as error:
        return None, f".state cannot be read: {error}"
    if text is None:
        return None, "there is no .state"
    if status is not None and status.st_nlink > 1:
        return None, ".state has a second name (a hard link), and who writes there changes it here; copy it"
    word = text.strip().decode("ascii", "replace")
    if word in LIVE_STATES:
        return State(word), None
    if not word:
        return None, f".state is empty, not {_WORDS}"
    return None, f".state says {printable(word)[:40]!r}, not {_WORDS}"


def _time(fd: int, name: str) -> int | None:
    """Epoch seconds in a file; None where it is missing. Raises ValueError where it holds no time."""
    try:
        text = files.read_small(fd, name)
    except (ValueError, OSError) as error:
        raise ValueError(f"{name} cannot be read: {error}") from error
    if text is None:
        return None
    digits = text.strip()
    if not digits.isdigit() or int(digits) > _LATEST:
        raise ValueError(f"{name} holds no time in whole seconds")
    return int(digits)
