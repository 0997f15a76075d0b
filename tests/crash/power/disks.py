"""Disks whose power can be cut: formatted, recorded while something is done on them, and brought to any state after."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.crash.power.log import WRITE, Cut, Entry, Log, Spans
from tests.loops import LoopDisk, run

_MKFS = {
    "ext4": ("-b", "4096", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0"),
    "xfs": (),
    "btrfs": (),
}
_ATOM = {"ext4": 1024, "xfs": 512, "btrfs": 4096}
"""Bytes that it takes a disk to write whole or not at all: ext4 and btrfs do not survive half a superblock."""
_PATIENCE = 30.0
_MIB = {"ext4": 160, "xfs": 300, "btrfs": 256}


@dataclass(frozen=True)
class Layout:
    """Which directories of a world are disks of their own, beside number 0; ``lossless``: which disks lose nothing."""

    name: str
    apart: tuple[str, ...] = ()
    lossless: tuple[int, ...] = ()


TOGETHER = Layout("together")
ARCHIVES_APART = Layout("archives apart", apart=("archives",))
CATALOG_APART = Layout("catalog apart", apart=("state",), lossless=(1,))


class Unmountable(Exception):
    """The filesystem itself did not survive."""


class Disks:
    """The disks of one layout under ``place``, mounted at ``root`` and below it; use ``made``."""

    def __init__(self, place: Path, fstype: str, layout: Layout) -> None:
        self.root = place / "world"
        self.layout = layout
        self.atom = _ATOM[fstype]
        self._place = place
        self._disks = [_disk(place / "0", fstype, self.root)]
        self._disks += [
            _disk(place / str(n), "ext4" if n in layout.lossless else fstype, self.root / name)
            for n, name in enumerate(layout.apart, 1)
        ]

    @contextmanager
    def made(self) -> Iterator[None]:
        """In the block they are there, and mounted."""
        with ExitStack() as stack:
            for disk in self._disks:
                stack.enter_context(disk)
            yield

    def record(self, act: Callable[[Callable[[str], None]], None]) -> Log:
        """The log of ``act``, which may say something into it; the disks are left unmounted, as they were before it."""
        self._unmount()
        for n, disk in enumerate(self._disks):
            copy_sparse(disk.image, self._base(n))
        fuse, log = self._place / "fuse", self._place / "log"
        images = [str(disk.image) for disk in self._disks]
        with _served(fuse, log, images):
            self._mount([fuse / str(n) for n in range(len(images))])
            with (fuse / "mark").open("wb", buffering=0) as mark:

                def say(text: str) -> None:
                    mark.write(text.encode())

                act(say)
            self._unmount()
        return Log.read(log)

    def states(self, log: Log, cuts: Sequence[Cut]) -> Iterator[Cut]:
        """Each of the cuts, in the order of their places, with the images as they are after it; not mounted."""
        done = [0 for _ in self._disks]
        for cut in sorted(cuts, key=lambda cut: cut.at):
            for n, disk in enumerate(self._disks):
                flushed = log.flushed(n, cut.at)
                _apply(self._base(n), n, log.entries, range(done[n], flushed), {})
                done[n] = flushed
                copy_sparse(self._base(n), disk.image)
                _apply(disk.image, n, log.entries, range(flushed, cut.at), cut.kept)
            yield cut

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """In the block the images are mounted as they are. Raises Unmountable."""
        if self._disks[0].fstype == "btrfs":
            run("btrfs", "device", "scan", "--forget")  # it remembers what it saw on a loop device that is gone
        try:
            self._mount([disk.image for disk in self._disks])
        except AssertionError as error:
            self._unmount()
            raise Unmountable(str(error)) from None
        try:
            yield
        finally:
            self._unmount()

    def _mount(self, images: Sequence[Path]) -> None:
        for disk, image in zip(self._disks, images, strict=True):
            own, disk.image = disk.image, image
            try:
                disk.mount()
            finally:
                disk.image = own

    def _unmount(self) -> None:
        for disk in reversed(self._disks):
            disk.unmount()
        end = time.monotonic() + _PATIENCE
        while self._in_use():
            assert time.monotonic() < end, "another mount namespace keeps a disk mounted, and may write to it"
            time.sleep(0.005)

    def _in_use(self) -> bool:
        for path in Path("/sys/block").glob("loop*/loop/backing_file"):
            with suppress(OSError):  # it went meanwhile
                if str(self._place) in path.read_text():
                    return True
        return False

    def _base(self, number: int) -> Path:
        return self._place / f"base{number}"


def _disk(directory: Path, fstype: str, at: Path) -> LoopDisk:
    directory.mkdir(parents=True)
    disk = LoopDisk(directory, fstype, _MIB[fstype], _MKFS[fstype])
    disk.path = at
    return disk


@contextmanager
def _served(mountpoint: Path, log: Path, images: Sequence[str]) -> Iterator[None]:
    mountpoint.mkdir()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.power.device", str(mountpoint), str(log), *images],
        cwd=Path(__file__).parents[3],
    )
    try:
        while not mountpoint.is_mount():
            assert server.poll() is None, "the FUSE server ended at once"
            time.sleep(0.01)
        yield
    finally:
        subprocess.run(["umount", str(mountpoint)], check=False)
        server.wait()
        mountpoint.rmdir()


def copy_sparse(source: Path, target: Path) -> None:
    """Makes ``target`` what ``source`` is, holes included."""
    with source.open("rb") as old, target.open("wb") as new:
        end = os.fstat(old.fileno()).st_size
        new.truncate(end)
        at = 0
        while at < end:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole is left
                return
            stop = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            while at < stop:
                at += os.pwrite(new.fileno(), os.pread(old.fileno(), min(stop - at, 1 << 20), at), at)


def _apply(image: Path, disk: int, entries: Sequence[Entry], which: range, kept: Mapping[int, Spans]) -> None:
    with image.open("r+b", buffering=0) as file:
        for n in which:
            entry = entries[n]
            if entry.kind == WRITE and entry.disk == disk:
                for start, end in kept.get(n, ((0, len(entry.data)),)):
                    os.pwrite(file.fileno(), entry.data[start:end], entry.offset + start)
