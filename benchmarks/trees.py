"""What the work on a backup itself costs: removing it, and archiving it with proof."""

from __future__ import annotations

import os
import random
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Measure, Row, in_turn, process, wall
from ullage.system import archive_manifest, archives, tree

_PER_DIRECTORY = 200


def deletion_rows(directory: Path, files: int, runs: int) -> Iterator[Row]:
    """A tree of small files removed by us and by ``rm -rf``, each time one that was just made and synced."""
    directory.mkdir()
    taken = in_turn({"ours": _removal(directory, files), "rm": _rm(directory, files)}, runs)
    yield Row(
        topic="deletion",
        what=f"a backup of {files:,} small files",
        sample=taken["ours"],
        peer="rm -rf",
        peer_sample=taken["rm"],
        ratio_goal=1.3,
    )


def archive_rows(directory: Path, mebibytes: int, runs: int) -> Iterator[Row]:
    """A backup archived, read back and verified; beside a bare pipe that proves nothing."""
    directory.mkdir()
    _mixed(directory / "mixed", mebibytes)
    into = shlex.quote(str(directory))
    plain = f"tar -C {into} -cf - mixed | zstd -q -3 -T0 -f -o {into}/plain.tar.zst"
    checked = f"{plain} && sync {into}/plain.tar.zst && zstd -q -t {into}/plain.tar.zst"
    peers = {"tar | zstd -3 -T0": plain, "the same, then sync and zstd -t": checked} if shutil.which("zstd") else {}
    measures = {"ours": lambda: wall(lambda: _archive(directory)), **{peer: _shell(peers[peer]) for peer in peers}}
    taken = in_turn(measures, runs)
    for peer in peers or ("",):
        yield Row(
            topic="archive",
            what=f"{mebibytes} MiB, mixed: write, sync, read back, verify",
            sample=taken["ours"],
            peer=peer,
            peer_sample=taken.get(peer),
        )


def _shell(script: str) -> Measure:
    return lambda: process(["bash", "-o", "pipefail", "-c", script])


def _removal(directory: Path, files: int) -> Measure:
    def once() -> float:
        _small(directory / "ours", files)
        with _opened(directory) as root, _opened(directory / "ours") as top:
            handle = tree.handle_of(top)
            return wall(lambda: tree.remove_tree(root, "ours", handle=handle))

    return once


def _rm(directory: Path, files: int) -> Measure:
    def once() -> float:
        _small(directory / "theirs", files)
        return process(["rm", "-rf", str(directory / "theirs")])

    return once


def _small(top: Path, files: int) -> None:
    for number in range(files):
        if number % _PER_DIRECTORY == 0:
            inner = top / str(number // _PER_DIRECTORY)
            inner.mkdir(parents=True)
        fd = os.open(inner / str(number), os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, b"x" * 1000)
        os.close(fd)
    os.sync()


def _mixed(top: Path, mebibytes: int) -> None:
    """Half text, a quarter noise, a quarter small files."""
    dice = random.Random(1)
    top.mkdir()
    words = [dice.randbytes(4).hex() for _ in range(5000)]
    text = "\n".join(" ".join(dice.choices(words, k=12)) for _ in range(10_000)).encode()
    (top / "dump.sql").write_bytes((text * (1 + (mebibytes << 19) // len(text)))[: mebibytes << 19])
    (top / "media.bin").write_bytes(dice.randbytes(mebibytes << 18))
    (top / "etc").mkdir()
    for number in range(mebibytes * 16):
        (top / "etc" / f"{number}.conf").write_bytes(text[number * 97 : number * 97 + 16384])
    os.sync()


def _archive(directory: Path) -> None:
    with _opened(directory) as root:
        manifest = archive_manifest.snapshot(root, "mixed")
        part = os.open("ours.tar.zst", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=root)
        try:
            written = archives.write_archive(root, "mixed", part)
            archives.verify_archive(part, written, manifest, "mixed")
        finally:
            os.close(part)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)
