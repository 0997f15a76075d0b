"""Where the demo takes place: small ext4 disks on loop devices, or a plain directory with a ``capacity``."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from msgspec import Struct

from ullage.errors import UllageError
from ullage.model.units import MIB, format_size

CAPACITY = 512 * MIB
_DISK = 528 * MIB
"""An image in which ext4 leaves about ``CAPACITY`` to its files."""
_ARCHIVE_DISK = 160 * MIB
_NEEDED = _DISK + _ARCHIVE_DISK
_FULLEST = 0.70
"""A plain directory shares its disk's usage, which must stay well under the warning watermark with the demo on it."""
_MKFS = ("mkfs.ext4", "-q", "-F", "-m", "0", "-N", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0")


class Place(Struct, frozen=True, kw_only=True):
    """``loop``: on disks of its own, else ``capacity`` bounds the store. ``words`` tell a person what it is."""

    directory: str
    backup_root: str
    archive_root: str
    loop: bool
    words: str

    @property
    def capacity(self) -> int | None:
        """The store's setting, in bytes."""
        return None if self.loop else CAPACITY


@contextmanager
def made_place() -> Iterator[Place]:
    """A place for the time of the block; after it, nothing is left. Raises UllageError where there is no room."""
    obstacle = None if os.geteuid() == 0 else "loop mounts need root"
    if obstacle is None:
        with ExitStack() as stack:
            try:
                place = stack.enter_context(_loops())
            except _NoLoops as error:
                obstacle = str(error)
            else:
                yield place
                return
    with _temporary(plain=True) as directory:
        yield _plain(directory, str(obstacle))


class _NoLoops(UllageError):
    """Why no loop device can be mounted here."""


@contextmanager
def _loops() -> Iterator[Place]:
    with _temporary(plain=False) as directory, ExitStack() as stack:
        backups = stack.enter_context(_disk(directory, "backups", _DISK))
        archives = stack.enter_context(_disk(directory, "archives", _ARCHIVE_DISK))
        words = f"an ext4 filesystem of {format_size(CAPACITY)} on a loop device; archives go to another one"
        yield Place(directory=directory, backup_root=backups, archive_root=archives, loop=True, words=words)


def _plain(directory: str, obstacle: str) -> Place:
    backups, archives = os.path.join(directory, "backups"), os.path.join(directory, "archives")
    os.mkdir(backups, 0o700)
    os.mkdir(archives, 0o700)
    words = f"a plain directory with a capacity of {format_size(CAPACITY)} ({obstacle})"
    return Place(directory=directory, backup_root=backups, archive_root=archives, loop=False, words=words)


@contextmanager
def _disk(directory: str, name: str, size: int) -> Iterator[str]:
    """Where a new ext4 filesystem is mounted."""
    image, path = Path(directory, f"{name}.img"), os.path.join(directory, name)
    os.mkdir(path, 0o700)
    with image.open("xb") as file:
        file.truncate(size)
    _run(*_MKFS, str(image))
    _run("mount", "-t", "ext4", "-o", "loop,nosuid,nodev,noexec", str(image), path)
    try:
        yield path
    finally:
        _unmount(path)


def _unmount(path: str) -> None:
    """Out of sight in any case: where somebody looks into it still, it goes when they are done."""
    try:
        _run("umount", path)
    except _NoLoops:
        _run("umount", "-l", path)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, start_new_session=True
        )
    except OSError as error:
        raise _NoLoops(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise _NoLoops(f"{command[0]} failed: {said[0] if said else done.returncode}")


@contextmanager
def _temporary(*, plain: bool) -> Iterator[str]:
    """A new directory that nobody else may enter, on a disk with room for the demo."""
    places = list(dict.fromkeys((gettempdir(), "/var/tmp", "/dev/shm")))
    chosen = next((place for place in places if _has_room(place, plain=plain)), None)
    if chosen is None:
        more = f" and stays under {100 * _FULLEST:.0f} % used" if plain else ""
        raise UllageError(
            f"the demo needs a directory whose disk has {format_size(_NEEDED)} of room{more}; none of "
            f"{', '.join(places)} has: name one with TMPDIR"
        )
    with TemporaryDirectory(prefix="ullage-demo-", dir=chosen) as directory:
        yield os.path.realpath(directory)


def _has_room(place: str, *, plain: bool) -> bool:
    try:
        stat = os.statvfs(place)
    except OSError:
        return False
    if not os.access(place, os.W_OK | os.X_OK) or stat.f_bavail * stat.f_frsize < _NEEDED:
        return False
    used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    bytes_ = (used + _NEEDED) / (used + stat.f_bavail * stat.f_frsize)
    inodes = 1.0 - stat.f_ffree / stat.f_files if stat.f_files else 0.0
    return not plain or max(bytes_, inodes) < _FULLEST
