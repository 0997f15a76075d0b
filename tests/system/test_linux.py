"""The system calls do what their names say, and every error of theirs becomes one that a person can act upon."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.conftest import LoopDisks
from ullage.errors import Changed, NoRoom, Refused, UllageError, Unavailable
from ullage.system import linux

FILESYSTEMS = ["ext4", "xfs", "btrfs"]


@pytest.fixture
def fd(tmp_path: Path) -> int:
    return os.open(tmp_path, os.O_RDONLY)


def test_openat2_never_leaves_the_directory(fd: int, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "up").symlink_to("..")
    os.close(linux.openat2(fd, "d", os.O_RDONLY))
    for name, code in (("..", errno.EXDEV), ("/etc", errno.EXDEV), ("up", errno.ELOOP), ("gone", errno.ENOENT)):
        with pytest.raises(OSError, match=rf"^\[Errno {code}\]"):
            linux.openat2(fd, name, os.O_RDONLY)


def test_a_descriptor_is_not_inherited(fd: int, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    below = linux.openat2(fd, "d", os.O_RDONLY)
    assert not os.get_inheritable(below)
    os.close(below)


class _OldKernel:
    """A libc without wrappers, on a kernel that may not know openat2."""

    def __init__(self, missing: int) -> None:
        self._missing = missing
        self._real = ctypes.CDLL(None, use_errno=True)

    def syscall(self, number: ctypes.c_long, *arguments: object) -> int:
        if number.value == self._missing:
            ctypes.set_errno(errno.ENOSYS)
            return -1
        return int(self._real.syscall(number, *arguments))


def test_a_kernel_without_openat2_is_refused_with_what_it_takes(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "_libc", _OldKernel(missing=437))
    with pytest.raises(Refused, match=r"needs Linux 5\.6 or newer"):
        linux.openat2(fd, "d", os.O_RDONLY)


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_rename_replaces_nothing_with_and_without_a_wrapper_in_libc(
    fd: int, tmp_path: Path, wrapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not wrapped:
        monkeypatch.setattr(linux, "_libc", _OldKernel(missing=0))
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    with pytest.raises(FileExistsError):
        linux.rename_noreplace(fd, "a", fd, "b")
    linux.rename_noreplace(fd, "a", fd, "c")
    assert sorted((entry.name, entry.read_text()) for entry in tmp_path.iterdir()) == [("b", "b"), ("c", "a")]


def test_a_machine_whose_number_is_unknown_cannot_rename_so(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "_libc", _OldKernel(missing=0))
    monkeypatch.setattr(linux, "_SYS_RENAMEAT2", {"vax": 1})
    with pytest.raises(OSError, match="no renameat2"):
        linux.rename_noreplace(fd, "a", fd, "b")


@pytest.mark.root
@pytest.mark.parametrize("fstype", FILESYSTEMS)
def test_statx_agrees_with_stat_and_knows_the_birth(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype)
    (disk.path / "f").touch()
    (disk.path / "link").symlink_to("f")
    fd = os.open(disk.path, os.O_RDONLY)
    for name in ("f", "link"):
        found, status = linux.statx(fd, name), (disk.path / name).lstat()
        assert found.ino == status.st_ino
        assert found.birth_ns is not None
        assert abs(found.birth_ns - status.st_mtime_ns) < 10**9
        assert not (found.immutable or found.append_only or found.mount_root)
    assert linux.statx(fd).ino == disk.path.stat().st_ino
    assert linux.statx(fd).mount_root
    os.close(fd)


def test_statx_of_what_is_missing_raises(fd: int) -> None:
    with pytest.raises(FileNotFoundError):
        linux.statx(fd, "gone")


@pytest.mark.root
@pytest.mark.parametrize("fstype", FILESYSTEMS)
def test_a_filesystem_is_known_by_its_kind_and_its_uuid(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype)
    fd = os.open(disk.path, os.O_RDONLY)
    linux.syncfs(fd)
    assert linux.filesystem_type(fd) == fstype
    blkid = subprocess.check_output(["blkid", "-o", "value", "-s", "UUID", str(disk.image)], text=True).strip()
    assert linux.filesystem_uuid(fd) in (blkid, None)  # None before Linux 6.9
    subprocess.run(["umount", "-l", str(disk.path)], check=True)
    assert linux.filesystem_type(fd) == ""
    os.close(fd)


def test_a_filesystem_that_has_no_uuid_gives_none() -> None:
    fd = os.open("/proc", os.O_RDONLY)
    assert linux.filesystem_uuid(fd) is None
    os.close(fd)


@pytest.mark.root
@pytest.mark.parametrize("fstype", FILESYSTEMS)
def test_only_btrfs_needs_to_be_told_not_to_copy(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype)
    fd = os.open(disk.path / "f", os.O_CREAT | os.O_RDWR)
    assert linux.set_nocow(fd) is (fstype == "btrfs")
    os.close(fd)
    if fstype == "btrfs":
        assert "C" in subprocess.check_output(["lsattr", str(disk.path / "f")], text=True).split()[0]


def test_syncfs_of_no_descriptor_raises() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        linux.syncfs(-1)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, NoRoom),
        (errno.EDQUOT, NoRoom),
        (errno.ENOENT, Changed),
        (errno.EEXIST, Changed),
        (errno.EXDEV, Refused),
        (errno.EBUSY, Refused),
        (errno.ELOOP, Refused),
        (errno.ENOTDIR, Refused),
        (errno.EACCES, Refused),
        (errno.EPERM, Refused),
        (errno.EIO, Unavailable),
        (errno.EROFS, Unavailable),
        (errno.ESTALE, Unavailable),
    ],
)
def test_every_error_says_what_failed_why_and_what_it_means(code: int, kind: type[UllageError]) -> None:
    error = linux.failure(OSError(code, os.strerror(code)), "cannot do it")
    assert type(error) is kind
    assert str(error).startswith("cannot do it: ")
    assert len(str(error)) > len("cannot do it: ")


def test_a_place_is_shown_by_its_path_and_without_one_by_its_name(fd: int, tmp_path: Path) -> None:
    assert linux.where(fd, "a\nb") == f"{tmp_path}/a\\nb"
    assert linux.where(fd) == str(tmp_path)
    assert linux.where(-1, "a") == "a"


@given(st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["..", ".", "", "a/b", "/", "..\0"]))
@example("...")
@example("-rf")
def test_a_component_is_a_name_that_leads_nowhere_else(name: str) -> None:
    try:
        assert linux.component(name) == name
    except Refused as error:
        assert str(error).isprintable()
        assert name in ("", ".", "..") or {"/", "\0"} & set(name)
    else:
        assert Path("/top", name).parent == Path("/top")
        assert Path("/top", name).name == name
