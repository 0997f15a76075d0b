"""Pins, kept as small files in the store's own ``.ullage/pins``: another host, or a new catalog, sees them too."""

from __future__ import annotations

import os
from contextlib import suppress

import msgspec

from ullage.errors import NoRoom, Unavailable
from ullage.model.backups import Pin
from ullage.system import files
from ullage.system.ballast import Ballast
from ullage.system.identity import open_private


class _Stored(msgspec.Struct, frozen=True):
    """A pin as it is written; the id in hexadecimal, because a name need not be text."""

    backup_id: str
    at: float
    reason: str
    by: str


def read(root_fd: int) -> dict[str, Pin]:
    """Every pin by backup id. Raises Unavailable where one cannot be read: what is not known must not go."""
    with _Directory(root_fd) as fd:
        return {pin.backup_id: pin for pin in (_one(fd, name) for name in os.listdir(fd) if name.startswith("p-"))}


def holds(root_fd: int, backup_id: str) -> bool:
    """Whether there is a pin of that backup."""
    with _Directory(root_fd) as fd:
        return files.stat_or_none(fd, _name(backup_id)) is not None


def add(root_fd: int, pin: Pin) -> bool:
    """Write a pin, durably; False where there is one. On a full disk the ballast makes room. Raises NoRoom."""
    name = _name(pin.backup_id)
    stored = _Stored(os.fsencode(pin.backup_id).hex(), pin.at, pin.reason, pin.by)
    with _Directory(root_fd) as fd:
        if files.stat_or_none(fd, name) is not None:
            return False
        data = msgspec.json.encode(stored)
        try:
            files.write_durable(fd, name, data)
        except NoRoom:
            with _Directory(root_fd, "..") as private_fd:
                Ballast(private_fd).give_up()
            files.write_durable(fd, name, data)
    return True


def remove(root_fd: int, backup_id: str) -> bool:
    """Take a pin away, durably; False where there was none."""
    with _Directory(root_fd) as fd:
        try:
            os.unlink(_name(backup_id), dir_fd=fd)
        except FileNotFoundError:
            return False
        os.fsync(fd)
    return True


def _one(fd: int, name: str) -> Pin:
    try:
        text = files.read_small(fd, name, limit=65536)
        stored = msgspec.json.decode(text or b"", type=_Stored)
        backup_id = os.fsdecode(bytes.fromhex(stored.backup_id))
        if _name(backup_id) != name:
            raise ValueError("it names another backup than its name does")
        return Pin(backup_id=backup_id, at=stored.at, reason=stored.reason, by=stored.by)
    except (ValueError, OSError, RecursionError, msgspec.DecodeError) as error:
        raise Unavailable(f"a pin cannot be read: .ullage/pins/{name}: {error}; repair or remove that file") from error


def _name(backup_id: str) -> str:
    from hashlib import sha256  # not at the top: it loads OpenSSL, and only pinning needs it

    return "p-" + sha256(os.fsencode(backup_id)).hexdigest()


class _Directory:
    """An open ``.ullage/pins`` (or, with "..", ``.ullage`` itself)."""

    def __init__(self, root_fd: int, which: str = "pins") -> None:
        self._fd = open_private(root_fd, *(() if which == ".." else (which,)))

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            os.close(self._fd)
