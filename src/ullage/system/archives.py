"""Archives: ``.tar.zst`` that stock ``tar`` and ``zstd`` read, written, verified from disk, listed and extracted.

The order that keeps a backup safe: ``snapshot``, ``write_archive``, ``snapshot`` again, ``same``, ``verify_archive``;
only then may the source go. Extracting as another user than root gives every file to that user, as tar does.
"""

from __future__ import annotations

import errno
import gzip
import os
import select
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO, TypeVar

from blake3 import blake3
from msgspec import Struct

from ullage.errors import ArchiveError, Changed, Interrupted, NoRoom
from ullage.model.units import format_size, printable
from ullage.system.archive_extracted import missing
from ullage.system.archive_manifest import Manifest, difference
from ullage.system.archive_members import DIRECTORY, HARD_LINK, Member, Tape, members
from ullage.system.archive_tar import Tar, running
from ullage.system.linux import component, failure, syncfs, where

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

T = TypeVar("T")
ShouldStop = Callable[[], bool]
_CHUNK = 1 << 18  # bytes a read: as fast as 1 MiB, and soon asked whether to stop
_ROOM_EVERY = 4 << 20  # bytes of archive between two questions for room
_PATIENCE = 500  # ms that a tar may be silent before we ask whether to stop
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_COMPRESSION: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.checksum_flag: 1,
    zstd.CompressionParameter.nb_workers: 2,
    zstd.CompressionParameter.job_size: 1 << 20,  # as small, and a fifth of the memory
}
# Names only by what is given after "--": neither option, pattern nor escape (--no-unquote: a backslash is a backslash).
# Owners as numbers: no look-up that could hang. Sorted: then it is known which name of a hard-linked file comes first.
# atime and ctime are never put back, and without them the archive of a backup is the same each time.
_CREATE = (
    *("--create", "--file=-", "--format=posix", "--sort=name", "--sparse", "--numeric-owner", "--one-file-system"),
    *("--xattrs", "--xattrs-include=*", "--acls", "--atime-preserve=system", "--pax-option=delete=atime,delete=ctime"),
    *("--no-wildcards", "--no-unquote", "--"),
)
_EXTRACT = (
    *("--extract", "--file=-", "--xattrs", "--xattrs-include=*", "--acls", "--same-permissions", "--numeric-owner"),
    "--delay-directory-restore",
)


class Written(Struct, frozen=True, kw_only=True):
    """What was written: blake3 of the tar stream before compression, and the length of the archive."""

    stream_digest: str
    archive_bytes: int


class Contents(Struct, frozen=True, kw_only=True):
    """What a whole archive holds. ``top``: the one directory that all is in; None where members are ``./…``.

    ``size_bytes`` is the sum of the file lengths, holes included; ``stream_digest`` is what ``Written`` has.
    """

    top: str | None
    entries: int
    size_bytes: int
    stream_digest: str


def write_archive(
    parent_fd: int,
    name: str,
    part_fd: int,
    *,
    room: Callable[[int], None] | None = None,
    should_stop: ShouldStop | None = None,
) -> Written:
    """What was written of the directory ``name`` to ``part_fd``, durably; the part is worthless after any error.

    ``room`` is told the bytes written, every few MiB, and may raise NoRoom. Raises NoRoom, Changed (tar saw a file
    change), Interrupted, ArchiveError.
    """
    part = _Part(part_fd, name, room)
    compressor = zstd.ZstdCompressor(options=_COMPRESSION)
    digest = blake3()
    try:
        with running(parent_fd, (*_CREATE, component(name)), fed=False) as tar:
            for chunk in _read(tar, name, should_stop):
                digest.update(chunk)
                part.write(compressor.compress(chunk))
            _check_created(tar, name)
        part.write(compressor.flush())  # only now: a tar that failed never becomes a whole frame
    except zstd.ZstdError as error:  # no memory for it
        raise ArchiveError(f"cannot archive {printable(name)}: {error}") from error
    part.sync()
    return Written(stream_digest=digest.hexdigest(), archive_bytes=part.written)


