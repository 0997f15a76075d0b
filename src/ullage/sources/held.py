"""A backup under its lock: looked at again, and moved along (SPEC.md 2)."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ullage.errors import Busy, NoRoom, Refused
from ullage.model.backups import Backup
from ullage.model.units import printable
from ullage.model.words import State
from ullage.sources.facts import TIMES, read_facts
from ullage.sources.roots import Roots
from ullage.sources.together import Measure
from ullage.system import files, processes, tree

if TYPE_CHECKING:
    from ullage.ports import Stop


class StateHeld:
    """A backup under its lock."""

    def __init__(self, backup_id: str, fd: int, roots: Roots, measure: Measure, pinned: Callable[[], bool]) -> None:
        self.backup_id = backup_id
        self.fd = fd
        self.handle = tree.handle_of(fd)
        self._roots = roots
        self._measure = measure
        self._pinned = pinned

    def look(self, stop: Stop | None = None) -> Backup:
        """Every fact read anew. Raises Refused where something in it could not be removed, or is not its own."""
        writing = processes.open_for_writing(self._roots.backup_fd)
        meter = self._measure.meter
        survey = tree.survey(self.fd, write_open=writing.inodes, attributes=True, should_stop=stop, meter=meter)
        if survey.obstacles:
            raise Refused(f"{printable(self.backup_id)}: {'; '.join(survey.obstacles)}")
        backup = self._measure.whole(read_facts(self.fd, self.backup_id, survey))
        busy = f"a process has {survey.written[0]} open for writing" if survey.written else None
        return replace(backup, pinned=self._pinned(), busy=busy)

    def write_state(self, state: State, at: int) -> None:
        """``.state``, then the time that goes with it. Raises NoRoom, Refused.

        In place on a full disk, and where a new file could not be given the owner of the old one.
        """
        before = files.stat_or_none(self.fd, ".state")
        self._keep_good(at, before)
        data = f"{state}\n".encode()
        try:
            files.write_durable(self.fd, ".state", data, like=before)
        except (NoRoom, Refused):
            files.overwrite(self.fd, ".state", data)
        name = TIMES.get(state)
        if name is not None:
            with suppress(NoRoom, Refused):  # a missing time falls back to the one before it (SPEC.md 2)
                files.write_durable(self.fd, name, f"{at}\n".encode(), like=before)

    def _keep_good(self, at: int, like: os.stat_result | None) -> None:
        """What is CONFIRMED has a ``.confirmed_at``, before it is that no more: a floor counts what ever was.

        Its time is that before it (SPEC.md 2). Without it nothing is moved along: the floor would let it go.
        """
        now = read_facts(self.fd, self.backup_id, None)
        name = TIMES[State.CONFIRMED]
        if now.state is not State.CONFIRMED or files.stat_or_none(self.fd, name) is not None:
            return
        times = (now.pending_since, now.created_at, at)
        data = f"{next(time for time in times if time is not None)}\n".encode()
        try:
            files.write_durable(self.fd, name, data, like=like)
        except Refused:  # it cannot be given the owner of .state
            files.write_durable(self.fd, name, data, mode=0o644)

    def tidy(self) -> None:
        """Remove temporary files of ours, left by a process that was killed."""
        files.remove_leftovers(self.fd)


def lock_file(fd: int) -> int:
    """The descriptor of its ``.lock``, locked by us; -1 where there is none. Raises Busy."""
    try:
        lock_fd = os.open(".lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    except FileNotFoundError:
        return -1
    except OSError as error:
        raise Refused(f".lock cannot be opened: {error.strerror}") from error
    try:
        if stat.S_ISREG(os.fstat(lock_fd).st_mode):
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_fd)
        raise Busy("is locked by another process (flock on its .lock)") from error
    return lock_fd
