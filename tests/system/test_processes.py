"""Who writes: SPEC.md 7.10, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.loops import run
from ullage.system.processes import WriteOpen, holder, open_below, open_for_writing

WRITES = "open(sys.argv[1], 'r+b')"
APPENDS = "os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)"
READS = "open(sys.argv[1], 'rb')"
MAPS = "mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 4096)"
MAPS_PRIVATELY = "mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 4096, flags=mmap.MAP_PRIVATE)"
MAPS_FOR_READING = "mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 4096, prot=mmap.PROT_READ)"


@contextmanager
def another_process(expression: str, path: Path) -> Iterator[int]:
    """The id of a process that holds what ``expression`` opens, and no descriptor beside a mapping."""
    code = (
        f"import mmap, os, sys; held = {expression}\n"
        "isinstance(held, mmap.mmap) and os.closerange(3, 99)\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
    finally:
        process.communicate()


def look(path: Path) -> WriteOpen:
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return open_for_writing(root)
    finally:
        os.close(root)


def key(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / ("tar\n" + os.fsdecode(b"\xff"))
    path.write_bytes(bytes(4096))
    return path


@pytest.mark.parametrize("expression", [WRITES, APPENDS, MAPS])
def test_a_file_that_another_process_may_write_to_is_found(file: Path, expression: str) -> None:
    with another_process(expression, file):
        found = look(file.parent)
        assert key(file) in found.inodes
        assert str(file) in found.paths
    assert key(file) not in look(file.parent).inodes


@pytest.mark.parametrize("expression", [READS, MAPS_PRIVATELY, MAPS_FOR_READING])
def test_a_file_that_is_only_read_is_not(file: Path, expression: str) -> None:
    with another_process(expression, file):
        assert key(file) not in look(file.parent).inodes
        assert open_below(str(file.parent)) == []


def test_a_file_that_we_write_ourselves_is_found(file: Path) -> None:
    with file.open("ab"):
        assert key(file) in look(file.parent).inodes


def test_a_fifo_is_no_file_that_is_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    descriptor = os.open(tmp_path / "fifo", os.O_RDWR)
    try:
        assert key(tmp_path / "fifo") not in look(tmp_path).inodes
    finally:
        os.close(descriptor)


@pytest.mark.root
def test_only_the_filesystem_in_question_is_asked(loop_disk: LoopDisks, file: Path) -> None:
    disk = loop_disk("ext4")
    there = disk.path / "file"
    there.write_bytes(bytes(4096))
    with file.open("ab"), another_process(WRITES, there):
        assert look(disk.path) == WriteOpen(frozenset({key(there)}), (str(there),))


@pytest.mark.root
@pytest.mark.parametrize("expression", [WRITES, MAPS])
def test_a_file_in_a_subvolume_is_found_from_the_root_of_its_btrfs(loop_disk: LoopDisks, expression: str) -> None:
    disk = loop_disk("btrfs")
    run("btrfs", "subvolume", "create", str(disk.path / "backup"))
    file = disk.path / "backup" / "file"
    file.write_bytes(bytes(4096))
    with another_process(expression, file):
        assert key(file) in look(disk.path).inodes


@pytest.mark.root
@pytest.mark.parametrize(("how", "counts"), [((), True), (("--read-only",), False)])
def test_an_image_that_the_kernel_may_write_to_counts(loop_disk: LoopDisks, how: tuple[str, ...], counts: bool) -> None:
    disk = loop_disk("ext4")
    image = disk.path / "disk\n.img"
    image.write_bytes(bytes(1 << 20))
    found = subprocess.run(["losetup", *how, "--find", "--show", image], capture_output=True, text=True, check=True)
    try:
        assert (key(image) in look(disk.path).inodes, str(image) in look(disk.path).paths) == (counts, counts)
    finally:
        run("losetup", "--detach", found.stdout.strip())


@pytest.mark.root
def test_a_writer_on_a_mount_that_was_detached_still_counts(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    file = disk.path / "file"
    file.write_bytes(bytes(4096))
    with another_process(WRITES, file):
        run("umount", "-l", str(disk.path))
        disk.mount()
        assert key(file) in look(disk.path).inodes


@pytest.mark.root
def test_a_writer_in_another_mount_namespace_counts(loop_disk: LoopDisks, tmp_path: Path) -> None:
    disk = loop_disk("ext4")
    file = disk.path / "file"
    file.write_bytes(bytes(4096))
    inside = tmp_path / "inside"
    inside.mkdir()
    script = (
        f"mount --bind '{disk.path}' '{inside}' && exec 3>>'{inside}/file' && mount -t tmpfs none '{inside}'"
        f" && exec 4>>'{inside}/of another filesystem' && echo ready && read line"
    )
    process = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        found = look(disk.path)
        assert key(file) in found.inodes
        assert found.paths == (f"{inside}/file",)
    finally:
        process.communicate("\n")


@pytest.mark.parametrize("expression", [WRITES, MAPS])
def test_who_writes_below_a_path_is_named(file: Path, expression: str) -> None:
    with another_process(expression, file) as pid:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        assert open_below(str(file.parent)) == [f"process {pid} ({name})"]
        assert open_below(f"{file.parent}/") == [f"process {pid} ({name})"]
        assert open_below(str(file.parent)[:-1]) == []
        assert open_below(str(file)) == []


def test_a_process_with_an_evil_name_cannot_break_a_line() -> None:
    code = "open('/proc/self/comm', 'wb').write(b'a\\x1b[2Jb\\n'); print('ready', flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        assert holder(process.pid) == f"process {process.pid} (a\\x1b[2Jb\\n)"
    finally:
        process.communicate("\n")
    assert holder(process.pid) == f"process {process.pid}"


def test_looking_at_a_process_takes_a_fraction_of_a_millisecond(tmp_path: Path) -> None:
    processes = sum(name.isdecimal() for name in os.listdir("/proc"))
    best = min(_seconds_to_look(tmp_path) for _ in range(3))
    assert best / processes < 0.001, "a few hundred processes would take too long"


def _seconds_to_look(path: Path) -> float:
    began = time.perf_counter()
    look(path)
    return time.perf_counter() - began
