"""Webhook and Slack against a real web server (SPEC.md 4, 7.9, 7.12)."""

from __future__ import annotations

import gc
import logging
import socket
import ssl
import threading
import time
import traceback
from base64 import b64encode
from pathlib import Path

import pytest
from msgspec import json

from tests.notify.servers import raw_server, web_server
from ullage.errors import DeliveryError
from ullage.model.settings import AlertSettings, Secret
from ullage.notify.send import channels, send

TOKEN = "T0KEN-of-the-hook"


def at(port: int, *, scheme: str = "http", host: str = "127.0.0.1", timeout: float = 5.0) -> AlertSettings:
    url = Secret(f"{scheme}://{host}:{port}/services/{TOKEN}?key={TOKEN}")
    return AlertSettings(webhook=url, slack=url, timeout=timeout)


def failure(settings: AlertSettings, channel: str = "webhook") -> str:
    """The words of the error, after a look for the token in all that a log could hold of it."""
    with pytest.raises(DeliveryError) as caught:
        send(channel, "T", "D", "critical", settings)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None, "the errors underneath quote what they were given"
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def test_a_webhook_gets_exactly_the_body_of_the_specification() -> None:
    with web_server() as web:
        send("webhook", "T", "a\nb", "critical", at(web.port))
    (request,) = web.requests
    assert request.method == "POST"
    assert request.path == f"/services/{TOKEN}?key={TOKEN}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.body == b'{"message":"T","details":"a\\nb","level":"critical"}'


def test_slack_gets_exactly_the_body_of_the_specification() -> None:
    with web_server() as web:
        send("slack", "T", "a\nb", "emergency", at(web.port))
    assert web.requests[0].body == b'{"attachments":[{"color":"danger","title":"T","text":"a\\nb"}]}'


def test_names_that_are_not_text_are_spelled_out_on_the_way() -> None:
    with web_server() as web:
        send("webhook", "T\x1b[2J\n", "a\udcff\nb\x07", "critical", at(web.port))
    body = json.decode(web.requests[0].body)
    assert body == {"message": "T\\x1b[2J\\n", "details": "a\\xff\nb\\x07", "level": "critical"}


def test_a_login_in_the_address_becomes_a_header() -> None:
    with web_server() as web:
        url = Secret(f"http://ops:p%40ss@127.0.0.1:{web.port}/")
        send("webhook", "T", "D", "ok", AlertSettings(webhook=url))
    assert web.requests[0].headers["Authorization"] == "Basic " + b64encode(b"ops:p@ss").decode()


def test_a_login_in_the_address_is_in_no_error() -> None:
    with web_server() as web:
        web.status = 401
        url = Secret(f"http://ops:{TOKEN}@127.0.0.1:{web.port}/")
        assert f"127.0.0.1:{web.port}" in failure(AlertSettings(webhook=url))


def test_any_2xx_is_success() -> None:
    with web_server() as web:
        web.status = 204
        assert send("webhook", "T", "D", "ok", at(web.port)) == ""


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_another_answer_is_a_failure_that_names_host_and_status(status: int) -> None:
    with web_server() as web:
        web.status = status
        words = failure(at(web.port))
    assert f"127.0.0.1:{web.port}" in words
    assert str(status) in words
    assert len(web.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status: int) -> None:
    with web_server() as web, web_server() as other:
        web.status = status
        web.headers = {"Location": f"http://127.0.0.1:{other.port}/{TOKEN}"}
        assert "redirects are not followed" in failure(at(web.port))
    assert other.requests == []


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server() as web, web_server() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        send("webhook", "T", "D", "ok", at(web.port))
    assert proxy.requests == []


def hang(caller: socket.socket) -> None:
    while caller.recv(4096):
        pass


def drip_headers(caller: socket.socket) -> None:
    caller.recv(4096)
    caller.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        caller.sendall(b"x")
        time.sleep(0.05)


def go_on_continuing(caller: socket.socket) -> None:
    while True:
        caller.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.02)


@pytest.mark.parametrize("talk", [hang, drip_headers, go_on_continuing])
def test_a_server_holds_us_no_longer_than_the_time_out(talk: object) -> None:
    assert callable(talk)
    with raw_server(talk) as (port, gone):
        began = time.monotonic()
        assert "no answer in time" in failure(at(port, timeout=0.4))
        assert time.monotonic() - began < 1.5
        assert gone.wait(3), "the connection was left open"


