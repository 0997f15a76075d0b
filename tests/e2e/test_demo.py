"""``ullage demo`` as a person runs it: through a pipe, as JSON, and ended in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shapes import faults
from tests.loops import why_not
from ullage.demo import backups, place
from ullage.demo.report import Event, Report, View
from ullage.demo.words import Lines, summary
from ullage.errors import UllageError
from ullage.model.settings import Watermarks
from ullage.model.words import Level, State

DEMO = (sys.executable, "-m", "ullage", "demo")
OTHERS = {"ULLAGE_CONFIG": "/nowhere/ullage.toml", "ULLAGE_STATE_DIR": "/nowhere"}
"""The user's own settings, which the demo must not follow."""
NO_MOUNTS = ("setpriv", "--bounding-set", "-sys_admin")
"""Before a command: root that may mount nothing."""


def start(temp: Path, *words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """The demo with its temporary directory under ``temp``, and SIGINT as a terminal's user has it."""
    return subprocess.Popen(
        [*before, *DEMO, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temp), **OTHERS},
        start_new_session=True,
    )


@dataclass
class Running:
    """A whole demo that goes on while the other tests of this file run; ``obstacle``: why it could not be started."""

    temp: Path
    process: subprocess.Popen[str] | None = None
    obstacle: str | None = None

    def said(self) -> str:
        """What it said on stdout; it ended well and complained of nothing."""
        if self.process is None:
            pytest.skip(str(self.obstacle))
        said, complained = self.process.communicate(timeout=100)
        assert (self.process.returncode, complained) == (0, ""), said
        return said


@pytest.fixture(scope="module", autouse=True)
def on_loops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The demo with ``--json`` where it may mount."""
    temp = tmp_path_factory.mktemp("loops")
    obstacle = why_not("ext4", tmp_path_factory.mktemp("try"))
    running = Running(temp, None if obstacle else start(temp, "--json"), obstacle)
    yield running
    end(running)


@pytest.fixture(scope="module", autouse=True)
def on_a_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The demo through a pipe where it may not mount."""
    temp = tmp_path_factory.mktemp("directory")
    running = Running(temp, start(temp, before=NO_MOUNTS if os.geteuid() == 0 else ()))
    yield running
    end(running)


def end(running: Running) -> None:
    if running.process is not None and running.process.poll() is None:
        running.process.terminate()
        running.process.communicate(timeout=20)


