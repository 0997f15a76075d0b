"""E-mail through a real SMTP server (SPEC.md 4, 7.9, 7.11, 7.12)."""

from __future__ import annotations

import logging
import socket
import ssl
import time
import traceback
from base64 import b64encode
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.notify.servers import Mailbox, mail_server, raw_server
from ullage.errors import DeliveryError
from ullage.model.settings import AlertSettings, Secret, SmtpSettings
from ullage.notify.send import send

PASSWORD = "hunter2-and-more"
SPELLINGS = (PASSWORD, b64encode(PASSWORD.encode()).decode(), b64encode(f"\0ops\0{PASSWORD}".encode()).decode())


def by(port: int, *, to: str = "ops@example.org", timeout: float = 5.0, **smtp: Any) -> AlertSettings:
    host = str(smtp.pop("host", "127.0.0.1"))
    return AlertSettings(email=to, timeout=timeout, smtp=SmtpSettings(host=host, port=port, **smtp))


def login() -> dict[str, Any]:
    return {"user": "ops", "password": Secret(PASSWORD)}


def failure(settings: AlertSettings) -> str:
    """The words of the error, after a look for the password in all that a log could hold of it."""
    with pytest.raises(DeliveryError) as caught:
        send("email", "T", "D", "critical", settings)
    everything = "".join(traceback.format_exception(caught.value))
    assert not any(spelling in everything for spelling in SPELLINGS)
    assert caught.value.__cause__ is None, "the errors underneath quote what they were given"
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def received(envelope: Envelope) -> EmailMessage:
    assert isinstance(envelope.content, bytes)
    return message_from_bytes(envelope.content, policy=default)


def authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
) -> AuthResult:
    return AuthResult(success=data.login == b"ops" and data.password == PASSWORD.encode(), handled=False)


GUARDED: dict[str, Any] = {"authenticator": authenticate, "auth_required": True}
GUARDED_IN_CLEAR = {**GUARDED, "auth_require_tls": False}
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


def test_a_mail_arrives_with_subject_text_date_and_id() -> None:
    box = Mailbox()
    with mail_server(box) as port:
        assert send("email", "ALERT: 91.2%", "Größe\nzwei", "critical", by(port)) == ""
    (envelope,) = box.mails
    mail = received(envelope)
    assert envelope.mail_from == f"ullage@{socket.gethostname()}"
    assert envelope.rcpt_tos == ["ops@example.org"]
    assert mail["Subject"] == "ALERT: 91.2%"
    assert mail["From"] == f"ullage@{socket.gethostname()}"
    assert mail["To"] == "ops@example.org"
    assert abs(parsedate_to_datetime(mail["Date"]).timestamp() - time.time()) < 60
    assert mail["Message-ID"].startswith("<")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().replace("\r\n", "\n") == "Größe\nzwei\n"
    assert isinstance(envelope.content, bytes)
    assert envelope.content.isascii(), "an old server takes nothing else"


def test_no_name_server_is_asked_for_our_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: pytest.fail("it may not answer"))
    box = Mailbox()
    with mail_server(box) as port:
        send("email", "T", "D", "ok", by(port))
    assert len(box.mails) == 1


def test_several_recipients_each_get_it() -> None:
    box = Mailbox()
    with mail_server(box) as port:
        send("email", "T", "D", "ok", by(port, to="Ops <a@example.org>, b@example.org", sender="Disk <d@example.org>"))
    assert box.mails[0].rcpt_tos == ["a@example.org", "b@example.org"]
    assert box.mails[0].mail_from == "d@example.org"


def test_a_title_with_line_breaks_and_escapes_makes_no_header() -> None:
    box = Mailbox()
    with mail_server(box) as port:
        send("email", "T\r\nBcc: evil@example.org\n\nbody\x1b[2J\udcff\u2028", "D", "ok", by(port))
    mail = received(box.mails[0])
    assert mail["Bcc"] is None
    assert mail["Subject"] == "T\\r\\nBcc: evil@example.org\\n\\nbody\\x1b[2J\\xff\\u2028"
    assert box.mails[0].rcpt_tos == ["ops@example.org"]


def test_a_line_of_the_details_neither_ends_the_mail_nor_passes_the_limit_of_smtp() -> None:
    box = Mailbox()
    details = "one\n.\nQUIT\n" + "x" * 5000 + "\nlast \udcff\x00"
    with mail_server(box) as port:
        send("email", "T", details, "ok", by(port))
    assert received(box.mails[0]).get_content().replace("\r\n", "\n") == details[:-2] + "\\xff\\x00\n"


@pytest.mark.parametrize("to", ["a@b\r\nBcc: c@d", "ops@exa mple.org\n", "a@b; c@d", ",", "no\udcff@example.org"])
def test_an_address_that_is_none_is_a_failure_and_goes_nowhere_else(to: str) -> None:
    box = Mailbox()
    with mail_server(box) as port, pytest.raises(DeliveryError):
        send("email", "T", "D", "ok", by(port, to=to))
    assert box.mails == []


@pytest.mark.usefixtures("trusted")
def test_starttls_encrypts_before_the_mail(server_tls: ssl.SSLContext) -> None:
    box = Mailbox()
    with mail_server(box, tls_context=server_tls, require_starttls=True) as port:
        send("email", "T", "D", "ok", by(port, host="localhost", security="starttls"))
    assert box.secure == [True]


