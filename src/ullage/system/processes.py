"""Which processes have files open for writing, from ``/proc``; and the kernel, from ``/sys/block``.

A descriptor is looked up without asking its filesystem (a dead server would hang us): the link's mode says whether
it may write, ``fdinfo`` on which mount it is. Only files of the filesystem asked for are ever statted.
Without root only the processes of the same user can be seen.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from ullage.model.units import printable
from ullage.system.mounts import device_at, devices, mount_of

_SHARED = re.compile(rb"^([0-9a-f]+-[0-9a-f]+) .w.s [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) (\d+) +(/.*)$", re.MULTILINE)
"""A line of ``maps`` for a shared, writable mapping of a file: range, device, inode, path."""

_CAP_SYS_PTRACE = 19
DELETED = " (deleted)"
"""The end of what a link in ``/proc`` says of a file that has no name any more."""


class WriteOpen(Struct, frozen=True):
    """Files open for writing: (``st_dev``, ``st_ino``) of each, and the paths under which they were opened."""

    inodes: frozenset[tuple[int, int]]
    paths: tuple[str, ...]


class _Descriptor(Struct, frozen=True):
    """One descriptor that may write: its link in ``/proc``, what the link says, its ``fdinfo``."""

    link: str
    target: str
    info: str


def open_for_writing(root: int) -> WriteOpen:
    """Every regular file on the filesystem of the open descriptor ``root`` that some process may write to now.

    Descriptors and shared writable mappings count, our own process's too, and images behind loop devices, which the
    kernel writes. What cannot be seen is left out.
    """
    search = _Search(root)
    for pid in running():
        search.look_at(pid)
    for image in _loop_images():
        search.look_at_image(image)
    return WriteOpen(frozenset(search.inodes), tuple(sorted(search.paths)))


def sees_all() -> bool:
    """Whether the files that other users' processes have open are seen: with CAP_SYS_PTRACE. Raises OSError."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    (effective,) = (int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return bool(effective >> _CAP_SYS_PTRACE & 1)


def open_below(path: str) -> list[str]:
    """Who has a file below an absolute path without links open for writing: ``process 812 (postgres)``, each once."""
    prefix = path.rstrip("/") + "/"
    return [holder(pid) for pid in running() if any(target.startswith(prefix) for target in _targets(pid))]


def holder(pid: int) -> str:
    """A process for a person, ``process 812 (postgres)``; ``process 812`` where it is gone."""
    name = name_of(pid)
    return f"process {pid}" if name is None else f"process {pid} ({printable(name)})"


def name_of(pid: int) -> str | None:
    """The name of a process as it gave it itself, up to 15 bytes of any kind; None where it is gone."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/comm").read_bytes()).removesuffix("\n")
    except OSError:
        return None


class Mounted:
    """The filesystem of an open descriptor, and which mounts are of it, in the sight of whatever process."""

    def __init__(self, root: int) -> None:
        self._root_device = os.fstat(root).st_dev
        self._devices: dict[int, int | None] = dict(devices())
        self._device = self._devices.get(mount_of(f"/proc/self/fdinfo/{root}"), self._root_device)

    def device_of(self, pid: int, mount: int) -> int | None:
        """The device of a mount, in the sight of that process; None for a detached one."""
        if mount not in self._devices:
            self._devices.update(devices(str(pid)))
        return self._devices.setdefault(mount, None)

    def has(self, device: int | None) -> bool:
        """Whether that device is the filesystem's."""
        return device == self._device


class _Search(Mounted):
    """Collects the files of one filesystem, process by process."""

    def __init__(self, root: int) -> None:
        super().__init__(root)
        self.inodes: set[tuple[int, int]] = set()
        self.paths: set[str] = set()

    def look_at(self, pid: int) -> None:
        for descriptor in _descriptors(pid):
            self._add_descriptor(pid, descriptor)
        for span, device, inode, path in _mappings(pid):
            if self.has(device):
                self._add(f"/proc/{pid}/map_files/{span}", path, inode)

    def look_at_image(self, path: str) -> None:
        if not path.endswith(DELETED) and device_at(path) == self._device:
            self._add(path, path, None)

    def _add_descriptor(self, pid: int, descriptor: _Descriptor) -> None:
        try:
            device = self.device_of(pid, mount_of(descriptor.info))
            if self.has(device):
                self._add(descriptor.link, descriptor.target, None)
            elif device is None and not descriptor.target.endswith(DELETED):
                # On a mount that was detached (umount -l): perhaps of our filesystem, perhaps of a dead server's. Its
                # inode number is known without asking it; at worst another file's backup stays for now.
                self._add_unasked(descriptor)
        except (OSError, ValueError):
            return

    def _add(self, link: str, path: str, inode: int | None) -> None:
        try:
            status = os.stat(link)
        except OSError:  # gone meanwhile; for a mapping: not ours to follow, but its inode is known
            if inode is None:
                return
            found = (self._root_device, inode)
        else:
            if not stat.S_ISREG(status.st_mode):
                return
            found = (status.st_dev, status.st_ino)
        self.inodes.add(found)
        self.paths.add(path)

    def _add_unasked(self, descriptor: _Descriptor) -> None:
        for line in Path(descriptor.info).read_bytes().splitlines():
            if line.startswith(b"ino:"):
                self.inodes.add((self._root_device, int(line[4:])))
                self.paths.add(descriptor.target)


def running() -> list[int]:
    """The ids of all processes."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())


def _loop_images() -> Iterator[str]:
    """The files behind loop devices that may be written to, mounted or not, by path."""
    names = os.listdir("/sys/block") if os.path.isdir("/sys/block") else []
    for name in names:
        if name.startswith("loop"):
            with suppress(OSError):  # nothing is behind it
                image = Path(f"/sys/block/{name}/loop/backing_file").read_bytes().removesuffix(b"\n")
                if Path(f"/sys/block/{name}/ro").read_bytes() == b"0\n":
                    yield os.fsdecode(image)


def _targets(pid: int) -> Iterator[str]:
    yield from (descriptor.target for descriptor in _descriptors(pid))
    yield from (path for _span, _device, _inode, path in _mappings(pid))


def _descriptors(pid: int) -> Iterator[_Descriptor]:
    """The descriptors of a process that are open for writing and have a path; none where we may not look."""
    directory = f"/proc/{pid}/fd"
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        link = f"{directory}/{name}"
        try:
            # The kernel gives the link of a descriptor the mode r and w as it was opened with (proc_pid_fd(5)).
            target = os.readlink(link) if os.lstat(link).st_mode & stat.S_IWUSR else ""
        except OSError:
            continue
        if target.startswith("/"):
            yield _Descriptor(link, target, f"/proc/{pid}/fdinfo/{name}")


def _mappings(pid: int) -> Iterator[tuple[str, int, int, str]]:
    """(range, device, inode, path) of the shared writable mappings of a process; none where we may not look."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_bytes()
    except OSError:
        return
    for span, major, minor, inode, path in _SHARED.findall(maps):
        yield (
            span.decode(),
            os.makedev(int(major, 16), int(minor, 16)),
            int(inode),
            os.fsdecode(path.replace(rb"\012", b"\n")),
        )
