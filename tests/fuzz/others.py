"""The parsers of what is large or comes from afar: archives, the catalog, ``/proc``, servers' answers."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from backports import zstd

from tests.catalog.makers import operation
from tests.notify.servers import raw_server
from tests.system.test_archive_members import FORMATS, furnished, tarred
from ullage.catalog.catalog import Catalog
from ullage.catalog.values import Known, OutboxItem
from ullage.errors import ArchiveError, CatalogError, DeliveryError
from ullage.model.settings import SmtpSettings
from ullage.model.units import printable
from ullage.model.words import Level
from ullage.notify import mail, web
from ullage.policy.clock import ClockMark
from ullage.sources.signature import decoded
from ullage.sources.states import _remembered
from ullage.system import archives, mounts

OUTSIDE = "/tmp/ullage-fuzz-outside"
"""Where a member with an absolute name would come to stand."""
TAR_WORDS = (b"../../outside\0", OUTSIDE.encode() + b"\0", b"b/../../outside", b"..", b"ustar\0", b"30 mtime=1\n",
             b"18 path=../out/a\n", b"12 path=b\0c\n", b"13 size=99999\n", b"25 GNU.sparse.realsize=9\n",
             b"22 GNU.sparse.major=1\n", b"22 GNU.sparse.minor=0\n", b"27 GNU.sparse.name=../outs\n", b"g", b"x", b"S",
             b"L", b"K", b"1", b"2", b"3", b"4", b"7", b"X", b"V", b"D", b"0" * 11, b"7" * 11)  # fmt: skip
ANSWERS = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 302 Found\r\nLocation: http://b.example/\r\n\r\n",
           b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
           b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")  # fmt: skip
ANSWER_WORDS = (b"HTTP/1.1 ", b"HTTP/0.9", b"Content-Length: ", b"Set-Cookie: ", b": ", b"\r\n\r\n", b"A: b\r\n" * 200)
GREETINGS = (b"220 a ESMTP\r\n250-a\r\n250 SIZE 9\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n221 bye\r\n",
             b"554 no\r\n", b"220 a\r\n250 a\r\n550 nobody\r\n250 ok\r\n")  # fmt: skip
GREETING_WORDS = (b"220 ", b"250-", b"250 ", b"421 ", b"550 ", b"\r\n", b"AUTH LOGIN PLAIN", b"x" * 9000)


@cache
def tars() -> tuple[bytes, ...]:
    """Streams of all formats, with everything that a backup may hold."""
    with TemporaryDirectory() as directory:
        top = furnished(Path(directory) / "all")
        small = Path(directory) / "small" / "b"
        small.mkdir(parents=True)
        (small / "a").write_bytes(b"a" * 600)
        (small / "l").symlink_to("/etc")
        os.mknod(small / "null", 0o600 | 0o020000, os.makedev(1, 3))
        formats = [("gnu", "0.0"), ("oldgnu", "0.0"), *(("posix", version) for version in ("0.0", "0.1", "1.0"))]
        made = [tarred(top, f"--format={name}", "--sparse", f"--sparse-version={how}") for name, how in formats]
        return (*made, *(tarred(small.parent, f"--format={name}") for name in FORMATS))


@cache
def packed() -> tuple[bytes, ...]:
    """Archives, compressed."""
    return (*(zstd.compress(tar) for tar in tars()), *(gzip.compress(tar, 1, mtime=0) for tar in tars()))


def tar(data: bytes, ground: Path) -> None:
    """Any tar stream, its headers' sums made right again so that what is behind them is reached."""
    archive(zstd.compress(mended(data), 1), ground)


