"""Files that ullage believes: who may write the settings, who may read a secret."""

from __future__ import annotations

import os
import stat

from ullage.errors import SettingsError
from ullage.model.units import printable

LARGEST_FILE = 1 << 20
"""Bytes of a settings file or of a secret's; nobody writes a larger one by hand."""


def read_settings(path: str) -> str:
    """The text of a settings file that nobody else could have written. Raises SettingsError."""
    shown = printable(path)
    try:
        descriptor = _open(path)
        try:
            faults = [f"{shown}: {fault}" for fault in (*_faults_of(os.fstat(descriptor)), *_faults_of_place(path))]
            data = b"" if faults else _read(descriptor)
        finally:
            os.close(descriptor)
        if faults:
            raise SettingsError(faults)
        return data.decode()
    except FileNotFoundError:
        advice = "make one with `ullage init`, or name another with --config"
        raise SettingsError([f"{shown}: there is no settings file; {advice}"]) from None
    except OSError as error:
        raise SettingsError([f"{shown}: cannot read the settings file: {error.strerror or error}"]) from None
    except ValueError as error:  # UnicodeDecodeError, a NUL in the path, too large
        raise SettingsError([f"{shown}: not a settings file: {_reason(error)}"]) from None


def first_line(path: str) -> str:
    """The first line of a file that holds a secret. Raises ValueError, whose message never holds the content."""
    try:
        descriptor = _open(path)
        try:
            if _others(os.fstat(descriptor), stat.S_IRGRP, stat.S_IROTH):
                raise ValueError(f"others may read it; chmod 600 {printable(path)}")
            data = _read(descriptor)
        finally:
            os.close(descriptor)
        line = data.decode().partition("\n")[0].strip()
    except OSError as error:
        raise ValueError(f"cannot read it: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValueError("its content is not UTF-8") from None
    if not line:
        raise ValueError("its first line is empty")
    return line


def readable_by_others(path: str) -> bool:
    """Whether somebody other than us, root and our groups may read the file. Raises OSError."""
    return _others(os.stat(path), stat.S_IRGRP, stat.S_IROTH)


def _open(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)  # a FIFO must not hang us
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is not a regular file")
    return descriptor


def _read(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError(f"it is larger than {LARGEST_FILE} bytes")
    return data


def _faults_of(status: os.stat_result) -> list[str]:
    faults = []
    if status.st_uid not in (0, os.geteuid()):
        faults.append(f"the settings file belongs to user {status.st_uid}; it must be ours or root's: chown it")
    if _others(status, stat.S_IWGRP, stat.S_IWOTH):
        faults.append("others may write the settings file, and so decide what is deleted: chmod go-w it")
    return faults


def _faults_of_place(path: str) -> list[str]:
    # Where the file is a link, whoever may write beside either end could put another in its place.
    places = dict.fromkeys(os.path.dirname(place) for place in (os.path.abspath(path), os.path.realpath(path)))
    return [
        f"others may write in its directory {printable(place)}, and so replace the settings file: chmod go-w it"
        for place in places
        if _writable_place(os.stat(place))
    ]


def _writable_place(status: os.stat_result) -> bool:
    # In a sticky directory only the owner of the file, which is us or root, may replace it.
    return _others(status, stat.S_IWGRP, stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX


def _others(status: os.stat_result, group_bit: int, other_bit: int) -> bool:
    by_group = bool(status.st_mode & group_bit) and status.st_gid not in (0, os.getegid())
    return by_group or bool(status.st_mode & other_bit)


def _reason(error: ValueError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
