"""A tree kept as it was, from which what has changed meanwhile is put back, and nothing else is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

Mark = tuple[int, int, int, int]


class Template:
    """What stands at ``top`` now, kept at ``kept``: links, modes and times too; a hole is none there."""

    def __init__(self, top: Path, kept: Path) -> None:
        self._top, self._kept = str(top), str(kept)
        self._marks: dict[str, Mark] = {}
        _copy_missing(self._top, self._kept)

    def put_back(self) -> None:
        """All that stands at ``top`` is as it was kept; what nobody has touched since the last time stays."""
        for path, is_directory in list(_below(self._top)):
            name = path.removeprefix(self._top)
            if is_directory:
                if not os.path.isdir(self._kept + name):
                    os.rmdir(path)  # what was in it is gone by now
            elif self._marks.get(name) != _mark(path):
                os.unlink(path)
        _copy_missing(self._kept, self._top)
        entries = _below(self._top)
        self._marks = {path.removeprefix(self._top): _mark(path) for path, is_directory in entries if not is_directory}


def _mark(path: str) -> Mark:
    """Another one after every change: of the change's time nobody is asked."""
    status = os.lstat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _below(top: str) -> Iterator[tuple[str, bool]]:
    """(path, whether it is a directory) of all below a directory, what is in one before itself."""
    with os.scandir(top) as found:
        entries = list(found)
    for entry in entries:
        is_directory = entry.is_dir(follow_symlinks=False)
        if is_directory:
            yield from _below(entry.path)
        yield entry.path, is_directory


def _copy_missing(top: str, to: str) -> None:
    """Of what one name of a file is missing, all are: its last change is that of the link."""
    os.makedirs(to, exist_ok=True)
    made: dict[int, str] = {}
    for path, is_directory in reversed(list(_below(top))):
        target = to + path.removeprefix(top)
        if is_directory:
            os.makedirs(target, exist_ok=True)
        elif not os.path.lexists(target):
            inode = os.lstat(path).st_ino
            if inode in made:
                os.link(made[inode], target, follow_symlinks=False)
            else:
                made[inode] = shutil.copy2(path, target, follow_symlinks=False)
    for path, is_directory in _below(top):
        if is_directory:
            shutil.copystat(path, to + path.removeprefix(top))
    shutil.copystat(top, to)
