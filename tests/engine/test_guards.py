"""SPEC 7: what must never happen, by each guard alone: it refuses and names why, and the rest goes on."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.engine.moments import between, of, pin
from tests.engine.world import World, done, fingerprint
from ullage.engine.cycle import Act
from ullage.model.backups import Pin
from ullage.model.words import CleanupLevel, Level, Result, State
from ullage.sources.held import StateHeld
from ullage.sources.states import StateSource
from ullage.system import archives


@pytest.fixture
def world(ground: Path) -> World:
    """Twenty backups at 92 %, of which the two oldest would go."""
    world = World(ground)
    world.set(watermarks={"warning": 84.0})
    world.series(20, mib=0.2)
    world.press(92)
    return world


FIRST, SECOND, THIRD = "db-20260101", "db-20260102", "db-20260103"


def _assert_stays(world: World, why: str) -> None:
    """The first stays, untouched; where it was tried, the record says why; the two after it go in its place."""
    before = fingerprint(world.backups / FIRST)
    record = world.cycle()
    assert fingerprint(world.backups / FIRST) == before
    assert [i for _, i in done(record)] == [SECOND, THIRD]
    with world.app() as app, app.sites["main"].open() as opened:
        from ullage.model.words import CleanupLevel

        stays = app.engine.select(opened, CleanupLevel.MODERATE, 10).stays.get(FIRST, ())
    tried = [op.reason for op in record.actions if op.backup_id == FIRST]
    assert any(why in reason for reason in (*stays, *tried)), (stays, tried)
    assert world.leftovers() == []


def test_without_a_hindrance_the_two_oldest_go(world: World) -> None:
    assert [i for _, i in done(world.cycle())] == [FIRST, SECOND]


def test_a_pinned_backup_stays(world: World) -> None:
    with world.app() as app, app.sites["main"].open() as opened:
        opened.source.pin(Pin(backup_id=FIRST, at=time.time()))
    _assert_stays(world, "it is pinned")


def test_the_newest_good_one_of_a_series_stays(world: World) -> None:
    (world.backups / FIRST).rename(world.backups / "alone-20200101")
    record = world.cycle()
    assert [i for _, i in done(record)] == [SECOND, THIRD]


@contextmanager
def _process(code: str, *arguments: Path) -> Iterator[None]:
    """Another process that has done ``code`` and waits."""
    script = f"import sys, os, fcntl, mmap\n{code}\nprint(flush=True)\nsys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", script, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield
    finally:
        child.communicate()


def test_a_backup_with_a_file_open_for_writing_stays(world: World) -> None:
    with _process("held = open(sys.argv[1], 'r+b')", world.backups / FIRST / "data" / "content"):
        _assert_stays(world, "open for writing")


def test_a_backup_locked_by_another_process_stays(world: World) -> None:
    code = "held = os.open(sys.argv[1], os.O_RDONLY); fcntl.flock(held, fcntl.LOCK_SH)"
    with _process(code, world.backups / FIRST):
        _assert_stays(world, "locked")


def test_a_backup_whose_lock_file_is_locked_stays(world: World) -> None:
    (world.backups / FIRST / ".lock").touch()
    code = "held = os.open(sys.argv[1], os.O_RDONLY); fcntl.flock(held, fcntl.LOCK_EX)"
    with _process(code, world.backups / FIRST / ".lock"):
        _assert_stays(world, "locked")


@pytest.mark.root
def test_a_mount_inside_a_backup_makes_it_fail_by_name(world: World, loop_disk: LoopDisks) -> None:
    loop_disk("ext4")  # or a skip
    treasure = world.state.parent / "treasure"
    treasure.mkdir()
    (treasure / "kept").write_text("mine")
    inside = world.backups / FIRST / "data" / "mounted"
    inside.mkdir()
    subprocess.run(["mount", "--bind", str(treasure), str(inside)], check=True)
    try:
        record = world.cycle()
    finally:
        subprocess.run(["umount", str(inside)], check=True)
    assert (treasure / "kept").read_text() == "mine"
    assert (of(record, FIRST).result, "unmount" in of(record, FIRST).reason) == (Result.FAILED, True)
    assert [i for _, i in done(record)] == [SECOND, THIRD]


def test_a_link_to_a_backup_elsewhere_is_no_backup(world: World) -> None:
    elsewhere = world.state.parent / "elsewhere"
    (world.backups / FIRST).rename(elsewhere)
    (world.backups / FIRST).symlink_to(elsewhere)
    before = fingerprint(elsewhere)
    assert FIRST not in [i for _, i in done(world.cycle())]
    assert fingerprint(elsewhere) == before


def test_a_state_that_is_not_known_makes_it_stay(world: World) -> None:
    (world.backups / FIRST / ".state").write_text("WHATEVER\n")
    _assert_stays(world, "WHATEVER")


def test_a_created_backup_that_was_written_a_moment_ago_stays(ground: Path) -> None:
    world = World(ground)
    world.set(reclaim={"emergency_strategy": "nuclear"})
    young, old = (world.backup(f"db-2026010{n}", State.CREATED, age=3 - n, mib=1).name for n in (1, 2))
    world.backup("db-20260103", State.CONFIRMED, age=0.5, mib=6)
    world.press(97)
    os.utime(world.backups / young / "data" / "content")
    record = world.cycle()
    assert done(record)[0] == ("delete", old)
    assert young in world.live()


def test_a_pin_after_the_selection_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    between(monkeypatch, StateHeld, "look", lambda: pin(world, FIRST))
    record = world.cycle()
    assert "it is pinned" in of(record, FIRST).reason
    assert [i for _, i in done(record)] == [SECOND, THIRD]


def test_a_pin_in_the_last_moment_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from ullage.sources.reclaimer import TreeReclaimer

    between(monkeypatch, TreeReclaimer, "stage", lambda: pin(world, FIRST))
    record = world.cycle()
    assert (of(record, FIRST).result, "pinned meanwhile" in of(record, FIRST).reason) == (Result.FAILED, True)
    assert (FIRST in world.live(), world.leftovers()) == (True, [])


def _emergency(ground: Path) -> World:
    world = World(ground)
    world.set(watermarks={"target_free": 12.0})
    world.series(20, mib=0.2)
    world.press(97)
    return world


def test_a_pin_while_it_is_archived_holds(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = _emergency(ground)
    between(monkeypatch, archives, "verify_archive", lambda: pin(world, FIRST))
    record = world.cycle()
    assert (of(record, FIRST).result, "pinned" in of(record, FIRST).reason) == (Result.FAILED, True)
    assert [i for _, i in done(record)] == [SECOND, THIRD]
    assert world.archived() == [f"{SECOND}.tar.zst", f"{THIRD}.tar.zst"]


def test_where_the_floors_holder_went_while_another_was_archived_that_one_stays(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ground)
    world.backup("db-20260101", State.CLEANABLE, age=50)
    world.backup("db-20260102", State.CONFIRMED, age=49)
    world.press(97)
    between(monkeypatch, archives, "verify_archive", lambda: shutil.rmtree(world.backups / "db-20260102"))
    record = world.cycle()
    assert "the newest good backup" in of(record, "db-20260101").reason
    assert (world.live(), world.archived(), world.leftovers()) == (["db-20260101"], [], [])


def test_a_lock_taken_after_the_selection_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fd = os.open(world.backups / FIRST, os.O_RDONLY)
    between(monkeypatch, StateSource, "hold", lambda: fcntl.flock(fd, fcntl.LOCK_SH))
    record = world.cycle()
    os.close(fd)
    assert (of(record, FIRST).result, "locked by another" in of(record, FIRST).reason) == (Result.SKIPPED, True)
    assert [i for _, i in done(record)] == [SECOND, THIRD]


@pytest.mark.root
def test_a_mount_that_appears_in_the_last_moment_makes_it_come_back(
    world: World, loop_disk: LoopDisks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ullage.system import tree

    loop_disk("ext4")  # or a skip
    inside = world.backups / FIRST / "data"
    treasure = world.state.parent / "treasure"
    treasure.mkdir()
    (treasure / "kept").write_text("mine")
    bind = ["mount", "--bind", str(treasure), str(inside)]
    between(monkeypatch, tree, "rename_exclusive", lambda: subprocess.run(bind, check=True))
    record = world.cycle()
    subprocess.run(["umount", str(inside)], check=True)
    assert (treasure / "kept").read_text() == "mine"
    assert (of(record, FIRST).result, "mounted inside" in of(record, FIRST).reason) == (Result.FAILED, True)
    assert (FIRST in world.live(), world.leftovers()) == (True, [])


def test_a_change_while_it_is_archived_makes_it_stay(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = _emergency(ground)
    between(monkeypatch, archives, "verify_archive", (world.backups / FIRST / "more").touch)
    record = world.cycle()
    assert (of(record, FIRST).result, "changed" in of(record, FIRST).reason) == (Result.SKIPPED, True)
    assert (FIRST in world.live(), world.leftovers()) == (True, [])
    assert f"{FIRST}.tar.zst" not in world.archived()


def test_whoever_pins_what_is_just_going_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from ullage.errors import Changed
    from ullage.sources import pins

    between(monkeypatch, pins, "add", lambda: (world.backups / FIRST).rename(world.backups / ".ullage/trash/x"))
    with pytest.raises(Changed, match="taken away while it was pinned"):
        pin(world, FIRST)


def test_a_state_changed_after_the_selection_makes_it_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    between(monkeypatch, StateHeld, "look", lambda: _say(world, FIRST, "CONFIRMED"))
    record = world.cycle()
    assert (of(record, FIRST).result, "by now" in of(record, FIRST).reason) == (Result.SKIPPED, True)
    assert [i for _, i in done(record)] == [SECOND, THIRD]


def _say(world: World, backup_id: str, word: str) -> None:
    (world.backups / backup_id / ".state").write_text(f"{word}\n")


def test_where_the_floors_holder_went_meanwhile_the_next_newest_stays(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ground)
    world.backup("db-20260101", State.CLEANABLE, age=50)
    world.backup("db-20260102", State.CONFIRMED, age=49)
    world.backup("other-20260102", State.CONFIRMED, age=49)
    world.press(90)
    between(monkeypatch, StateHeld, "look", lambda: shutil.rmtree(world.backups / "db-20260102"))
    record = world.cycle()
    assert "db-20260101" in world.live()
    assert "the newest good backup" in of(record, "db-20260101").reason


def test_the_identity_missing_makes_it_unavailable_and_nothing_goes(world: World) -> None:
    with world.app() as app:
        (world.backups / ".ullage" / "identity").rename(world.state / "identity")
        record = app.engine.cycle(app.sites["main"], Act())
    assert (record.level, record.actions) == (Level.UNAVAILABLE, ())
    assert "is its disk mounted" in record.notes[0]
    assert len(world.live()) == 21


def test_another_disk_at_its_place_makes_it_unavailable(world: World) -> None:
    with world.app() as app:
        identity = world.backups / ".ullage" / "identity"
        identity.write_text(identity.read_text().replace('"id":"', '"id":"x'))
        record = app.engine.cycle(app.sites["main"], Act())
    assert (record.level, record.actions) == (Level.UNAVAILABLE, ())
    assert "another store" in record.notes[0]


@pytest.mark.root
def test_an_unmounted_disk_is_unavailable_and_alerted_never_0_percent(loop_disk: LoopDisks) -> None:
    from ullage.model.settings import AlertSettings

    disk = loop_disk("ext4", 32)
    world = World(disk.path, state=disk.path.parent / "state", archives=disk.path.parent / "archives")
    world.set(alerts=AlertSettings(email="ops@example.org"))
    world.series(5)
    with world.app() as app:
        assert app.engine.cycle(app.sites["main"], Act()).level is Level.OK
        disk.unmount()
        record = app.engine.cycle(app.sites["main"], Act())
        assert (record.level, record.usage_before, len(record.alerts)) == (Level.UNAVAILABLE, None, 1)
        disk.mount()
        assert app.engine.cycle(app.sites["main"], Act()).level is Level.OK


def test_a_store_held_by_another_process_is_left_to_it_and_it_is_named(world: World) -> None:
    with world.app():
        pass
    lock = world.backups / ".ullage" / "lock"
    with _process("held = open(sys.argv[1], 'r+b'); fcntl.flock(held, fcntl.LOCK_EX)", lock):
        record = world.cycle(Act(wait=0.0))
    assert record.actions == ()
    assert "lock is held by" in record.notes[0]
    assert done(world.cycle())


@pytest.mark.root
@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_a_lock_on_another_disk_locks_no_backup_whose_inode_has_that_number(
    loop_disk: LoopDisks, tmp_path: Path, fstype: str
) -> None:
    worlds = []
    for name in ("one", "other"):  # two disks alike: the same inode numbers
        disk = loop_disk(fstype)
        worlds.append(World(disk.path, state=tmp_path / name, archives=tmp_path / f"archives-{name}"))
        worlds[-1].backup(FIRST)
    one, other = (os.open(world.backups / FIRST, os.O_RDONLY) for world in worlds)
    assert os.fstat(one).st_ino == os.fstat(other).st_ino
    fcntl.flock(other, fcntl.LOCK_EX)
    with worlds[0].app() as first, first.sites["main"].open() as opened:
        assert [found.busy for found in opened.source.backups()] == [None]
    with worlds[1].app() as second, second.sites["main"].open() as opened:
        assert [found.busy for found in opened.source.backups()] == ["it is locked (flock)"]
    os.close(one)
    os.close(other)


def test_no_descriptor_is_left_open(world: World) -> None:
    with world.app() as app:
        app.engine.cycle(app.sites["main"], Act(dry_run=True))
        before = len(os.listdir("/proc/self/fd"))
        app.engine.cycle(app.sites["main"], Act())
        assert len(os.listdir("/proc/self/fd")) == before


def test_the_source_reads_a_locked_backup_without_taking_its_lock(world: World) -> None:
    with world.app() as app, app.sites["main"].open() as opened:
        fd = os.open(world.backups / FIRST, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert isinstance(opened.source, StateSource)
        (found,) = [one for one in opened.source.backups() if one.id == FIRST]
        os.close(fd)
    assert "locked" in str(found.busy)


@pytest.mark.root
@pytest.mark.parametrize("readonly", [False, True])
def test_a_subvolume_as_a_backup_goes_and_a_read_only_one_is_not_even_planned(
    loop_disk: LoopDisks, readonly: bool
) -> None:
    disk = loop_disk("btrfs", 300)
    world = World(disk.path, state=disk.path.parent / "state", archives=disk.path.parent / "archives")
    world.backup("w-20260901", State.CONFIRMED, age=1)
    plain = world.backup("w-20260101", mib=4)
    plain.rename(disk.path / "plain")
    subprocess.run(["btrfs", "-q", "subvolume", "create", str(plain)], check=True)
    subprocess.run(["cp", "-a", "--reflink=never", f"{disk.path}/plain/.", str(plain)], check=True)
    if readonly:
        subprocess.run(["btrfs", "property", "set", str(plain), "ro", "true"], check=True)
    world.set(capacity=5 << 20, archive={"before_delete": False})
    planned, record = world.cycle(Act(dry_run=True)), world.cycle()
    gone = [] if readonly else [("delete", "w-20260101")]
    assert [(str(op.action), op.backup_id) for op in planned.actions] == gone
    assert done(record) == gone
    assert plain.exists() == readonly
    if readonly:
        with world.app() as app, app.sites["main"].open() as opened:
            stays = app.engine.select(opened, CleanupLevel.NUCLEAR, None).stays["w-20260101"]
        assert any("read-only" in why for why in stays)
