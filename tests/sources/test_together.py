"""What backups hold together is walked for once, and followed while they come and go (issue 4)."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.engine.world import MIB, World
from tests.loops import run
from ullage.engine.cycle import Act
from ullage.model.backups import Backup, Share
from ullage.model.words import Action, Phase, State, Trigger
from ullage.sources import together
from ullage.system import tree
from ullage.system.sharing import Sharing

ONE, TWO, THREE = "db-20260101", "db-20260102", "db-20260103"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two snapshots that share 3 MiB; the second has 1 MiB of its own."""
    world = World(tmp_path)
    world.backup(ONE, mib=3)
    follow(world, TWO, ONE, own=1)
    return world


def follow(world: World, backup_id: str, source: str, own: int) -> None:
    """A snapshot with all the content of another, as ``rsync --link-dest`` leaves it, and some of its own."""
    top = world.backup(backup_id, mib=own)
    os.rename(top / "data" / "content", top / "data" / f"own of {backup_id}")
    for path in (world.backups / source / "data").iterdir():
        (top / "data" / path.name).hardlink_to(path)


def look(world: World, *, shares: bool = True) -> tuple[tuple[Share, ...], dict[str, Backup]]:
    """What is shared, and every backup by id, as a look of its own finds them; without ``shares``, by no walk."""
    with world.app() as app, app.sites["main"].open() as opened:
        found = opened.source.shares() if shares else ()
        return found, {backup.id: backup for backup in opened.source.backups()}


def small(size: int) -> int:
    """Whole MiB: the small files and directories of a backup are less."""
    return size // MIB


def test_what_two_snapshots_share_is_told_with_both_and_is_in_neither(world: World) -> None:
    (share,), backups = look(world)
    assert share == Share(owners=(ONE, TWO), size_bytes=3 * MIB, inodes=1)
    assert [small(backups[name].reclaimable_bytes) for name in (ONE, TWO)] == [0, 1]


