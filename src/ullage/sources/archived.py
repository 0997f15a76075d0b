"""Archives under ``archive_root/YYYY/MM/``: their names, and finding them again.

``ID.tar.zst``; where that is taken ``ID~2.tar.zst`` and so on, for no archive is ever overwritten; and with a hash in
the place of its end where the id is too long. An id may end like that too: whose such a file is, the catalog knows, and
without it the one directory that is in it, which bears the id.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ullage.errors import ArchiveError, Changed, UllageError
from ullage.model.backups import Archive
from ullage.model.units import printable, rfc3339
from ullage.system import tree

if TYPE_CHECKING:
    from ullage.ports import Stop
    from ullage.system.archives import Contents

SUFFIXES = (".tar.zst", ".tar.gz")
"""Ours, and the seed's."""
_YEAR, _MONTH = re.compile(r"\d{4}", re.ASCII), re.compile(r"\d{2}", re.ASCII)
_STEM_MAX = 255 - len("~999999" + SUFFIXES[0])
_KEPT = 200
"""Bytes of an id that a shortened name keeps."""
_NOT_PLAIN = re.compile(r"~(\d{1,6}|[0-9a-f]{16})", re.ASCII)
"""How a name ends that may say another id than it spells."""


def free_place(archive_fd: int, backup_id: str, at: float) -> str:
    """``YYYY/MM/NAME`` that no archive has yet, for one of a backup made at ``at``, UTC; the later, the higher."""
    date, stem = rfc3339(at), _stem(backup_id)  # its years have four digits, whatever the time: others are not found
    year, month = date[:4], date[5:7]
    taken = _numbers(archive_fd, year, month, stem)
    number = f"~{max(taken) + 1}" if taken else ""
    return f"{year}/{month}/{stem}{number}{SUFFIXES[0]}"


def _stem(backup_id: str) -> str:
    raw = os.fsencode(backup_id)
    if len(raw) <= _STEM_MAX:
        return backup_id
    from hashlib import sha256  # not at the top: it loads OpenSSL, and hardly any name is so long

    return os.fsdecode(raw[:_KEPT]) + "~" + sha256(raw).hexdigest()[:16]


def _numbers(archive_fd: int, year: str, month: str, stem: str) -> list[int]:
    """The numbers of the names that are taken, 1 for the plain one."""
    name = re.compile(re.escape(stem) + r"(?:~(\d{1,6}))?" + re.escape(SUFFIXES[0]), re.ASCII)
    try:
        fd = open_month(archive_fd, year, month)
    except Changed:
        return []
    try:
        return [int(match[1] or 1) for match in map(name.fullmatch, os.listdir(fd)) if match]
    finally:
        os.close(fd)


def find(archive_fd: int, ids: dict[str, str]) -> list[Archive]:
    """Every archive below an open ``archive_root``. ``ids``: the id by path, of those that were made here."""
    return [archive for year, month in _months(archive_fd) for archive in _in_month(archive_fd, year, month, ids)]


def _months(archive_fd: int) -> Iterator[tuple[str, str]]:
    with tree.entries(archive_fd) as entries:
        years = sorted(entry.name for entry in entries if _YEAR.fullmatch(entry.name))
    for year in years:
        try:
            fd = tree.open_directory(archive_fd, year)
        except UllageError:
            continue
        try:
            months = sorted(name for name in os.listdir(fd) if _MONTH.fullmatch(name))
        finally:
            os.close(fd)
        yield from ((year, month) for month in months)


def _in_month(archive_fd: int, year: str, month: str, ids: dict[str, str]) -> list[Archive]:
    try:
        fd = open_month(archive_fd, year, month)
    except UllageError:
        return []
    found = []
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                suffix = next((s for s in SUFFIXES if entry.name.endswith(s) and entry.name != s), None)
                if suffix is None or not entry.is_file(follow_symlinks=False):
                    continue
                path = f"{year}/{month}/{entry.name}"
                status = entry.stat(follow_symlinks=False)
                found.append(
                    Archive(
                        backup_id=ids.get(path) or _id_of(fd, entry.name, suffix),
                        path=path,
                        size_bytes=status.st_blocks * 512,
                        created_at=int(status.st_mtime),
                    )
                )
    finally:
        os.close(fd)
    return sorted(found, key=lambda archive: archive.path)


def _id_of(month_fd: int, name: str, suffix: str) -> str:
    """The id of an archive that the catalog does not know."""
    stem = name.removesuffix(suffix)
    if not _NOT_PLAIN.fullmatch(stem[stem.rfind("~") :]):
        return stem
    from ullage.system.archives import read_top  # not at the top: it loads much, and hardly any name is such

    try:
        fd = open_file(month_fd, name)
    except OSError:
        return stem
    try:
        return read_top(fd) or stem
    except UllageError:
        return stem
    finally:
        os.close(fd)


def open_month(archive_fd: int, year: str, month: str, *, create: bool = False) -> int:
    """A descriptor of ``archive_root/year/month``. Raises Changed where it is missing, Refused for a link or mount."""
    year_fd = tree.open_directory(archive_fd, year, create=create)
    try:
        return tree.open_directory(year_fd, month, create=create)
    finally:
        os.close(year_fd)


def split(path: str) -> tuple[str, str, str]:
    """(year, month, name) of an archive's path."""
    year, month, name = path.split("/", 2)
    return year, month, name


def open_file(month_fd: int, name: str) -> int:
    """A descriptor of an archive in an open month, no link followed. Raises OSError."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=month_fd)


@contextmanager
def opened(archive_fd: int, path: str) -> Iterator[int]:
    """A descriptor of the archive at ``path`` for a while. Raises Changed where its month is gone, OSError."""
    year, month, name = split(path)
    month_fd = open_month(archive_fd, year, month)
    try:
        fd = open_file(month_fd, name)
    finally:
        os.close(month_fd)
    try:
        yield fd
    finally:
        os.close(fd)


def read_whole(fd: int, path: str, digest: str | None, stop: Stop | None = None) -> Contents:
    """What is in an open archive, read to its end. Raises ArchiveError where it is damaged, or not what was written."""
    from ullage.system.archives import list_archive  # not at the top: it loads much

    contents = list_archive(fd, should_stop=stop)
    if digest and contents.stream_digest != digest:
        raise ArchiveError(f"{printable(path)} is not what was written: its content changed")
    return contents
