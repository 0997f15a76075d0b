"""The n-th system call of a real process and of all it starts: counted, made the last one, or made to fail.

The work is done by a fork of this process, in which everything is imported already; what it does before its work is
not counted. Linux on x86_64 and aarch64.
"""

from __future__ import annotations

import ctypes
import os
import platform
import random
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

from tests.crash.syscalls import CLOSE, Calls

TRACEBACK = 70
"""The exit code of work that raised."""
_TRACEME, _CONT, _DETACH, _SYSCALL = 0, 7, 17, 24
_SETOPTIONS, _GETREGSET, _SETREGSET, _SYSCALL_INFO = 0x4200, 0x4204, 0x4205, 0x420E
# TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, TRACESECCOMP, EXITKILL
_OPTIONS = 1 | 2 | 4 | 8 | 16 | 1 << 7 | 1 << 20
_WALL = 0x40000000
_AT_SYSCALL = signal.SIGTRAP | 0x80
_AT_FILTERED = 7  # PTRACE_EVENT_SECCOMP
_SET_SECCOMP, _ALLOW, _TRACE = 22, 0x7FFF0000, 0x7FF00000
_NT_PRSTATUS, _NT_ARM_SYSTEM_CALL = 1, 0x404
_NEWNS, _NEWPID, _PRIVATE, _PDEATHSIG = 0x20000, 0x20000000, 0x44000, 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class _Registers(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def why_not() -> str | None:
    """Why no process can be traced here, or None where one can."""
    if platform.machine() not in ("x86_64", "aarch64"):
        return f"the registers of {platform.machine()} are not known"
    try:
        ended = run(lambda: 7, Point(0))
    except OSError as error:
        return f"cannot trace a process here: {error.strerror}"
    return None if ended.code == 7 else f"a traced process ends with {ended.code} here"


@dataclass(frozen=True)
class Point:
    """The ``number``-th of these calls (from 1; of all, without them) meets SIGKILL, or the error ``code``.

    ``late``: the call is carried out, and the error is said all the same.
    """

    number: int
    calls: Calls | None = None
    code: int = 0
    late: bool = False


@dataclass
class Ended:
    """How the work came to its end. ``count``: the calls that counted; ``struck``: the one that was struck.

    ``code`` is the exit code of the process, negative where a signal ended it.
    """

    count: int = 0
    struck: int | None = None
    code: int = 0


def run(work: Callable[[], int], point: Point, output: Path | None = None) -> Ended:
    """How ``work``, whose value is the exit code, ended in a child that was struck at that point.

    It is the process that is killed, and not what it has started, as when an operator kills it. ``output``: the file
    that what it prints is appended to.
    """
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(list(processors))})  # twice as fast: the two take turns anyway
    try:
        child = _fork()
        if child == 0:
            _do(work, output, lambda: _be_traced(point.calls))
        return _Tracing(child, point).follow()
    finally:
        os.sched_setaffinity(0, processors)


def untouched(work: Callable[[], int], output: Path) -> int:
    """The exit code of the same work, neither traced nor counted."""
    child = _fork()
    if child == 0:
        _do(work, output)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _do(work: Callable[[], int], output: Path | None, first: Callable[[], None] = lambda: None) -> NoReturn:
    code = TRACEBACK
    try:
        if output is not None:
            _print_to(output)
        _see_own_processes()
        first()
        code = work()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _be_traced(calls: Calls | None) -> None:
    os.setpgid(0, 0)
    _ptrace(_TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    if calls is not None:
        _stop_only_at(calls.numbers)


def _print_to(output: Path) -> None:
    fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)