@pytest.mark.usefixtures("trusted")
def test_tls_encrypts_from_the_first_byte(server_tls: ssl.SSLContext) -> None:
    box = Mailbox()
    with mail_server(box, tls=server_tls) as port:
        send("email", "T", "D", "ok", by(port, host="localhost", security="tls"))
    assert len(box.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(server_tls: ssl.SSLContext, security: str) -> None:
    box = Mailbox()
    first: dict[str, Any] = {"tls": server_tls} if security == "tls" else {"tls_context": server_tls}
    with mail_server(box, **first) as port:
        assert "not to be trusted" in failure(by(port, host="localhost", security=security))
    assert box.mails == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_for_another_name_is_refused(server_tls: ssl.SSLContext, security: str) -> None:
    box = Mailbox()
    first: dict[str, Any] = {"tls": server_tls} if security == "tls" else {"tls_context": server_tls}
    with mail_server(box, **first) as port:
        assert "not to be trusted" in failure(by(port, security=security))
    assert box.mails == []


def test_where_starttls_is_asked_for_and_not_offered_nothing_is_sent() -> None:
    box = Mailbox()
    with mail_server(box) as port:
        assert "STARTTLS" in failure(by(port, security="starttls", **login()))
    assert box.mails == []


@pytest.mark.usefixtures("trusted")
def test_a_login_opens_the_server(server_tls: ssl.SSLContext) -> None:
    box = Mailbox()
    with mail_server(box, tls_context=server_tls, **GUARDED, auth_exclude_mechanism=["PLAIN"]) as port:
        send("email", "T", "D", "ok", by(port, host="localhost", security="starttls", **login()))
    assert len(box.mails) == 1


def test_a_refused_login_is_said_in_the_servers_words() -> None:
    with mail_server(Mailbox(), **GUARDED_IN_CLEAR) as port:
        words = failure(by(port, user="ops", password=Secret(PASSWORD + "x")))
    assert "login was refused: 535" in words


def test_a_server_that_knows_no_login_is_said() -> None:
    with mail_server(Mailbox()) as port:
        assert "AUTH" in failure(by(port, **login()))


@pytest.mark.parametrize("spelling", [f"AUTH PLAIN {SPELLINGS[2]}", PASSWORD, SPELLINGS[1]])
def test_a_server_that_quotes_the_password_does_not_get_it_into_an_error(spelling: str) -> None:
    def quote(caller: socket.socket) -> None:
        caller.sendall(b"220 hi\r\n")
        caller.recv(4096)
        caller.sendall(b"250-test\r\n250 AUTH PLAIN\r\n")
        while caller.recv(4096):
            caller.sendall(f"535 what is {spelling}\r\n".encode())

    with raw_server(quote) as (port, _):
        assert "what is" in failure(by(port, **login()))


def test_an_unknown_recipient_is_said_with_the_servers_words() -> None:
    box = Mailbox()
    box.unknown = {"ops@example.org"}
    with mail_server(box) as port:
        words = failure(by(port))
    assert f"127.0.0.1:{port}" in words
    assert "ops@example.org was refused: 550 5.1.1 no such user here" in words


def test_where_one_of_two_recipients_is_refused_the_other_gets_it_once_and_the_remark_says_so() -> None:
    box = Mailbox()
    box.unknown = {"b@example.org"}
    with mail_server(box) as port:
        remark = send("email", "T", "D", "ok", by(port, to="a@example.org, b@example.org"))
    assert box.mails[0].rcpt_tos == ["a@example.org"]
    assert "b@example.org was refused: 550" in remark


def test_a_server_that_is_down_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = int(closed.getsockname()[1])
    assert "connection refused" in failure(by(port))


def test_a_name_that_does_not_resolve_is_said() -> None:
    assert "does not resolve" in failure(by(25, host="nowhere.invalid", timeout=20))


def silent(caller: socket.socket) -> None:
    while caller.recv(4096):
        pass


def drip_greeting(caller: socket.socket) -> None:
    while True:
        caller.sendall(b"220-x\r\n")
        time.sleep(0.02)


def drip_after_hello(caller: socket.socket) -> None:
    caller.sendall(b"220 hi\r\n")
    caller.recv(4096)
    while True:
        caller.sendall(b"2")
        time.sleep(0.02)


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@pytest.mark.parametrize("talk", [silent, drip_greeting, drip_after_hello])
def test_a_server_holds_us_no_longer_than_the_time_out(talk: object, security: str) -> None:
    assert callable(talk)
    with raw_server(talk) as (port, gone):
        began = time.monotonic()
        failure(by(port, timeout=0.3, security=security))
        assert time.monotonic() - began < 1.3
        assert gone.wait(3), "the connection was left open"


def test_a_server_that_is_slow_to_part_has_taken_the_mail_all_the_same() -> None:
    box = Mailbox()
    box.quit_takes = 3.0
    with mail_server(box) as port:
        began = time.monotonic()
        send("email", "T", "D", "ok", by(port, timeout=1.0))
    assert time.monotonic() - began < 1.0
    assert len(box.mails) == 1


def test_a_server_that_hangs_up_in_the_middle_is_said() -> None:
    with raw_server(lambda caller: caller.sendall(b"220 hi\r\n")) as (port, _):
        assert "closed" in failure(by(port))


def test_a_password_beyond_ascii_is_a_failure_that_does_not_quote_it() -> None:
    with mail_server(Mailbox(), **GUARDED_IN_CLEAR) as port, pytest.raises(DeliveryError) as caught:
        send("email", "T", "D", "ok", by(port, user="ops", password=Secret("sécret-word")))
    assert "password in the settings cannot be sent" in str(caught.value)
    assert "cret-word" not in str(caught.value)


def test_no_password_is_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG, "")
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd's own, the server's side
    with mail_server(Mailbox(), **GUARDED_IN_CLEAR) as port:
        send("email", "T", "D", "ok", by(port, **login()))
        failure(by(port, user="ops", password=Secret(PASSWORD + "x")))
    shown = caplog.text + "".join(capfd.readouterr())
    assert not any(spelling in shown for spelling in SPELLINGS)
