"""A store is the registered one, or it is unavailable (SPEC.md 7.3)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.conftest import LoopDisks
from ullage.errors import Busy, NoRoom, Refused, UllageError, Unavailable
from ullage.system.identity import Identity, open_private, read_identity, write_identity
from ullage.system.locks import lock_directory

OURS = Identity(
    id="6f1de5c6-52f6-4f66-9a3b-6f8b7a2ad0a1",
    store="büro\n",
    role="backup",
    created_at="2026-11-23T02:30:00Z",
    filesystem="0b5e3d10-7f0f-4b9e-8f0e-3f5b8f2d1c11",
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def test_a_root_that_was_never_registered_has_no_identity(root: int, tmp_path: Path) -> None:
    assert read_identity(root) is None
    (tmp_path / ".ullage").mkdir(0o700)
    assert read_identity(root) is None


def test_what_was_registered_is_read_again(root: int, tmp_path: Path) -> None:
    write_identity(root, OURS)
    assert read_identity(root) == OURS
    assert json.loads((tmp_path / ".ullage/identity").read_bytes()) == {
        "version": 1,
        "id": OURS.id,
        "store": OURS.store,
        "role": "backup",
        "created_at": OURS.created_at,
        "filesystem": OURS.filesystem,
    }


def test_registering_makes_the_private_rooms_and_the_lock(root: int, tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        write_identity(root, OURS)
    finally:
        os.umask(previous)
    private = tmp_path / ".ullage"
    for directory in (private, *(private / name for name in ("trash", "parts", "pins"))):
        assert directory.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in private.iterdir()) == ["identity", "lock", "parts", "pins", "trash"]
    assert (private / "lock").stat().st_size == 0
    assert (private / "lock").stat().st_mode & 0o777 == 0o600
    assert (private / "identity").stat().st_mode & 0o777 == 0o600


def test_registering_again_changes_nothing_but_mends_what_is_missing(root: int, tmp_path: Path) -> None:
    write_identity(root, OURS)
    before = (tmp_path / ".ullage/identity").stat().st_ino
    (tmp_path / ".ullage/trash").rmdir()
    write_identity(root, replace(OURS, created_at="2030-01-01T00:00:00Z"))
    assert (tmp_path / ".ullage/identity").stat().st_ino == before
    assert (tmp_path / ".ullage/trash").is_dir()
    assert read_identity(root) == OURS


def test_another_identity_is_never_replaced(root: int) -> None:
    write_identity(root, OURS)
    with pytest.raises(Refused, match=r"registered already, as the backup root of store büro\\n"):
        write_identity(root, replace(OURS, id="another"))
    assert read_identity(root) == OURS


def test_two_registrations_at_once_exclude_each_other(root: int, tmp_path: Path) -> None:
    (tmp_path / ".ullage").mkdir(0o700)
    other = os.open(tmp_path / ".ullage", os.O_RDONLY)
    try:
        lock_directory(other)
        with pytest.raises(Busy):
            write_identity(root, OURS)
    finally:
        os.close(other)
    assert read_identity(root) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff garbage",
        b"[]",
        b'{"version": 1}',
        b'{"version": 1, "id": "x", "store": "s", "role": "owner", "created_at": "now"}',
        b'{"version": 2, "id": "x", "store": "s", "role": "backup", "created_at": "now"}',
        b"x" * 100_000,
    ],
)
def test_garbage_in_place_of_the_identity_makes_the_store_unavailable(
    root: int, tmp_path: Path, content: bytes
) -> None:
    write_identity(root, OURS)
    (tmp_path / ".ullage/identity").write_bytes(content)
    with pytest.raises(Unavailable, match="identity"):
        read_identity(root)
    with pytest.raises(Unavailable, match="identity"):
        write_identity(root, OURS)
    assert (tmp_path / ".ullage/identity").read_bytes() == content


@pytest.mark.parametrize("name", ["identity", "."])
@pytest.mark.parametrize("what", ["symlink", "fifo"])
def test_what_only_stands_for_an_identity_is_not_believed(tmp_path: Path, name: str, what: str) -> None:
    true, false = tmp_path / "true", tmp_path / "false"
    for directory in (true, false):
        directory.mkdir()
    descriptor = os.open(true, os.O_RDONLY)
    write_identity(descriptor, OURS)
    os.close(descriptor)
    impostor = false / ".ullage"
    if name == "identity":
        impostor.mkdir(0o700)
        impostor /= name
    if what == "symlink":
        impostor.symlink_to(true / ".ullage" / name)
    else:
        os.mkfifo(impostor)
    descriptor = os.open(false, os.O_RDONLY)
    try:
        with pytest.raises(Unavailable):
            read_identity(descriptor)
        with pytest.raises(UllageError):
            write_identity(descriptor, OURS)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("where", ["", "trash"])
def test_a_private_directory_that_others_may_write_to_is_refused(root: int, tmp_path: Path, where: str) -> None:
    write_identity(root, OURS)
    (tmp_path / ".ullage" / where).chmod(0o770)
    with pytest.raises(Unavailable, match="others may write to it"):
        open_private(root, "trash")
    with pytest.raises(Unavailable, match="others may write to it"):
        write_identity(root, OURS)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("where", ["", "trash"])
def test_a_private_directory_of_somebody_else_is_refused(root: int, tmp_path: Path, where: str) -> None:
    write_identity(root, OURS)
    os.chown(tmp_path / ".ullage" / where, 12345, -1)
    with pytest.raises(Unavailable, match="belongs to user 12345"):
        open_private(root, "trash")


def test_a_private_directory_that_is_missing_or_a_link_is_refused(root: int, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="run `ullage init`"):
        open_private(root)
    write_identity(root, OURS)
    (tmp_path / ".ullage/trash").rmdir()
    (tmp_path / ".ullage/trash").symlink_to(tmp_path)
    with pytest.raises(Unavailable, match="link"):
        open_private(root, "trash")
    with pytest.raises(UllageError):
        write_identity(root, OURS)


def test_a_private_directory_is_opened(root: int, tmp_path: Path) -> None:
    write_identity(root, OURS)
    before = len(os.listdir("/proc/self/fd"))
    trash = open_private(root, "trash")
    assert os.path.samestat(os.fstat(trash), (tmp_path / ".ullage/trash").stat())
    assert not os.get_inheritable(trash)
    os.close(trash)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.root
@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_registering_on_a_full_disk_fails_whole_and_says_so(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype)
    disk.fill()
    root = os.open(disk.path, os.O_RDONLY)
    try:
        with pytest.raises(NoRoom):
            write_identity(root, OURS)
        assert read_identity(root) is None
    finally:
        os.close(root)
