"""Whether what tar extracted is what the archive holds: tar passes over some failures without a word."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from ullage.model.units import printable
from ullage.system.archive_members import BLOCK_DEVICE, CHARACTER, DIRECTORY, FIFO, FILE, HARD_LINK, SYMLINK, Member

_MOST = 1000
"""Entries that may differ until a later member of the same name puts them right; more are a failure anyway."""
_IS = {
    FILE: stat.S_ISREG,
    DIRECTORY: stat.S_ISDIR,
    SYMLINK: stat.S_ISLNK,
    CHARACTER: stat.S_ISCHR,
    BLOCK_DEVICE: stat.S_ISBLK,
    FIFO: stat.S_ISFIFO,
}


def missing(members: Iterable[Member], dir_fd: int) -> str | None:
    """Which entry does not stand below ``dir_fd`` as the archive has it; None where all do.

    By kind, length, where a link leads and what a hard link is another name of. A placeholder that tar leaves for a
    symbolic link until its end, and could not exchange then, is such a one (GNU tar says nothing, and ends well).
    """
    wrong: dict[bytes, str] = {}
    for member in members:
        path = os.fsdecode(member.path)
        why = _differs(member, path, dir_fd)
        if why is None:
            wrong.pop(member.path, None)
        else:
            wrong[member.path] = f"{printable(path)} {why}"
        if len(wrong) > _MOST:
            break
    return next(iter(wrong.values()), None)


def _differs(member: Member, path: str, dir_fd: int) -> str | None:
    try:
        found = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
        if member.kind == HARD_LINK:
            other = os.stat(os.fsdecode(member.target), dir_fd=dir_fd, follow_symlinks=False)
            return None if os.path.samestat(found, other) else "is not the hard link that it should be"
        if not _IS[member.kind](found.st_mode):
            return "is of another kind"
        if member.kind == FILE and found.st_size != member.size:
            return f"is {found.st_size} bytes long and should be {member.size}"
        if member.kind == SYMLINK and os.fsencode(os.readlink(path, dir_fd=dir_fd)) != member.target:
            return "leads elsewhere"
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    return None
