"""Registering a store: leaving an identity in both roots, so that no other disk is ever taken for it (SPEC.md 7.3)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal, Protocol

from ullage.catalog.values import Registration
from ullage.errors import Refused, Unavailable
from ullage.model.settings import StoreSettings
from ullage.model.units import printable, rfc3339
from ullage.sources.roots import verify
from ullage.system import linux, tree
from ullage.system.identity import Identity, open_private, read_identity, write_identity

Role = Literal["backup", "archive"]


class Registry(Protocol):
    """Where registrations are kept."""

    def registered(self, name: str) -> Registration | None: ...

    def register(self, registration: Registration) -> None: ...


def register(store: StoreSettings, registry: Registry, *, now: float, again: bool = False) -> bool:
    """Whether the store was registered now; False where it was already, and nothing was changed.

    ``again``: take what stands at its roots now for the store, whatever was registered before. Raises Unavailable where
    a root is missing or another than the registered one, Refused where it belongs to another store.
    """
    known = registry.registered(store.name)
    if known is not None and not again:
        with _opened(store.backup_root) as backup, _opened(store.archive_root) as archive:
            verify(backup, store.backup_root, known.backup_id, store.name)
            verify(archive, store.archive_root, known.archive_id, store.name)
        return False
    _make_archive_root(store)
    with _opened(store.backup_root) as backup, _opened(store.archive_root) as archive:
        if os.path.sameopenfile(backup, archive):
            raise Refused(f"store {store.name}: both roots are the same directory, {store.backup_root}")
        registry.register(
            Registration(
                name=store.name,
                backup_id=_identify(backup, store, "backup", now, again=again),
                archive_id=_identify(archive, store, "archive", now, again=again),
                backup_root=store.backup_root,
                archive_root=store.archive_root,
                filesystem=linux.filesystem_uuid(backup),
                at=now,
            )
        )
    return True


def _identify(root: int, store: StoreSettings, role: Role, now: float, *, again: bool) -> str:
    """The id of a root: the one it carries (the catalog was lost), or a new one."""
    found = read_identity(root)
    filesystem = linux.filesystem_uuid(root)
    moved = found is not None and None not in (found.filesystem, filesystem) and found.filesystem != filesystem
    if found is not None and (found.role != role or (found.store != store.name and not again)):
        raise Refused(
            f"{linux.where(root)} is registered already, as the {found.role} root of store {printable(found.store)}; "
            f"if it is no longer that: ullage init --store {store.name} --reregister"
        )
    if found is not None and moved and not again:
        raise Unavailable(
            f"{linux.where(root)} holds the identity of a store on another filesystem; a copy? if it moved here for "
            f"good: ullage init --store {store.name} --reregister"
        )
    if found is not None and again and (moved or found.store != store.name):
        _forget(root)
        found = None
    identity = found or Identity(
        id=str(uuid.uuid4()), store=store.name, role=role, created_at=rfc3339(now), filesystem=filesystem
    )
    write_identity(root, identity)
    return identity.id


def _forget(root: int) -> None:
    private = open_private(root)
    try:
        with suppress(FileNotFoundError):
            os.unlink("identity", dir_fd=private)
        os.fsync(private)
    finally:
        os.close(private)


def _make_archive_root(store: StoreSettings) -> None:
    """The archive root is made where only its last directory is missing; a backup root never: backups are there."""
    with suppress(FileExistsError, FileNotFoundError):
        os.mkdir(store.archive_root, 0o700)


@contextmanager
def _opened(path: str) -> Iterator[int]:
    fd = tree.open_root(path)
    try:
        yield fd
    finally:
        os.close(fd)
