"""Which processes have deleted files open, or mapped: their space comes back when they are closed. From ``/proc``.

Only files of the filesystem asked for are statted, and only through links that say that the file is deleted. A process
that goes meanwhile is passed over, and so is what we may not see.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from ullage.system.mounts import mount_of
from ullage.system.processes import DELETED, Mounted, name_of, running

_MAPPED = re.compile(rb"^([0-9a-f]+-[0-9a-f]+) \S+ [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) \d+ +(/.*) \(deleted\)$", re.M)
"""A line of ``maps`` for a mapped file that is deleted: range, device, path."""
_LONGEST = 2.0
"""Seconds for which processes are looked at; on a machine with very many the rest is left out."""


class DeletedFile(Struct, frozen=True):
    """A deleted regular file that still takes blocks; ``key`` is (``st_dev``, ``st_ino``), ``path`` where it stood."""

    key: tuple[int, int]
    path: str
    size_bytes: int


class Keeper(Struct, frozen=True):
    """A process, and the deleted files that it has open or mapped."""

    pid: int
    name: str
    files: tuple[DeletedFile, ...]


def deleted_but_open(root: int) -> list[Keeper]:
    """Every process that keeps deleted files of the filesystem of the open descriptor ``root``. Raises OSError."""
    mounted, end = Mounted(root), time.monotonic() + _LONGEST
    found = []
    for pid in running():
        files = {file.key: file for file in _kept(pid, mounted)}
        name = name_of(pid) if files else None
        if name is not None:
            found.append(Keeper(pid, name, tuple(files.values())))
        if time.monotonic() >= end:
            break
    return found


def _kept(pid: int, mounted: Mounted) -> Iterator[DeletedFile]:
    for link, path in (*_descriptors(pid, mounted), *_mappings(pid, mounted)):
        try:
            status = os.stat(link)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and not status.st_nlink and status.st_blocks:
            yield DeletedFile((status.st_dev, status.st_ino), path, status.st_blocks * 512)


def _descriptors(pid: int, mounted: Mounted) -> Iterator[tuple[str, str]]:
    """(link, path) of each descriptor of a process on a deleted file of the filesystem."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        link = f"/proc/{pid}/fd/{name}"
        try:
            target = os.readlink(link)
            if target.endswith(DELETED) and target.startswith("/"):
                mount = mount_of(f"/proc/{pid}/fdinfo/{name}")
                if mounted.has(mounted.device_of(pid, mount)):
                    yield link, target.removesuffix(DELETED)
        except (OSError, ValueError):
            continue


def _mappings(pid: int, mounted: Mounted) -> Iterator[tuple[str, str]]:
    """(link, path) of each mapping of a process of a deleted file of the filesystem."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_bytes()
    except OSError:
        return
    for span, major, minor, path in _MAPPED.findall(maps):
        if mounted.has(os.makedev(int(major, 16), int(minor, 16))):
            yield f"/proc/{pid}/map_files/{span.decode()}", os.fsdecode(path.replace(rb"\012", b"\n"))
