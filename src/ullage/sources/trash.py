"""What lies in the trash of a store, and the labels that tell what it is: the catalog may be lost, a label is not."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from ullage.errors import Busy, Changed, NoRoom, Refused, UllageError
from ullage.model.backups import Backup, Operation
from ullage.model.units import printable
from ullage.model.words import Action, Phase, Result
from ullage.ports import Stop
from ullage.sources import archived
from ullage.sources.facts import read_facts
from ullage.sources.held import lock_file
from ullage.sources.roots import Roots
from ullage.sources.together import Measure
from ullage.system import files, linux, locks, mounts, processes, tree
from ullage.system.extents import Meter
from ullage.system.identity import open_private

LABEL = ".json"
_ROOM = "trash"
_LABEL_NAME = re.compile(r"([0-9a-f]{16})\.json")
_PLACES = {
    Action.DELETE: re.compile(""),
    Action.DELETE_ARCHIVE: re.compile(r"\d{4}/\d{2}/[^/\0]+", re.ASCII | re.DOTALL),
}
"""What may be made undone, and where it may stand by its label."""
_LONGEST = 1 << 16
"""Bytes of a label; a reason that is longer than a hundredth of that is cut."""

_MOST = 1 << 60
"""No time in seconds, size in bytes or number of inodes on a label is as large as that."""


class StoreTrash:
    """The trash of one opened store: of live backups under ``backup_root``, of archives under ``archive_root``."""

    def __init__(self, store: str, roots: Roots, measure: Measure) -> None:
        self._store = store
        self._measure = measure
        self._roots = roots

    def label(self, op: Operation) -> None:
        """Tell beside it what it is. Where there is no room for a label there is none; the journal knows it too."""
        told = replace(op, id=0, phase=Phase.TRASHED, result=Result.DONE, reason=op.reason[: _LONGEST // 100])
        text = json.dumps(msgspec.to_builtins(told))  # in ASCII, whatever bytes the name is of
        fd = open_private(self._roots.backup_fd, _ROOM)
        try:
            with suppress(NoRoom):
                files.write_durable(fd, op.token + LABEL, text.encode())
        finally:
            os.close(fd)

    def unlabel(self, token: str) -> None:
        """Take the label off."""
        fd = open_private(self._roots.backup_fd, _ROOM)
        try:
            with suppress(FileNotFoundError):
                os.unlink(token + LABEL, dir_fd=fd)
                os.fsync(fd)
        except OSError as error:
            raise linux.failure(error, f"cannot remove {linux.where(fd, token + LABEL)}") from error
        finally:
            os.close(fd)

    def labelled(self) -> list[Operation]:
        """What stands in the trash under a label, as the label tells it; what stands there no more is left out."""
        backups, archives = open_private(self._roots.backup_fd, _ROOM), open_private(self._roots.archive_fd, _ROOM)
        rooms = {Action.DELETE: backups, Action.DELETE_ARCHIVE: archives}
        try:
            told = [self._told(backups, name) for name in sorted(os.listdir(backups))]
            return [op for op in told if op is not None and self._lies_in(rooms[op.action], op)]
        except OSError as error:
            raise linux.failure(error, f"cannot look into {linux.where(backups)}") from error
        finally:
            os.close(backups)
            os.close(archives)

    def stands(self, op: Operation) -> bool:
        """Whether something lies there under its token, which names nothing else: what was deleted, or a copy of it."""
        root = self._roots.archive_fd if op.action is Action.DELETE_ARCHIVE else self._roots.backup_fd
        fd = open_private(root, _ROOM)
        try:
            return _handle(fd, op.token) is not None
        except OSError as error:
            raise linux.failure(error, f"cannot look at {linux.where(fd, op.token)}") from error
        finally:
            os.close(fd)

    def whole(self, op: Operation) -> bool:
        """Whether nobody has begun to remove it: of a backup, ``.state`` goes first."""
        if op.action is Action.DELETE_ARCHIVE or not self.stands(op):
            return True  # an archive goes at once, and what is not there is said elsewhere
        with _closing(open_private(self._roots.backup_fd, _ROOM)) as room:
            return has_state(room, op.token)

    @contextmanager
    def claim(self, op: Operation, stop: Stop | None = None) -> Iterator[Backup | None]:
        """What lies there, under its lock, once it is known that all of it can go: else it stays whole.

        Looked at for what it gives back now; None of an archive.

        Raises Busy (locked, or being written), Refused (a mount in it, an immutable entry), Changed.
        """
        archive = op.action is Action.DELETE_ARCHIVE
        with _closing(open_private(self._roots.archive_fd if archive else self._roots.backup_fd, _ROOM)) as room:
            try:
                fd = linux.openat2(room, op.token, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError as error:
                raise linux.failure(error, f"cannot look at {linux.where(room, op.token)}") from error
            with _closing(fd):
                if tree.handle_of(fd) != op.handle:
                    raise Changed(
                        f"{linux.where(room, op.token)} is not what was put there, by inode and birth time (was the "
                        "store copied?); ullage undo brings it back"
                    )
                with _locked(fd, op):
                    yield self._looked_at(room, fd, op, stop)

    def _looked_at(self, room: int, fd: int, op: Operation, stop: Stop | None) -> Backup | None:
        """What it is; raises where it must not go."""
        said = printable(op.backup_id)
        below = mounts.mounts_below(f"{mounts.real_path(room)}/{op.token}")
        if below:
            raise Refused(f"{said}: a filesystem is mounted inside, at {printable(below[0])}; unmount it first")
        found = _in_use(fd, stop, self._measure.meter)
        if found.obstacles:
            raise Refused(f"{said}: {'; '.join(found.obstacles)}")
        if found.written:
            raise Busy(f"{said} is being written: a process has {printable(found.written)} open")
        return None if found.survey is None else self._measure.whole(read_facts(fd, op.backup_id, found.survey))

    def stage_archive(self, path: str, token: str, handle: str) -> None:
        """Move the archive at ``path`` into the trash."""
        year, month, name = path.split("/", 2)
        month_fd = archived.open_month(self._roots.archive_fd, year, month)
        trash = open_private(self._roots.archive_fd, _ROOM)
        try:
            if _handle(month_fd, name) != handle:
                raise Changed(f"{printable(path)} is another file by now")
            tree.rename_exclusive(month_fd, name, trash, token)
            if _handle(trash, token) != handle:
                raise Changed(f"{printable(path)} was exchanged for another while it was taken")
            os.fsync(trash)
            os.fsync(month_fd)
        finally:
            os.close(trash)
            os.close(month_fd)

    def unstage_archive(self, path: str, token: str) -> bool:
        """Back from the trash to ``path``, even what came there in the place of another; False where nothing did."""
        year, month, name = path.split("/", 2)
        trash = open_private(self._roots.archive_fd, _ROOM)
        try:
            if not token or _handle(trash, token) is None:
                return False
            # An empty month may have been tidied away.
            month_fd = archived.open_month(self._roots.archive_fd, year, month, create=True)
            try:
                tree.rename_exclusive(trash, token, month_fd, name)
                os.fsync(month_fd)
            finally:
                os.close(month_fd)
            os.fsync(trash)
            linux.syncfs(trash)  # directories that were made anew above it too
        finally:
            os.close(trash)
        return True

    def purge_archive(self, token: str, handle: str) -> None:
        """Unlink the archive that lies in the trash."""
        trash = open_private(self._roots.archive_fd, _ROOM)
        try:
            found = _handle(trash, token)
            if found is None:
                return
            if found != handle:
                raise Changed(f"{linux.where(trash, token)} is not what was put there")
            os.unlink(token, dir_fd=trash)
            os.fsync(trash)
        except OSError as error:
            raise linux.failure(error, f"cannot remove {linux.where(trash, token)}") from error
        finally:
            os.close(trash)

    def _lies_in(self, room: int, op: Operation) -> bool:
        """What cannot be looked at, a mount over it, is left where it is, and stops nothing else."""
        with suppress(OSError):
            return _handle(room, op.token) is not None
        return False

    def _told(self, fd: int, name: str) -> Operation | None:
        """The operation of a label; None where it is no label of ours."""
        match = _LABEL_NAME.fullmatch(name)
        if match is None:
            return None
        try:
            text = files.read_small(fd, name, limit=_LONGEST)
            op = msgspec.convert(json.loads(text or b""), Operation, strict=False)
            linux.component(op.backup_id)
        except (OSError, ValueError, RecursionError, UllageError):
            return None
        wanted = _PLACES.get(op.action)
        numbers = (op.at, op.predicted_bytes, op.predicted_inodes)
        sound = all(0 <= number < _MOST for number in numbers)  # no NaN either: somebody may have edited it
        fits = wanted is not None and wanted.fullmatch(op.path) and op.token == match[1] and sound
        return replace(op, store=self._store, id=0, reclaimed_bytes=0, duration_seconds=0.0) if fits else None


def has_state(parent: int, name: str) -> bool:
    """Whether a directory has its ``.state`` yet, so that it is whole."""
    with _closing(tree.open_directory(parent, name)) as fd:
        return files.stat_or_none(fd, ".state") is not None


@contextmanager
def _closing(fd: int) -> Iterator[int]:
    """The descriptor, closed at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _locked(fd: int, op: Operation) -> Iterator[None]:
    """What lies in the trash, locked as in its place: a backup on its ``.lock`` too. Raises Busy."""
    lock_fd = -1
    try:
        locks.lock_directory(fd)
        if op.action is Action.DELETE:
            lock_fd = lock_file(fd)
    except Busy as error:
        raise Busy(f"{printable(op.backup_id)} {error}") from None
    try:
        yield
    finally:
        if lock_fd >= 0:
            os.close(lock_fd)


class _Use(NamedTuple):
    """A file that is open for writing, what forbids removal; of a directory what it holds."""

    written: str
    obstacles: tuple[str, ...]
    survey: tree.Survey | None = None


def _in_use(fd: int, stop: Stop | None, meter: Meter | None) -> _Use:
    """How a directory is used, or a single file."""
    inodes = processes.open_for_writing(fd).inodes
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        survey = tree.survey(fd, write_open=inodes, attributes=True, should_stop=stop, meter=meter)
        return _Use(next(iter(survey.written), ""), survey.obstacles, survey)
    attributes = linux.statx(fd)
    held = ("it is immutable or append-only (chattr -ia makes it removable)",)
    obstacles = held if attributes.immutable or attributes.append_only else ()
    return _Use("it" if (status.st_dev, status.st_ino) in inodes else "", obstacles)


def _handle(fd: int, name: str) -> str | None:
    """The handle of a file or directory by name, no link followed; None where there is none. Raises OSError."""
    try:
        found = linux.openat2(fd, name, os.O_PATH | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        return tree.handle_of(found)
    finally:
        os.close(found)