def mended(data: bytes) -> bytes:
    """With the sum of every block that looks like a header."""
    stream = bytearray(data)
    for at in range(0, len(stream) - 511, 512):
        if stream[at + 257 : at + 262] == b"ustar":
            block = stream[at : at + 512]
            total = sum(block) - sum(block[148:156]) + 8 * 0x20
            stream[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(stream)


def archive(data: bytes, ground: Path) -> None:
    """Any archive: listed, and extracted where it can be; nothing comes to stand outside."""
    path, target = ground / "x.tar.zst", ground / "in/target"
    path.write_bytes(data)
    target.mkdir(parents=True, exist_ok=True)
    fd, into = os.open(path, os.O_RDONLY), os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(ArchiveError):
            top = archives.read_top(fd)
            assert top is None or ("\0" not in top and "/" not in top)
        with suppress(ArchiveError):
            found = archives.list_archive(fd)
            assert found.size_bytes >= 0
            archives.extract_archive(fd, into)
    finally:
        os.close(fd)
        os.close(into)
        assert os.listdir(ground / "in") == ["target"], os.listdir(ground / "in")
        assert set(os.listdir(ground)) <= {"in", "x.tar.zst"}, os.listdir(ground)
        assert not os.path.lexists(OUTSIDE)
        _emptied(target)


def _emptied(target: Path) -> None:
    if os.listdir(target):
        subprocess.run(["chmod", "-R", "u+rwx", str(target)], check=False, capture_output=True)
        shutil.rmtree(target)


@cache
def catalog_file() -> bytes:
    """A catalog with some of everything in it."""
    with TemporaryDirectory() as directory:
        with Catalog.open(directory) as catalog:
            for _ in range(5):
                catalog.begin(operation())
            catalog.remember("main", [Known(backup_id="a", signature=b"s", facts=b"{}", walked_at=1.0)], [])
            catalog.remember_archive("main", "2026/01/a.tar.zst", "a", "d", 1, 1)
            catalog.add_reading("main", 1.0, Level.OK, 1.0, None, 2.0)
            catalog.set_clock_mark(ClockMark(wall=1.0, boot_id="b", boot_seconds=1.0))
            catalog.enqueue(OutboxItem(store="main", level=Level.OK, channel="email", title="t", body="b", at=1.0))
        with sqlite3.connect(Path(directory) / "catalog.db", isolation_level=None) as connection:
            connection.execute("VACUUM")
        connection.close()
        return (Path(directory) / "catalog.db").read_bytes()


def catalog(data: bytes, ground: Path) -> None:
    """Any file in the catalog's place: read, set aside, or refused; and what is in it is used as it is read."""
    state = ground / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(0o700)
    (state / "catalog.db").write_bytes(data)
    with suppress(CatalogError), patch.object(Catalog, "reserve"), Catalog.open(str(state)) as found:
        for op in (*found.history(), *found.unsettled("main"), *found.latest("main", "a", 0.0)):
            assert printable(op.reason).isprintable()
        for known in found.known("main").values():
            decoded(known.signature)
            _remembered(known)
        found.archive_ids("main")
        found.archive_digest("main", "2026/01/a.tar.zst")
        found.recent("main", 10)
        found.clock_mark()
        found.registered("main")
        found.due(2.0)
        found.alerts(10)


def mount_name(data: bytes, _ground: Path) -> None:
    """A mount point of any name: found by it, and nothing else."""
    name = data.replace(b"\0", b"").replace(b"/", b"")[:255] or b"x"
    spelled = b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in name)
    line = b"36 35 98:0 / /srv/%b rw,noatime master:1 - ext4 /dev/root rw\n" % spelled
    with patch.object(Path, "read_bytes", lambda _path: b"1 1 0:1 / / rw - tmpfs x rw\n" + line):
        found = mounts.mounts_below("/srv")
        assert mounts.devices() == {36: os.makedev(98, 0), 1: os.makedev(0, 1)}
    assert found == ([] if name in (b".", b"..") else [os.fsdecode(b"/srv/" + name)]) or name in (b".", b"..")


def answer(data: bytes, _ground: Path) -> None:
    """Any answer of a webhook: taken, or a DeliveryError without a word of the URL's secret in it."""
    with _saying(data) as port:
        try:
            web.post("webhook", f"http://127.0.0.1:{port}/hidden-token", b"{}", 5.0)
        except DeliveryError as error:
            assert "hidden-token" not in str(error) and str(error).isprintable()


def greeting(data: bytes, _ground: Path) -> None:
    """Any talk of a mail server."""
    with _saying(data) as port, suppress(DeliveryError):
        mail.deliver("a@example.org", "title", "details", SmtpSettings(host="127.0.0.1", port=port), 5.0)


@contextmanager
def _saying(data: bytes) -> Iterator[int]:
    def talk(caller: socket.socket) -> None:
        caller.sendall(data)
        caller.shutdown(socket.SHUT_WR)
        while caller.recv(1 << 16):
            pass

    with raw_server(talk) as (port, _):
        yield port
