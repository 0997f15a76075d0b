"""How archives are named, and whose they are where the catalog is lost."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ullage.sources import archived

AT = 1767225600  # 2026-01-01


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "2026" / "01").mkdir(parents=True)
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def _put(root: Path, path: str, top: str | None) -> None:
    """An archive of a directory named ``top``; None: something that is no archive."""
    if top is None:
        (root / path).write_bytes(b"nothing of the kind")
        return
    (root / top).mkdir()
    subprocess.run(["tar", "--zstd", "-cf", root / path, "-C", root, "--", top], check=True)
    (root / top).rmdir()


def _ids(fd: int) -> dict[str, str]:
    return {found.path: found.backup_id for found in archived.find(fd, {})}


def test_the_first_name_is_plain_and_every_later_one_is_higher_than_all_before(root: int, tmp_path: Path) -> None:
    month = tmp_path / "2026" / "01"
    for name in ("db.tar.zst", "db~2.tar.zst", "db~3.tar.zst"):
        assert archived.free_place(root, "db", AT) == f"2026/01/{name}"
        (month / name).touch()
    (month / "db.tar.zst").unlink()  # an older one that went does not make way for a newer one
    assert archived.free_place(root, "db", AT) == "2026/01/db~4.tar.zst"
    assert archived.free_place(root, "db2", AT) == "2026/01/db2.tar.zst"


def test_a_month_that_is_not_there_has_no_names(tmp_path: Path, root: int) -> None:
    assert archived.free_place(root, "db", 0.0) == "1970/01/db.tar.zst"


@given(st.floats(-(2.0**63), 2.0**63))
def test_whenever_a_backup_was_made_its_archive_is_found_again(at: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            path = archived.free_place(fd, "db", at)
            (Path(name) / path).parent.mkdir(parents=True)
            (Path(name) / path).touch()
            assert _ids(fd) == {path: "db"}
        finally:
            os.close(fd)


@given(st.binary(min_size=1, max_size=255).filter(lambda raw: b"/" not in raw and b"\0" not in raw))
def test_no_name_is_too_long_for_a_file_not_even_with_a_number(raw: bytes) -> None:
    assert len(os.fsencode(archived._stem(os.fsdecode(raw)) + "~999999.tar.zst")) <= 255


def test_without_the_catalog_a_numbered_archive_is_known_by_the_directory_in_it(root: int, tmp_path: Path) -> None:
    for path, top in (("db~2", "db"), ("rc~2", "rc~2"), ("rc~2~2", "rc~2"), ("rc~3", None), ("plain", "other")):
        _put(tmp_path, f"2026/01/{path}.tar.zst", top)
    assert _ids(root) == {
        "2026/01/db~2.tar.zst": "db",
        "2026/01/rc~2.tar.zst": "rc~2",
        "2026/01/rc~2~2.tar.zst": "rc~2",
        "2026/01/rc~3.tar.zst": "rc~3",  # it cannot be read: its name is all there is
        "2026/01/plain.tar.zst": "plain",  # a name that we would not have numbered is not looked behind
    }


def test_without_the_catalog_a_shortened_name_is_known_by_the_directory_in_it(root: int, tmp_path: Path) -> None:
    long = "db-" + "n" * 240 + "-20260103"
    _put(tmp_path, archived.free_place(root, long, AT), long)
    assert list(_ids(root).values()) == [long]


def test_what_the_catalog_knows_is_not_read(root: int, tmp_path: Path) -> None:
    _put(tmp_path, "2026/01/db~2.tar.zst", "db")
    (found,) = archived.find(root, {"2026/01/db~2.tar.zst": "known"})
    assert found.backup_id == "known"
