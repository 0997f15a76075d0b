"""A backup that begins: its directory is made, CREATED, and kept from everybody until it is written."""

from __future__ import annotations

import os
from contextlib import suppress

from ullage.errors import Refused
from ullage.model.words import State
from ullage.sources.facts import TIMES
from ullage.system import files, linux, locks, tree


def begin(root_fd: int, backup_id: str, at: int) -> int:
    """The descriptor of a new backup's directory, locked until that is closed; durable.

    Raises Refused where something of that name is there, NoRoom, Unavailable; nothing is left then.
    """
    try:
        os.mkdir(backup_id, dir_fd=root_fd)
    except FileExistsError:
        raise Refused(f"{linux.where(root_fd, backup_id)} is there already; nothing was touched") from None
    except OSError as error:
        raise linux.failure(error, f"cannot make {linux.where(root_fd, backup_id)}") from error
    fd = -1
    try:
        fd = tree.open_directory(root_fd, backup_id)
        locks.lock_directory(fd)
        files.write_durable(fd, TIMES[State.CREATED], f"{at}\n".encode(), mode=0o644)
        files.write_durable(fd, ".state", f"{State.CREATED}\n".encode(), mode=0o644)
        os.fsync(root_fd)
    except BaseException:
        if fd >= 0:
            for name in (".state", TIMES[State.CREATED]):
                with suppress(OSError):
                    os.unlink(name, dir_fd=fd)  # by no path: another directory, or a link, may bear the name by now
            os.close(fd)
        with suppress(OSError):
            os.rmdir(backup_id, dir_fd=root_fd)
        raise
    return fd


def is_empty(fd: int) -> bool:
    """Whether nothing was written into the directory beside what ``begin`` wrote."""
    return set(os.listdir(fd)) <= {".state", ".lock", *TIMES.values()}
