"""What a directory or an archive holds, as far as it must not be lost."""

from __future__ import annotations

import os
import stat
import sys
import tarfile
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Tree = dict[str, tuple[object, ...]]


def tree_of(top: Path) -> Tree:
    """Every path below a directory, but what a transition writes, with all that must not be lost of it."""
    found: Tree = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if not _written_by_us(name):
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
            found[name] = (stat.S_IMODE(status.st_mode), int(status.st_mtime), content)
    return found


def tree_in(archive: Path) -> Tree:
    """The same of what an archive holds, read by no code of ours."""
    found: Tree = {}
    with zstd.ZstdFile(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            _, _, name = member.name.partition("/")
            if not name or _written_by_us(name):
                continue
            if member.islnk():
                content = found[member.linkname.partition("/")[2]][2]
            else:
                file = tar.extractfile(member) if member.isreg() else None
                content = member.linkname if file is None else file.read()
            found[name] = (member.mode & 0o7777, int(member.mtime), content)
    return dict(sorted(found.items()))


def _written_by_us(name: str) -> bool:
    return name in (".state", ".cleanable_since") or name.startswith(".ullage-")


def assert_same(found: Tree, wanted: Tree, what: str) -> None:
    """Nothing; both hold the same."""
    wrong = {name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)}
    assert not wrong, f"{what}: {sorted(wrong)}"
