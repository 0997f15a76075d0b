"""At 100 % (bytes, inodes, metadata) every record still succeeds (SPEC.md 7.7), with the state on the full disk."""

from __future__ import annotations

import itertools
import os
import sqlite3
from pathlib import Path

import pytest

from tests.catalog.makers import alert, operation
from tests.conftest import LoopDisks
from tests.loops import LoopDisk
from ullage.catalog import room
from ullage.catalog.catalog import Catalog
from ullage.catalog.values import Known
from ullage.errors import CatalogError
from ullage.model.words import Level, Phase, Result
from ullage.policy.forecast import Point
from ullage.policy.outlook import Outlook

pytestmark = pytest.mark.root

POINTS = {"bytes": Point(at=1.0, used=100, usable=100, peak=100)}
SIZES = {"ext4": 112, "xfs": 300, "btrfs": 160}
FULL = [("ext4", "bytes"), ("ext4", "inodes"), ("xfs", "bytes"), ("btrfs", "bytes"), ("btrfs", "metadata")]


def _disk(loop_disk: LoopDisks, fstype: str) -> LoopDisk:
    return loop_disk(fstype, SIZES[fstype], ("-N", "4096") if fstype == "ext4" else ())


def _fill(disk: LoopDisk, what: str) -> None:
    if what != "inodes":
        disk.fill()
    if what != "bytes":
        crowd = disk.path / f"crowd-{len(list(disk.path.iterdir()))}"
        for size in (2000, 200, 0):
            _crowd(crowd, b"x" * (size if what == "metadata" else 0))
    os.sync()


def _crowd(directory: Path, content: bytes) -> None:
    """Small files, until not one more can be made."""
    try:
        directory.mkdir(exist_ok=True)
        for number in itertools.count(len(list(directory.iterdir()))):
            (directory / str(number)).write_bytes(content)
    except OSError:
        return


def _is_full(disk: LoopDisk) -> bool:
    try:
        (disk.path / "one-more").write_bytes(b"x" * 5000)
    except OSError:
        return True
    return False


def _work(catalog: Catalog, times: int) -> None:
    before = len(catalog.history())
    for number in range(times):
        began = catalog.begin(operation(backup_id=f"backup-{number}-" + "x" * 200))
        purging = catalog.advance(began, Phase.PURGING, token="0123456789abcdef", handle="12345:1790000000.123456789")
        catalog.settle(purging, Result.DONE, reason="r" * 100)
    assert len(catalog.history()) == before + times


@pytest.mark.parametrize(
    ("fstype", "what", "times"),
    [
        *((fstype, what, 20 if fstype == "btrfs" else 200) for fstype, what in FULL),
        pytest.param("btrfs", "bytes", 200, marks=pytest.mark.long),
        pytest.param("btrfs", "metadata", 200, marks=pytest.mark.long),
    ],
)
def test_operations_are_journalled_on_a_full_disk(loop_disk: LoopDisks, fstype: str, what: str, times: int) -> None:
    disk = _disk(loop_disk, fstype)
    state = str(disk.path / "state")
    with Catalog.open(state) as catalog:
        _fill(disk, what)
        assert _is_full(disk)
        _work(catalog, times)
        catalog.enqueue(alert())
        catalog.add_reading("main", 1.0, Level.EMERGENCY, 100.0, None, 100.0, POINTS)
        catalog.add_outlook("main", Outlook(at=1.0, sights=()), instead=None)
    with Catalog.open(state) as again:
        _work(again, 5)
        assert again.fault() is None
    assert (disk.path / "state" / "reserve" / "large").exists()  # not even the reserve was needed


@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_an_ordinary_user_journals_on_a_full_disk_too(loop_disk: LoopDisks, fstype: str) -> None:
    disk = _disk(loop_disk, fstype)
    disk.path.chmod(0o777)
    child = os.fork()
    if child == 0:
        _as_nobody(disk.path)
    assert os.waitpid(child, 0)[1] == 0
    _fill(disk, "bytes")
    child = os.fork()
    if child == 0:
        _as_nobody(disk.path)
    assert os.waitpid(child, 0)[1] == 0
    assert (disk.path / "state").stat().st_uid == 65534


def _as_nobody(root: Path) -> None:
    status = 1
    try:
        os.chroot(root)  # the way there is not open to nobody
        os.setgid(65534)
        os.setuid(65534)
        with Catalog.open("/state") as catalog:
            _work(catalog, 10)
        status = 0
    finally:
        os._exit(status)


