"""SPEC 7.2: a restore happens in the one directory that it was begun in, whatever comes to stand at its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.acts import CHOSEN, HOLDER, do
from tests.engine.world import World
from ullage.engine.cycle import Act
from ullage.errors import ArchiveError
from ullage.model.backups import Operation
from ullage.model.words import Action, Result, State, Trigger
from ullage.system import archives


@pytest.fixture
def world(ground: Path) -> World:
    """A store with an archive of CHOSEN, and beside it the directory ``out``."""
    world = World(ground)
    world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.01)
    world.backup(CHOSEN, State.CONFIRMED, mib=0.05)
    assert do(world, Action.ARCHIVE).result is Result.DONE
    (ground / "out").mkdir()
    return world


def _restore(world: World, destination: Path) -> Operation:
    with world.app() as app:
        site = app.sites["main"]

        def run(reclaim: object) -> Operation:
            from ullage.engine.reclaim import Reclaim

            assert isinstance(reclaim, Reclaim)
            found = reclaim.find_archive(CHOSEN)
            assert found is not None
            return reclaim.restore(found, str(destination), "asked for")

        return app.engine.one(site, Act(), Trigger.USER, run, alone=True).actions[0]


def _exchanged(monkeypatch: pytest.MonkeyPatch, out: Path, *, fails: bool) -> Path:
    """After the extraction another directory stands at ``out``; where the first one went."""
    extract, aside = archives.extract_archive, out.with_name("aside")

    def late(*arguments: object, **options: object) -> None:
        extract(*arguments, **options)  # type: ignore[arg-type]
        out.rename(aside)
        out.mkdir()
        if fails:
            raise ArchiveError("it breaks off")

    monkeypatch.setattr(archives, "extract_archive", late)
    return aside


def test_a_directory_that_is_exchanged_meanwhile_does_not_lead_a_restore_elsewhere(
    world: World, monkeypatch: pytest.MonkeyPatch, ground: Path
) -> None:
    out = ground / "out"
    aside = _exchanged(monkeypatch, out, fails=False)
    op = _restore(world, out / "new")
    assert op.result is Result.DONE, op
    assert sorted(path.name for path in aside.iterdir()) == ["new"]
    assert (aside / "new" / ".state").read_text() == "CONFIRMED\n"
    assert list(out.iterdir()) == []


def test_what_a_failed_restore_wrote_is_removed_from_where_it_was_written(
    world: World, monkeypatch: pytest.MonkeyPatch, ground: Path
) -> None:
    out = ground / "out"
    aside = _exchanged(monkeypatch, out, fails=True)
    op = _restore(world, out / "new")
    assert (op.result, "it breaks off" in op.reason) == (Result.FAILED, True), op
    assert (list(aside.iterdir()), list(out.iterdir())) == ([], [])


def test_a_place_that_cannot_be_opened_is_a_failure_on_record(world: World, ground: Path) -> None:
    op = _restore(world, ground / "nowhere" / "new")
    assert (op.result, "nowhere" in op.reason) == (Result.FAILED, True), op
