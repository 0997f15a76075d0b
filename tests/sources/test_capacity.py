"""What a store with a ``capacity`` holds (SPEC.md 4 and 7.6): as ``du`` says, and walked only when need be."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LoopDisks
from tests.engine.world import MIB, World
from ullage.engine.execute import _grown
from ullage.errors import Changed
from ullage.model.backups import Backup
from ullage.model.readings import Reading, Space
from ullage.model.words import State
from ullage.sources.capacity import Total
from ullage.sources.states import StateSource
from ullage.system import tree

SLACK = MIB // 4
"""Bytes that directories and small files take."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, capacity=100 * MIB)
    world.backup("db-20260101", mib=3)
    world.backup("db-20260102", mib=5)
    return world


@contextmanager
def used(world: World) -> Iterator[Callable[[], int]]:
    """A function that gives the bytes in use, within one opening of the store."""
    with world.app() as app, app.sites["main"].open() as opened:
        yield lambda: opened.gauge.read().backup[-1].used_bytes


def is_about(found: int, mib: float) -> bool:
    return mib * MIB <= found < mib * MIB + SLACK


def test_the_bytes_of_every_backup_and_of_all_else_under_the_root_count(world: World) -> None:
    (world.backups / "notes.txt").write_bytes(b"x" * MIB)
    (world.backups / "no backup").mkdir()
    (world.backups / "no backup" / "data").write_bytes(b"x" * 2 * MIB)
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 11)


def test_a_backup_that_goes_while_the_store_is_open_counts_no_more(world: World) -> None:
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 8)
        shutil.rmtree(world.backups / "db-20260102")
        assert is_about(bytes_now(), 3)


def test_a_backup_that_is_only_in_the_trash_still_counts(world: World) -> None:
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 8)
        (world.backups / "db-20260102").rename(world.backups / ".ullage/trash/token")
        assert is_about(bytes_now(), 8)


def test_a_backup_that_comes_while_the_store_is_open_counts_at_once(world: World) -> None:
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 8)
        world.backup("db-20260103", mib=4)
        assert is_about(bytes_now(), 12)


def test_a_backup_that_grew_counts_when_the_store_is_opened_again(world: World) -> None:
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 8)
    (world.backups / "db-20260101" / "more").write_bytes(b"x" * MIB)
    with used(world) as bytes_now:
        assert is_about(bytes_now(), 9)


def du(world: World) -> int:
    """What du says is below the root, the root's own entry left out."""
    words = subprocess.run(["du", "-s", "-B1", str(world.backups)], check=True, capture_output=True, text=True).stdout
    return int(words.split()[0]) - world.backups.stat().st_blocks * 512


def link_to(world: World, backup_id: str, source: str) -> None:
    """A snapshot that shares all content with another, as ``rsync --link-dest`` leaves it."""
    top = world.backup(backup_id, mib=0)
    for path in (world.backups / source / "data").iterdir():
        (top / "data" / path.name).unlink(missing_ok=True)
        (top / "data" / path.name).hardlink_to(path)


def looked(world: World) -> int:
    """The bytes in use as a look of its own finds them."""
    with used(world) as bytes_now:
        return bytes_now()


def remembered(world: World) -> None:
    """Two looks after a clock tick, so that the memory of what is there holds."""
    time.sleep(1.1)
    looked(world)
    looked(world)


def test_what_snapshots_share_by_hard_links_counts_once(world: World) -> None:
    remembered(world)  # from when nothing was shared
    for number in range(3, 8):
        link_to(world, f"db-2026010{number}", "db-20260101")
    assert looked(world) == du(world) < 9 * MIB


@pytest.mark.parametrize("where", ["loose", ".ullage/trash/loose"])
def test_links_to_what_is_no_backup_count_once_too(world: World, where: str) -> None:
    world.set(capacity=1 << 50)  # of which a few MiB more are no reason to walk everything
    remembered(world)
    (world.backups / where).hardlink_to(world.backups / "db-20260101" / "data" / "content")
    assert looked(world) == du(world)


def test_each_snapshot_that_goes_counts_for_what_it_alone_held(world: World) -> None:
    link_to(world, "db-20260103", "db-20260102")
    (world.backups / "db-20260103" / "data" / "own").write_bytes(b"x" * 2 * MIB)
    with used(world) as bytes_now:
        for backup_id in ("db-20260103", "db-20260102"):
            assert bytes_now() == du(world)
            shutil.rmtree(world.backups / backup_id)
        assert bytes_now() == du(world) < 4 * MIB


