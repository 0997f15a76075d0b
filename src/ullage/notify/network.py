"""Waiting for a server, never longer than was allowed; and why it went wrong, in words without secrets."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from http.client import HTTPException
from threading import Lock, Thread
from typing import TypeVar

T = TypeVar("T")


class Deadline:
    """The end of the time that one exchange has; then its connection is cut, whatever it is waiting for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._passed = False
        self._watched: socket.socket | None = None

    def watch(self, connection: socket.socket) -> None:
        """Cut this connection when the time is up. Where it is up already: closes it, and raises TimeoutError."""
        with self._lock:
            if self._passed:
                connection.close()  # the error may keep it alive for long
                raise TimeoutError
            # A descriptor of our own: TLS takes the socket's away and puts it into another object.
            self._watched = socket.socket(fileno=os.dup(connection.fileno()))

    def cut(self) -> None:
        """The time is up, or the work is done."""
        with self._lock:
            self._passed = True
            if self._watched is not None:
                with self._watched, suppress(OSError):  # it may be closed by now
                    self._watched.shutdown(socket.SHUT_RDWR)


def bounded(work: Callable[[Deadline], T], seconds: float) -> T:
    """What ``work`` returns, or its error, or TimeoutError after ``seconds``, whatever a server does.

    A socket's own time-out starts anew with every byte, and looking up a name has none: so the work has a thread, which
    is left behind when the time is up. It ends soon, because the connection that it has the deadline watch is cut.
    """
    deadline = Deadline()
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work(deadline))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True, name="ullage-notify").start()
    try:
        return future.result(seconds)
    finally:
        deadline.cut()


_REASONS: tuple[tuple[type[BaseException], str], ...] = (  # the first that fits
    (socket.gaierror, "the name does not resolve"),
    (ssl.SSLCertVerificationError, "the certificate is not to be trusted"),
    (ssl.SSLError, "the TLS connection failed; does the server speak TLS at this port?"),
    (TimeoutError, "no answer in time"),
    (HTTPException, "the connection was closed, or the answer is not HTTP"),
    (ValueError, "an address, a name or a password in the settings cannot be sent as it is"),
)


def why(error: BaseException) -> str:
    """What went wrong, for a person. Never the error's own text, which may quote a URL or a password."""
    root = error.__cause__ or error  # urllib3 wraps the error of the socket
    for kind, words in _REASONS:
        if isinstance(root, kind):
            return f"{words} ({root.verify_message})" if isinstance(root, ssl.SSLCertVerificationError) else words
    if isinstance(root, OSError) and root.strerror:
        return root.strerror.lower()
    return f"unexpected {type(root).__name__}"
