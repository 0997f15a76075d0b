"""Exchanged at the worst moment: nothing but what was meant goes, and what was taken in its place comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.acts import CHOSEN, HOLDER, do
from tests.engine.world import World, fingerprint
from ullage.errors import Changed
from ullage.model.words import Action, Result, State
from ullage.sources import archived
from ullage.system import tree


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.backup(CHOSEN, State.CONFIRMED, mib=0.01)
    world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.01)
    return world


@pytest.mark.parametrize("action", [Action.DELETE, Action.ARCHIVE])
def test_another_backup_that_was_taken_in_the_place_of_the_chosen_one_goes_back(
    world: World, monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    chosen, aside = world.backups / CHOSEN, world.backups / "aside"
    other = world.backup("other", State.CLEANABLE, mib=0.01)
    before = fingerprint(other)
    rename = tree.rename_exclusive

    def late(src_fd: int, src: str, dst_fd: int, dst: str) -> None:
        if src == CHOSEN and not aside.exists():
            chosen.rename(aside)
            other.rename(chosen)
        rename(src_fd, src, dst_fd, dst)

    monkeypatch.setattr(tree, "rename_exclusive", late)
    op = do(world, action)
    assert (op.result, "exchanged for another" in op.reason) == (Result.SKIPPED, True), op
    assert (fingerprint(chosen), world.leftovers()) == (before, [])
    assert (aside / ".state").exists()
    # Where the backup is now nobody knows, so that its archive, which is whole, stays.
    assert world.archived() == ([f"{CHOSEN}.tar.zst"] if action is Action.ARCHIVE else [])


def test_an_archive_in_another_month_that_stood_there_for_a_moment_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert do(world, Action.ARCHIVE).result is Result.DONE
    (archive,) = world.archives.glob("[0-9]*/*/*.tar.zst")
    month, other = archive.parent, archive.parent.parent / "other"
    other.mkdir()
    (other / archive.name).write_text("precious")
    open_month, swaps = archived.open_month, []

    def open_late(archive_fd: int, year: str, name: str, *, create: bool = False) -> int:
        """The other stands there while the month is opened for the first time."""
        swaps.append(name)
        if len(swaps) > 1:
            return open_month(archive_fd, year, name, create=create)
        month.rename(month.with_name("aside"))
        other.rename(month)
        fd = open_month(archive_fd, year, name, create=create)
        month.rename(other)
        month.with_name("aside").rename(month)
        return fd

    with world.app() as app, app.sites["main"].open() as opened:
        path = str(archive.relative_to(world.archives))
        handle = opened.reclaimer.archive_handle(path)
        assert handle is not None
        monkeypatch.setattr(archived, "open_month", open_late)
        with pytest.raises(Changed, match="is another file by now"):
            opened.reclaimer.delete_archive(path, handle)
    assert (other / archive.name).read_text() == "precious"
    assert archive.exists()
