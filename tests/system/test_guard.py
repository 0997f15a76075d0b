"""What hangs does not hang us (SPEC.md 7.9)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ullage.errors import Unavailable
from ullage.system.archive_tar import running
from ullage.system.guard import Guard


class Disk:
    """Hangs until it is let go; counts how often it was asked."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        self.let_go.wait(30)
        return "here"


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_an_answer_is_passed_on() -> None:
    assert Guard().answer("/srv", 5.0, lambda: 42) == 42


def test_an_error_is_passed_on() -> None:
    def broken() -> None:
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError, match="gone"):
        Guard().answer("/srv", 5.0, broken)


def test_what_hangs_is_given_up_in_time_and_named(disk: Disk) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"^/s\\nrv has not answered for 0\.1 s; is the disk or server gone\?$"):
        Guard().answer("/s\nrv", 0.1, disk)
    assert time.monotonic() - began < 5
    disk.let_go.set()


def test_what_hangs_is_not_asked_again_and_others_are(disk: Disk) -> None:
    guard = Guard()
    with pytest.raises(Unavailable):
        guard.answer("/srv", 0.05, disk)
    threads = threading.active_count()
    for _ in range(5):
        with pytest.raises(Unavailable, match="has not answered"):
            guard.answer("/srv", 30.0, disk)
    assert disk.asked == 1
    assert threading.active_count() == threads
    assert guard.answer("/other", 5.0, lambda: "fine") == "fine"
    disk.let_go.set()


def test_what_came_back_is_served_again(disk: Disk) -> None:
    guard = Guard()
    with pytest.raises(Unavailable):
        guard.answer("/srv", 0.05, disk)
    disk.let_go.set()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            assert guard.answer("/srv", 5.0, disk) == "here"
            return
        except Unavailable:
            time.sleep(0.01)
    raise AssertionError("it never came back")


def test_a_long_silence_is_told_in_a_unit_for_people(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard()
    with pytest.raises(Unavailable):
        guard.answer("/srv", 0.05, disk)
    later = time.monotonic() + 7200
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(Unavailable, match="has not answered for 2 h"):
        guard.answer("/srv", 5.0, disk)
    disk.let_go.set()


def test_a_hung_call_does_not_keep_the_interpreter_from_ending() -> None:
    code = """
import threading
from ullage.errors import Unavailable
from ullage.system.archive_tar import running
from ullage.system.guard import Guard
try:
    Guard().answer("/srv", 0.05, threading.Event().wait)
except Unavailable:
    print("given up")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "given up\n"


def test_where_no_thread_can_be_started_that_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = children()
    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(Unavailable, match="cannot ask main: can't start new thread"):
        Guard().answer("main", 1, lambda: None)
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(Unavailable, match="can't start new thread"), running(fd, ["-cf", "-", "."], fed=False):
        pass
    os.close(fd)
    assert children() <= before  # no tar is left behind


def children() -> set[str]:
    """The processes that this one has started and not yet seen end."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}
