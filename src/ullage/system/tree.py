"""Directories: opened, named, moved and removed by descriptor, so that nothing outside of them is ever reached."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress

from ullage.errors import Changed, Interrupted, Refused, Unavailable
from ullage.model.units import printable
from ullage.system import linux
from ullage.system.linux import component, failure, where
from ullage.system.survey import Survey, survey
from ullage.system.walk import Descent, entries, open_beneath

__all__ = [
    "Survey",
    "entries",
    "handle_of",
    "open_directory",
    "open_root",
    "remove_tree",
    "rename_exclusive",
    "survey",
]

ShouldStop = Callable[[], bool]
_PACE = 256  # entries between two questions whether to stop
_RETRIES = 100  # directories found not empty again, before a writer is said to be at work
_SUBVOLUME = 256
"""The inode of the root of every subvolume (``BTRFS_FIRST_FREE_OBJECTID``)."""
_SWAPPED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP})


def open_root(path: str) -> int:
    """A descriptor of the directory ``path``, links followed: an operator wrote it. Raises Unavailable."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Unavailable(f"cannot open {printable(path)}: no such directory; is the disk mounted?") from error
    except OSError as error:
        why = f"{error.strerror}; is it a directory that we may read?"
        raise Unavailable(f"cannot open {printable(path)}: {why}") from error


def open_directory(dir_fd: int, name: str, *, create: bool = False) -> int:
    """A descriptor of the directory ``name`` in ``dir_fd``, never one behind a link or a mount.

    ``create`` makes it, durably, where it is missing (mode 0700). Raises Refused (a link, not a directory, a mount, no
    permission, not one name), Changed (missing), NoRoom, Unavailable.
    """
    try:
        if create:
            _make(dir_fd, component(name))
        return open_beneath(dir_fd, component(name))
    except OSError as error:
        raise failure(error, f"cannot open {where(dir_fd, name)}") from error


def _make(dir_fd: int, name: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=dir_fd)
        os.fsync(dir_fd)


def handle_of(fd: int) -> str:
    """``inode:birth time in ns`` (``inode:-`` where none is kept): the directory itself, across rename and remount.

    A subvolume of btrfs and its snapshots have both in common: its own number is added.
    """
    status = linux.statx(fd)
    own = f":{status.subvolume}" if status.ino == _SUBVOLUME and status.subvolume is not None else ""
    return f"{status.ino}:{'-' if status.birth_ns is None else status.birth_ns}{own}"


def handle_at(parent_fd: int, name: str) -> str | None:
    """The handle of the directory ``name``; None where there is none, or what is there may not be entered."""
    try:
        fd = open_directory(parent_fd, name)
    except (Changed, Refused):
        return None
    try:
        return handle_of(fd)
    finally:
        os.close(fd)


def rename_exclusive(src_fd: int, src: str, dst_fd: int, dst: str) -> None:
    """Renames, never over something. Not durable until both directories are synced.

    Where the filesystem cannot refuse by itself (NFS), a directory still moves: a plain rename of one fails over all
    but an empty directory, and then nothing is lost; and a file gets a second name, which is never put over something,
    before it loses the first. Raises NoRoom, Changed (source missing, target there), Refused.
    """
    try:
        _rename(src_fd, component(src), dst_fd, component(dst))
    except OSError as error:
        doing = f"cannot rename {where(src_fd, src)} to {where(dst_fd, dst)}"
        if error.errno == errno.ENOTDIR:  # only from the plain rename
            raise Changed(f"{doing}: there is a file of that name already; look again") from error
        if error.errno == errno.EXDEV:
            raise Refused(f"{doing}: they are on different filesystems") from error
        raise failure(error, doing) from error


def _rename(src_fd: int, src: str, dst_fd: int, dst: str) -> None:
    try:
        linux.rename_noreplace(src_fd, src, dst_fd, dst)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        if stat.S_ISDIR(os.stat(src, dir_fd=src_fd, follow_symlinks=False).st_mode):
            os.rename(src, dst, src_dir_fd=src_fd, dst_dir_fd=dst_fd)
        else:
            os.link(src, dst, src_dir_fd=src_fd, dst_dir_fd=dst_fd, follow_symlinks=False)
            os.unlink(src, dir_fd=src_fd)


