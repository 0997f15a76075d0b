"""Faults at the n-th call that touches the disk: the process killed, or an error number in the place of the call."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from ullage.catalog.catalog import Catalog
from ullage.system import linux

CALLS = ("fsync", "rename", "unlink", "rmdir", "mkdir", "open", "write", "pwrite", "utime", "ftruncate", "close")
Fault = Callable[[str], None]


class Counter:
    """Counts calls; at ``at`` it strikes."""

    def __init__(self, at: int, strike: Fault) -> None:
        self.count = 0
        self._at = at
        self._strike = strike

    def __call__(self, name: str) -> None:
        self.count += 1
        if self.count == self._at:
            self._strike(name)


@contextmanager
def hooked(counter: Counter, *, journal: bool) -> Iterator[None]:
    """In the block every such call is counted before it is made; ``journal``: the catalog's transactions too."""
    with ExitStack() as stack:
        for name in CALLS:
            stack.enter_context(patch.object(os, name, _counted(name, getattr(os, name), counter)))
        for name in ("rename_noreplace", "openat2", "syncfs"):
            stack.enter_context(patch.object(linux, name, _counted(name, getattr(linux, name), counter)))
        if journal:
            write = Catalog._write
            stack.enter_context(patch.object(Catalog, "_write", _counted("journal", write, counter)))
        yield


def _counted(name: str, call: Callable[..., Any], counter: Counter) -> Callable[..., Any]:
    def counting(*arguments: Any, **options: Any) -> Any:
        counter(name)
        return call(*arguments, **options)

    return counting


def killed_at(number: int, work: Callable[[AbstractContextManager[None]], None]) -> bool:
    """Whether a child that does ``work`` was killed before its n-th call; False where it came to its end first.

    ``work`` is given the block in which calls count.
    """
    child = os.fork()
    if child == 0:
        code = 3
        try:
            work(hooked(Counter(number, lambda _: os.kill(os.getpid(), signal.SIGKILL)), journal=True))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"the child ended with {status}; see stderr"
    return status != 0
