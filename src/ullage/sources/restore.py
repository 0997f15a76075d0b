"""How an archive comes back: read whole, extracted beside its place, made durable, and only then put there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ullage.errors import ArchiveError, Changed, Refused, Unavailable
from ullage.model.backups import Archive
from ullage.model.units import printable
from ullage.model.words import State
from ullage.ports import Stop
from ullage.sources import archived
from ullage.sources.roots import Descriptor, Roots
from ullage.system import archives, files, linux, tree
from ullage.system.identity import open_private


class TreeRestorer:
    """Brings archives of one opened store back."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots

    def place(self, backup_id: str, token: str, destination: str | None) -> RestorePlace:
        """Where a tree comes back: below ``backup_root``, or as the path ``destination``, whose parent is opened now.

        Raises Unavailable where that cannot be opened.
        """
        if destination is None:
            parts = open_private(self._roots.backup_fd, "parts")
            return RestorePlace(self._roots, (self._roots.backup_fd, backup_id), (parts, token))
        path = Path(destination)
        fd = tree.open_root(str(path.parent))
        return RestorePlace(self._roots, (fd, path.name), (fd, ".ullage-restore-" + token))

    def discard(self, token: str, stop: Stop | None = None) -> None:
        """Remove what an unfinished restore has written beside its place below ``backup_root``."""
        with Descriptor(open_private(self._roots.backup_fd, "parts")) as parts:
            _discard(parts, token, stop)


class RestorePlace:
    """The place of one restore, and the staging beside it; each (directory, name), held open until the ``with`` ends.

    Opened once: whatever comes to stand at its path meanwhile, all of the restore happens in the one directory.
    """

    def __init__(self, roots: Roots, target: tuple[int, str], staging: tuple[int, str]) -> None:
        self._roots = roots
        self._target = target
        self._staging = staging

    def __enter__(self) -> RestorePlace:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._staging[0])

    def extract(self, archive: Archive, digest: str | None, stop: Stop | None = None) -> str:
        """The handle of the tree, extracted beside its place: whole, CONFIRMED, durable."""
        fd, name = self._target
        with archived.opened(self._roots.archive_fd, archive.path) as archive_fd:
            if files.stat_or_none(fd, name) is not None:
                raise Refused(f"{printable(name)} is there already; nothing was overwritten")
            contents = archived.read_whole(archive_fd, archive.path, digest)
            with Descriptor(tree.open_directory(*self._staging, create=True)) as staging:
                top = _only_top(contents.top, archive.path)
                inner = staging if top is not None else tree.open_directory(staging, name, create=True)
                try:
                    archives.extract_archive(archive_fd, inner, should_stop=stop)
                finally:
                    if inner != staging:
                        os.close(inner)
                if top is not None and top != name:
                    tree.rename_exclusive(staging, top, staging, name)
                with Descriptor(tree.open_directory(staging, name)) as tree_fd:
                    _confirm(tree_fd)
                    linux.syncfs(tree_fd)
                    return tree.handle_of(tree_fd)

    def publish(self) -> None:
        """The restored tree in its place; Changed where something stands there by now."""
        fd, name = self._target
        with Descriptor(tree.open_directory(*self._staging)) as staging:
            tree.rename_exclusive(staging, name, fd, name)
            try:
                os.fsync(fd)
            except OSError:
                tree.rename_exclusive(fd, name, staging, name)
                raise

    def discard(self) -> None:
        """Remove what the restore has written beside its place."""
        _discard(*self._staging)


def _discard(parent: int, name: str, stop: Stop | None = None) -> None:
    with suppress(Changed, Unavailable):
        handle = tree.handle_at(parent, name)
        if handle:
            tree.remove_tree(parent, name, handle=handle, first=(), should_stop=stop)


def _confirm(fd: int) -> None:
    """Make a restored tree say CONFIRMED, and touch nothing else of it."""
    before = files.stat_or_none(fd, ".state")
    files.write_durable(fd, ".state", f"{State.CONFIRMED}\n".encode(), mode=0o644, like=before)


def _only_top(top: str | None, path: str) -> str | None:
    if top is not None and (top in ("", ".", "..") or "/" in top):
        raise ArchiveError(f"{printable(path)} does not hold one directory")
    return top
