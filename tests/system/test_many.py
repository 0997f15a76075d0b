"""Trees too wide for memory: each entry is met once, and memory and descriptors stay as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.system.workshop import Workshop, opened, small_backup
from ullage.errors import Changed
from ullage.system import archive_manifest, tree, walk


@pytest.fixture
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backup with 300 directories in one, where names of about forty find room at a time."""
    monkeypatch.setattr(walk, "_MOST", 400)
    top = tmp_path / "b"
    for number in range(300):
        (top / "wide" / f"dir{number:06}").mkdir(parents=True)
        (top / "wide" / f"file{number}").touch()
    return top


def test_directories_that_do_not_fit_are_surveyed_once_each(wide: Path) -> None:
    with opened(wide) as fd:
        assert tree.survey(fd).entries == 601


def test_directories_that_do_not_fit_are_removed_too(wide: Path) -> None:
    with opened(wide) as fd, opened(wide.parent) as parent:
        assert tree.remove_tree(parent, "b", handle=tree.handle_of(fd)) == 602
    assert not wide.exists()


def test_directories_that_do_not_fit_are_in_a_manifest_once_each(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(wide.parent) as parent:
        found = archive_manifest.snapshot(parent, "b")
        monkeypatch.undo()
        assert found == archive_manifest.snapshot(parent, "b")
    assert found.entries == 602


def test_a_directory_that_changes_before_the_rest_of_it_is_listed_has_changed(
    wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter = walk.Descent.enter

    def grown(descent: walk.Descent, name: str) -> None:
        enter(descent, name)
        if name.startswith("dir"):
            (wide / "wide" / f"of {name}").mkdir()

    monkeypatch.setattr(walk.Descent, "enter", grown)
    with opened(wide) as fd, pytest.raises(Changed, match="wide changed while it was read"):
        tree.survey(fd)


def test_files_with_several_names_are_held_against_what_tar_makes_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_manifest, "_CACHE_KIB", 64)  # the others go to disk
    with ExitStack() as stack:
        workshop = Workshop(tmp_path, stack)
        top = small_backup(workshop, "b")
        for number in range(3000):
            (top / "sub" / f"n{number:04}").touch()
            os.link(top / "sub" / f"n{number:04}", top / f"m{number * 7919 % 3000:04}")
            os.link(top / "sub" / f"n{number:04}", top / f"sub.{number:04}")  # sorts before what is in sub
        workshop.round_trip("b")
        assert (workshop.out / "b" / "sub" / "n0001").stat().st_nlink == 3


LOOK = """
import os, sys
from ullage.errors import ArchiveError
from ullage.system import archive_manifest
archive_manifest._CACHE_KIB = 64
try:
    archive_manifest.snapshot(os.open(sys.argv[1], os.O_RDONLY), "b")
except ArchiveError as error:
    print(error)
"""


@pytest.mark.root
def test_no_room_for_the_names_of_linked_files_is_said(tmp_path: Path, loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    disk.fill()
    (tmp_path / "b" / "sub").mkdir(parents=True)
    for number in range(3000):
        (tmp_path / "b" / f"n{number}").touch()
        os.link(tmp_path / "b" / f"n{number}", tmp_path / "b" / "sub" / f"n{number}")
    elsewhere = {**os.environ, "SQLITE_TMPDIR": str(disk.path)}  # SQLite asks for it once in a process
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path)], env=elsewhere, capture_output=True, text=True, check=True
    )
    assert "many hard links need room in the directory for temporary files" in looked.stdout