def left_behind(temp: Path) -> list[str]:
    """What of the demo is still there: files, mounts, loop devices, processes."""
    images = [line for line in Path("/proc/mounts").read_text().splitlines() if str(temp) in line]
    loops = [path.read_text().strip() for path in Path("/sys/block").glob("loop*/loop/backing_file") if path.exists()]
    commands = [_command(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    found = [*map(str, temp.iterdir()), *images, *loops, *commands]
    return [one for one in found if str(temp) in one]


def _command(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def wait_for_line(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert any(word in line for line in process.stdout), f"no line with {word!r}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path)
    wait_for_line(process, "the dump has")
    os.killpg(process.pid, number)
    _, complained = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert complained == f"ullage: ended by {number.name}; nothing of the demo is left\n"
    assert left_behind(tmp_path) == []


def test_on_a_terminal_it_is_drawn_again_and_ctrl_c_gives_the_cursor_back(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        DEMO, stdout=theirs, stderr=theirs, env={**os.environ, "TMPDIR": str(tmp_path), "TERM": "xterm"}
    )
    os.close(theirs)
    seen = read_until(ours, b"MiB of 315.0 MiB")
    process.send_signal(signal.SIGINT)
    seen += read_until(ours, b"nothing of the demo is left")
    assert process.wait(20) == 128 + signal.SIGINT
    os.close(ours)
    assert b"\x1b[2K" in seen and seen.count(b"usage  ") > 1
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    assert left_behind(tmp_path) == []


def read_until(terminal: int, words: bytes) -> bytes:
    seen = b""
    while words not in seen:
        seen += os.read(terminal, 4096)
    return seen


@pytest.mark.parametrize("seconds", [0.4, 0.6, 0.8])
def test_a_signal_while_it_is_set_up_leaves_nothing(tmp_path: Path, seconds: float) -> None:
    process = start(tmp_path)
    time.sleep(seconds)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode in (128 + signal.SIGTERM, -signal.SIGTERM)
    assert left_behind(tmp_path) == []


def test_a_closed_pipe_ends_it_and_nothing_is_left(tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for_line(process, "the dump has")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(20) == 1
    assert process.stderr.read() == ""
    assert left_behind(tmp_path) == []


def test_the_writer_ends_with_whoever_listens_to_it(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "ullage.demo.writer", str(tmp_path), str(1 << 30), str(4 << 20)]
    writer = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"524288 0\n"
    writer.stdout.close()
    assert writer.wait(10) == -signal.SIGPIPE


def test_without_room_for_it_it_says_so_and_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(place, "_NEEDED", 1 << 60)
    with pytest.raises(UllageError, match="the demo needs a directory whose disk has"), place.made_place():
        raise AssertionError("there was no room")
    assert left_behind(tmp_path) == []


def test_the_backups_are_of_every_live_state_and_their_names_differ() -> None:
    ids = [made.id(1_790_000_000.0) for made in (*backups.BACKUPS, backups.TONIGHT)]
    assert len(set(ids)) == len(ids)
    assert {made.state for made in backups.BACKUPS} == {
        State.CREATED,
        State.PENDING,
        State.CONFIRMED,
        State.CLEANABLE,
    }
    assert [made.series for made in backups.BACKUPS].count(backups.SINGLE.series) == 1


def report(**changes: Any) -> Report:
    """A run that went well, but for the changes."""
    facts: dict[str, Any] = {
        "place": "a disk",
        "loop": True,
        "seconds": 19.0,
        "written": 1 << 20,
        "no_space": 0,
        "highest": 95.0,
        "levels": (Level.OK,),
        "operations": (),
        "archives": (),
        "kept": (),
        "pinned": "shop-db-2026-09-24",
        "pinned_kept": True,
        "single": "wiki-2026-08-20",
        "single_kept": True,
        "faults": (),
    }
    return Report(**{**facts, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"no_space": 3}, 'the writer saw "no space left" 3 times'),
        ({"highest": 101.5, "loop": False}, "usage WENT OVER the capacity"),
        ({"pinned_kept": False}, "shop-db-2026-09-24 IS GONE"),
        ({"single_kept": False}, "wiki-2026-08-20 IS GONE"),
    ],
)
def test_a_run_that_breaks_a_promise_is_not_ok_and_says_which(changes: dict[str, Any], said: str) -> None:
    assert report().ok
    broken = report(**changes)
    assert not broken.ok
    assert any(said in line for line in summary(broken))


def test_lines_tell_usage_at_every_five_points_and_each_change_of_level_once() -> None:
    told: list[str] = []
    lines = Lines(told.append)
    lines.begin("a disk", Watermarks(), 1 << 20)
    del told[:]
    for number, usage in enumerate((60.0, 62.0, 64.9, 65.0, 74.0)):
        lines.show(view(number, usage), [Event(seconds=number, level=Level.WARNING, usage=75.0)] if number == 2 else [])
    assert [line.split("  ")[-1].strip() for line in told] == [
        "60.0 % used, the dump has 1.0 MiB",
        "the level is warning now, at 75.0 %",
        "65.0 % used, the dump has 1.0 MiB",
        "74.0 % used, the dump has 1.0 MiB",
    ]


def view(seconds: float, usage: float) -> View:
    return View(seconds=seconds, level=Level.OK, usage=usage, written=1 << 20, no_space=0)


@pytest.mark.root
def test_on_disks_of_its_own_every_level_is_seen_and_acted_upon_and_nothing_is_left(on_loops: Running) -> None:
    document = json.loads(on_loops.said())
    assert faults("demo", document) == []
    demo = document["demo"]
    assert demo["loop_mounted"]
    assert {"ok", "warning", "critical", "emergency"} <= set(demo["levels"])
    check(demo)
    assert left_behind(on_loops.temp) == []


def test_without_mounts_it_runs_on_a_plain_directory_with_a_capacity(on_a_directory: Running) -> None:
    said = on_a_directory.said()
    assert "a plain directory with a capacity of 512.0 MiB" in said
    assert "\x1b" not in said
    for word in ("warning", "critical", "emergency", "archived ", "deleted ", "promoted "):
        assert word in said
    assert "usage never went over the capacity" in said
    assert said.splitlines()[-2].startswith("for your own disks:")
    assert left_behind(on_a_directory.temp) == []


def check(demo: dict[str, Any]) -> None:
    """The demo went as it is meant to."""
    assert demo["ok"] and demo["faults"] == []
    assert demo["no_space_left"] == 0 and demo["highest_usage_percent"] < 100
    assert demo["pinned"]["kept"] and demo["only_one_of_its_series"]["kept"]
    done = {(a["action"], a["from_state"]) for a in demo["actions"] if a["outcome"] == "done"}
    wanted = {("delete", "CLEANABLE"), ("delete", "CONFIRMED"), ("promote", "CONFIRMED"), ("archive", "CLEANABLE")}
    assert wanted <= done
    gone = {a["backup_id"] for a in demo["actions"] if a["outcome"] == "done" and a["action"] != "promote"}
    kept = {one["backup_id"]: one["reasons"] for one in demo["kept"]}
    assert not gone & kept.keys() and len(gone) + len(kept) == len(backups.BACKUPS) + 1
    assert kept[demo["pinned"]["backup_id"]] == ["it is pinned"]
    assert kept[demo["only_one_of_its_series"]["backup_id"]] == ['the newest good backup of the series "wiki"']