def remove_tree(
    parent_fd: int, name: str, *, handle: str, first: Sequence[str] = (".state",), should_stop: ShouldStop | None = None
) -> int:
    """How many entries went, the directory itself included; what was missing already does not count.

    The names in ``first`` go before all others, durably: what is half gone never looks whole. The directory itself goes
    last, and only then ``parent_fd`` is synced. Descriptors and memory are constant but for the depth. Raises
    Changed (missing, or not what ``handle`` names: nothing is touched), Refused (a mount, an immutable entry, no
    permission, a writer that keeps adding), Interrupted, Unavailable; what is left then may be removed later.
    """
    try:
        top = linux.openat2(parent_fd, component(name), os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise failure(error, f"cannot remove {where(parent_fd, name)}") from error
    try:
        if handle_of(top) != handle:
            raise _another(parent_fd, name)
        _widen(top)
        with Descent(top) as descent:
            removal = _Removal(descent, should_stop)
            removal.begin(first)
            while not removal.done(parent_fd, name):
                removal.clear()
        os.fsync(parent_fd)
        return removal.removed
    except OSError as error:
        raise failure(error, f"cannot remove {where(top)}") from error
    finally:
        os.close(top)


def _another(parent_fd: int, name: str) -> Changed:
    return Changed(f"cannot remove {where(parent_fd, name)}: another directory stands there now; look again")


class _Removal:
    """Everything below ``descent`` goes, directory by directory, each when it is empty."""

    def __init__(self, descent: Descent, should_stop: ShouldStop | None) -> None:
        self.removed = 0
        self._descent = descent
        self._should_stop = should_stop
        self._retries = 0
        self._seen = 0

    def begin(self, first: Sequence[str]) -> None:
        """Unlinks the names that must go first, durably."""
        for name in first:
            self._unlink(component(name))
        os.fsync(self._descent.level.fd)

    def clear(self) -> None:
        """Removes all that is below the top, once over."""
        descent = self._descent
        self._list()
        while True:
            name = descent.level.pending.pop()
            if name is not None:
                self._tick()
                self._enter(name)
            elif descent.level.more:
                self._list()
            elif descent.depth > 0:
                self._leave()
            else:
                return

    def done(self, parent_fd: int, name: str) -> bool:
        """Whether the top itself, found empty, is gone now; or was gone."""
        here = os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
        if (here.st_dev, here.st_ino) != self._descent.level.identity:
            raise _another(parent_fd, name)
        return self._rmdir(parent_fd, name)

    def _unlink(self, name: str) -> None:
        """Unlinks what is no directory; what has become one meanwhile is met again."""
        try:
            os.unlink(name, dir_fd=self._descent.level.fd)
        except OSError as error:
            if error.errno not in _SWAPPED:
                raise self._failure(error, name) from error
        else:
            self.removed += 1

    def _list(self) -> None:
        level = self._descent.level
        level.more = False
        for entry in level.files():
            self._tick()
            self._unlink(entry.name)

    def _enter(self, name: str) -> None:
        try:
            self._enter_allowed(name)
        except OSError as error:
            if error.errno not in _SWAPPED:
                raise self._failure(error, name) from error
        else:
            self._list()

    def _enter_allowed(self, name: str) -> None:
        try:
            self._descent.enter(name)
        except PermissionError:
            _widen_closed(self._descent.level.fd, name)
            self._descent.enter(name)
        _widen(self._descent.level.fd)

    def _leave(self) -> None:
        name = self._descent.leave()
        if not self._rmdir(self._descent.level.fd, name):
            self._descent.level.pending.push(name)

    def _rmdir(self, dir_fd: int, name: str) -> bool:
        """Whether ``name`` is dealt with; False where something is in it (again)."""
        try:
            os.rmdir(name, dir_fd=dir_fd)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                self._retry(dir_fd, name)
                return False
            if error.errno not in _SWAPPED:
                raise self._failure(error, name) from error
        else:
            self.removed += 1
        return True

    def _retry(self, dir_fd: int, name: str) -> None:
        self._retries += 1
        if self._retries > _RETRIES:
            raise Refused(f"cannot remove {where(dir_fd, name)}: something keeps adding to it; stop that first")

    def _tick(self) -> None:
        self._seen += 1
        if self._should_stop is not None and self._seen % _PACE == 0 and self._should_stop():
            raise Interrupted(f"stopped removing {where(self._descent.level.fd)} after {self.removed} entries")

    def _failure(self, error: OSError, name: str) -> Exception:
        return failure(error, f"cannot remove {where(self._descent.level.fd, name)}")


def _widen(fd: int) -> None:
    """Lets the owner into a directory that is about to go: none is emptied without write and search permission."""
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    if mode & 0o700 != 0o700:
        with suppress(PermissionError):  # somebody else's: what we may do there, the kernel knows
            os.chmod(f"/proc/self/fd/{fd}", mode | 0o700)


def _widen_closed(dir_fd: int, name: str) -> None:
    fd = linux.openat2(dir_fd, name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _widen(fd)
    finally:
        os.close(fd)
