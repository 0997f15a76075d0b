"""What stands in a directory, put down in constant memory whatever it holds: for an archive to be held against.

An entry is a line of bytes, a manifest the sum of the lines' hashes. A sum knows no order: neither the walk nor the
reader of the archive has to sort or to keep names. Only hard-linked files are put aside until all were met, in a
temporary database that goes to disk beyond a few MiB: which of its names tar meets first decides how each is put down.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter

import msgspec
from blake3 import blake3
from msgspec import Struct
from msgspec.structs import replace

from ullage.errors import ArchiveError, Interrupted
from ullage.model.units import printable
from ullage.system import archive_members as tar
from ullage.system.archive_members import Member
from ullage.system.linux import failure, where
from ullage.system.tree import open_directory
from ullage.system.walk import Descent

_WIDTH = 256
"""Bytes of a line's hash: sums of short ones could be forged (a generalised birthday attack), of 2048 bits not."""
_PACE = 256  # entries between two questions whether to stop
_CACHE_KIB = 4096  # of hard-linked files in memory; further ones go to the directory for temporary files
_LONGEST_PATH = 4095  # PATH_MAX less its NUL: tar writes longer paths, and cannot extract them
_KINDS = {
    stat.S_IFREG: tar.FILE, stat.S_IFLNK: tar.SYMLINK, stat.S_IFDIR: tar.DIRECTORY, stat.S_IFIFO: tar.FIFO,
    stat.S_IFCHR: tar.CHARACTER, stat.S_IFBLK: tar.BLOCK_DEVICE,
}  # fmt: skip


class Manifest(Struct, frozen=True, kw_only=True):
    """One look at a directory: ``content`` is what an archive keeps of it, ``state`` covers ctime, inode and links too.

    ``entries`` is how many members an archive of it has. ``sockets`` are counted and in no archive: tar leaves them
    out, and they hold nothing.
    """

    content: int
    state: int
    entries: int
    sockets: int


def snapshot(
    dir_fd: int, name: str, *, known_as: str | None = None, should_stop: Callable[[], bool] | None = None
) -> Manifest:
    """The manifest of the directory ``name`` in ``dir_fd``, by a walk that follows no link and crosses no mount.

    ``known_as`` is its name in the manifest where it stands under another by now: its own move is no change.

    Raises Refused (a mount in it, no permission), Changed (it changes under the walk), ArchiveError (a path that tar
    could not extract again, no room for the names of hard-linked files), Unavailable, Interrupted.
    """
    content = state = met = sockets = 0
    with closing(_Linked()) as linked:
        for path, status, target in _entries(dir_fd, name, os.fsencode(known_as or name)):
            met += 1
            if should_stop and met % _PACE == 0 and should_stop():
                raise Interrupted(f"stopped while looking at {printable(name)}; nothing was changed")
            member = _member(path, status, target)
            record = member.record()
            changed = status.st_ctime_ns if b"/" in path else 0  # a rename changes the top's own ctime
            state += _hashed(b"%b\0%d %d %d" % (record, changed, status.st_ino, status.st_nlink))
            if stat.S_ISSOCK(status.st_mode):
                sockets += 1
            elif status.st_nlink > 1 and member.kind in (tar.FILE, tar.SYMLINK):
                linked.add(status.st_ino, member)
            else:
                content += _hashed(record)
        content += sum(_hashed(member.record()) for member in linked.members())
    return Manifest(content=content, state=state, entries=met - sockets, sockets=sockets)


def same(before: Manifest, after: Manifest) -> bool:
    """Whether nothing changed between two looks: every entry has its path, metadata, ctime, mtime, inode and links."""
    return before.state == after.state


def difference(manifest: Manifest, members: Iterable[Member]) -> str | None:
    """None where the members are exactly the manifest's entries; else what is wrong."""
    content = count = 0
    for member in members:
        count += 1
        content += _hashed(member.record())
    if count != manifest.entries:
        return f"it holds {count} entries, the source {manifest.entries}"
    if content != manifest.content:
        return "it holds as many entries as stood in the source, and not all of them as they stood there"
    return None


