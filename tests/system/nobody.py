"""Runs a part of a test without any privilege."""

from __future__ import annotations

import ctypes
import os
import traceback
from collections.abc import Callable

import pytest

NOBODY = 65534
_PR_SET_DUMPABLE = 4


def as_nobody(part: Callable[[], None]) -> None:
    """Runs ``part`` in a child process as nobody (as ourselves where we are not root); fails where it does."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1)  # else /proc/self is root's
            part()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        pytest.fail("it failed as nobody; see stderr")