@pytest.mark.usefixtures("trusted")
def test_a_server_that_drips_under_tls_holds_us_no_longer(server_tls: ssl.SSLContext) -> None:
    def drip(caller: socket.socket) -> None:
        with server_tls.wrap_socket(caller, server_side=True) as secure:
            drip_headers(secure)

    with raw_server(drip) as (port, gone):
        assert "no answer in time" in failure(at(port, scheme="https", host="localhost", timeout=0.5))
        assert gone.wait(3), "the connection was left open"


def test_no_thread_and_no_descriptor_is_left_behind() -> None:
    def waiting() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "ullage-notify"]

    def descriptors() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    for thread in waiting():
        thread.join(5)
    with web_server() as web, raw_server(drip_headers) as (port, gone):
        before = descriptors()
        send("webhook", "T", "D", "ok", at(web.port))
        failure(at(port, timeout=0.2))
        assert gone.wait(3)
        for thread in waiting():
            thread.join(3)
        assert waiting() == []
        time.sleep(0.1)  # the web server's thread closes its side
        assert descriptors() <= before


def test_a_huge_answer_is_not_read() -> None:
    sent = 0

    def flood(caller: socket.socket) -> None:
        nonlocal sent
        caller.recv(4096)
        caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1000):
            caller.sendall(bytes(1 << 20))
            sent += 1

    with raw_server(flood) as (port, gone):
        send("webhook", "T", "D", "ok", at(port))
        assert gone.wait(5)
    assert sent < 50


def test_an_answer_that_is_not_http_is_a_failure() -> None:
    def other(caller: socket.socket) -> None:
        caller.recv(4096)
        caller.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")
        caller.recv(4096)

    with raw_server(other) as (port, _):
        assert "not HTTP" in failure(at(port))


def test_a_refused_connection_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = int(closed.getsockname()[1])
    assert "connection refused" in failure(at(port))


def test_a_name_that_does_not_resolve_is_said() -> None:
    assert "does not resolve" in failure(at(80, host="nowhere.invalid", timeout=20))


@pytest.mark.parametrize(
    "url", ["ftp://host/T0KEN", "file:///etc/passwd", "host/T0KEN", "http://[T0KEN", "", "http:///T0KEN"]
)
def test_only_http_and_https_are_spoken(url: str) -> None:
    with pytest.raises(DeliveryError, match="is no http:// or https:// address") as caught:
        send("webhook", "T", "D", "ok", AlertSettings(webhook=Secret(f"{url}-of-the-hook")))
    assert "T0KEN" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.usefixtures("trusted")
def test_https_to_a_trusted_server_works(server_tls: ssl.SSLContext) -> None:
    with web_server(server_tls) as web:
        send("webhook", "T", "D", "ok", at(web.port, scheme="https", host="localhost"))
    assert len(web.requests) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(server_tls: ssl.SSLContext) -> None:
    with web_server(server_tls) as web:
        assert "not to be trusted" in failure(at(web.port, scheme="https", host="localhost"))
    assert web.requests == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_refused(server_tls: ssl.SSLContext) -> None:
    with web_server(server_tls) as web:
        assert "not to be trusted" in failure(at(web.port, scheme="https", host="127.0.0.1"))


def test_no_secret_is_logged_whatever_the_server_sends(caplog: pytest.LogCaptureFixture) -> None:
    def malformed(caller: socket.socket) -> None:
        caller.recv(4096)
        caller.sendall(b"HTTP/1.1 200 OK\r\n: x\r\nno header at all\r\n\r\n")

    with caplog.at_level(logging.DEBUG), raw_server(malformed) as (port, _), web_server() as web:
        send("webhook", "T", "D", "ok", at(port))
        send("webhook", "T", "D", "ok", at(web.port))
        web.status = 500
        failure(at(web.port))
    assert TOKEN not in caplog.text


def test_only_what_is_set_up_is_a_channel() -> None:
    hook = Secret("https://hook")
    assert channels(AlertSettings()) == []
    assert channels(AlertSettings(webhook=hook)) == ["webhook"]
    assert channels(AlertSettings(email="a@b", webhook=hook, slack=hook)) == ["email", "webhook", "slack"]
    assert channels(AlertSettings(email="a@b", webhook=hook, enabled=False)) == []


@pytest.mark.parametrize("channel", ["email", "webhook", "slack", "pigeon"])
def test_a_channel_that_is_not_set_up_is_a_failure(channel: str) -> None:
    with pytest.raises(DeliveryError, match=channel):
        send(channel, "T", "D", "ok", AlertSettings())