def _hashed(record: bytes) -> int:
    return int.from_bytes(blake3(record).digest(length=_WIDTH), "little")


class _Linked:
    """The names of files and symbolic links that have several, until it is known which of them tar meets first."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA cache_size = -{_CACHE_KIB}; PRAGMA temp_store = FILE;"
            "CREATE TABLE linked (inode INTEGER, path BLOB, member BLOB); BEGIN"
        )

    def add(self, inode: int, member: Member) -> None:
        """Puts a name aside. Raises ArchiveError where there is no room for it."""
        path = member.path.replace(b"/", b"\0")  # so that bytes sort as tar walks: a directory, then what is in it
        with _room():
            row = (inode - (1 << 63), path, msgspec.msgpack.encode(member))  # SQLite's numbers are signed
            self._database.execute("INSERT INTO linked VALUES (?, ?, ?)", row)

    def members(self) -> Iterator[Member]:
        """What tar makes of them: the first name of an inode is a file, each further one a hard link to it."""
        with _room():
            rows = self._database.execute("SELECT inode, member FROM linked ORDER BY inode, path")
            for _, names in groupby(rows, itemgetter(0)):
                first: Member | None = None
                for _, packed in names:
                    member = msgspec.msgpack.decode(packed, type=Member)
                    yield member if first is None else replace(member, kind=tar.HARD_LINK, size=0, target=first.path)
                    first = first or member

    def close(self) -> None:
        """Nothing of it is left."""
        self._database.close()


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        why = "its many hard links need room in the directory for temporary files"
        raise ArchiveError(f"cannot archive: {why}: {error}") from error


def _member(path: bytes, status: os.stat_result, target: bytes) -> Member:
    """The entry as tar puts it down where it has no other name. Of devices and FIFOs tar makes as many as links."""
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), b"")
    return Member(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind == tar.FILE else 0,
        mtime_ns=status.st_mtime_ns,
        target=target,
        device=(os.major(status.st_rdev), os.minor(status.st_rdev)),
    )


def _entries(dir_fd: int, name: str, top_path: bytes) -> Iterator[tuple[bytes, os.stat_result, bytes]]:
    """Path (from ``name`` on), status and link target of every entry, in any order."""
    top = open_directory(dir_fd, name)
    try:
        with Descent(top) as descent:
            yield top_path, descent.level.status, b""
            yield from _below(descent, top_path)
    except OSError as error:
        raise failure(error, f"cannot archive {where(dir_fd, name)}") from error
    finally:
        os.close(top)


def _below(descent: Descent, top: bytes) -> Iterator[tuple[bytes, os.stat_result, bytes]]:
    paths = [top]
    yield from _listed(descent, paths)
    while paths:
        name = descent.level.next()
        if name is not None:
            descent.enter(name)
            paths.append(_path(paths, name))
            yield paths[-1], descent.level.status, b""
            yield from _listed(descent, paths)
            continue
        paths.pop()
        if paths:
            descent.leave()


def _listed(descent: Descent, paths: list[bytes]) -> Iterator[tuple[bytes, os.stat_result, bytes]]:
    """What is in the directory but its directories, which are noted."""
    level = descent.level
    for entry in level.files():
        status = entry.stat(follow_symlinks=False)
        yield _path(paths, entry.name), status, _target(level.fd, entry.name, status)


def _target(dir_fd: int, name: str, status: os.stat_result) -> bytes:
    return os.fsencode(os.readlink(name, dir_fd=dir_fd)) if stat.S_ISLNK(status.st_mode) else b""


def _path(paths: list[bytes], name: str) -> bytes:
    return _checked(paths[0], b"%b/%b" % (paths[-1], os.fsencode(name)))


def _checked(top: bytes, path: bytes) -> bytes:
    if len(path) > _LONGEST_PATH:
        raise ArchiveError(
            f"cannot archive {printable(os.fsdecode(top))}: it holds a path of {len(path)} bytes, and tar can extract "
            f"none above {_LONGEST_PATH}; keep it, or delete it without an archive"
        )
    return path
