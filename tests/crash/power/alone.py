"""A process with mounts of its own: whoever copied ours meanwhile would keep a disk in use after its cut."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from typing import TypeVar

from tests.loops import run

T = TypeVar("T")
_CLONE_NEWNS = 0x00020000


def alone(work: Callable[[], T]) -> T:
    """What ``work`` gives in such a child, with which its mounts are gone. Raises AssertionError with its traceback."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(work, writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as answer:
            given, error = pickle.loads(answer.read() or pickle.dumps((None, "the child was killed")))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert not error, error
    result: T = given
    return result


def _answer(work: Callable[[], object], writing: int) -> None:
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.unshare(_CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        run("mount", "--make-rprivate", "/")
        answer = work(), ""
    except BaseException:
        answer = None, traceback.format_exc()
    with os.fdopen(writing, "wb") as pipe:
        pickle.dump(answer, pipe)
    os._exit(0)
