"""What an act does to the disk and the journal, in order: changes and syncs by path, phases once they are committed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from msgspec import Struct

from ullage.catalog.catalog import Catalog
from ullage.model.backups import Operation
from ullage.system import linux

CHANGES = ("rename", "unlink", "rmdir", "mkdir", "write")


class Event(Struct, frozen=True):
    """``what``: a change, "fsync", "syncfs" or "phase"; ``path`` below the recorded root, or the phase's word.

    ``target`` is where a rename led, or the result of a settled operation.
    """

    what: str
    path: str
    target: str = ""

    @property
    def parents(self) -> frozenset[str]:
        """The directories that must be synced for a change of names to be durable."""
        if self.what not in ("rename", "unlink", "rmdir", "mkdir"):
            return frozenset()
        return frozenset(os.path.dirname(path) for path in (self.path, self.target) if path)


class Recorder:
    """Collects the events below ``root``, each after it was done without error."""

    def __init__(self, root: str) -> None:
        self.events: list[Event] = []
        self._root = root.rstrip("/") + "/"

    def note(self, what: str, path: str, target: str = "") -> None:
        if path.startswith(self._root):
            self.events.append(Event(what, path.removeprefix(self._root), target.removeprefix(self._root)))

    def phase(self, op: Operation) -> None:
        self.events.append(Event("phase", op.phase.name, "" if op.result is None else op.result.name))


def _place(fd: int, name: object = "") -> str:
    directory = os.readlink(f"/proc/self/fd/{fd}")
    return os.path.join(directory, os.fsdecode(str(name))) if name else directory


@contextmanager
def recorded(recorder: Recorder) -> Iterator[None]:
    """In the block every change, sync and journalled phase is noted."""
    calls: dict[str, Callable[..., None]] = {
        "fsync": lambda fd: recorder.note("fsync", _place(fd)),
        "write": lambda fd, _: recorder.note("write", _place(fd)),
        "pwrite": lambda fd, *_: recorder.note("write", _place(fd)),
        "mkdir": lambda name, mode=0o777, *, dir_fd: recorder.note("mkdir", _place(dir_fd, name)),
        "unlink": lambda name, *, dir_fd: recorder.note("unlink", _place(dir_fd, name)),
        "rmdir": lambda name, *, dir_fd: recorder.note("rmdir", _place(dir_fd, name)),
        "rename": lambda a, b, *, src_dir_fd, dst_dir_fd: recorder.note(
            "rename", _place(src_dir_fd, a), _place(dst_dir_fd, b)
        ),
    }
    below: dict[str, Callable[..., None]] = {
        "rename_noreplace": lambda a, x, b, y: recorder.note("rename", _place(a, x), _place(b, y)),
        "syncfs": lambda fd: recorder.note("syncfs", _place(fd)),
    }
    with ExitStack() as stack:
        for owner, hooks in ((os, calls), (linux, below)):
            for name, hook in hooks.items():
                stack.enter_context(patch.object(owner, name, _after(getattr(owner, name), hook)))
        for name in ("begin", "advance", "settle"):
            stack.enter_context(patch.object(Catalog, name, _journalled(getattr(Catalog, name), recorder)))
        yield


def _after(call: Callable[..., Any], hook: Callable[..., None]) -> Callable[..., Any]:
    def calling(*arguments: Any, **options: Any) -> Any:
        given = call(*arguments, **options)
        if "dir_fd" not in options or options["dir_fd"] is not None:
            hook(*arguments, **options)
        return given

    return calling


def _journalled(call: Callable[..., Operation], recorder: Recorder) -> Callable[..., Operation]:
    def journalling(*arguments: Any, **options: Any) -> Operation:
        op = call(*arguments, **options)
        recorder.phase(op)
        return op

    return journalling
