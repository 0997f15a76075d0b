"""One e-mail over SMTP. Certificates are verified against the system's, or those of ``SSL_CERT_FILE``."""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
from base64 import b64encode
from contextlib import closing, suppress
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, getaddresses, make_msgid

from ullage.errors import DeliveryError
from ullage.model.settings import SmtpSettings
from ullage.model.units import printable
from ullage.notify.network import Deadline, bounded, why

_Refused = dict[str, tuple[int, bytes]]


def deliver(recipients: str, title: str, details: str, smtp: SmtpSettings, seconds: float) -> str:
    """A remark about recipients that the server refused, empty where it took all, within ``seconds`` in all.

    ``recipients`` are addresses with commas between. Raises DeliveryError where the server took it for nobody.
    """
    failed = f"cannot send mail by {printable(smtp.host)}:{smtp.port}"
    try:
        mail = _composed(recipients, title, details, smtp)
        refused = bounded(lambda deadline: _exchange(mail, smtp, seconds, deadline), seconds)
    except smtplib.SMTPException as error:
        raise DeliveryError(f"{failed}: {_said(error, smtp)}") from None
    except (OSError, ValueError, MessageError) as error:
        raise DeliveryError(f"{failed}: {why(error)}; are alerts.smtp_* right, and the server up?") from None
    return f"{failed} to everyone: {_refusals(refused, smtp)}" if refused else ""


def _composed(recipients: str, title: str, details: str, smtp: SmtpSettings) -> EmailMessage:
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))  # any server takes that
    mail["From"] = smtp.sender or f"ullage@{socket.gethostname()}"
    mail["To"] = recipients
    _check_addresses(mail, recipients)
    mail["Subject"] = title
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain=socket.gethostname())
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes in answer
    mail.set_content(details)
    return mail


def _check_addresses(mail: EmailMessage, recipients: str) -> None:
    """Raises ValueError unless two readers of addresses find the same: ``a@exa mple.org`` goes to nobody else."""
    read = [address for _, address in getaddresses([recipients]) if address]
    if not read or read != [address.addr_spec for address in mail["To"].addresses]:
        raise ValueError(recipients)


def _exchange(mail: EmailMessage, smtp: SmtpSettings, seconds: float, deadline: Deadline) -> _Refused:
    """The recipients that were refused, when the server has taken the mail for others."""
    with closing(_Client(smtp, seconds, deadline)) as client:
        if smtp.security == "starttls":
            client.starttls(context=ssl.create_default_context())
        if smtp.user is not None and smtp.password is not None:
            client.login(smtp.user, smtp.password.reveal())
        refused = client.send_message(mail)
        with suppress(OSError, smtplib.SMTPException):
            client.putcmd("quit")  # its answer is not awaited: the mail is taken, and must not go twice
        return refused


class _Client(smtplib.SMTP):
    """An SMTP client whose connection the deadline can cut, from the greeting on."""

    def __init__(self, smtp: SmtpSettings, seconds: float, deadline: Deadline) -> None:
        self._deadline = deadline
        self._tls = ssl.create_default_context() if smtp.security == "tls" else None
        super().__init__(smtp.host, smtp.port, local_hostname=_own_name(), timeout=seconds)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        self._deadline.watch(connection)
        return self._tls.wrap_socket(connection, server_hostname=host) if self._tls else connection


def _own_name() -> str:
    """The name to greet with, without asking a name server that may not answer."""
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"


def _said(error: smtplib.SMTPException, smtp: SmtpSettings) -> str:
    """What the server said, or what became of it."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _refusals(error.recipients, smtp)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the login was refused: {_answer(error.smtp_code, error.smtp_error, smtp)}; see alerts.smtp_user"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server refused: {_answer(error.smtp_code, error.smtp_error, smtp)}"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the connection was closed in the middle; is alerts.smtp_security right for this port?"
    return f"{error} See alerts.smtp_security and alerts.smtp_user."


def _refusals(refused: _Refused, smtp: SmtpSettings) -> str:
    return "; ".join(f"{printable(name)} was refused: {_answer(*said, smtp)}" for name, said in refused.items())


def _answer(code: int, text: bytes | str, smtp: SmtpSettings) -> str:
    """Code and words of the server's answer, short, and without our password where it quotes it back."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for secret in _spellings(smtp):
        words = words.replace(secret, "***")
    return f"{code} {printable(' '.join(words.split()))[:200]}"


def _spellings(smtp: SmtpSettings) -> list[str]:
    """The password as it is, and as the ways to log in spell it; longest first."""
    if smtp.password is None or not smtp.password.reveal():
        return []
    password = smtp.password.reveal()
    plain = f"\0{smtp.user}\0{password}"
    return [*(b64encode(os.fsencode(text)).decode() for text in (plain, password)), password]
