"""A saved plan as a file: written for us alone, never over another, and read only where nobody else could have written.

JSON with every character beyond ASCII escaped: an id need not be UTF-8.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import NoReturn

import msgspec

from ullage.config.trust import read_trusted
from ullage.errors import Refused, UllageError, UsageError
from ullage.model.plans import SavedPlan
from ullage.model.units import printable

LARGEST = 64 << 20
"""Bytes: some hundred thousand backups, and why each of the others stays."""


def write_plan(path: str, plan: SavedPlan, *, over: bool) -> None:
    """The plan at ``path``, mode 0600, durable. Raises Refused where something stands there, unless ``over``."""
    shown = printable(path)
    data = json.dumps(msgspec.to_builtins(plan), indent=2).encode() + b"\n"
    target = f"{path}.part-{os.getpid()}" if over else path
    try:
        _write_new(target, data)
        if over:
            os.replace(target, path)
    except FileExistsError:
        raise Refused(f"{shown} is there already; nothing was overwritten (--overwrite does)") from None
    except OSError as error:
        raise UllageError(f"cannot write the plan to {shown}: {error.strerror or error}") from error


def _write_new(path: str, data: bytes) -> None:
    """Nothing is left of it where it could not be written whole."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def read_plan(path: str) -> SavedPlan:
    """The plan that was saved there. Raises Refused where others could have written it, UsageError where it is none."""
    shown = printable(path)
    text = read_trusted(path, LARGEST)
    try:
        return msgspec.convert(json.loads(text, parse_constant=_no_number), SavedPlan)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise UsageError(f"{shown} is not a plan that ullage plan --save wrote: {printable(str(error))}") from None


def _no_number(name: str) -> NoReturn:
    """JSON has none of these, and a plan made at NaN would never be too old. Raises ValueError."""
    raise ValueError(f"there is no number {name}")
