"""The two roots of a store, opened and proven to be the registered ones (SPEC.md 7.3)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from ullage.errors import Unavailable
from ullage.model.settings import StoreSettings
from ullage.system import gauge, linux, mounts, tree
from ullage.system.identity import Identity, read_identity


class Expected(Struct, frozen=True, kw_only=True):
    """The identities under which a store was registered."""

    backup_id: str
    archive_id: str


class Roots(Struct, frozen=True, kw_only=True):
    """Open descriptors of both roots; ``backup_path`` is where the first really is, links resolved."""

    backup_fd: int
    archive_fd: int
    backup_path: str
    filesystem: str
    same_filesystem: bool


class Descriptor:
    """A descriptor that is closed at the end of a ``with``."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


@contextmanager
def open_roots(store: StoreSettings, expected: Expected | None) -> Iterator[Roots]:
    """Both roots, verified. Raises Unavailable saying which is not there or not the registered one, and what to do."""
    if expected is None:
        raise Unavailable(f"store {store.name} is not registered; run: ullage init --store {store.name}")
    backup_fd = tree.open_root(store.backup_root)
    try:
        verify(backup_fd, store.backup_root, expected.backup_id, store.name)
        archive_fd = tree.open_root(store.archive_root)
        try:
            verify(archive_fd, store.archive_root, expected.archive_id, store.name)
            yield Roots(
                backup_fd=backup_fd,
                archive_fd=archive_fd,
                backup_path=mounts.real_path(backup_fd),
                filesystem=linux.filesystem_type(backup_fd),
                same_filesystem=gauge.same_filesystem(backup_fd, archive_fd),
            )
        finally:
            os.close(archive_fd)
    finally:
        os.close(backup_fd)


def verify(fd: int, path: str, expected: str, name: str) -> None:
    """Raises Unavailable where the open root is not the one that was registered."""
    found = read_identity(fd)
    if found is None:
        raise Unavailable(
            f"{path} is not the registered store {name}: it holds no .ullage/identity; is its disk mounted? "
            f"(if this is the right place now: ullage init --store {name} --reregister)"
        )
    if found.id != expected:
        raise Unavailable(
            f"{path} is another store than the registered {name} (identity {found.id}, expected {expected}); "
            f"is the wrong disk mounted? (if it is right: ullage init --store {name} --reregister)"
        )
    _same_filesystem(fd, path, found)


def _same_filesystem(fd: int, path: str, found: Identity) -> None:
    """A copied identity on another filesystem is not the store; where the kernel tells no UUID this is not known."""
    now = linux.filesystem_uuid(fd)
    if found.filesystem is not None and now is not None and now != found.filesystem:
        raise Unavailable(
            f"{path} holds the identity of a store that was on another filesystem (now {now}, registered on "
            f"{found.filesystem}): a copy? (if it moved here for good: ullage init --reregister)"
        )
