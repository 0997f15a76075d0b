"""Swaps by another process while something is removed, counted; and deleters as people write them, which are hit."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engine.world import fingerprint
from tests.races import swapper
from ullage.errors import UllageError
from ullage.system import tree

DEPTH = 8


class Swaps:
    """What goes on during an act; ``count`` is how many swaps were made in all the acts so far."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._order = path / "swaps.json"
        self._shared = path / "swaps.shared"

    @contextmanager
    def during(self, how: str, pairs: list[tuple[Path | str, Path]]) -> Iterator[None]:
        """The other process swaps, from before the block to its end."""
        self._order.write_text(json.dumps({"how": how, "pairs": [[str(one), str(other)] for one, other in pairs]}))
        self._shared.write_bytes(bytes(16))
        with self._shared.open("r+b") as file, mmap.mmap(file.fileno(), 16) as shared:
            other = subprocess.Popen([sys.executable, "-S", swapper.__file__, str(self._order)])
            try:
                while not shared[swapper.RUN]:
                    assert other.poll() is None
                    time.sleep(0.001)
                shared[swapper.COUNTING] = 1
                yield
                shared[swapper.COUNTING] = 0
            finally:
                shared[swapper.RUN] = 0
                other.wait(timeout=20)
            self.count += int.from_bytes(shared[swapper.COUNT : 16], "little")


class Victim:
    """A directory that nothing may touch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("d", "d/d", "data"):
            (path / name).mkdir(parents=True)
            (path / name / "precious").write_text("precious")
        (path / "content").write_text("precious")
        (path / ".state").write_text("CLEANABLE\n")
        self.look()

    def look(self) -> None:
        """Notes how it is now."""
        self._before = fingerprint(self.path)

    def intact(self) -> bool:
        """Whether it is as it was made."""
        return fingerprint(self.path) == self._before


def chain(top: Path, files: int = 30) -> list[Path]:
    """A backup of directories ``d`` in one another, files in each; the directories below the top."""
    made = [top.joinpath(*["d"] * depth) for depth in range(DEPTH + 1)]
    for directory in made:
        directory.mkdir()
        for number in range(files):
            (directory / f"f{number}").touch()
    (top / ".state").write_text("CLEANABLE\n")
    return made[1:]


def ours(top: Path) -> None:
    """The removal that is to be proven."""
    with_parent = tree.open_root(str(top.parent))
    try:
        fd = tree.open_directory(with_parent, top.name)
        try:
            tree.remove_tree(with_parent, top.name, handle=tree.handle_of(fd))
        finally:
            os.close(fd)
    except UllageError:
        pass
    finally:
        os.close(with_parent)


def by_path(top: Path) -> None:
    """As scripts do it: look whether it is a link, then go in by its path."""
    for entry in list(top.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            by_path(entry)
        else:
            entry.unlink()
    top.rmdir()


def by_rmtree(top: Path) -> None:
    """The standard library's: proof against links, and not against mounts."""
    shutil.rmtree(top)


Deleter = Callable[[Path], None]
