"""Where filesystems are mounted, from ``/proc/self/mountinfo``: it answers even where a mount hangs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ullage.errors import Changed
from ullage.model.units import printable

_OCTAL = re.compile(rb"\\([0-7]{3})")


def mounts_below(path: str) -> list[str]:
    """The mount points strictly below an absolute path without links, sorted. Raises OSError without ``/proc``."""
    prefix = os.path.normpath(os.fsencode(path)).rstrip(b"/") + b"/"
    points = {_decoded(fields[4]) for fields in _mountinfo("self")}
    return sorted(os.fsdecode(point) for point in points if point.startswith(prefix) and point != prefix)


def mount_point(path: str) -> str:
    """The mount point that an absolute path without links stands on; ``/`` where none is nearer. Raises OSError."""
    points = {os.fsdecode(_decoded(fields[4])) for fields in _mountinfo("self")}
    above = path.rstrip("/")
    while above and above not in points:
        above = os.path.dirname(above).rstrip("/")
    return above or "/"


def devices(process: str = "self") -> dict[int, int]:
    """The device number of every mount that a process sees, by mount id. Raises OSError.

    It is the number of the whole filesystem: on btrfs that of all subvolumes, whose ``st_dev`` each differ.
    """
    return {int(fields[0]): _device(fields[2]) for fields in _mountinfo(process)}


def device_of(descriptor: int) -> int | None:
    """The device number of the filesystem of an open descriptor; None where it is no longer mounted in our sight."""
    return devices().get(mount_of(f"/proc/self/fdinfo/{descriptor}"))


def device_at(path: str) -> int | None:
    """The device number of the filesystem that an absolute path without links stands on. Raises OSError."""
    found = {os.fsdecode(_decoded(fields[4])): _device(fields[2]) for fields in _mountinfo("self")}
    return found.get(mount_point(path))


def mount_of(fdinfo: str) -> int:
    """The id of the mount that the descriptor behind this ``fdinfo`` file was opened on. Raises OSError."""
    for line in Path(fdinfo).read_bytes().splitlines():
        if line.startswith(b"mnt_id:"):
            return int(line[7:])
    raise OSError(f"{fdinfo} names no mount; ullage needs Linux 3.15 or newer")


def real_path(descriptor: int) -> str:
    """The path at which an open descriptor stands now, without links. Raises Changed where it stands at none."""
    path = os.readlink(f"/proc/self/fd/{descriptor}")
    try:
        there = os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except OSError:
        there = False
    if not there:
        raise Changed(f"{printable(path)} is no longer what was opened there: it was moved, removed or unmounted")
    return path


def _mountinfo(process: str) -> Iterator[list[bytes]]:
    # Not splitlines: a carriage return in a name stands there as it is.
    return (line.split(b" ") for line in Path(f"/proc/{process}/mountinfo").read_bytes().split(b"\n") if line)


def _device(number: bytes) -> int:
    major, _, minor = number.partition(b":")
    return os.makedev(int(major), int(minor))


def _decoded(field: bytes) -> bytes:
    """The field with ``\\040`` and its like (blank, tab, newline, backslash, #) as the bytes they stand for."""
    return _OCTAL.sub(lambda octal: bytes([int(octal.group(1), 8)]), field)
