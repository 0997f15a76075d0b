"""SPEC.md 7.11 and 7.12 over a full run: every command and the daemon, real servers, evil names, unique secrets."""

from __future__ import annotations

import os
import re
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from msgspec import json

from tests.cli.conftest import fill
from tests.cli.workplace import Ran, Workplace
from tests.e2e.command import wait_for
from tests.notify.servers import Mailbox, Web, mail_server, raw_server, web_server
from ullage.cli.main import COMMANDS

WEBHOOK, SLACK, PASSWORD = (f"s3cret-{word}-{os.urandom(6).hex()}" for word in ("webhook", "slack", "password"))
SECRETS = {
    form.encode()
    for secret in (WEBHOOK, SLACK, PASSWORD)
    for form in (secret, secret[::-1], b64encode(secret.encode()).decode(), secret.encode().hex())
} | {b64encode(f"\0ops\0{PASSWORD}".encode())}
EVIL = "<!channel> & <http:evil|x>\nullage: all is well\r\nBcc: all@example.org\x1b[2J\u202e" + os.fsdecode(b"\xff")
CALL = "<!channel> & <http:evil|x>"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]")

RUN = """
init|start|status|start|restart|stop|stop|start --dry-run
config show|config check|config systemd|config import SEED|list|show db-20260101|plan|plan nuclear 5
explain db-20260101|explain none|plan --save PLAN --until 99%free|apply PLAN|apply SEED|simulate --days 30
history|check|doctor|clock|clock accept|resume|pin db-20260102|unpin db-20260102|alert test|trash|undo
archive db-20260103 --yes|restore db-20260103|transition db-20260104 PENDING|delete db-20260104 --yes
run --series etc true
trash empty --yes|cleanup moderate 1 --dry-run|cleanup moderate 1 --yes|monitor|emergency --yes
show none|list --store none|plan nonsense|alert test --store none|--help|demo --help
"""
LINES = [line for part in RUN.splitlines() for line in part.split("|") if line]


@contextmanager
def _alerts(web: int, mail: int, store: Workplace, **more: str) -> Iterator[str]:
    """Tables that send alerts there, with a secret in each of the ways to give one."""
    for name, text in (("slack", f"http://127.0.0.1:{web}/{SLACK}"), ("password", PASSWORD)):
        (store.path / name).write_text(f"{text}\n")
        (store.path / name).chmod(0o600)
    lines = {
        "email": '"ops@example.org"',
        "webhook": f'"http://127.0.0.1:{web}/{WEBHOOK}?key={WEBHOOK}"',
        "slack_file": f'"{store.path}/slack"',
        "smtp_host": '"127.0.0.1"',
        "smtp_port": str(mail),
        "timeout": '"2 s"',
    } | more
    yield "\n".join(("[stores.main.alerts]", *(f"{key} = {value}" for key, value in lines.items()))) + QUICK


QUICK = '\n[stores.main.monitor]\ninterval = "200 ms"\n[stores.main.reclaim]\ngrace = "0 s"\n'


def _quotes(caller: socket.socket) -> None:
    """A mail server that refuses every login and says it back."""
    caller.sendall(b"220 test\r\n")
    while line := caller.recv(4096):
        verb = line.split()[0].upper() if line.split() else b""
        if verb == b"EHLO":
            caller.sendall(b"250-test\r\n250 AUTH PLAIN LOGIN\r\n")
        elif verb == b"AUTH":
            caller.sendall(b"535 5.7.8 not with " + line.strip() + b" " + PASSWORD.encode() + b"\r\n")
        else:
            caller.sendall(b"535 no\r\n")


@pytest.fixture
def store(tmp_path: Path) -> Workplace:
    """A registered store of three, in a place whose name Slack would take for a call."""
    (path := tmp_path / CALL).mkdir()
    place = Workplace(path)
    fill(place)
    return place


@pytest.fixture
def run(store: Workplace) -> Workplace:
    """A store with something for every command to act on."""
    store.backup("db-20260104", "CREATED", age=10 * 86400, size=9000)
    store.backup("db-20260105", "CONFIRMED", age=86400)
    (store.path / "seed.conf").write_text(f"BACKUP_ROOT={store.backups}\nARCHIVE_ROOT={store.archives}\n")
    return store


def test_the_run_below_is_of_every_command() -> None:
    assert {line.split()[0] for line in LINES} >= set(COMMANDS)


def _no_secret(where: str, data: bytes) -> None:
    found = [secret for secret in SECRETS if secret in data]
    assert not found, f"{where}: {data!r}"