def test_one_that_was_known_before_another_was_linked_to_it_is_known_anew(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.backup(ONE, mib=3)
    time.sleep(1.1)  # else its facts would not be believed anyway
    assert small(look(world)[1][ONE].reclaimable_bytes) == 3
    follow(world, TWO, ONE, own=1)
    (share,), backups = look(world)
    assert (share.owners, small(backups[ONE].reclaimable_bytes)) == ((ONE, TWO), 0)


def test_the_last_owner_has_it_alone_without_another_walk(world: World, walks: list[str]) -> None:
    time.sleep(1.1)
    before = look(world)[1][ONE]
    shutil.rmtree(world.backups / TWO)
    walks.clear()
    shares, backups = look(world)
    assert (shares, walks) == ((), [])
    assert backups[ONE].reclaimable_bytes == before.reclaimable_bytes + 3 * MIB
    assert backups[ONE].inodes == before.inodes + 1


def test_of_three_owners_two_are_left(world: World, walks: list[str]) -> None:
    follow(world, THREE, TWO, own=0)
    time.sleep(1.1)
    look(world)
    shutil.rmtree(world.backups / ONE)
    walks.clear()
    shares, _ = look(world)
    assert [(share.owners, small(share.size_bytes)) for share in shares] == [((TWO, THREE), 4)]
    assert walks == []


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The walks over all of them, each by the number of a backup in it."""
    seen: list[str] = []
    walk = Sharing.tree

    def noted(sharing: Sharing, owner: int, fd: int) -> None:
        seen.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        walk(sharing, owner, fd)

    monkeypatch.setattr(Sharing, "tree", noted)
    return seen


def test_while_nothing_moves_nothing_is_walked_again(world: World, walks: list[str]) -> None:
    time.sleep(1.1)
    first = look(world)
    assert walks == [ONE, TWO]
    assert look(world) == first
    assert walks == [ONE, TWO]


def test_where_nothing_is_shared_nothing_is_walked_for_it(tmp_path: Path, walks: list[str]) -> None:
    world = World(tmp_path)
    world.backup(ONE)
    assert (look(world)[0], walks) == ((), [])


def test_a_newcomer_that_shares_something_leads_to_another_walk(world: World, walks: list[str]) -> None:
    time.sleep(1.1)
    look(world)
    follow(world, THREE, TWO, own=0)
    walks.clear()
    shares, _ = look(world)
    assert sorted(share.owners for share in shares) == [(ONE, TWO, THREE), (TWO, THREE)]
    assert walks == [ONE, TWO, THREE]


def test_an_owner_that_changed_leads_to_another_walk(world: World) -> None:
    time.sleep(1.1)
    look(world)
    shutil.rmtree(world.backups / TWO / "data")
    (world.backups / TWO / "note").write_text("gone bad")
    assert look(world)[0] == ()


def test_an_owner_that_holds_a_copy_of_its_own_by_now_leads_to_another_walk(world: World) -> None:
    time.sleep(1.1)
    look(world)
    content = world.backups / TWO / "data" / "content"
    size = content.stat().st_size
    content.unlink()
    content.write_bytes(os.urandom(2 * size))
    (world.backups / TWO / "note").write_text("another")
    assert look(world)[0] == ()


def test_a_link_from_outside_keeps_what_is_shared_from_anybody(world: World, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").hardlink_to(world.backups / ONE / "data" / "content")
    shares, backups = look(world)
    assert (shares, small(backups[ONE].reclaimable_bytes)) == ((), 0)


def test_what_a_writer_has_linked_by_now_is_counted_on_by_nobody(world: World, walks: list[str]) -> None:
    follow(world, THREE, TWO, own=0)
    (world.backups / THREE / ".state").write_text("CREATED\n")
    shares, _ = look(world)
    assert shares == ()
    assert THREE not in walks


def test_one_that_cannot_be_walked_shares_nothing_and_nothing_is_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch, walks: list[str]
) -> None:
    open_directory = tree.open_directory

    def refused(fd: int, name: str) -> int:
        if name == TWO:
            raise PermissionError(name)
        return open_directory(fd, name)

    time.sleep(1.1)
    look(world, shares=False)
    monkeypatch.setattr(tree, "open_directory", refused)
    assert look(world)[0] == ()
    monkeypatch.undo()
    assert [share.owners for share in look(world)[0]] == [(ONE, TWO)]


def test_sets_of_owners_beyond_those_remembered_are_the_small_ones(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(world, THREE, TWO, own=0)
    monkeypatch.setattr(together, "_CLASSES", 1)
    assert [share.owners for share in look(world)[0]] == [(ONE, TWO, THREE)]


def test_a_dry_run_counts_what_comes_back_with_the_last_of_several(world: World) -> None:
    world.backup("db-20991231", State.CONFIRMED, age=1, mib=0.01)
    world.set(capacity=4 * MIB)
    world.set(archive={"before_delete": False})
    record = world.emergency(Act(dry_run=True))
    assert [small(op.predicted_bytes) for op in record.actions] == [0, 4]


def test_what_two_in_the_trash_share_is_promised_with_the_second_to_go(world: World) -> None:
    world.backup("db-20991231", State.CONFIRMED, age=1, mib=0.01)
    world.set(reclaim={"grace": 3600.0})
    with world.app() as app:
        site = app.sites["main"]
        for name in (ONE, TWO):
            with app.engine.working(site, Act(), Trigger.USER) as reclaim:
                found = reclaim.find(name)
                assert found is not None
                reclaim.one(found, "asked for", archive=False)
    assert [small(op.predicted_bytes) for op in world.history() if op.phase is Phase.TRASHED] == [0, 1]
    world.set(reclaim={"grace": 0.001})
    time.sleep(0.01)
    world.cycle()
    assert [small(op.predicted_bytes) for op in world.history() if op.action is Action.DELETE] == [0, 4]


@pytest.mark.root
def test_what_is_mounted_in_one_is_not_walked_and_keeps_nothing_from_being_known(
    world: World, walks: list[str]
) -> None:
    place = world.backups / TWO / "data" / "mounted"
    place.mkdir()
    run("mount", "-t", "tmpfs", "none", str(place))
    try:
        (place / "f").write_bytes(b"x" * MIB)
        time.sleep(1.1)
        (share,), _ = look(world)
        walks.clear()
        assert (look(world)[0], walks, small(share.size_bytes)) == ((share,), [], 3)
    finally:
        run("umount", str(place))
