"""faults.md, Trees: whatever is in a store or in a backup, the wrong thing never goes, and nothing hangs."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.e2e.command import Command, wait_for
from tests.engine.world import MIB, World, fingerprint
from tests.faults.stage import PRESSED, QUICK
from ullage.model.words import Result, State

ODD, HOLDER = "db-20260101", "db-20260102"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One that may go, and the floor above it."""
    world = World(tmp_path)
    world.backup(ODD, State.CLEANABLE, age=60, mib=0.1)
    world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.1)
    return world


@pytest.fixture
def command(tmp_path: Path, world: World) -> Command:
    """Under pressure at every look."""
    command = Command(tmp_path, QUICK + PRESSED, main=world)
    command.run("init")
    return command


@pytest.mark.root
def test_an_immutable_or_append_only_entry_is_refused_before_any_change(tmp_path: Path, loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    world = World(disk.path, state=tmp_path / "state", archives=tmp_path / "archives")
    world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.01)
    command = Command(tmp_path, QUICK, main=world)
    command.run("init")
    held = {}
    for number, (attribute, entry) in enumerate(itertools.product("ia", ("data/content", "data", "")), 1):
        top = world.backup(f"db-2025010{number}", State.CLEANABLE, age=60, mib=0.01)
        held[top] = (attribute, top / entry, fingerprint(top))
        subprocess.run(["chattr", f"+{attribute}", str(top / entry)], check=True)
    try:
        actions = command.json("cleanup", "gentle", "100", "--yes", code=1)["stores"][0]["actions"]
        stays = {one["backup_id"]: one["reasons"] for one in command.json("plan", "gentle")["stores"][0]["stays"]}
    finally:
        for attribute, path, _ in held.values():
            subprocess.run(["chattr", f"-{attribute}", str(path)], check=True)
    never = [top.name for top, (attribute, path, _) in held.items() if attribute == "i" and path == top]
    assert never == ["db-20250103"]
    assert "it is immutable" in stays["db-20250103"][0]  # not even tried: it can be seen from outside
    assert sorted(act["backup_id"] for act in actions) == sorted(top.name for top in held if top.name not in never)
    assert [(act["outcome"], act["reason"]) for act in actions if "(chattr -" not in act["reason"]] == []
    assert {act["outcome"] for act in actions} == {"failed"}
    assert [fingerprint(top) for top in held] == [before for _, _, before in held.values()]
    command.run("cleanup", "gentle", "100", "--yes")
    assert world.live() == [HOLDER]


def _link(state: Path) -> None:
    elsewhere = state.parent.parent.parent / "elsewhere"
    elsewhere.write_text("CLEANABLE\n")
    state.symlink_to(elsewhere)


def _sparse(state: Path) -> None:
    state.write_bytes(b"CLEANABLE\n")
    os.truncate(state, 1 << 30)


def _hard_link(state: Path) -> None:
    state.write_text("CLEANABLE\n")
    os.link(state, state.parent.parent.parent / "second-name")


