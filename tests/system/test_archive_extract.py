"""Listing and extracting what others packed: the seed's archives, and evil ones (SPEC.md 7.2)."""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from io import BytesIO
from pathlib import Path

import pytest
from blake3 import blake3

from tests.system.workshop import Workshop, opened, small_backup
from ullage.errors import ArchiveError
from ullage.system import archives
from ullage.system.archive_tar import Tar
from ullage.system.archives import Contents, extract_archive, list_archive


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    with ExitStack() as stack:
        yield Workshop(tmp_path, stack)


@pytest.mark.parametrize(("arguments", "top"), [(["-C", "store", "b"], "b"), (["-C", "store/b", "."], None)])
def test_the_archives_of_the_seed_are_listed_and_extracted(
    workshop: Workshop, arguments: list[str], top: str | None
) -> None:
    backup = small_backup(workshop, "b")
    backup.chmod(0o2750)
    (backup / ("long " * 40)).write_text("GNU's own header for long names")
    archive = workshop.archive.with_name("b.tar.gz")
    subprocess.run(["tar", "-czf", str(archive), *arguments], cwd=workshop.store.parent, check=True)
    with opened(archive) as fd:
        contents = list_archive(fd)
        extract_archive(fd, workshop.out_fd)
    stream = blake3(gzip.decompress(archive.read_bytes())).hexdigest()
    assert contents == Contents(top=top, entries=5, size_bytes=100_000 + 10 + 31, stream_digest=stream)
    extracted = workshop.out / (top or ".")
    assert stat.S_IMODE(extracted.stat().st_mode) == 0o2750
    assert (extracted / "sub" / "data").read_bytes() == (backup / "sub" / "data").read_bytes()


def evil(*entries: tuple[str, bytes, str]) -> bytes:
    """A ``.tar.gz`` of members (name, type, link target), each file with the content ``evil``."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, kind, target in (("b", tarfile.DIRTYPE, ""), *entries):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, target, 0o755
            member.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, BytesIO(b"evil"))
    return packed.getvalue()


FILE, LINK, SYMLINK, DIRECTORY = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE


@pytest.mark.parametrize(
    "entries",
    [
        [("../victim", FILE, "")],
        [("b/../../victim", FILE, "")],
        [("{outside}/victim", FILE, "")],
        [("b/x", SYMLINK, "{outside}"), ("b/x/victim", FILE, "")],
        [("b/x", SYMLINK, "../.."), ("b/x/victim", FILE, "")],
        [("b/x", SYMLINK, "{outside}/victim"), ("b/x", FILE, "")],
        [("b/x", SYMLINK, ".."), ("b/y", SYMLINK, "x/.."), ("b/y/victim", FILE, "")],
        [("b/x", SYMLINK, "{outside}"), ("b/x", DIRECTORY, ""), ("b/x/victim", FILE, "")],
        [("b/x", LINK, "{outside}/victim"), ("b/x", FILE, "")],
        [("b/x", LINK, "../victim"), ("b/x", FILE, "")],
        [("b/x", SYMLINK, "{outside}/victim"), ("b/y", LINK, "b/x"), ("b/y", FILE, "")],
    ],
)
def test_an_evil_archive_writes_nothing_outside(workshop: Workshop, entries: list[tuple[str, bytes, str]]) -> None:
    outside = workshop.out.parent
    victim = outside / "victim"
    victim.write_text("good")
    filled = [(name.format(outside=outside), kind, target.format(outside=outside)) for name, kind, target in entries]
    os.pwrite(workshop.part_fd, evil(*filled), 0)
    before = sorted(path for path in outside.rglob("*") if workshop.out not in path.parents)
    with suppress(ArchiveError):  # refused, or tar did not do all of it: both are well
        extract_archive(workshop.part_fd, workshop.out_fd)
    assert sorted(path for path in outside.rglob("*") if workshop.out not in path.parents) == before
    assert victim.read_text() == "good"
    assert victim.stat().st_nlink == 1


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([("/b/x", FILE, "")], "leads out"),
        ([("b/../x", FILE, "")], "leads out"),
        ([("b/x", LINK, "/etc/passwd")], "leads out"),
        ([("b/x", LINK, "b/../../y")], "leads out"),
        ([("c/x", FILE, "")], "more than one directory"),
        ([("x", FILE, "")], "is no directory"),
        ([("b/x", tarfile.CONTTYPE + b"", ""), ("b/y", b"M", "")], "of a kind"),
    ],
)
def test_a_listing_refuses_what_no_backup_holds(
    workshop: Workshop, entries: list[tuple[str, bytes, str]], why: str
) -> None:
    os.pwrite(workshop.part_fd, evil(*entries), 0)
    with pytest.raises(ArchiveError, match=why):
        list_archive(workshop.part_fd)


def test_an_archive_of_nothing_is_refused(workshop: Workshop) -> None:
    os.pwrite(workshop.part_fd, gzip.compress(bytes(10240)), 0)
    with pytest.raises(ArchiveError, match="it is empty"):
        list_archive(workshop.part_fd)


def test_what_was_extracted_is_durable(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = workshop.archive.with_name("b.tar.gz")
    archive.write_bytes(evil(("b/one", FILE, "")))
    synced: list[list[str]] = []
    monkeypatch.setattr(archives, "syncfs", lambda fd: synced.append(os.listdir(fd)))
    with opened(archive) as fd:
        extract_archive(fd, workshop.out_fd)
    assert synced == [["b"]]


def _a_placeholder(top: Path) -> None:
    (top / "link").unlink()
    (top / "link").touch()


def _a_copy(top: Path) -> None:
    (top / "second").unlink()
    (top / "second").write_bytes((top / "first").read_bytes())


def _a_turn(top: Path) -> None:
    (top / "link").unlink()
    (top / "link").symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_a_placeholder, "b/link is of another kind"),
        (_a_turn, "b/link leads elsewhere"),
        (_a_copy, "b/second is not the hard link"),
        (lambda top: (top / "first").write_bytes(b"short"), "b/first is 5 bytes long and should be 7"),
        (lambda top: (top / "fifo").unlink(), "b/fifo cannot be looked at: No such file"),
    ],
)
def test_what_tar_left_out_without_a_word_is_found(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], said: str
) -> None:
    """GNU tar ends well where it could not exchange the placeholder of a symbolic link for the link."""
    backup = workshop.store / "b"
    backup.mkdir()
    (backup / "first").write_bytes(b"content")
    (backup / "second").hardlink_to(backup / "first")
    (backup / "link").symlink_to("/somewhere")
    os.mkfifo(backup / "fifo")
    workshop.write("b")
    check = archives._check_extracted

    def and_spoil(tar: Tar, name: str) -> None:
        check(tar, name)
        spoil(workshop.out / "b")

    monkeypatch.setattr(archives, "_check_extracted", and_spoil)
    with opened(workshop.archive) as fd, pytest.raises(ArchiveError, match=said):
        extract_archive(fd, workshop.out_fd)


def test_of_two_members_of_one_name_the_last_one_counts(workshop: Workshop) -> None:
    archive = workshop.archive.with_name("twice.tar.gz")
    archive.write_bytes(evil(("b/x", SYMLINK, "nowhere"), ("b/x", FILE, "")))
    with opened(archive) as fd:
        extract_archive(fd, workshop.out_fd)
    assert (workshop.out / "b/x").read_bytes() == b"evil"
