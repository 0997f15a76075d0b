"""What stands in a directory, put down in so few bytes that a million entries fit: for an archive to be held against.

The walk and ``tar --sort=name`` take the same order (a directory, then its entries by the bytes of their names), so
the n-th mark of a manifest belongs to the n-th member of the archive, and neither side has to keep names.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator

from blake3 import blake3
from msgspec import Struct

from ullage.errors import ArchiveError, Interrupted
from ullage.model.units import printable
from ullage.system import archive_members as tar
from ullage.system.archive_members import Member
from ullage.system.linux import failure, where
from ullage.system.tree import open_directory
from ullage.system.walk import Descent, Level

_MARK = 16  # bytes a mark; 128 bits of blake3
_LONGEST_PATH = 4095  # PATH_MAX less its NUL: tar writes longer paths, and cannot extract them
_KINDS = {
    stat.S_IFREG: tar.FILE, stat.S_IFLNK: tar.SYMLINK, stat.S_IFDIR: tar.DIRECTORY, stat.S_IFIFO: tar.FIFO,
    stat.S_IFCHR: tar.CHARACTER, stat.S_IFBLK: tar.BLOCK_DEVICE,
}  # fmt: skip


class Manifest(Struct, frozen=True, kw_only=True):
    """One look at a directory: ``marks`` is what an archive keeps of it, ``state`` covers ctime, inode and links too.

    A mark is 16 bytes of the hash of an entry's path, kind, mode, owner, size, mtime, link target and device.
    ``sockets`` are counted and have no mark: tar leaves them out, and they hold nothing.
    """

    marks: bytes
    state: str
    sockets: int

    @property
    def entries(self) -> int:
        """How many members an archive of it has."""
        return len(self.marks) // _MARK


def snapshot(
    dir_fd: int, name: str, *, known_as: str | None = None, should_stop: Callable[[], bool] | None = None
) -> Manifest:
    """The manifest of the directory ``name`` in ``dir_fd``, by a walk that follows no link and crosses no mount.

    ``known_as`` is its name in the manifest where it stands under another by now: its own move is no change.

    Raises Refused (a mount in it, no permission), Changed (it changes under the walk), ArchiveError (a path that tar
    could not extract again), Unavailable, Interrupted.
    """
    marks, state, sockets = bytearray(), blake3(), 0
    first_paths: dict[int, bytes] = {}
    for path, status, target in _entries(dir_fd, name, os.fsencode(known_as or name)):
        if should_stop and len(marks) % (256 * _MARK) == 0 and should_stop():
            raise Interrupted(f"stopped while looking at {printable(name)}; nothing was changed")
        record = _member(path, status, target, first_paths).record()
        changed = status.st_ctime_ns if b"/" in path else 0  # a rename changes the top's own ctime
        state.update(b"%b\0%d %d %d\0" % (record, changed, status.st_ino, status.st_nlink))
        if stat.S_ISSOCK(status.st_mode):
            sockets += 1
        else:
            marks += _mark(record)
    return Manifest(marks=bytes(marks), state=state.hexdigest(), sockets=sockets)


def same(before: Manifest, after: Manifest) -> bool:
    """Whether nothing changed between two looks: every entry has its path, metadata, ctime, mtime, inode and links."""
    return before.state == after.state


def difference(manifest: Manifest, members: Iterable[Member]) -> str | None:
    """None where the members are exactly the manifest's entries; else what is wrong, naming the first that is not."""
    count = 0
    for count, member in enumerate(members, start=1):
        at = (count - 1) * _MARK
        if manifest.marks[at : at + _MARK] != _mark(member.record()):
            return f"its entry {count}, {printable(os.fsdecode(member.path))}, is not what stood in the source there"
    if count != manifest.entries:
        return f"it holds {count} entries, the source {manifest.entries}"
    return None


def _mark(record: bytes) -> bytes:
    return blake3(record).digest(length=_MARK)


def _member(path: bytes, status: os.stat_result, target: bytes, first_paths: dict[int, bytes]) -> Member:
    """The entry as tar puts it down; a further link to a file or symbolic link is a hard link to its first path.

    Of devices and FIFOs tar makes as many as there are links.
    """
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), b"")
    if status.st_nlink > 1 and kind in (tar.FILE, tar.SYMLINK):
        first = first_paths.setdefault(status.st_ino, path)
        if first != path:
            kind, target = tar.HARD_LINK, first
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
    """Path (from ``name`` on), status and link target of every entry, in tar's order."""
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
    _list(descent.level)
    while paths:
        entry = descent.level.pending.pop()
        if entry is None:
            paths.pop()
            if paths:
                descent.leave()
            continue
        path = _checked(paths[0], b"%b/%b" % (paths[-1], os.fsencode(entry)))
        status = os.stat(entry, dir_fd=descent.level.fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            descent.enter(entry)
            paths.append(path)
            _list(descent.level)
        yield path, status, _target(descent, entry, status)


def _list(level: Level) -> None:
    for entry in sorted(os.listdir(level.fd), key=os.fsencode, reverse=True):
        level.pending.push(entry)


def _target(descent: Descent, entry: str, status: os.stat_result) -> bytes:
    return os.fsencode(os.readlink(entry, dir_fd=descent.level.fd)) if stat.S_ISLNK(status.st_mode) else b""


def _checked(top: bytes, path: bytes) -> bytes:
    if len(path) > _LONGEST_PATH:
        raise ArchiveError(
            f"cannot archive {printable(os.fsdecode(top))}: it holds a path of {len(path)} bytes, and tar can extract "
            f"none above {_LONGEST_PATH}; keep it, or delete it without an archive"
        )
    return path
