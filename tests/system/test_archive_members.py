"""The reader of tar streams against the standard library's, over every format GNU tar writes, and against damage."""

from __future__ import annotations

import os
import random
import subprocess
import tarfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.system.workshop import MIB
from ullage.system.archive_members import DIRECTORY, Member, Tape, members

FORMATS = ["gnu", "oldgnu", "posix", "ustar"]


def furnished(top: Path, *, plain: bool = False) -> Path:
    """A backup of all that the format can hold (``ustar`` has no large numbers, long targets or holes)."""
    (top / "b" / ("d" * 90) / ("e" * 60)).mkdir(parents=True)
    (top / "b" / ("d" * 90) / ("e" * 60) / "f").write_bytes(os.urandom(700))
    (top / "b" / "one").write_bytes(b"1" * 512)
    os.link(top / "b" / "one", top / "b" / "two")
    os.symlink("nowhere", top / "b" / "link")
    os.mkfifo(top / "b" / "fifo")
    if not plain:
        os.symlink("t" * 300, top / "b" / "long link")
        (top / "b" / os.fsdecode(b"\xff" * 200)).touch()
        os.utime(top / "b" / "one", ns=(0, -(10**9)))
        with (top / "b" / "sparse").open("wb") as sparse:
            for at in range(0, 200 * MIB, 4 * MIB):  # more islands than the first header of an old sparse file holds
                os.pwrite(sparse.fileno(), b"island", at)
    return top


def tarred(top: Path, *arguments: str) -> bytes:
    command = ["tar", "-cf", "-", "-C", str(top), *arguments, "b"]
    return subprocess.run(command, check=True, capture_output=True, env={"LC_ALL": "C", "PATH": os.defpath}).stdout


def read(data: bytes, chunk: int = 1 << 18) -> list[Member]:
    return list(members(Tape(data[at : at + chunk] for at in range(0, len(data), chunk))))


def oracle(data: bytes) -> list[tuple[object, ...]]:
    with tarfile.open(fileobj=BytesIO(data), encoding="utf-8", errors="surrogateescape") as archive:
        return [
            (
                os.fsencode(m.name),
                m.mode,
                m.uid,
                m.gid,
                m.size if m.isreg() else 0,
                int(m.mtime),
                os.fsencode(m.linkname),
            )
            for m in archive
        ]


def facts(member: Member) -> tuple[object, ...]:
    seconds = int(member.mtime_ns / 10**9)
    return (member.path, member.mode, member.uid, member.gid, member.size, seconds, member.target)


@pytest.mark.parametrize("sparse_version", ["0.0", "0.1", "1.0"])
@pytest.mark.parametrize("tar_format", FORMATS)
def test_it_reads_what_the_standard_library_reads(tmp_path: Path, tar_format: str, sparse_version: str) -> None:
    top = furnished(tmp_path, plain=tar_format == "ustar")
    sparse = {"ustar": [], "posix": ["--sparse", f"--sparse-version={sparse_version}"]}.get(tar_format, ["--sparse"])
    data = tarred(top, f"--format={tar_format}", *sparse)
    assert [facts(member) for member in read(data)] == oracle(data)


def test_large_owners_are_read(tmp_path: Path) -> None:
    for tar_format in ("gnu", "posix"):
        data = tarred(furnished(tmp_path / tar_format), f"--format={tar_format}", "--owner=x:3000000000", "--group=y:7")
        assert {(member.uid, member.gid) for member in read(data)} == {(3_000_000_000, 7)}


def test_chunks_may_end_anywhere(tmp_path: Path) -> None:
    data = tarred(furnished(tmp_path), "--format=posix", "--sparse")
    whole = read(data)
    assert whole[0].kind == DIRECTORY
    for chunk in (1 << 9, 777, 10_240):
        assert read(data, chunk) == whole


def test_a_stream_cut_between_two_members_is_cut(tmp_path: Path) -> None:
    data = tarred(furnished(tmp_path, plain=True), "--format=ustar")
    kept = data.rstrip(b"\0")
    end = len(kept) + -len(kept) % 512
    assert len(read(data[: end + 512])) == len(read(data))
    with pytest.raises(EOFError, match="before its end-of-archive mark"):
        read(data[:end])


def test_what_stands_behind_the_end_is_refused(tmp_path: Path) -> None:
    data = tarred(furnished(tmp_path, plain=True))
    with pytest.raises(ValueError, match="data after the end"):
        read(data + b"x" * 512)


def test_a_header_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    data = bytearray(tarred(furnished(tmp_path, plain=True)))
    data[0] ^= 1
    with pytest.raises(ValueError, match="a header of the tar stream is damaged"):
        read(bytes(data))


@pytest.mark.parametrize("record", [b"0 path=\n", b"-9 path=a\n", b"9 path=a", b"10 pathaa\n", b"-1 path=a\nX"])
def test_a_damaged_extended_header_is_refused(record: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    with pytest.raises(ValueError, match="a pax header is damaged"):
        read(header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + bytes(1024))


@pytest.mark.parametrize("size", [-512, 17 * MIB, 2**62])
def test_an_extended_header_of_an_absurd_size_is_refused(size: int) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, size
    with pytest.raises(ValueError, match="is no header"):
        read(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096))


@pytest.mark.parametrize(("kind", "size"), [(b"0", -512), (b"5", 512), (b"1", 512), (b"M", 0), (b"V", 0), (b"D", 0)])
def test_a_member_that_readers_might_take_differently_is_refused(kind: bytes, size: int) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, size
    with pytest.raises(ValueError, match="no backup has"):
        read(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096))


@pytest.fixture(scope="module")
def small_stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    top = furnished(tmp_path_factory.mktemp("small"), plain=True)
    os.utime(top / "b" / "one", ns=(0, 1_500_000_000))
    return tarred(top, "--format=posix")


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(), changes=st.integers(1, 6), mend=st.booleans())
def test_damage_is_refused_or_read_and_nothing_else(small_stream: bytes, seed: int, changes: int, mend: bool) -> None:
    dice = random.Random(seed)
    data = bytearray(small_stream.rstrip(b"\0").ljust(12 * 1024, b"\0"))
    for _ in range(changes):
        data[dice.randrange(len(data))] = dice.choice(b"\0\x80\xff 0159-=.\nxXgLKS")
    for at in range(0, len(data), 512) if mend else ():  # damage behind a sum that is right
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    with suppress(ValueError, EOFError):
        assert len(read(bytes(data))) <= len(data) // 512
