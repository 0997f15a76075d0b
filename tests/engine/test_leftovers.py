"""SPEC 7.4: parts of operations that no record is left of go, and nothing else of what stands beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.acts import CHOSEN, HOLDER, do
from tests.engine.faults import killed_at
from tests.engine.world import World
from ullage.engine.cycle import Act
from ullage.model.backups import Operation
from ullage.model.words import Action, Result, State, Trigger
from ullage.system import tree

TOKEN = "0123456789abcdef"


@pytest.fixture
def world(ground: Path) -> World:
    world = World(ground)
    world.backup(CHOSEN, State.CONFIRMED, mib=0.05)
    world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.01)
    with world.app():
        pass
    return world


def _start(world: World) -> None:
    with world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER):
        pass


def test_a_part_whose_record_was_lost_with_the_catalog_goes_at_the_next_start(world: World) -> None:
    for number in range(20, 200):
        assert killed_at(number, lambda counting: _archived(world, counting))
        if any((world.archives / ".ullage/parts").iterdir()):
            break
    world.state = world.state.with_name("new-state")
    world.state.mkdir(mode=0o700)
    _start(world)
    assert (world.leftovers(), CHOSEN in world.live()) == ([], True)


def _archived(world: World, counting: object) -> None:
    do(world, Action.ARCHIVE, counting)  # type: ignore[arg-type]


def test_stagings_go_empty_or_not_and_what_is_not_of_our_pattern_stays(world: World) -> None:
    parts, archive_parts = world.backups / ".ullage/parts", world.archives / ".ullage/parts"
    (parts / TOKEN).mkdir()
    (parts / ("f" * 16) / "db-20260101" / "data").mkdir(parents=True)
    (archive_parts / f"{TOKEN}.part").write_bytes(b"half")
    others = [parts / "mine", parts / TOKEN.upper(), parts / f"{TOKEN}.part", world.backups / ".ullage/trash" / TOKEN]
    others += [archive_parts / name for name in (TOKEN, f"x{TOKEN}.part", f"{TOKEN}.part.part", f"{'e' * 16}.part")]
    for other in others:
        other.mkdir()  # so that the last is no part, whatever its name says
    _start(world)
    assert sorted(world.leftovers()) == sorted(map(str, others))


def test_the_staging_of_an_operation_that_cannot_be_settled_now_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.app() as app:
        op = Operation(
            at=1.0, store="main", backup_id=CHOSEN, action=Action.DELETE, from_state=State.CONFIRMED,
            to_state=State.DELETED, trigger=Trigger.USER, reason="asked for", token=TOKEN,
        )  # fmt: skip
        app.catalog.begin(op)
    (world.backups / ".ullage/parts" / TOKEN).mkdir()
    (world.archives / ".ullage/parts" / f"{TOKEN}.part").touch()

    def broken(*_: object) -> None:
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("ullage.engine.recover.undo", broken)
        _start(world)
    assert len(world.leftovers()) == 2
    _start(world)
    assert world.leftovers() == []


def test_one_that_cannot_be_removed_hinders_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from ullage.errors import Refused

    (world.backups / ".ullage/parts" / TOKEN).mkdir()

    def refused(*_: object, **__: object) -> None:
        raise Refused("immutable")

    with monkeypatch.context() as patched:
        patched.setattr(tree, "remove_tree", refused)
        _start(world)
    assert do(world, Action.TRANSITION).result is Result.DONE