def verify_archive(
    fd: int, written: Written, manifest: Manifest, name: str, *, should_stop: ShouldStop | None = None
) -> None:
    """Returns where the archive, read back from the disk, is what was written and holds what the manifest says.

    Raises ArchiveError, Interrupted.
    """
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # else memory would be verified, not the disk
    digest = blake3()
    shown = printable(name)
    with _whole(shown):
        if (size := os.fstat(fd).st_size) != written.archive_bytes:
            raise ValueError(f"it is {size} bytes long, and {written.archive_bytes} were written")
        wrong = difference(manifest, members(Tape(_hashed(_stream(fd, shown, should_stop), digest))))
        if wrong is None and digest.hexdigest() != written.stream_digest:
            wrong = "it reads back otherwise than it was written"
        if wrong:
            raise ValueError(wrong)


def list_archive(fd: int, *, should_stop: ShouldStop | None = None) -> Contents:
    """What a ``.tar.zst`` or ``.tar.gz`` holds, read to its end; the first bytes say which it is.

    Raises ArchiveError where it is cut, damaged or empty, has more than one top or a name that leads out; Interrupted.
    """
    tops: set[bytes] = set()
    entries = size = 0
    name, digest = where(fd), blake3()
    with _whole(name):
        for member in members(Tape(_hashed(_stream(fd, name, should_stop), digest))):
            tops.add(_top_of(member))
            if len(tops) > 1:
                raise ValueError(f"it holds more than one directory, {_shown(member.path)} for one")
            entries += 1
            size += member.size
        if not tops:
            raise ValueError("it is empty")
    top = os.fsdecode(tops.pop())
    return Contents(top=None if top == "." else top, entries=entries, size_bytes=size, stream_digest=digest.hexdigest())


def read_top(fd: int) -> str | None:
    """The one directory that an archive's first member is in, or is; None for ``.``. Raises ArchiveError."""
    name = where(fd)
    with _whole(name), closing(_stream(fd, name, None)) as chunks:
        top = os.fsdecode(next((_top_of(member) for member in members(Tape(chunks))), b"."))
    return None if top == "." else top


def extract_archive(fd: int, destination_fd: int, *, should_stop: ShouldStop | None = None) -> None:
    """Extracts a whole archive into the empty directory, durably: owners, modes, times, links, xattrs, ACLs, holes.

    It is read to its end first, so that nothing of a broken one is put on the disk, and what was extracted is held
    against it afterwards. Raises ArchiveError, NoRoom,
    Interrupted; what was extracted until then is the caller's to remove.
    """
    list_archive(fd, should_stop=should_stop)
    name = where(fd)
    owner = "--same-owner" if os.geteuid() == 0 else "--no-same-owner"
    with running(destination_fd, (*_EXTRACT, owner), fed=True) as tar:
        for chunk in _stream(fd, name, should_stop):
            if not _fed(tar, chunk):
                break
        _check_extracted(tar, name)
    with _whole(name):
        wrong = missing(members(Tape(_stream(fd, name, should_stop))), destination_fd)
    if wrong is not None:
        raise ArchiveError(f"cannot extract {name}: {wrong}, though tar said nothing")
    try:
        syncfs(destination_fd)
    except OSError as error:
        raise failure(error, f"cannot make durable what was extracted from {name}") from error


class _Part:
    """The file an archive is written to. ``written`` counts its bytes."""

    def __init__(self, fd: int, name: str, room: Callable[[int], None] | None) -> None:
        self.written = 0
        self._fd = fd
        self._doing = f"cannot archive {printable(name)}"
        self._room = room
        self._asked = 0

    def write(self, data: bytes) -> None:
        """Appends all of it. Raises NoRoom, ArchiveError."""
        rest = memoryview(data)  # the compressor hands over what several of its jobs made, many MiB at once
        while rest:
            count = self._tried(os.write, self._fd, rest[:_ROOM_EVERY])
            rest = rest[count:]
            self.written += count
            self._ask()

    def _ask(self) -> None:
        if self._room and self.written - self._asked >= _ROOM_EVERY:
            self._asked = self.written
            self._room(self.written)

    def sync(self) -> None:
        """Makes it durable. An error is final: the kernel may have dropped what it could not write."""
        self._tried(os.fsync, self._fd)

    def _tried(self, call: Callable[..., T], *arguments: object) -> T:
        try:
            return call(*arguments)
        except OSError as error:
            if error.errno in _FULL:
                raise failure(error, self._doing) from error
            raise ArchiveError(f"{self._doing}: {error.strerror} after {format_size(self.written)}") from error


