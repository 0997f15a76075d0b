"""How an archive comes back: read whole, extracted beside its place, made durable, and only then put there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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

    def extract(
        self, archive: Archive, token: str, destination: str | None, digest: str | None, stop: Stop | None = None
    ) -> str:
        """The handle of the tree, extracted beside its place: whole, CONFIRMED, durable."""
        with (
            archived.opened(self._roots.archive_fd, archive.path) as archive_fd,
            self._target(archive.backup_id, destination) as (fd, name),
        ):
            if files.stat_or_none(fd, name) is not None:
                raise Refused(f"{printable(name)} is there already; nothing was overwritten")
            contents = archived.read_whole(archive_fd, archive.path, digest)
            with self._staging(token, destination) as staging:
                top = _only_top(contents.top, archive.path)
                inner = staging if top is not None else tree.open_directory(staging, name, create=True)
                try:
                    archives.extract_archive(archive_fd, inner, should_stop=stop)
                finally:
                    if inner != staging:
                        os.close(inner)
                if top is not None and top != name:
                    tree.rename_exclusive(staging, top, staging, name)
                tree_fd = tree.open_directory(staging, name)
                try:
                    _confirm(tree_fd)
                    linux.syncfs(tree_fd)
                    return tree.handle_of(tree_fd)
                finally:
                    os.close(tree_fd)

    def publish(self, backup_id: str, token: str, destination: str | None) -> None:
        """The restored tree in its place; Changed where something stands there by now."""
        with self._target(backup_id, destination) as (fd, name), self._staging(token, destination, create=False) as tmp:
            tree.rename_exclusive(tmp, name, fd, name)
            try:
                os.fsync(fd)
            except OSError:
                tree.rename_exclusive(fd, name, tmp, name)
                raise

    def discard(self, token: str, destination: str | None = None, stop: Stop | None = None) -> None:
        """Remove what a restore has written beside its place."""
        with suppress(Changed, Unavailable), self._staging_parent(destination) as (parent, prefix):
            handle = tree.handle_at(parent, prefix + token)
            if handle:
                tree.remove_tree(parent, prefix + token, handle=handle, first=(), should_stop=stop)

    @contextmanager
    def _target(self, backup_id: str, destination: str | None) -> Iterator[tuple[int, str]]:
        """(directory, name) of the place where a restored tree will stand."""
        if destination is None:
            yield self._roots.backup_fd, backup_id
            return
        path = Path(destination)
        with Descriptor(tree.open_root(str(path.parent))) as fd:
            yield fd, path.name

    @contextmanager
    def _staging_parent(self, destination: str | None) -> Iterator[tuple[int, str]]:
        if destination is None:
            with Descriptor(open_private(self._roots.backup_fd, "parts")) as fd:
                yield fd, ""
        else:
            with Descriptor(tree.open_root(str(Path(destination).parent))) as fd:
                yield fd, ".ullage-restore-"

    @contextmanager
    def _staging(self, token: str, destination: str | None, *, create: bool = True) -> Iterator[int]:
        with (
            self._staging_parent(destination) as (parent, prefix),
            Descriptor(tree.open_directory(parent, prefix + token, create=create)) as fd,
        ):
            yield fd


def _confirm(fd: int) -> None:
    """Make a restored tree say CONFIRMED, and touch nothing else of it."""
    before = files.stat_or_none(fd, ".state")
    files.write_durable(fd, ".state", f"{State.CONFIRMED}\n".encode(), mode=0o644, like=before)


def _only_top(top: str | None, path: str) -> str | None:
    if top is not None and (top in ("", ".", "..") or "/" in top):
        raise ArchiveError(f"{printable(path)} does not hold one directory")
    return top
