"""Archives under ``archive_root/YYYY/MM/``: their names, and finding them again."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

from ullage.errors import UllageError
from ullage.model.backups import Archive
from ullage.system import tree

SUFFIXES = (".tar.zst", ".tar.gz")
"""Ours, and the seed's."""
_YEAR, _MONTH = re.compile(r"\d{4}", re.ASCII), re.compile(r"\d{2}", re.ASCII)
_NAME_MAX = 255
_KEPT = 200
"""Bytes of an id that a shortened name keeps."""


def place(backup_id: str, at: float) -> tuple[str, str, str]:
    """(year, month, file name) of the archive of a backup made at ``at``, UTC."""
    date = time.gmtime(at)
    return f"{date.tm_year:04d}", f"{date.tm_mon:02d}", _file_name(backup_id)


def _file_name(backup_id: str) -> str:
    raw = os.fsencode(backup_id)
    if len(raw) + len(SUFFIXES[0]) <= _NAME_MAX:
        return backup_id + SUFFIXES[0]
    from hashlib import sha256  # not at the top: it loads OpenSSL, and hardly any name is so long

    return os.fsdecode(raw[:_KEPT]) + "~" + sha256(raw).hexdigest()[:16] + SUFFIXES[0]


def find(archive_fd: int, ids: dict[str, str]) -> list[Archive]:
    """Every archive below an open ``archive_root``. ``ids``: the id by path where the name cannot tell it."""
    return [archive for year, month in _months(archive_fd) for archive in _in_month(archive_fd, year, month, ids)]


def _months(archive_fd: int) -> Iterator[tuple[str, str]]:
    for year in sorted(name for name in os.listdir(archive_fd) if _YEAR.fullmatch(name)):
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
                        backup_id=ids.get(path, entry.name.removesuffix(suffix)),
                        path=path,
                        size_bytes=status.st_blocks * 512,
                        created_at=int(status.st_mtime),
                    )
                )
    finally:
        os.close(fd)
    return sorted(found, key=lambda archive: archive.path)


def open_month(archive_fd: int, year: str, month: str, *, create: bool = False) -> int:
    """A descriptor of ``archive_root/year/month``. Raises Changed where it is missing, Refused for a link or mount."""
    year_fd = tree.open_directory(archive_fd, year, create=create)
    try:
        return tree.open_directory(year_fd, month, create=create)
    finally:
        os.close(year_fd)
