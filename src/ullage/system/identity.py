"""The mark that ``init`` leaves in a store, and our private directory around it (SPEC.md 7.3)."""

from __future__ import annotations

import os
import stat
from typing import Literal

import msgspec
from msgspec import Struct

from ullage.errors import Changed, Refused, UllageError, Unavailable
from ullage.model.units import printable
from ullage.system import files, linux, tree
from ullage.system.locks import lock_directory

PRIVATE = ".ullage"
"""Our directory in the root of a store, 0700."""

_IDENTITY = "identity"
_ROOMS = ("trash", "parts", "pins")
_WHAT_TO_DO = "mount the right disk, or register this one again: remove the file, then run `ullage init`"


class Identity(Struct, frozen=True, kw_only=True):
    """Which store a root is. ``id`` is a UUID made at registration, ``created_at`` RFC 3339 in UTC.

    ``filesystem`` is the UUID of the filesystem then (None: it tells none), so that a cloned disk is noticed.
    """

    id: str
    store: str
    role: Literal["backup", "archive"]
    created_at: str
    filesystem: str | None = None
    version: int = 1


def read_identity(root: int) -> Identity | None:
    """The identity in an open root; None where there is none. Raises Unavailable where it cannot be read or trusted."""
    if not _exists(root, PRIVATE):
        return None
    private = open_private(root)
    try:
        content = files.read_small(private, _IDENTITY)
    except (OSError, ValueError) as error:
        raise Unavailable(f"cannot read {linux.where(private, _IDENTITY)}: {error}; {_WHAT_TO_DO}") from error
    finally:
        os.close(private)
    return None if content is None else _decoded(content, linux.where(root, f"{PRIVATE}/{_IDENTITY}"))


def write_identity(root: int, identity: Identity) -> None:
    """Nothing; the open root carries this identity, durably, and has the rooms we work in. Again, it changes nothing.

    Raises Refused where it carries another, Busy where somebody else registers it now, Unavailable, NoRoom.
    """
    os.close(tree.open_directory(root, PRIVATE, create=True))
    private = open_private(root)
    try:
        lock_directory(private)
        _refuse_another(root, identity)
        _furnish(private)
        files.remove_leftovers(private)
        if not _exists(private, _IDENTITY):
            files.write_durable(private, _IDENTITY, msgspec.json.encode(identity) + b"\n", mode=0o600)
        os.fsync(private)
        os.fsync(root)
    except OSError as error:
        raise linux.failure(error, f"cannot register {linux.where(root)}") from error
    finally:
        os.close(private)


def open_private(root: int, *names: str) -> int:
    """A descriptor of ``.ullage``, or of the directory ``names`` lead to in it; no link or mount is followed.

    Raises Unavailable where one is missing, belongs to somebody else than us or root, or others may write to it.
    """
    descriptor = os.dup(root)
    for name in (PRIVATE, *names):
        try:
            inner = _opened(descriptor, name)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _opened(directory: int, name: str) -> int:
    """One step of ``open_private``."""
    try:
        descriptor = tree.open_directory(directory, name)
    except Changed as error:
        raise Unavailable(f"{linux.where(directory, name)} is missing; run `ullage init`") from error
    except (UllageError, OSError) as error:
        raise Unavailable(f"cannot trust {linux.where(directory, name)}: {error}") from error
    fault = _distrust(os.fstat(descriptor))
    if fault:
        os.close(descriptor)
        raise Unavailable(f"cannot trust {linux.where(directory, name)}: {fault}; see who did that, then mend it")
    return descriptor


def _distrust(status: os.stat_result) -> str | None:
    """Why somebody else could have put there what is in it; None where nobody could."""
    if status.st_uid not in (os.geteuid(), 0):
        return f"it belongs to user {status.st_uid}, not to us or root"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others may write to it"
    return None


def _refuse_another(root: int, identity: Identity) -> None:
    found = read_identity(root)
    if found is not None and found.id != identity.id:
        raise Refused(
            f"{linux.where(root)} is registered already, as the {found.role} root of store {printable(found.store)}"
            f" since {printable(found.created_at)}; it stays so: take another directory, or remove"
            f" {PRIVATE}/{_IDENTITY} in it"
        )


def _furnish(private: int) -> None:
    for name in _ROOMS:
        os.close(tree.open_directory(private, name, create=True))
        os.close(_opened(private, name))
    # Made now: on a full disk it could not be made when it is needed.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    os.close(os.open("lock", flags, 0o600, dir_fd=private))


def _exists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unavailable(f"cannot look at {linux.where(directory, name)}: {error.strerror}") from error
    return True


def _decoded(content: bytes, where: str) -> Identity:
    try:
        identity = msgspec.json.decode(content, type=Identity)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable(f"{where} is not an identity of ullage ({printable(str(error))}); {_WHAT_TO_DO}") from error
    if identity.version != 1:
        raise Unavailable(f"{where} is of version {identity.version}, written by a newer ullage; use that one")
    return identity
