"""The parsers of small files: settings, the seed's settings, ``.state`` and times, pins, identity, the lock file."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

from tests.config.test_seed import SEED
from tests.config.texts import ENV, STORE
from ullage.config import advice, show
from ullage.config.load import load, parse
from ullage.config.schema import SECTION_ROWS, STORE_ROWS
from ullage.config.seed import import_seed
from ullage.config.template import settings_text
from ullage.errors import SettingsError, Unavailable
from ullage.model.words import LIVE_STATES
from ullage.sources import pins
from ullage.sources.facts import TIMES, read_facts
from ullage.system import identity, runfile

SETTINGS = (
    STORE.encode(),
    settings_text("main", "/srv/backup", "/srv/archive").encode(),
    (STORE + "capacity = '2 TB'\nwatermarks = {warning = 70.5, critical = 80}\n[defaults.reclaim]\nkeep_last = 2\n"
     "settle = '5 min'\n[defaults.alerts]\nwebhook = 'https://a.example/x'\nemail = 'a@example.org'\n").encode(),
)  # fmt: skip
_ROWS = (*STORE_ROWS, *SECTION_ROWS)
_SHAPES = (b"[", b"]", b"{", b"}", b"'''", b'"""', b"[" * 3000, b"=", b"#", b"[[stores]]", b"1979-05-27", b"\\u0000",
           b"0x", b'"1 TiB"', b'"99999999999999999 PiB"', b"http://[", b"a.a." * 500)  # fmt: skip
SETTING_WORDS = (*(word.encode() for row in _ROWS for word in (row.key, row.name + " = ")), *_SHAPES)
SEEDS = (SEED.encode() + b"BACKUP_ROOT=/srv/b\nARCHIVE_ROOT='/srv/a'\n", b'BACKUP_ROOT=/b\nARCHIVE_ROOT="/a\\$"\n')
_SHELL = (b"export ", b"$(id)", b"`id`", b"'", b'"', b"\\", b"#", b";", b"true", b"http://[")
SEED_WORDS = (*(row.seed.encode() + b"=" for row in _ROWS if row.seed), *_SHELL)
STATES = (b"CLEANABLE\n", b"CREATED", b"CONFIRMED\r\n", b" PENDING ", b"ARCHIVED\n")
TIME_FILES = (b"1795461218\n", b"0", b"1099511627776", b"1099511627777", "٣".encode())
PINS = (b'{"backup_id":"64622d3230","at":1795461218.5,"reason":"why","by":"me"}', b'{"backup_id":"ff00","at":0}')
IDENTITIES = (
    b'{"id":"0b7f","store":"main","role":"backup","created_at":"2026-01-01T00:00:00Z","filesystem":null,"version":1}\n',
    b'{"id":"","store":"","role":"archive","created_at":"","x":[[{"y":1}]]}',
)
JSON_WORDS = (b"{", b"}", b"[", b"[" * 2000, b'"', b"\\ud800", b"null", b"true", b'"version":2', b'"backup_id":"zz"')
RUNFILES = (b'{"pid":1,"ticks":2,"started_at":3.5}' + b" " * 220, b'{"pid":4194304,"ticks":0,"started_at":0}')


def settings(data: bytes, ground: Path) -> None:
    """``config check`` and ``config show`` of any file."""
    path = ground / "ullage.toml"
    path.write_bytes(data)
    path.chmod(0o600)
    try:
        found = load(str(path), ENV)
    except SettingsError as error:
        assert error.faults and all(fault.isprintable() for fault in error.faults)
        return
    shown = show.to_toml(found)
    assert shown.isprintable() or "\n" in shown
    show.as_shown(found)
    advice.contradictions(found)


def seed(data: bytes, _ground: Path) -> None:
    """``config import`` of any file; what it makes is what ``load`` reads."""
    try:
        made = import_seed(data.decode("utf-8", "surrogateescape"), {})
    except SettingsError as error:
        assert error.faults and all(fault.isprintable() for fault in error.faults)
        return
    try:
        parse(made.toml, "/x", ENV)
    except SettingsError as error:  # a path that is no good here; the tables are
        assert all("_root" in fault for fault in error.faults), error.faults


def state(data: bytes, ground: Path) -> None:
    """Any ``.state``, beside times as odd."""
    _backup(data, ground, ".state")


def times(data: bytes, ground: Path) -> None:
    """Any time file, all four the same."""
    _backup(data, ground, *TIMES.values())


def _backup(data: bytes, ground: Path, *names: str) -> None:
    top = ground / "backup"
    top.mkdir(exist_ok=True)
    for name in (".state", *TIMES.values()):
        (top / name).write_bytes(data if name in names else b"CLEANABLE" if name == ".state" else b"1795461218")
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = read_facts(fd, "db", None)
        assert found.state is None or found.state in LIVE_STATES
        assert (found.fault is None) or found.fault.isprintable()
        assert found.state is not None or found.fault
        assert found.created_at is None or 0 <= found.created_at <= 1 << 40
    finally:
        os.close(fd)


def pin(data: bytes, ground: Path) -> None:
    """Any file of a pin: read, or the store is unavailable until a person has looked."""
    fd = _store(ground)
    try:
        (ground / "store/.ullage/pins/p-x").write_bytes(data)
        for found in pins.read(fd).values():
            assert isinstance(found.backup_id, str)
    except Unavailable:
        pass
    finally:
        os.close(fd)


def identify(data: bytes, ground: Path) -> None:
    """Any identity file: read, or not trusted."""
    fd = _store(ground)
    try:
        (ground / "store/.ullage/identity").write_bytes(data)
        identity.read_identity(fd)
    except Unavailable:
        pass
    finally:
        os.close(fd)


def _store(ground: Path) -> int:
    for name in ("store", "store/.ullage", "store/.ullage/pins"):
        (ground / name).mkdir(mode=0o700, exist_ok=True)
    return os.open(ground / "store", os.O_RDONLY | os.O_DIRECTORY)


def lock_file(data: bytes, ground: Path) -> None:
    """Any daemon.lock that somebody holds: no process that is not a daemon is ever signalled."""
    path = ground / "daemon.lock"
    path.write_bytes(data)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = runfile.running(str(ground))
    if found is not None:
        assert not runfile.send(found, signal.SIGCONT)
