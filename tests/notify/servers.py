"""Real servers on loopback for the tests of alerts."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, Envelope, Session


class Request(NamedTuple):
    """What a web server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Web:
    """An HTTP server that notes every request and answers with ``status`` and ``headers``; ``close`` drops the line."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b"ok"
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = int(self.server.server_address[1])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.title(): value for name, value in self.headers.items()}
                web.requests.append(Request("POST", self.path, headers, body))
                self.send_response(web.status)
                for name, value in web.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(web.body)

            def do_GET(self) -> None:
                web.requests.append(Request("GET", self.path, dict(self.headers), b""))
                self.send_error(400)

            def log_message(self, format: str, *_args: Any) -> None:  # noqa: A002
                """Nothing: the tests look at ``requests``."""

        return Handler


@contextmanager
def web_server(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A running ``Web``."""
    web = Web(tls)
    thread = Thread(target=web.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.server.shutdown()
        web.server.server_close()


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[tuple[int, Event]]:
    """The port of a server that has ``talk`` with every caller, and an event: the caller has gone."""
    listener = socket.create_server(("127.0.0.1", 0))
    gone = Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listener.accept()
                with caller, suppress(OSError):
                    talk(caller)
                gone.set()

    Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1]), gone
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


class Mailbox:
    """A handler of aiosmtpd that keeps what it gets, and refuses the recipients in ``unknown``."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.secure: list[bool] = []
        self.unknown: set[str] = set()
        self.quit_takes = 0.0

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.unknown:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        self.mails.append(envelope)
        self.secure.append(session.ssl is not None)
        return "250 taken"

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:
        await asyncio.sleep(self.quit_takes)
        return "221 bye"


@contextmanager
def mail_server(mailbox: Mailbox, *, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    """The port of a real SMTP server; ``tls`` from the first byte on, ``options`` go to aiosmtpd."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: SMTP(mailbox, hostname="test", loop=loop, **options), "127.0.0.1", 0, ssl=tls)
    )
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