def test_no_secret_is_in_any_output_log_process_list_or_file_of_ours(run: Workplace) -> None:
    """Each secret is sent, and refused by a server that quotes it; then all that can be read is searched for them."""
    with ExitStack() as stack:
        web = stack.enter_context(web_server())
        web.status, web.body = 500, f"no {WEBHOOK} {SLACK}".encode()
        web.headers = {"Location": f"http://127.0.0.1/{WEBHOOK}", "X-Quoted": SLACK}
        mail, _gone = stack.enter_context(raw_server(_quotes))
        tables = stack.enter_context(
            _alerts(web.port, mail, run, smtp_user='"ops"', smtp_password_file=f'"{run.path}/password"')
        )
        run.press(99.5, tables)
        try:
            _run_all(run, web)
        finally:
            run.run("stop")
        said = {channel: any(secret in request.path for request in web.requests) for channel, secret in
                (("webhook", WEBHOOK), ("slack", SLACK))}  # fmt: skip
        assert all(said.values()), "the control: they were sent"
    kept = [path for root in (run.state, run.backups, run.archives) for path in root.rglob("*") if path.is_file()]
    assert {"catalog.db", "ullage.log"} <= {path.name for path in kept}
    for path in kept:
        _no_secret(str(path), path.read_bytes())


def _run_all(run: Workplace, web: Web) -> None:
    for line in LINES:
        words = [word.replace("SEED", f"{run.path}/seed.conf") for word in line.split()]
        words = [word.replace("PLAN", f"{run.path}/plan.json") for word in words]
        for more in ([], ["--json"]):
            background = line in ("start", "restart")
            ran = run.run(*words, *more) if background else run.call(*words, *more)
            _no_secret(line, f"{ran.out}{ran.err}".encode())
            assert "Traceback" not in ran.err
            if background and ran.code == 0:
                _look_at_the_daemon(run, web)


def _look_at_the_daemon(run: Workplace, web: Web) -> None:
    wait_for(lambda: len(web.requests) >= 2 and b"the login was refused" in _catalog(run), 20)
    pid = (run.state / "ullage.pid").read_text().strip()
    for name in ("cmdline", "environ", "comm"):
        _no_secret(name, Path(f"/proc/{pid}/{name}").read_bytes())


def _catalog(run: Workplace) -> bytes:
    return (run.state / "catalog.db").read_bytes()


@pytest.mark.parametrize("key", ["webhook", "slack_file", "smtp_password_file"])
def test_no_secret_is_in_what_is_said_of_a_secret_that_is_wrong(run: Workplace, key: str) -> None:
    bad = run.path / "bad"
    bad.write_text(f"ftp://{WEBHOOK}\x07\n")
    bad.chmod(0o600)
    value = f"ftp://{WEBHOOK}" if key == "webhook" else str(bad)
    for mode in (0o600, 0o644):
        bad.chmod(mode)
        run.settings(f'[stores.main.alerts]\n{key} = "{value}"\n')
        ran: Ran = run.call("status")
        assert (ran.code, f"alerts.{key}" in ran.err) == (2, True), ran
        _no_secret(key, f"{ran.out}{ran.err}".encode())


def test_an_evil_name_reaches_no_log_mail_webhook_or_slack_as_it_is(store: Workplace) -> None:
    """The daemon acts on it and tells of it, by every channel; no line, header or command comes of it."""
    mailbox = Mailbox()
    for number in range(3):
        store.backup(f"{EVIL}-2026010{number + 1}", "CLEANABLE", age=60 * 86400, size=50_000)
    with web_server() as web, mail_server(mailbox) as mail, _alerts(web.port, mail, store) as tables:
        store.press(99.5, tables)
        assert store.run("start").code == 0
        try:
            log = store.state / "ullage.log"
            wait_for(lambda: len(web.requests) >= 2 and bool(mailbox.mails) and b"x1b[2J" in log.read_bytes(), 30)
            time.sleep(0.5)
        finally:
            store.run("stop")
    _safe(log.read_text("utf-8", "surrogateescape"))
    assert all(re.match(r"\d{4}-\d\d-\d\d ", line) for line in log.read_text().splitlines())
    _safe_bodies(web)
    for envelope in mailbox.mails:
        assert envelope.rcpt_tos == ["ops@example.org"]
        parsed = message_from_bytes(envelope.original_content or b"", policy=default)
        assert parsed["Bcc"] is None
        _safe("".join(f"{key}: {value}\n" for key, value in parsed.items()))
        _safe(parsed.get_content().replace("\r\n", "\n"))
    told = b"".join(request.body for request in web.requests)
    assert b"channel" in told and b"&lt;!channel&gt; &amp; " in told, "the control: the name was told"


def _safe(text: str) -> None:
    assert not CONTROL.search(text), repr(text)
    assert not re.search(r"^(ullage: all is well|Bcc)", text, re.MULTILINE), text


def _safe_bodies(web: Web) -> None:
    for request in web.requests:
        body = json.decode(request.body)
        if attachments := body.get("attachments"):
            text = "\n".join(f"{one['title']}\n{one['text']}" for one in attachments)
            assert "<" not in text and ">" not in text
        else:
            text = f"{body['message']}\n{body['details']}"
        _safe(text)
