"""Keeps a filesystem that hangs from hanging us: its answers are waited for in threads that may be left behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from ullage.errors import Unavailable
from ullage.model.units import format_age, printable

T = TypeVar("T")


class Guard:
    """Asks, waits so long and no longer. Whoever did not answer is not asked again until that call has come back."""

    def __init__(self) -> None:
        self._hung: dict[str, tuple[Event, float]] = {}
        self._lock = Lock()

    def answer(self, key: str, seconds: float, call: Callable[[], T]) -> T:
        """What ``call`` returns or raises. Raises Unavailable after ``seconds``, and at once while ``key`` hangs.

        ``key`` names who is asked, for a person. A late answer is thrown away: let the call change nothing, and hold
        nothing. The thread is a daemon: one that hangs does not keep the interpreter from ending.
        """
        self._refuse_hung(key)
        began = time.monotonic()
        errand = _Errand(key, call)
        try:
            errand.start()
        except RuntimeError as error:
            raise Unavailable(f"cannot ask {printable(key)}: {error}; there are too many processes") from error
        if not errand.done.wait(seconds):
            with self._lock:
                self._hung[key] = (errand.done, began)
            raise _silent(key, seconds)
        if errand.error is not None:
            raise errand.error
        return errand.results[0]

    def _refuse_hung(self, key: str) -> None:
        with self._lock:
            if key not in self._hung:
                return
            done, began = self._hung[key]
            if not done.is_set():
                raise _silent(key, time.monotonic() - began)
            del self._hung[key]


class _Errand(Thread, Generic[T]):
    """One call in its own thread; ``results`` or ``error`` once it is ``done``."""

    def __init__(self, key: str, call: Callable[[], T]) -> None:
        super().__init__(name=f"ullage asks {key}", daemon=True)
        self._call = call
        self.done = Event()
        self.results: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.results.append(self._call())
        except BaseException as error:  # whatever it is, it belongs to whoever asked
            self.error = error
        finally:
            self.done.set()


def _silent(key: str, seconds: float) -> Unavailable:
    return Unavailable(f"{printable(key)} has not answered for {_waited(seconds)}; is the disk or server gone?")


def _waited(seconds: float) -> str:
    return format_age(seconds) if seconds >= 60 else f"{seconds:.2g} s"
