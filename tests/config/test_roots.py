"""SPEC.md 5 and 7.2: which directories may be roots; told from their text, and again once links are followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.config.texts import ENV, FILE, faults_of, read
from ullage.config.roots import check_paths


def _stores(*roots: tuple[str, str]) -> str:
    tables = [
        f'[stores.s{n}]\nbackup_root = "{backup}"\narchive_root = "{archive}"\n'
        for n, (backup, archive) in enumerate(roots)
    ]
    return "".join(tables)


@pytest.mark.parametrize(
    "root",
    ["/", "//", "/.", "/root", "/home", "/home/x", "/home/op/", "/etc", "/etc/ullage", "/usr", "/usr/local/x", "/bin",
     "/sbin/x", "/lib", "/lib64/x", "/boot", "/boot/efi", "/dev", "/dev/shm", "/proc/1", "/sys", "/run", "/var",
     "/var/lib", "/var//log", "/opt", "/tmp", "/mnt/", "/media", "/srv"],
)  # fmt: skip
@pytest.mark.parametrize("as_archive", [False, True])
def test_a_system_directory_or_a_home_is_no_root(root: str, as_archive: bool) -> None:
    (fault,) = faults_of(_stores(("/data/x", root) if as_archive else (root, "/data/x")))
    assert "allowed: a directory of its own for this store" in fault


def test_the_home_of_the_caller_is_no_root() -> None:
    assert "which is a home directory" in faults_of(_stores(("/data/op", "/data/x")), {"HOME": "/data/op/"})[0]


@pytest.mark.parametrize("root", ["", "backup", "./b", "~/b", "/srv/../etc", "/srv/b/..", "/srv/b\\u0000"])
def test_a_root_is_absolute_and_has_no_way_up(root: str) -> None:
    assert 'allowed: an absolute path without ".."' in faults_of(_stores((root, "/data/x")))[0]


@pytest.mark.parametrize(
    "root", ["/srv/b", "/home/op/b", "/root/b", "/var/lib/b", "/mnt/b", "/tmp/b", "/etcetera", "/b..b"]
)
def test_a_directory_of_its_own_is_a_root(root: str) -> None:
    assert read(_stores((root, "/data/x"))).stores[0].backup_root == root


def test_a_root_is_kept_in_its_plain_form() -> None:
    assert read(_stores(("//srv//b/./c/", "/data/x"))).stores[0].backup_root == "/srv/b/c"


@pytest.mark.parametrize(
    ("roots", "key"),
    [((("/d/b", "/d/b"),), "s0.archive_root"),
     ((("/d/b", "/d/b/a"),), "s0.archive_root"),
     ((("/d/a/b", "/d/a"),), "s0.backup_root"),
     ((("/d/b", "/d/a"), ("/d/b", "/d/c")), "s1.backup_root"),
     ((("/d/b", "/d/a"), ("/d/a", "/d/c")), "s1.backup_root"),
     ((("/d/b", "/d/a"), ("/d/c", "/d/a")), "s1.archive_root"),
     ((("/d/b", "/d/a"), ("/d/b/x/c", "/d/c")), "s1.backup_root"),
     ((("/d/b/x", "/d/a"), ("/d/b", "/d/c")), "s0.backup_root"),
     ((("/d/b", "/d/a/x"), ("/d/c", "/d/a")), "s0.archive_root")],
)  # fmt: skip
def test_roots_neither_meet_nor_hold_one_another(roots: tuple[tuple[str, str], ...], key: str) -> None:
    (fault,) = faults_of(_stores(*roots))
    assert f": stores.{key}: found " in fault


def test_roots_that_only_begin_alike_are_well() -> None:
    assert len(read(_stores(("/d/b", "/d/b2"), ("/d/b3", "/d/b-a"))).stores) == 2


def test_the_state_directory_is_no_root_but_may_be_beside_backups() -> None:
    stores = _stores(("/d/b", "/d/a"))
    assert read(f'state_dir = "/d/b/.ullage"\n{stores}').state_dir == "/d/b/.ullage"
    for state_dir in ("/d/b", "/d/a", "/", "/home/op", "/etc", "/d/b/db-20260101/state"):
        (fault,) = faults_of(f'state_dir = "{state_dir}"\n{stores}')
        assert fault.startswith(f"{FILE}:1: state_dir: found ")


def test_loading_touches_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("a path was touched")

    for name in ("stat", "lstat", "readlink", "listdir", "scandir"):
        monkeypatch.setattr(os, name, touched)
    assert read(_stores(("/d/b", "/d/a")))


def test_links_are_followed_by_the_check_of_paths(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "etc").symlink_to("/etc")
    (tmp_path / "same").symlink_to("real")
    (tmp_path / "home").symlink_to(tmp_path / "real")
    base = str(tmp_path)
    settings = read(_stores((f"{base}/real", f"{base}/same/a"), (f"{base}/etc/b", f"{base}/other")))
    nested, system = sorted(check_paths(settings, ENV), key=lambda text: "s1" in text)
    assert "stores.s0.archive_root" in nested
    assert nested.endswith("(after links are followed)")
    assert "stores.s1.backup_root" in system
    assert "which is inside /etc" in system
    home = read(_stores((f"{base}/real", f"{base}/other")))
    assert check_paths(home, ENV) == []
    assert "which is a home directory" in check_paths(home, {"HOME": f"{base}/home"})[0]