@cache
def _alone() -> int:
    """A namespace of processes of our own, so that a look through /proc is as long whatever else runs here."""
    before = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    _checked(_libc.unshare(_NEWPID))
    if os.fork() == 0:
        _libc.prctl(_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            signal.pause()
    alone = os.open("/proc/self/ns/pid_for_children", os.O_RDONLY | os.O_CLOEXEC)
    _checked(_libc.setns(before, _NEWPID))
    os.close(before)
    return alone


def _fork() -> int:
    alone = _alone()
    home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    _checked(_libc.setns(alone, _NEWPID))
    child = os.fork()
    if child:
        _checked(_libc.setns(home, _NEWPID))
    os.close(home)
    return child


def _see_own_processes() -> None:
    _checked(_libc.unshare(_NEWNS))
    _checked(_libc.mount(None, b"/", None, _PRIVATE, None))
    _checked(_libc.mount(b"proc", b"/proc", b"proc", 0, None))


def _checked(result: int) -> None:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _stop_only_at(numbers: frozenset[int]) -> None:
    """A filter (seccomp) that makes these calls a stop and no others: a stop costs more than most calls."""
    lines = [struct.pack("=HBBI", 0x20, 0, 0, 0)]  # load the number
    for left, number in zip(range(len(numbers), 0, -1), sorted(numbers), strict=True):
        lines.append(struct.pack("=HBBI", 0x15, left, 0, number))  # jump to the end if it is this one
    lines += [struct.pack("=HBBI", 0x06, 0, 0, result) for result in (_ALLOW, _TRACE)]
    program = ctypes.create_string_buffer(b"".join(lines))
    head = struct.pack("@HP", len(lines), ctypes.addressof(program))
    _checked(_libc.prctl(_SET_SECCOMP, 2, head, 0, 0))


class _Tracing:
    """One child and what it starts, from its first stop to its end."""

    def __init__(self, child: int, point: Point) -> None:
        self._child = child
        self._point = point
        self._ended = Ended()
        self._tracees = {child}
        self._going_on = _SYSCALL if point.calls is None else _CONT
        self._in_call: set[int] = set()
        self._failing: set[int] = set()
        self._killed = False

    def follow(self) -> Ended:
        """How the child ended; what it has started is let go by then, or has ended too."""
        _, status = os.waitpid(self._child, os.WUNTRACED)
        assert os.WIFSTOPPED(status), status
        _ptrace(_SETOPTIONS, self._child, _OPTIONS)
        _ptrace(self._going_on, self._child)
        while self._tracees:
            tid, status = os.waitpid(-self._child, _WALL)
            if not os.WIFSTOPPED(status):
                self._gone(tid, status)
                continue
            with suppress(ProcessLookupError):  # killed meanwhile: its end is told next
                self._stopped(tid, status)
        return self._ended

    def _gone(self, tid: int, status: int) -> None:
        self._tracees.discard(tid)
        if tid == self._child:
            self._ended.code = os.waitstatus_to_exitcode(status)

    def _stopped(self, tid: int, status: int) -> None:
        number, event = os.WSTOPSIG(status), status >> 16
        ours = number == _AT_SYSCALL or event or (tid not in self._tracees and number == signal.SIGSTOP)
        self._tracees.add(tid)
        if event == _AT_FILTERED:
            self._entering(tid)
        elif number == _AT_SYSCALL:
            self._at_call(tid)
        going_on = _SYSCALL if tid in self._failing else self._going_on
        if self._killed and tid != self._child and self._going_on == _SYSCALL:
            going_on = _DETACH  # it goes on while the next start recovers
            self._tracees.discard(tid)
        _ptrace(going_on, tid, 0 if ours else number)

    def _at_call(self, tid: int) -> None:
        if tid in self._failing:
            self._failing.discard(tid)
            self._in_call.discard(tid)
            _answer(tid, -self._point.code)
        elif tid in self._in_call:
            self._in_call.discard(tid)
        else:
            self._in_call.add(tid)
            self._entering(tid)

    def _entering(self, tid: int) -> None:
        point, ended = self._point, self._ended
        number, *arguments = _call(tid)
        if self._killed or (point.calls is not None and not point.calls.holds(number, arguments)):
            return
        ended.count += 1
        if ended.count != point.number:
            return
        ended.struck = number
        if not point.code:
            self._killed = True
            os.kill(self._child, signal.SIGKILL)
            return
        self._failing.add(tid)
        if not point.late and number != CLOSE:  # a close that fails has closed all the same
            _skip(tid)


def _ptrace(request: int, tid: int, data: int = 0, address: int = 0) -> int:
    result = int(_libc.ptrace(request, tid, address, data))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _call(tid: int) -> tuple[int, ...]:
    """The number and the arguments of the call that is about to be made."""
    _ptrace(_SYSCALL_INFO, tid, ctypes.addressof(_INFO), len(_INFO))
    return struct.unpack_from("=7Q", _INFO, 24)


_INFO = ctypes.create_string_buffer(88)


def _skip(tid: int) -> None:
    """Nothing is carried out in the place of the call."""
    if platform.machine() == "aarch64":
        _set(tid, _NT_ARM_SYSTEM_CALL, struct.pack("=i", -1))
    else:
        _change(tid, 15, -1)  # orig_rax of struct user_regs_struct


def _answer(tid: int, value: int) -> None:
    _change(tid, 0 if platform.machine() == "aarch64" else 10, value)  # x0, rax


def _change(tid: int, index: int, value: int) -> None:
    registers = ctypes.create_string_buffer(8 * 40)
    vector = _Registers(ctypes.addressof(registers), len(registers))
    _ptrace(_GETREGSET, tid, ctypes.addressof(vector), _NT_PRSTATUS)
    struct.pack_into("=q", registers, 8 * index, value)
    _ptrace(_SETREGSET, tid, ctypes.addressof(vector), _NT_PRSTATUS)


def _set(tid: int, kind: int, content: bytes) -> None:
    data = ctypes.create_string_buffer(content, len(content))
    vector = _Registers(ctypes.addressof(data), len(content))
    _ptrace(_SETREGSET, tid, ctypes.addressof(vector), kind)
