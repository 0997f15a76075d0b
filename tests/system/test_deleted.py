"""Issue 4, SPEC 7.6: deleted files that somebody has open are found, each once, and counted by process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.conftest import LoopDisks
from tests.loops import run
from tests.system.test_processes import MAPS_FOR_READING, MAPS_PRIVATELY, READS, WRITES, another_process
from ullage.system import deleted
from ullage.system.deleted import Keeper, deleted_but_open

SIZE = 1 << 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / ("odd\n" + os.fsdecode(b"\xff"))
    path.write_bytes(os.urandom(SIZE))
    return path


def look(path: Path) -> dict[int, Keeper]:
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = [_here(keeper, str(path)) for keeper in deleted_but_open(root)]
        return {keeper.pid: keeper for keeper in found if keeper.files}
    finally:
        os.close(root)


def _here(keeper: Keeper, path: str) -> Keeper:
    """Without what pytest and others have deleted and open elsewhere on the disk of ``/tmp``."""
    return Keeper(keeper.pid, keeper.name, tuple(file for file in keeper.files if file.path.startswith(path)))


@pytest.mark.parametrize(
    "expression",
    [
        READS,
        WRITES,
        pytest.param(MAPS_FOR_READING, marks=pytest.mark.root),
        pytest.param(MAPS_PRIVATELY, marks=pytest.mark.root),
    ],
)
def test_a_deleted_file_that_is_open_or_mapped_is_found_until_it_is_closed(file: Path, expression: str) -> None:
    with another_process(expression, file) as pid:
        assert pid not in look(file.parent), "it is not deleted"
        file.unlink()
        keeper = look(file.parent)[pid]
        assert keeper.name == os.path.basename(sys.executable)[:15]
        (kept,) = keeper.files
        assert kept.size_bytes == pytest.approx(SIZE, abs=8192)
        if expression in (READS, WRITES):
            assert kept.path == str(file)
    assert pid not in look(file.parent)


def test_one_file_open_twice_and_in_two_processes_is_one_file(file: Path) -> None:
    twice = "[open(sys.argv[1], 'rb'), open(sys.argv[1], 'rb')]"
    with another_process(twice, file) as one, another_process(READS, file) as other:
        file.unlink()
        found = look(file.parent)
    assert {file.key for pid in (one, other) for file in found[pid].files} == {found[one].files[0].key}
    assert [len(found[pid].files) for pid in (one, other)] == [1, 1]


def test_a_file_with_another_name_left_is_not_deleted(file: Path) -> None:
    os.link(file, file.parent / "other")
    with another_process(READS, file) as pid:
        file.unlink()
        assert pid not in look(file.parent)


def test_what_is_no_file_of_a_disk_is_passed_over(file: Path) -> None:
    """A deleted directory holds next to nothing; memory, pipes and sockets are of no disk."""
    memory, (reads, writes) = os.memfd_create("x"), os.pipe()
    gone = file.parent / "gone"
    gone.mkdir()
    directory = os.open(gone, os.O_RDONLY)
    gone.rmdir()
    try:
        assert os.getpid() not in look(file.parent)
    finally:
        for fd in (memory, reads, writes, directory):
            os.close(fd)


@pytest.mark.root
@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_files_of_another_filesystem_are_not_even_asked_about(loop_disk: LoopDisks, fstype: str, file: Path) -> None:
    disk = loop_disk(fstype).path
    top = disk / "sub"
    run("btrfs", "subvolume", "create", str(top)) if fstype == "btrfs" else top.mkdir()
    (top / "own").write_bytes(os.urandom(SIZE))
    with another_process(READS, file) as other, another_process(READS, top / "own") as own:
        file.unlink()
        (top / "own").unlink()
        asked: list[str] = []
        real = os.stat

        def stat(path: str | int, **how: object) -> os.stat_result:
            asked.append(str(path))
            return real(path, **how)  # type: ignore[arg-type]

        with patch.object(os, "stat", stat):
            found = look(disk)
    assert set(found) == {own}
    assert not [path for path in asked if path.startswith(f"/proc/{other}/")]


def test_a_process_that_goes_meanwhile_is_passed_over(file: Path) -> None:
    """Between any two looks: it is in the list of processes and not there any more."""
    with another_process(READS, file) as pid:
        file.unlink()
        with patch.object(deleted, "name_of", lambda _: None):
            assert pid not in look(file.parent)
    with patch.object(deleted, "running", lambda: [pid]):
        assert look(file.parent) == {}


@contextmanager
def many(path: Path, count: int) -> Iterator[None]:
    with ExitStack() as files:
        for number in range(count):
            name = path / str(number)
            name.write_bytes(b"x")
            files.enter_context(name.open("rb"))
            name.unlink()
        yield


def test_the_look_ends_after_its_time_and_says_what_it_found(tmp_path: Path) -> None:
    with many(tmp_path, 3), patch.object(deleted, "_LONGEST", 0.0):
        with patch.object(deleted, "running", lambda: [os.getpid(), 1]):
            assert list(look(tmp_path)) == [os.getpid()]
        with patch.object(deleted, "running", lambda: [1, os.getpid()]):
            assert list(look(tmp_path)) == []