def _read(tar: Tar, name: str, should_stop: ShouldStop | None) -> Iterator[bytes]:
    poll = select.poll()
    poll.register(tar.pipe, select.POLLIN)
    while True:
        if should_stop and should_stop():
            raise Interrupted(f"stopped while archiving {printable(name)}; the backup is untouched")
        if poll.poll(_PATIENCE):
            chunk = os.read(tar.pipe.fileno(), _CHUNK)
            if not chunk:
                return
            yield chunk


def _check_created(tar: Tar, name: str) -> None:
    code, said = tar.wait()
    if code == 1:
        raise Changed(f"cannot archive {printable(name)}: it changed while it was read ({said}); try again later")
    if code:
        raise ArchiveError(f"cannot archive {printable(name)}: {_ended(code)}: {said or 'it said nothing'}")


def _fed(tar: Tar, chunk: bytes) -> bool:
    """Whether tar took it all; where it did not it is dead, and its exit code says why."""
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[os.write(tar.pipe.fileno(), rest) :]
    except BrokenPipeError:
        return False
    return True


def _check_extracted(tar: Tar, name: str) -> None:
    code, said = tar.wait()
    if code and any(os.strerror(full) in said for full in _FULL):
        raise NoRoom(f"cannot extract {name}: no room where it goes: {said}")
    if code:
        raise ArchiveError(f"cannot extract {name}: {_ended(code)}: {said or 'it said nothing'}")


def _ended(code: int) -> str:
    return f"tar ended with {code}" if code > 0 else f"tar was killed by signal {-code}"


@contextmanager
def _whole(name: str) -> Iterator[None]:
    """Turns what is wrong with an archive into ArchiveError, naming it."""
    try:
        yield
    except (EOFError, ValueError, OSError, zlib.error, zstd.ZstdError) as error:
        raise ArchiveError(f"the archive {name} cannot be trusted: {error}") from error


def _stream(fd: int, name: str, should_stop: ShouldStop | None) -> Generator[bytes]:
    """The tar stream of an archive, decompressed, in chunks; checksums and the end of the frame are checked."""
    os.lseek(fd, 0, os.SEEK_SET)
    with _whole(name), os.fdopen(fd, "rb", buffering=0, closefd=False) as raw, _decompressor(raw) as source:
        while chunk := source.read(_CHUNK):
            if should_stop and should_stop():
                raise Interrupted(f"stopped while reading {name}; nothing was changed")
            yield chunk


def _decompressor(raw: BinaryIO) -> zstd.ZstdFile | gzip.GzipFile:
    magic = os.pread(raw.fileno(), len(_ZSTD), 0)
    if magic == _ZSTD:
        return zstd.ZstdFile(raw)
    if magic.startswith(_GZIP):
        return gzip.GzipFile(fileobj=raw)
    raise ValueError("it is neither zstd nor gzip")


def _hashed(chunks: Iterator[bytes], digest: blake3) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _top_of(member: Member) -> bytes:
    """The first component of its path. Raises ValueError where the path, or what it is a hard link to, leads out."""
    for path in (member.path, member.target) if member.kind == HARD_LINK else (member.path,):
        if path.startswith(b"/") or b".." in path.split(b"/"):
            raise ValueError(f"its entry {_shown(path)} leads out of where it is extracted")
    top = member.path.partition(b"/")[0]
    if top == member.path and member.kind != DIRECTORY:
        raise ValueError(f"its top, {_shown(top)}, is no directory")
    return top


def _shown(path: bytes) -> str:
    return printable(os.fsdecode(path))
