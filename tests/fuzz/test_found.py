"""What the fuzzers and the state machine found, each in its smallest form."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from backports import zstd

from tests.catalog.makers import operation
from tests.fuzz import others, texts
from tests.system.test_archive_members import read
from ullage.catalog.catalog import Catalog
from ullage.errors import CatalogError, Unavailable
from ullage.model.backups import Pin
from ullage.sources import pins
from ullage.system import identity, runfile

MIB = 1 << 20
DEEP = b'{"x":' + b"[" * 3000
_ROOM = 128 * MIB
"""What reading an archive may take beside the interpreter: a window of zstd's, a header, a few chunks."""


def pax(records: bytes, kind: bytes = b"x") -> bytes:
    """An extended header by itself."""
    info = tarfile.TarInfo("h")
    info.type, info.size = kind, len(records)
    return info.tobuf(tarfile.USTAR_FORMAT) + records.ljust(-(-len(records) // 512) * 512, b"\0")


def record(keyword: bytes, value: bytes) -> bytes:
    """One pax record; its length counts its own digits."""
    rest = len(keyword) + len(value) + 3
    size = next(n for n in range(rest, rest + 12) if len(str(n)) + rest == n)
    return b"%d %b=%b\n" % (size, keyword, value)


def test_an_identity_of_no_sense_makes_the_store_unavailable(tmp_path: Path) -> None:
    for content in (b'{"id":"\xff"}', DEEP):
        (tmp_path / ".ullage").mkdir(0o700, exist_ok=True)
        (tmp_path / ".ullage/identity").write_bytes(content)
        fd = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(Unavailable, match="not an identity"):
            identity.read_identity(fd)
        os.close(fd)


def test_a_pin_nested_without_end_makes_the_store_unavailable(tmp_path: Path) -> None:
    fd = texts._store(tmp_path)
    (tmp_path / "store/.ullage/pins/p-x").write_bytes(DEEP)
    with pytest.raises(Unavailable, match="cannot be read"):
        pins.read(fd)
    os.close(fd)


def test_a_pin_that_names_another_backup_than_its_name_does_makes_the_store_unavailable(tmp_path: Path) -> None:
    """SPEC 7.1: a flipped bit must not let the one that was pinned go."""
    fd = texts._store(tmp_path)
    pins.add(fd, Pin(backup_id="db-20260101", at=0.0))
    (file,) = (tmp_path / "store/.ullage/pins").glob("p-*")
    file.write_bytes(file.read_bytes().replace(b"db-20260101".hex().encode(), b"db-20260102".hex().encode()))
    with pytest.raises(Unavailable, match="names another backup"):
        pins.read(fd)
    os.close(fd)


@pytest.mark.parametrize("pid", [-1, 0, 1 << 31, 1 << 70])
def test_a_lock_file_that_names_no_process_names_no_daemon(tmp_path: Path, pid: int) -> None:
    assert runfile._decode(b'{"pid":%d,"ticks":0,"started_at":0}' % pid) is None


@pytest.mark.parametrize("name", ["b\0c", "b/x\0"])
def test_a_name_that_readers_might_take_differently_is_refused(name: str) -> None:
    member = tarfile.TarInfo("b")
    member.type = tarfile.DIRTYPE
    with pytest.raises(ValueError, match="name that no file has"):
        read(pax(record(b"path", name.encode())) + member.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))


def test_a_size_under_nothing_is_refused() -> None:
    header = pax(record(b"GNU.sparse.realsize", b"-5")) + tarfile.TarInfo("b").tobuf(tarfile.USTAR_FORMAT)
    with pytest.raises(ValueError, match="size"):
        read(header + bytes(1024))


def _zeros() -> bytes:
    """Half a GiB of nothing in one file."""
    top, file = tarfile.TarInfo("b"), tarfile.TarInfo("b/zeros")
    top.type, file.size = tarfile.DIRTYPE, 512 * MIB
    made = BytesIO()
    with zstd.ZstdFile(made, "w", level=1) as packed:
        packed.write(top.tobuf() + file.tobuf())
        for _ in range(512):
            packed.write(bytes(MIB))
        packed.write(bytes(1024))
    return made.getvalue()


def _headers(kind: bytes) -> bytes:
    """Extended headers without end, each with another keyword."""
    made = BytesIO()
    with zstd.ZstdFile(made, "w", level=1) as packed:
        for number in range(16):
            packed.write(pax(record(b"k%d" % number, b"v" * (15 * MIB)), kind))
    return made.getvalue()


def _records() -> bytes:
    """One header with very many records."""
    return zstd.compress(pax(b"".join(b"10 %05x=\n" % number for number in range(1 << 20))), 1)


@pytest.mark.parametrize("bomb", [_zeros, lambda: _headers(b"x"), lambda: _headers(b"g"), _records])
def test_no_archive_takes_more_memory_than_a_large_header(tmp_path: Path, bomb: object) -> None:
    """However much it unpacks to: it is read in a process that has no more."""
    assert callable(bomb)
    (tmp_path / "bomb").write_bytes(bomb())
    script = (
        "import os, resource, sys\n"
        "from ullage.errors import ArchiveError\n"
        "from ullage.system.archives import list_archive\n"
        "taken = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (taken + {_ROOM},) * 2)\n"
        "try: print(list_archive(os.open(sys.argv[1], os.O_RDONLY)).size_bytes)\n"
        "except ArchiveError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "bomb")], capture_output=True, text=True)  # noqa: PLW1510
    assert done.returncode == 0, done.stderr
    assert "MemoryError" not in done.stdout


def _spoiled(state: Path, column: str, value: object) -> None:
    with Catalog.open(str(state)) as catalog:
        catalog.begin(operation())
    with sqlite3.connect(state / "catalog.db") as connection:
        connection.execute(f"UPDATE operations SET {column} = ?", (value,))
    connection.close()


@pytest.mark.parametrize(("column", "value"), [("action", "devour"), ("phase", "sett1ed"), ("at", "soon"), ("path", 5)])
def test_a_catalog_with_a_row_of_no_sense_is_set_aside(tmp_path: Path, column: str, value: object) -> None:
    _spoiled(tmp_path, column, value)
    with Catalog.open(str(tmp_path)) as catalog:
        assert catalog.history() == []
        assert catalog.recovered_from is not None


def test_a_catalog_with_text_that_is_not_utf8_is_set_aside(tmp_path: Path) -> None:
    _spoiled(tmp_path, "result", "x")
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("UPDATE operations SET action = CAST(x'ff' AS TEXT)")
    connection.close()
    with Catalog.open(str(tmp_path)) as catalog:
        assert catalog.history() == []
        assert catalog.recovered_from is not None


def test_a_catalog_of_whose_schema_sqlite_speaks_in_bytes_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    _spoiled(tmp_path, "result", "x")
    path.write_bytes(path.read_bytes().replace(b"operations_backup", b"operations_b\xff\xbfkup"))
    with Catalog.open(str(tmp_path)) as catalog:
        assert catalog.history() == []


def test_another_process_that_uses_such_a_catalog_keeps_it_in_its_place(tmp_path: Path) -> None:
    _spoiled(tmp_path, "action", "devour")
    with (
        Catalog.open(str(tmp_path)),
        Catalog.open(str(tmp_path)) as catalog,
        pytest.raises(CatalogError, match="a row makes no sense"),
    ):
        catalog.history()


def test_a_mount_with_a_carriage_return_in_its_name_is_a_mount(tmp_path: Path) -> None:
    others.mount_name(b"a\rb\r\nc\r", tmp_path)