def _device(state: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to make a device")
    os.mknod(state, 0o020600, os.makedev(1, 5))  # /dev/zero: it never ends


STATES: dict[str, Callable[[Path], object]] = {
    "a symbolic link": _link,
    "a FIFO": os.mkfifo,
    "a device": _device,
    "a directory": Path.mkdir,
    "1 GB": _sparse,
    "empty": Path.touch,
    "NUL": lambda state: state.write_bytes(b"CLEAN\0ABLE\n"),
    "only NUL": lambda state: state.write_bytes(bytes(10)),
    "unknown word": lambda state: state.write_text("PERHAPS\n"),
    "two words": lambda state: state.write_text("CLEANABLE CONFIRMED\n"),
    "lower case": lambda state: state.write_text("cleanable\n"),
    "hard-linked": _hard_link,
}


def test_a_state_that_cannot_be_believed_is_eligible_for_nothing_and_warned_of(command: Command, world: World) -> None:
    odd = {kind: f"odd-{number:02d}" for number, kind in enumerate(STATES)}
    for kind, name in odd.items():
        state = world.backup(name, State.CLEANABLE, age=60, mib=0.01) / ".state"
        state.unlink()
        STATES[kind](state)
    for words in (("monitor",), ("cleanup", "nuclear", "100", "--yes"), ("emergency", "--yes")):
        command.run(*words, code=None)
    command.run("delete", odd["a FIFO"], "--yes", code=1)
    assert set(world.live()) >= {HOLDER, *odd.values()} - {odd["a symbolic link"]}
    shown = {one["backup_id"]: one["eligible"] for one in command.json("list")["stores"][0]["backups"]}
    findings = command.json("doctor", code=None)["findings"]
    warned = " ".join(one["text"] for one in findings if one["severity"] != "ok")
    for kind, name in odd.items():
        assert (world.backups / name / "data" / "content").stat().st_size > 0, kind
        assert (shown[name], name in warned) == (False, True), kind


def test_crlf_and_surrounding_blanks_are_tolerated(command: Command, world: World) -> None:
    words = (b"CLEANABLE\r\n", b"  CLEANABLE \n", b"CLEANABLE", b"\tCLEANABLE\n\n")
    for number, word in enumerate(words, 1):
        (world.backup(f"db-2025010{number}", age=70, mib=0.01) / ".state").write_bytes(word)
    planned = command.json("plan", "gentle")["stores"][0]["candidates"]
    assert [one["backup_id"] for one in planned] == [*(f"db-2025010{number}" for number in range(1, 5)), ODD]


def test_an_entry_of_the_root_that_is_a_link_is_warned_of_and_never_touched(
    command: Command, world: World, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (world.backups / ODD).rename(elsewhere)
    (world.backups / ODD).symlink_to(elsewhere)
    whole = fingerprint(elsewhere)
    for words in (("monitor",), ("emergency", "--yes"), ("delete", ODD, "--yes")):
        command.run(*words, code=None)
    assert fingerprint(elsewhere) == whole
    assert "symbolic link" in command.run("doctor", code=None).stdout


@contextmanager
def _adding(path: Path) -> Iterator[None]:
    """A process that makes file after file in a directory that it holds open, wherever that is moved to."""
    code = (
        "import itertools, os, sys\nfd = os.open(sys.argv[1], os.O_RDONLY)\n"
        "for n in itertools.count():\n"
        "    try: os.close(os.open(f'x{n}', os.O_CREAT | os.O_WRONLY, dir_fd=fd))\n"
        "    except OSError: break\n"
        "    if n == 10: print(flush=True)\n"
    )
    one = subprocess.Popen([sys.executable, "-S", "-c", code, str(path)], stdout=subprocess.PIPE)
    assert one.stdout is not None
    one.stdout.readline()
    try:
        yield
    finally:
        one.kill()
        one.communicate()


def test_a_writer_that_adds_files_during_removal_ends_in_a_refusal_and_later_in_the_removal(
    command: Command, world: World
) -> None:
    """Whole in its place, or on its way with a record; never half there and whole to look at."""
    with _adding(world.backups / ODD / "data"):
        ran = command.run("delete", ODD, "--yes", code=None)
    if ran.returncode:
        assert ODD in ran.stdout + ran.stderr
    if (world.backups / ODD).exists():
        assert world.state_of(ODD) == "CLEANABLE"
        assert (world.backups / ODD / "data" / "content").exists()
    wait_for(lambda: command.run("monitor", code=None).returncode == 0, 20)
    assert (world.live(), world.leftovers()) == ([HOLDER], [])
    assert [op.result for op in world.history()].count(Result.DONE) == 1


@pytest.mark.root
@pytest.mark.parametrize("kind", [pytest.param("sparse", marks=pytest.mark.long), "reflinked", "hard-linked"])
def test_only_the_measured_gain_is_counted(tmp_path: Path, loop_disk: LoopDisks, kind: str) -> None:
    disk = loop_disk("btrfs", 200)
    world = World(disk.path, state=tmp_path / "state", archives=tmp_path / "archives")
    top = world.backup(ODD, State.CLEANABLE, age=60, mib=20)
    world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.1)
    content, kept = top / "data" / "content", disk.path / "kept"
    if kind == "sparse":
        content.unlink()
        with content.open("wb") as file:
            file.truncate(20 * MIB)
    elif kind == "reflinked":
        subprocess.run(["cp", "--reflink=always", str(content), str(kept)], check=True)
    else:
        os.link(content, kept)
    os.sync()
    command = Command(tmp_path, QUICK, main=world)
    command.run("init")
    (act,) = command.json("delete", ODD, "--yes")["stores"][0]["actions"]
    assert (act["outcome"], act["reclaimed_bytes"] < MIB) == ("done", True)


@pytest.mark.root
def test_times_that_only_btrfs_can_hold_keep_nobody_from_the_other_backups(
    tmp_path: Path, loop_disk: LoopDisks
) -> None:
    world = World(loop_disk("btrfs").path, state=tmp_path / "state")
    for number, at in enumerate((-(10**17), -(10**11), 10**12, 9 * 10**18), 1):
        top = world.backup(f"t{number}-20260101", State.CONFIRMED, mib=0.01)
        world.backup(f"t{number}-20260102", State.CONFIRMED, age=1, mib=0.01)
        (top / ".created_at").unlink()
        os.utime(top / "data" / "content", (at, at))
        os.utime(top, (at, at))
    command = Command(tmp_path, QUICK, main=world)
    command.run("init")
    listed = command.json("list")["stores"][0]["backups"]
    assert len(listed) == 8
    for number in (1, 2):  # older than any calendar: archived, and found again
        command.run("archive", f"t{number}-20260101", "--yes")
        command.run("restore", f"t{number}-20260101")
    for number in (3, 4):
        command.run("archive", f"t{number}-20260101", "--yes", code=1)
    assert len(world.live()) == 8


@pytest.mark.root
def test_what_comes_into_a_store_on_btrfs_while_it_is_open_is_seen(tmp_path: Path, loop_disk: LoopDisks) -> None:
    """Through an old descriptor btrfs shows what was there when it was opened; recovery brings backups back by then."""
    world = World(loop_disk("btrfs").path, state=tmp_path / "state")
    world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.01)
    (world.archives / "2026" / "01").mkdir(parents=True)
    with world.app() as app, app.sites["main"].open() as opened:
        world.backup(ODD, State.CLEANABLE, age=60, mib=0.01)
        (world.archives / "2025" / "01").mkdir(parents=True)
        (world.archives / "2025" / "01" / "db-20250101.tar.zst").touch()
        assert {backup.id for backup in opened.source.backups()} == {ODD, HOLDER}
        assert [archive.backup_id for archive in opened.source.archives()] == ["db-20250101"]
        later = world.backup("db-20260103", State.CLEANABLE, age=50, mib=1)
        assert later.name in {backup.id for backup in opened.source.backups()}
