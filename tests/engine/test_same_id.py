"""SPEC 7.4: an archive of another backup that had the same id is never lost to a new one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.acts import CHOSEN, HOLDER, do
from tests.engine.world import World
from ullage.errors import Changed
from ullage.model.words import Action, Result, State
from ullage.system import archives


@pytest.fixture
def world(ground: Path) -> World:
    """A backup whose id has an archive already, of other content; the archive's path is known."""
    world = World(ground)
    world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.01)
    _make(world, "ONE")
    assert do(world, Action.ARCHIVE).result is Result.DONE
    _make(world, "TWO")
    return world


def _make(world: World, word: str) -> None:
    (world.backup(CHOSEN, State.CONFIRMED, mib=0.05) / "which").write_text(word)


def _which(world: World) -> list[str]:
    """What the archives hold, by name."""
    paths = sorted(world.archives.glob("[0-9]*/*/*"), key=lambda path: (len(path.name), path.name))
    tars: list[list[str | Path]] = [["tar", "--zstd", "-xOf", path, f"{CHOSEN}/which"] for path in paths]
    return [subprocess.run(tar, capture_output=True, text=True, check=True).stdout for tar in tars]


def _ids(world: World) -> list[str]:
    with world.app() as app, app.sites["main"].open() as opened:
        return [one.backup_id for one in opened.source.archives()]


def test_a_second_archive_of_an_id_stands_beside_the_first(world: World) -> None:
    assert do(world, Action.ARCHIVE).result is Result.DONE
    assert world.archived() == [f"{CHOSEN}.tar.zst", f"{CHOSEN}~2.tar.zst"]
    assert (_which(world), _ids(world)) == (["ONE", "TWO"], [CHOSEN, CHOSEN])


def test_both_are_known_by_their_id_where_the_catalog_was_lost(world: World) -> None:
    do(world, Action.ARCHIVE)
    world.state = world.state.with_name("new-state")
    world.state.mkdir(mode=0o700)
    assert _ids(world) == [CHOSEN, CHOSEN]


def test_the_newest_of_an_id_is_restored_and_archived_again_as_often_as_one_likes(world: World) -> None:
    for number in range(2, 12):
        assert do(world, Action.ARCHIVE).result is Result.DONE
        assert len(world.archived()) == number
        assert do(world, Action.RESTORE).result is Result.DONE
        which = world.backups / CHOSEN / "which"
        assert which.read_text() == ("TWO" if number == 2 else f"again {number - 1}")
        which.write_text(f"again {number}")
    assert _which(world) == ["ONE", "TWO", *(f"again {number}" for number in range(2, 11))]


@pytest.mark.parametrize("writes", [False, True])
def test_an_attempt_that_is_given_up_takes_only_its_own_archive_away(
    world: World, monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    """Another process begins to write while it is archived, or has written: before or after the archive is in place."""
    code = "import sys; held = open(sys.argv[1], 'a'); print(flush=True); sys.stdin.read()"
    verify, writers = archives.verify_archive, []

    def late(*arguments: object, **options: object) -> None:
        verify(*arguments, **options)  # type: ignore[arg-type]
        if not writes:
            raise Changed("it changed while it was read")
        target = world.backups / CHOSEN / "which"
        writers.append(
            subprocess.Popen([sys.executable, "-c", code, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        assert writers[0].stdout is not None
        writers[0].stdout.readline()

    monkeypatch.setattr(archives, "verify_archive", late)
    op = do(world, Action.ARCHIVE)
    for writer in writers:
        writer.communicate()
    assert op.result is Result.SKIPPED
    assert (_which(world), world.leftovers()) == (["ONE"], [])
    assert (world.backups / CHOSEN / "which").read_text() == "TWO"


def test_what_comes_to_its_place_in_the_last_moment_is_not_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ullage.sources.reclaimer import TreeReclaimer

    publish = TreeReclaimer.publish_archive

    def late(reclaimer: TreeReclaimer, backup: object, token: str, path: str, **options: object) -> object:
        (world.archives / path).write_text("somebody's")
        return publish(reclaimer, backup, token, path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(TreeReclaimer, "publish_archive", late)
    assert do(world, Action.ARCHIVE).result is Result.SKIPPED
    (found,) = world.archives.glob(f"*/*/{CHOSEN}~2.tar.zst")
    assert found.read_text() == "somebody's"
    assert CHOSEN in world.live()