@pytest.mark.parametrize(("fstype", "what"), FULL)
def test_where_another_tool_took_the_journal_the_reserve_makes_room(
    loop_disk: LoopDisks, fstype: str, what: str
) -> None:
    disk = _disk(loop_disk, fstype)
    with Catalog.open(str(disk.path / "state")) as catalog:
        (disk.path / "state" / "catalog.db-journal").unlink()
        _fill(disk, what)
        _work(catalog, 10)
        assert not list((disk.path / "state" / "reserve").iterdir())


def test_without_a_reserve_it_would_fail_and_say_what_to_do(loop_disk: LoopDisks) -> None:
    disk = _disk(loop_disk, "ext4")
    with Catalog.open(str(disk.path / "state")) as catalog:
        assert catalog.give_up_reserve()
        assert not catalog.give_up_reserve()
        (disk.path / "state" / "catalog.db-journal").unlink()
        _fill(disk, "bytes")
        with pytest.raises(CatalogError, match=r"catalog\.db: database or disk is full; free some space or inodes"):
            catalog.begin(operation())
        assert catalog.history() == []


@pytest.mark.parametrize("fstype", ["ext4", "xfs", "btrfs"])
def test_when_the_free_pages_are_used_up_the_reserve_makes_room(loop_disk: LoopDisks, fstype: str) -> None:
    disk = _disk(loop_disk, fstype)
    with Catalog.open(str(disk.path / "state")) as catalog:
        _use_up(disk.path / "state" / "catalog.db")
        _fill(disk, "bytes")
        for _ in range(50):
            catalog.enqueue(alert(body="x" * 40_000))
        _work(catalog, 5)
        assert not list((disk.path / "state" / "reserve").iterdir())


def _use_up(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA journal_mode = PERSIST")
        raw.execute("CREATE TABLE ballast (zeros BLOB)")
        while (left := raw.execute("PRAGMA freelist_count").fetchone()[0]) > 2:
            raw.execute("INSERT INTO ballast VALUES (zeroblob(?))", (max(left - 20, 1) * 4000,))
    raw.close()


@pytest.mark.parametrize(("fstype", "what"), FULL[:-1])  # without metadata btrfs cannot rename: CatalogError, no loss
def test_a_corrupt_catalog_is_replaced_on_a_full_disk(loop_disk: LoopDisks, fstype: str, what: str) -> None:
    disk = _disk(loop_disk, fstype)
    Catalog.open(str(disk.path / "state")).close()
    (disk.path / "state" / "catalog.db").write_bytes(b"garbage" * 1000)
    _fill(disk, what)
    with Catalog.open(str(disk.path / "state")) as catalog:
        assert catalog.recovered_from is not None
        _work(catalog, 10)


def test_the_room_is_made_again_when_the_disk_has_some(loop_disk: LoopDisks) -> None:
    disk = _disk(loop_disk, "ext4")
    with Catalog.open(str(disk.path / "state")) as catalog:
        filler = disk.fill()
        catalog.give_up_reserve()
        catalog.reserve()
        assert not list((disk.path / "state" / "reserve").iterdir())
        filler.unlink()
        catalog.reserve()
        assert len(list((disk.path / "state" / "reserve").iterdir())) == room.RESERVE_FILES + 1
        _use_up(disk.path / "state" / "catalog.db")
        catalog.reserve()
        disk.fill()
        _work(catalog, 30)
        assert (disk.path / "state" / "reserve" / "large").exists()


def test_a_disk_with_little_room_is_not_filled_by_the_reserve(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 16)
    with Catalog.open(str(disk.path / "state")) as catalog:
        _work(catalog, 1)
        catalog.reserve()
    assert (disk.path / "state" / "catalog.db").stat().st_size < 1 << 20
    assert not list((disk.path / "state" / "reserve").iterdir())


def test_the_cache_leaves_the_last_room_to_the_journal(loop_disk: LoopDisks) -> None:
    disk = _disk(loop_disk, "ext4")
    with Catalog.open(str(disk.path / "state")) as catalog:
        disk.fill()
        for number in range(20):
            walked = Known(backup_id=f"backup-{number}", signature=b"s", facts=b"f" * 200_000, walked_at=1.0)
            catalog.remember("main", [walked], ["long gone"])
        assert 5 < len(catalog.known("main")) < 20
        _work(catalog, 30)
