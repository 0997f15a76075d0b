"""Files that ullage believes: who may write the settings and the state, who may read a secret.

By owner, mode and POSIX ACL, of the file and of every directory and link on the way to it. ACLs of NFS are not read.
"""

from __future__ import annotations

import os
import stat

from ullage.errors import Refused, SettingsError, UsageError
from ullage.model.units import printable
from ullage.system.access import READ, WRITE, open_way, others_may, owned_by_another

LARGEST_FILE = 1 << 20
"""Bytes of a settings file or of a secret's; nobody writes a larger one by hand."""


def read_settings(path: str) -> str:
    """The text of a settings file that nobody else could have written. Raises SettingsError."""
    shown = printable(path)
    try:
        descriptor = _open(path)
        try:
            faults = [f"{shown}: {fault}" for fault in (*_faults_of(descriptor), *open_way(os.path.abspath(path)))]
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


def read_trusted(path: str, most: int) -> str:
    """The text of a file of at most ``most`` bytes that says what is deleted. Raises Refused where others may write it.

    Raises UsageError where it cannot be read.
    """
    shown = printable(path)
    try:
        descriptor = _open(path)
        try:
            faults = [*_faults_of(descriptor, "the file"), *open_way(os.path.abspath(path))]
            data = b"" if faults else _read(descriptor, most)
        finally:
            os.close(descriptor)
        if faults:
            raise Refused("\n".join(f"{shown}: {fault}" for fault in faults))
        return data.decode()
    except OSError as error:
        raise UsageError(f"cannot read {shown}: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"cannot read {shown}: {_reason(error)}") from None


def first_line(path: str) -> str:
    """The first line of a file that holds a secret. Raises ValueError, whose message never holds the content."""
    try:
        descriptor = _open(path)
        try:
            _check_secret(descriptor, path)
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


def credential(name: str) -> str | None:
    """The first line of a credential that systemd gives ullage.service; None where we run outside it, without it.

    Raises ValueError like ``first_line``, and where the service itself was not given it.
    """
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    path = os.path.join(given or _OF_THE_SERVICE, name)
    return first_line(path) if given or os.path.exists(path) else None


def state_faults(state_dir: str) -> list[str]:
    """Why others could write what is in the state directory: it decides what a restart undoes and finishes."""
    shown = printable(state_dir)
    try:
        faults = list(open_way(os.path.join(state_dir, "catalog.db")))
        faults += [fault for name in _STATE if (fault := _fault_of_state(os.path.join(state_dir, name)))]
    except PermissionError:
        return []  # not ours to look into; opening it says so
    except OSError as error:
        faults = [f"cannot look at it: {error.strerror}"]
    return [f"the state directory {shown}: {fault}" for fault in faults]


_OF_THE_SERVICE = "/run/credentials/ullage.service"
_STATE = ("catalog.db", "catalog.db-journal", "reserve", "daemon.lock", "ullage.log")


def _fault_of_state(path: str) -> str | None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    shown = printable(os.path.basename(path))
    if stat.S_ISLNK(status.st_mode):
        return f"{shown} is a symbolic link: see who did that, then remove it"
    if owned_by_another(status):
        return f"{shown} belongs to user {status.st_uid}: see who did that, then remove it or chown it"
    if others_may(path, status, WRITE):
        return f"others may write {shown}: chmod go-w it"
    return None


def readable_by_others(path: str) -> bool:
    """Whether somebody other than us, root and our groups may read the file. Raises OSError."""
    return others_may(path, os.stat(path), READ)


def _check_secret(descriptor: int, path: str) -> None:
    status = os.fstat(descriptor)
    if owned_by_another(status):
        raise ValueError(f"it belongs to user {status.st_uid}; it must be ours or root's: chown it")
    if others_may(descriptor, status, READ):
        raise ValueError(f"others may read it; chmod 600 {printable(path)}")
    if others_may(descriptor, status, WRITE):
        raise ValueError(f"others may write it; chmod 600 {printable(path)}")
    for fault in open_way(path):
        raise ValueError(fault)


def _open(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)  # a FIFO must not hang us
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is not a regular file")
    return descriptor


def _read(descriptor: int, most: int = LARGEST_FILE) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it is larger than {most} bytes")
    return data


def _faults_of(descriptor: int, what: str = "the settings file") -> list[str]:
    status = os.fstat(descriptor)
    faults = []
    if owned_by_another(status):
        faults.append(f"{what} belongs to user {status.st_uid}; it must be ours or root's: chown it")
    if others_may(descriptor, status, WRITE):
        faults.append(f"others may write {what}, and so decide what is deleted: chmod go-w it")
    return faults


def _reason(error: ValueError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
