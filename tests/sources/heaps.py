"""Backups of every make at random: plain, hard-linked, sparse, reflinked, compressible; small files, directories."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path
from random import Random

KIB, MIB = 1 << 10, 1 << 20
DAY = 86400
_FICLONE = 0x40049409  # linux/fs.h


class Heap:
    """Backups below ``root``, each made by chance, many of them from one that was made before."""

    def __init__(self, root: Path, chance: Random, *, reflinks: bool, scale: float = 1.0) -> None:
        self.root = root
        self._chance = chance
        self._reflinks = reflinks
        self._scale = scale
        self._made = 0

    def names(self) -> list[str]:
        """The backups that stand, oldest first."""
        return sorted(path.name for path in self.root.iterdir() if (path / ".state").exists())

    def add(self) -> Path:
        """One more backup."""
        before = [self.root / name for name in self.names()]
        top = self.root / f"db-{20000101 + self._made:08d}"
        self._made += 1
        kinds = ["plain", "sparse"] + (["linked", "linked"] + ["reflinked"] * 2 * self._reflinks if before else [])
        kind = self._chance.choice(kinds)
        top.mkdir()
        if kind in ("linked", "reflinked"):
            self._follow(self._chance.choice(before[-3:]), top, clone=kind == "reflinked")
        else:
            self._fill(top, holes=kind == "sparse")
        (top / ".created_at").write_text(f"{int(time.time()) - 40 * DAY + self._made}\n")
        (top / ".state").write_text("CLEANABLE\n")
        return top

    def _fill(self, top: Path, *, holes: bool) -> None:
        places = [top]
        for number in range(self._chance.randint(1, 6)):
            places.append(self._chance.choice(places) / f"directory {number}")
            places[-1].mkdir()
        for number in range(int(self._chance.randint(2, 30) * self._scale) + 1):
            self._write(self._chance.choice(places) / f"large {number}", self._chance.randint(1, MIB), holes=holes)
        for number in range(int(self._chance.choice((0, 20, 400)) * self._scale)):
            self._write(self._chance.choice(places) / f"small {number}", self._chance.randint(0, 6 * KIB), holes=False)

    def _follow(self, source: Path, top: Path, *, clone: bool) -> None:
        """As ``rsync --link-dest`` and ``cp --reflink`` leave it: a part is new, a part of the clones is changed."""
        for path in sorted(source.rglob("*")):
            to = top / path.relative_to(source)
            if path.is_dir():
                to.mkdir()
            elif path.name.startswith("."):
                continue
            elif self._chance.random() < 0.2:
                self._write(to, self._chance.randint(1, MIB if "large" in path.name else 6 * KIB), holes=False)
            elif clone and path.stat().st_size:
                self._clone(path, to)
            else:
                to.hardlink_to(path)

    def _clone(self, path: Path, to: Path) -> None:
        with path.open("rb") as source, to.open("wb") as copy:
            fcntl.ioctl(copy, _FICLONE, source.fileno())
            size = path.stat().st_size
            while self._chance.random() < 0.3:
                copy.seek(self._chance.randrange(size))
                copy.write(self._chance.randbytes(self._chance.randint(1, 64 * KIB)))

    def _write(self, path: Path, size: int, *, holes: bool) -> None:
        text = self._chance.random() < 0.4
        content = (b"%d all work and no play\n" % size) * (size // 20 + 1) if text else self._chance.randbytes(size)
        with path.open("wb") as file:
            if not holes:
                file.write(content[:size])
                return
            for _ in range(self._chance.randint(1, 4)):
                file.seek(self._chance.randrange(4 * size + 1))
                file.write(content[: size // 4])
            if self._chance.random() < 0.3:
                os.posix_fallocate(file.fileno(), 0, size)

    def remove(self, names: list[str]) -> None:
        """These are gone."""
        for name in names:
            shutil.rmtree(self.root / name)
