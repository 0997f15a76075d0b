"""Random stores on a real filesystem whose freed space is not visible at once, and what the truth about them is.

Nothing of ullage is asked for the truth: it is what ``statvfs`` says once all was written out and handed back.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.engine.world import MIB, World
from tests.loops import LoopDisk, run
from ullage.model.words import State

KINDS = {
    "ext4": ("plain", "small"),
    "xfs": ("plain", "fragmented", "fragmented", "small"),
    "btrfs": ("plain", "small", "subvolume", "subvolume of small"),
}
SIZES = {"ext4": 96, "xfs": 640, "btrfs": 200}
_BLOCK = 4096
_PUNCH_HOLE = 0x03  # with FALLOC_FL_KEEP_SIZE
_NOISE = os.urandom(MIB)
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass
class Store:
    """A store that is over its mark: ``target`` is the most bytes that may be used when it is not.

    ``takes``: what each backup takes by truth, the oldest first. ``needed``: how many must go, by truth.
    """

    world: World
    disk: LoopDisk
    takes: dict[str, int]
    needed: int
    target: int
    usable: int
    about: str
    gone: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """The mark in percent of usage."""
        return 100.0 * self.target / self.usable

    def judge(self, gone: list[str]) -> tuple[bool, bool]:
        """Whether too few went, and whether more than needed did: the last one left would have been enough without."""
        used = cleaned(self.disk) - _allocated(self.world.backups / ".ullage/ballast")
        last = self.takes[gone[-1]] if gone else 0
        return used > self.target, bool(gone) and used + last <= self.target


def settled(disk: LoopDisk) -> int:
    """The bytes in use once everything is written out and handed back."""
    fd, before = os.open(disk.path, os.O_RDONLY), -1
    try:
        while (now := _used(disk)) != before:
            before = now
            if _LIBC.syncfs(fd):
                raise OSError(ctypes.get_errno(), "syncfs")
            time.sleep(0.03 if disk.fstype == "xfs" else 0.0)
    finally:
        os.close(fd)
    return now


def cleaned(disk: LoopDisk) -> int:
    """The same, deleted subvolumes too."""
    if disk.fstype == "btrfs":
        run("btrfs", "filesystem", "sync", str(disk.path))
        run("btrfs", "subvolume", "sync", "-s", "1", str(disk.path))
    return settled(disk)


def make(disk: LoopDisk, number: int, seed: int) -> Store:
    """A random store in a directory of its own, beside it what others delete and write at this moment."""
    dice = random.Random(seed)
    base = disk.path.parent / f"run{number}"
    world = World(disk.path / f"run{number}", state=base / "state", archives=base / "archives")
    world.backup("db-20991231", State.CONFIRMED, age=39.0, mib=0.01)
    with world.app():
        pass
    kind = dice.choice(KINDS[disk.fstype])
    total = _usable(disk)
    takes = {}
    most = 0.13 if kind == "fragmented" else 0.06
    for place in range(4 if kind == "fragmented" else dice.randrange(4, 8)):
        backup_id = f"db-202601{place + 1:02d}"
        before = settled(disk)
        _backup(world, backup_id, kind, int(total * dice.uniform(most / 2, most)), 60 - place)
        takes[backup_id] = settled(disk) - before
    others = world.backups.parent / "others"
    before = settled(disk)
    _content(others, dice.choice(KINDS[disk.fstype]), int(total * dice.uniform(0.02, 0.08)))
    foreign = settled(disk) - before
    written = int(total * dice.uniform(0.0, 0.05))
    deleting = dice.random() < 0.6
    used = settled(disk) + written - (foreign if deleting else 0)
    needed = dice.randrange(0 if deleting else 1, len(takes) - 1)
    sizes = list(takes.values())
    if needed:
        target = used - sum(sizes[: needed - 1]) - int(sizes[needed - 1] * dice.uniform(0.3, 0.7))
    else:
        target = used + foreign // 3
    store = Store(world, disk, takes, needed, target, total, f"{disk.fstype}, {kind}, seed {seed}")
    _noise(world.backups.parent / "written", written)
    if deleting:
        _remove(others)
    return store


def remove(store: Store) -> None:
    """All of it, so that the disk can serve another."""
    for backup_id in store.takes:
        if (store.world.backups / backup_id).exists():
            _remove(store.world.backups / backup_id)
    _remove(store.world.backups.parent / "others") if (store.world.backups.parent / "others").exists() else None
    shutil.rmtree(store.world.backups.parent)
    cleaned(store.disk)


def naive(store: Store) -> list[str]:
    """What goes by the loop that looks, deletes the oldest, and looks again at once."""
    gone = []
    for backup_id in store.takes:
        if _used(store.disk) <= store.target:
            break
        _remove(store.world.backups / backup_id)
        gone.append(backup_id)
    return gone


def _backup(world: World, backup_id: str, kind: str, size: int, age: int) -> None:
    if "subvolume" in kind:
        run("btrfs", "-q", "subvolume", "create", str(world.backups / backup_id))
        top = world.backups / backup_id
    else:
        top = world.backup(backup_id, age=age, mib=0.001)
    _content(top / "more", kind.removeprefix("subvolume of "), size)
    made = int(time.time() - age * 86400)
    for name, text in ((".created_at", made), (".confirmed_at", made), (".state", "CLEANABLE")):
        (top / name).write_text(f"{text}\n")
    for entry in (*top.rglob("*"), top):
        os.utime(entry, (made, made))


def _content(top: Path, kind: str, size: int) -> None:
    if kind.startswith("subvolume") and not top.parent.joinpath(".ullage").exists() and top.name == "others":
        run("btrfs", "-q", "subvolume", "create", str(top))
    top.mkdir(exist_ok=True)
    if "small" in kind:
        for number in range(size // 12_288):
            (top / f"{number}").write_bytes(_NOISE[number : number + 9_000])
    elif kind == "fragmented":
        _fragmented(top / "content", size)
    else:
        _noise(top / "content", size)


def _fragmented(path: Path, size: int) -> None:
    """A file of which every second block is a hole: as many extents as blocks."""
    _noise(path, 2 * size)
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        for offset in range(0, 2 * size, 2 * _BLOCK):
            arguments = (ctypes.c_int(file.fileno()), ctypes.c_int(_PUNCH_HOLE))
            if _LIBC.fallocate(*arguments, ctypes.c_long(offset), ctypes.c_long(_BLOCK)):
                raise OSError(ctypes.get_errno(), "fallocate")


def _noise(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(_NOISE[: min(MIB, size - start)])


def _remove(top: Path) -> None:
    if top.stat().st_ino == 256:  # a subvolume
        run("btrfs", "-q", "subvolume", "delete", str(top))
    else:
        shutil.rmtree(top)


def _allocated(path: Path) -> int:
    return path.stat().st_blocks * 512 if path.exists() else 0


def _used(disk: LoopDisk) -> int:
    space = os.statvfs(disk.path)
    return (space.f_blocks - space.f_bfree) * space.f_frsize


def _usable(disk: LoopDisk) -> int:
    space = os.statvfs(disk.path)
    return (space.f_blocks - space.f_bfree + space.f_bavail) * space.f_frsize