def test_shared_files_are_walked_again_only_when_something_moved(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.set(capacity=1 << 50)  # whatever else this filesystem is used for meanwhile
    link_to(world, "db-20260103", "db-20260102")
    looked(world)
    walks = _count_walks(monkeypatch)
    assert looked(world) == du(world)
    assert walks == []
    (world.backups / "db-20260104").mkdir()
    (world.backups / "db-20260104" / ".state").write_text("CLEANABLE\n")
    assert (looked(world), len(walks)) == (du(world), 1)


def _count_walks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    walks: list[None] = []
    walk = Total._walked

    def counted(total: Total) -> int:
        walks.append(None)
        return walk(total)

    monkeypatch.setattr(Total, "_walked", counted)
    return walks


def test_shared_files_lead_to_no_emergency(world: World) -> None:
    for number in range(3, 8):
        link_to(world, f"db-2026010{number}", "db-20260102")
    world.set(capacity=20 * MIB)
    assert (world.cycle().actions, len(world.live())) == ((), 7)


def test_a_deletion_gains_what_the_disk_and_the_capacity_both_get_back() -> None:
    assert _grown(_reading(disk=9, capacity=9), _reading(disk=4, capacity=8), False) == 1
    assert _grown(_reading(disk=9, capacity=9), _reading(disk=9, capacity=4), False) == 0


def _reading(*, disk: int, capacity: int) -> Reading:
    spaces = (Space(total_bytes=10, used_bytes=n, free_bytes=10 - n, available_bytes=10 - n) for n in (disk, capacity))
    return Reading(at=0.0, backup=tuple(spaces))


@pytest.fixture
def disk_world(loop_disk: LoopDisks, tmp_path: Path) -> World:
    """A store whose filesystem nobody else writes to; its backups are old and were walked long ago."""
    disk = loop_disk("ext4", 64)
    world = World(disk.path, state=tmp_path / "state", capacity=40 * MIB)
    world.backup("db-20260101", State.CONFIRMED, mib=3)
    world.backup("db-20260102", State.CREATED, mib=2)
    remembered(world)
    return world


def _append(path: Path, mib: float) -> None:
    """The file grew, its directory's times as they were, and nobody has it open any more."""
    with path.open("ab") as file:
        file.write(b"x" * int(mib * MIB))
    os.sync()


@pytest.mark.root
def test_what_grows_deep_in_an_old_backup_is_seen_by_the_disk_getting_fuller(disk_world: World) -> None:
    _append(disk_world.backups / "db-20260101" / "data" / "content", 30)
    assert looked(disk_world) == du(disk_world) > 35 * MIB


@pytest.mark.root
def test_what_grows_while_the_store_is_open_is_seen_too(disk_world: World) -> None:
    with used(disk_world) as bytes_now:
        assert bytes_now() == du(disk_world)
        _append(disk_world.backups / "db-20260101" / "data" / "content", 30)
        assert bytes_now() == du(disk_world)


@pytest.mark.root
def test_many_small_gains_that_no_look_explains_add_up(disk_world: World) -> None:
    for _ in range(5):
        _append(disk_world.backups / "db-20260101" / "data" / "content", 0.3)
        found = looked(disk_world)
    assert du(disk_world) - found <= disk_world.store.capacity // 100  # type: ignore[operator]


@pytest.mark.root
def test_an_unfinished_backup_is_walked_at_every_look(disk_world: World) -> None:
    _append(disk_world.backups / "db-20260102" / "data" / "content", 0.3)  # under a percent of the capacity
    assert looked(disk_world) == du(disk_world)


@pytest.mark.root
def test_a_finished_backup_that_is_open_for_writing_is_walked_at_every_look(disk_world: World) -> None:
    with (disk_world.backups / "db-20260101" / "data" / "content").open("ab") as file:
        file.write(b"x" * (MIB // 4))
        file.flush()
        os.sync()
        assert looked(disk_world) == du(disk_world)


@pytest.mark.root
def test_an_idle_store_is_not_walked(disk_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    walked = []
    look = StateSource._look

    def noted(source: StateSource, name: str, before: Backup | None) -> Backup | None:
        walked.append(name)
        return look(source, name, before)

    monkeypatch.setattr(StateSource, "_look", noted)
    (disk_world.backups.parent / "neighbour").write_bytes(b"x" * (MIB // 4))  # not ours, and under a percent
    looked(disk_world)
    assert walked == ["db-20260102"]


def test_a_backup_that_a_writer_moves_about_counts_for_what_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = looked(world)
    survey = tree.survey

    def moved(fd: int, **how: Any) -> tree.Survey:
        if os.readlink(f"/proc/self/fd/{fd}").endswith("db-20260102"):
            raise Changed("it was moved")
        return survey(fd, **how)

    monkeypatch.setattr(tree, "survey", moved)
    assert looked(world) == before
