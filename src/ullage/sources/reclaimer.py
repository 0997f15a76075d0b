"""How directories go: into the trash, out of it, and into an archive. Every name is one step below an open root.

``.ullage/trash`` and ``.ullage/parts`` (of each root) are the only places where
half-finished work stands, and none of them holds anything that looks like a backup.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container
from contextlib import suppress

from ullage.errors import ArchiveError, Busy, Changed, NoRoom, Refused
from ullage.model.backups import Archive, Backup
from ullage.model.units import printable
from ullage.ports import Held, Stop
from ullage.sources import archived, pins
from ullage.sources.restore import TreeRestorer
from ullage.sources.roots import Descriptor, Roots
from ullage.sources.trash import LABEL, has_state
from ullage.system import archive_manifest, archives, files, linux, mounts, processes, tree
from ullage.system.identity import open_private

_PART = ".part"
_TOKEN = re.compile(r"[0-9a-f]{16}")
"""What names the work of one operation; whatever else stands beside it is not ours."""


class TreeReclaimer:
    """Reclaims directories of one opened store."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._manifests: dict[str, archive_manifest.Manifest] = {}

    def stage(self, held: Held, token: str) -> bool:
        """The backup is in the trash, and nobody is writing into it; False: there is no room for the rename.

        Where it raises, the backup may lie in the trash: ``unstage`` brings it back.
        """
        self._refuse_mounts(held.backup_id)
        with self._private("trash") as trash:
            try:
                tree.rename_exclusive(self._roots.backup_fd, held.backup_id, trash, token)
            except NoRoom:
                self._refuse_change(held, self._manifests.get(token), self._roots.backup_fd, held.backup_id)
                self._refuse_pin(held)
                return False
            self._check_staged(held, trash, token)
            os.fsync(trash)
        os.fsync(self._roots.backup_fd)
        return True

    def unstage(self, backup_id: str, token: str) -> bool:
        """Back from the trash to its place, even what came there in the place of another; False where nothing did.

        The name in the trash is of one operation alone: whatever bears it was taken from this place by it.
        """
        with self._private("trash") as trash:
            if not token or not _exists(trash, token):
                return False
            tree.rename_exclusive(trash, token, self._roots.backup_fd, backup_id)
            os.fsync(self._roots.backup_fd)
            os.fsync(trash)
        return True

    def purge(self, backup_id: str, token: str, handle: str, stop: Stop | None = None) -> None:
        """Remove what was staged; with an empty token, what still stands in its place under the same handle."""
        if not token:
            if tree.handle_at(self._roots.backup_fd, backup_id) == handle:
                tree.remove_tree(self._roots.backup_fd, backup_id, handle=handle, should_stop=stop)
            return
        with self._private("trash") as trash:
            if _exists(trash, token):
                tree.remove_tree(trash, token, handle=handle, should_stop=stop)

    def write_archive(
        self, held: Held, token: str, room: Callable[[int], None], stop: Stop | None = None
    ) -> tuple[int, str]:
        """(bytes, digest) of the part file, once it was read back from the disk and found to be what was read."""
        root = self._roots.backup_fd
        manifest = archive_manifest.snapshot(root, held.backup_id, should_stop=stop)
        with self._archive_private("parts") as parts:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                fd = os.open(token + _PART, flags, 0o600, dir_fd=parts)
            except OSError as error:
                raise linux.failure(error, "cannot begin an archive") from error
            try:
                written = archives.write_archive(root, held.backup_id, fd, room=room, should_stop=stop)
                self._refuse_change(held, manifest, root, held.backup_id)
                archives.verify_archive(fd, written, manifest, held.backup_id, should_stop=stop)
            finally:
                os.close(fd)
        self._manifests[token] = manifest
        return written.archive_bytes, written.stream_digest

    def archive_path(self, backup: Backup, *, now: float) -> str:
        """``YYYY/MM/ID.tar.zst`` by the day the backup was made; ``ID~2.tar.zst`` and so on where that is taken."""
        return archived.free_place(self._roots.archive_fd, backup.id, _made(backup, now))

    def publish_archive(self, backup: Backup, token: str, path: str, *, now: float) -> Archive:
        """The part file at ``path``, over nothing, its mtime the time the backup was made; durable."""
        made = _made(backup, now)
        year, month, name = archived.split(path)
        with self._archive_private("parts") as parts:
            os.utime(token + _PART, (made, made), dir_fd=parts, follow_symlinks=False)
            month_fd = archived.open_month(self._roots.archive_fd, year, month, create=True)
            try:
                tree.rename_exclusive(parts, token + _PART, month_fd, name)
                os.fsync(month_fd)
                status = os.stat(name, dir_fd=month_fd, follow_symlinks=False)
            except OSError as error:
                raise linux.failure(error, "cannot put the archive in its place") from error
            finally:
                os.close(month_fd)
            os.fsync(parts)
        self._sync_directories(year)
        return Archive(backup_id=backup.id, path=path, size_bytes=status.st_blocks * 512, created_at=made)

    def discard_part(self, token: str) -> None:
        """Remove a part file, if there."""
        self._manifests.pop(token, None)
        with self._archive_private("parts") as parts, suppress(FileNotFoundError):
            os.unlink(token + _PART, dir_fd=parts)

    def stands(self, backup_id: str, handle: str) -> bool:
        """Whether the very backup of that handle is in its place, and whole: ``.state`` goes first."""
        root = self._roots.backup_fd
        return tree.handle_at(root, backup_id) == handle and has_state(root, backup_id)

    def discard_archive(self, path: str, digest: str) -> bool:
        """Whether there was an archive of that content at ``path``, which is unlinked now: its backup stands yet.

        What is damaged, or no archive at all, is not known to be ours, and stays.
        """
        handle = self.archive_handle(path)
        if handle is None:
            return False
        try:
            self.check_archive(path, digest)
        except ArchiveError:
            return False
        self.delete_archive(path, handle)
        return True

    def check_archive(self, path: str, digest: str | None, stop: Stop | None = None) -> None:
        """Returns where the archive at ``path`` is whole, and what was written. Raises ArchiveError, Interrupted."""
        with archived.opened(self._roots.archive_fd, path) as fd:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # else memory would be checked, not the disk
            archived.read_whole(fd, path, digest, stop)

    def archive_handle(self, path: str) -> str | None:
        """The handle of the archive at ``path``; None where there is none."""
        year, month, name = archived.split(path)
        try:
            month_fd = archived.open_month(self._roots.archive_fd, year, month)
        except Changed:
            return None
        try:
            return _file_handle(month_fd, name)
        finally:
            os.close(month_fd)

    def delete_archive(self, path: str, handle: str) -> None:
        """Unlink the archive at ``path`` if it is still the one of that handle."""
        year, month, name = archived.split(path)
        month_fd = archived.open_month(self._roots.archive_fd, year, month)
        try:
            if _file_handle(month_fd, name) != handle:  # not by its path: another month may stand there by now
                raise Changed(f"{printable(path)} is another file by now")
            os.unlink(name, dir_fd=month_fd)
            os.fsync(month_fd)
        finally:
            os.close(month_fd)

    def leftovers(self) -> list[tuple[str, str]]:
        """(place, name) of what lies where half-finished work stands, that of operations under way too."""
        rooms = {place: self._private(place) for place in ("trash", "parts")}
        rooms |= {f"{place} of archives": self._archive_private(place) for place in ("trash", "parts")}
        return [(place, name) for place, room in rooms.items() for name in _listed(room)]

    def sweep(self, keep: Container[str], stop: Stop | None = None) -> None:
        """Remove parts, stagings and labels of ours but those of the operations ``keep``; none is ever an only copy.

        Call it with the store locked: then nobody else is at work on them. What cannot be removed stays.
        """
        for name in _listed(self._archive_private("parts")):
            token = name.removesuffix(_PART)
            if name == token + _PART and _TOKEN.fullmatch(token) and token not in keep:
                with suppress(OSError):
                    self.discard_part(token)
        restorer = TreeRestorer(self._roots)
        for token in _listed(self._private("parts")):
            if _TOKEN.fullmatch(token) and token not in keep:
                with suppress(OSError, Refused):
                    restorer.discard(token, stop=stop)
        self._sweep_labels(keep)

    def _sweep_labels(self, keep: Container[str]) -> None:
        """Those of what is in no trash any more; a label is all that tells what lies there when the catalog is lost."""
        there = {*_listed(self._private("trash")), *_listed(self._archive_private("trash"))}
        with self._private("trash") as trash:
            files.remove_leftovers(trash)
            for name in there:
                token = name.removesuffix(LABEL)
                if name == token + LABEL and _TOKEN.fullmatch(token) and token not in keep and token not in there:
                    with suppress(OSError):
                        os.unlink(name, dir_fd=trash)

    def _check_staged(self, held: Held, trash: int, token: str) -> None:
        """What lies in the trash is what was held, is mounted nowhere, and nobody writes into it."""
        if tree.handle_at(trash, token) != held.handle:
            raise Changed(f"{printable(held.backup_id)} was exchanged for another while it was taken")
        path = f"{mounts.real_path(trash)}/{token}"
        if mounts.mounts_below(path):
            raise Refused(f"{printable(held.backup_id)}: a filesystem is mounted inside; unmount it first")
        written = _written(trash, token)
        if written:
            who = next(iter(processes.open_below(path)), "a process elsewhere")
            raise Busy(f"{printable(held.backup_id)} is being written: {who} has {written[0]} open")
        self._refuse_change(held, self._manifests.get(token), trash, token)
        self._refuse_pin(held)

    def _refuse_pin(self, held: Held) -> None:
        """Whoever pins looks for the backup afterwards; so one of us two sees the other."""
        if pins.holds(self._roots.backup_fd, held.backup_id):
            raise Refused(f"{printable(held.backup_id)} was pinned meanwhile")

    def _refuse_change(self, held: Held, before: archive_manifest.Manifest | None, parent: int, name: str) -> None:
        """Raises Changed where what was archived is no longer what stands there."""
        if before is None:
            return
        after = archive_manifest.snapshot(parent, name, known_as=held.backup_id)
        if not archive_manifest.same(before, after):
            raise Changed(f"{printable(held.backup_id)} changed while it was archived; try again later")

    def _refuse_mounts(self, backup_id: str) -> None:
        below = mounts.mounts_below(f"{self._roots.backup_path.rstrip('/')}/{backup_id}")
        if below:
            raise Refused(
                f"{printable(backup_id)}: a filesystem is mounted inside, at {printable(below[0])}; unmount it first"
            )

    def _sync_directories(self, year: str) -> None:
        """A new year or month is durable only when its parent is."""
        year_fd = tree.open_directory(self._roots.archive_fd, year)
        try:
            os.fsync(year_fd)
        finally:
            os.close(year_fd)
        os.fsync(self._roots.archive_fd)

    def _private(self, name: str) -> Descriptor:
        return Descriptor(open_private(self._roots.backup_fd, name))

    def _archive_private(self, name: str) -> Descriptor:
        return Descriptor(open_private(self._roots.archive_fd, name))


def _made(backup: Backup, now: float) -> int:
    return backup.created_at if backup.created_at is not None else int(now)


def _listed(room: Descriptor) -> list[str]:
    with room as fd:
        try:
            return sorted(os.listdir(fd))
        except OSError as error:
            raise linux.failure(error, f"cannot read {linux.where(fd)}") from error


def _written(parent: int, name: str) -> tuple[str, ...]:
    """What of a directory is open for writing, by inode: a path means nothing in a container or a bind mount."""
    fd = tree.open_directory(parent, name)
    try:
        return tree.survey(fd, write_open=processes.open_for_writing(fd).inodes).written
    finally:
        os.close(fd)


def _exists(fd: int, name: str) -> bool:
    return files.stat_or_none(fd, name) is not None


def _file_handle(month_fd: int, name: str) -> str | None:
    """The handle of a file by name; None where there is none."""
    try:
        fd = archived.open_file(month_fd, name)
    except FileNotFoundError:
        return None
    try:
        return tree.handle_of(fd)
    finally:
        os.close(fd)
