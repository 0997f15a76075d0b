"""Backups, archives and roots exchanged for others while one is deleted, archived or restored (SPEC.md 7.2)."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.acts import CHOSEN, HOLDER, ON_ARCHIVES, do
from tests.engine.conftest import ground
from tests.engine.world import World, fingerprint
from tests.races.swaps import Swaps, Victim
from ullage.errors import UllageError
from ullage.model.backups import Operation
from ullage.model.words import Action, Result, State

__all__ = ["ground"]

OTHER = "db-20260103"
ACTS = [3, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(3000)])]
SWAPS_AN_ACT = 25


class Race:
    """A store with a backup to act on and another one, and the swaps that were made in all the acts on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.swaps = Swaps(path)
        self.world = World(path)
        self.results: Counter[str] = Counter()
        self.world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.01)
        with self.world.app():
            pass
        self.renew()

    def renew(self) -> None:
        """The backup to act on stands, where it does not."""
        if not (self.world.backups / CHOSEN).exists():
            self.world.backup(CHOSEN, State.CLEANABLE, mib=0.01)

    def have_archived(self, action: Action) -> None:
        """There is an archive of it and, for an act on archives, nothing else."""
        shutil.rmtree(self.world.archives / "2026", ignore_errors=True)
        assert do(self.world, Action.ARCHIVE).result is Result.DONE
        if action not in ON_ARCHIVES:
            self.renew()

    def act(self, action: Action, how: str, pairs: list[tuple[Path | str, Path]]) -> Operation | None:
        """What became of one act while these were exchanged; None where it did not come to one."""
        with self.swaps.during(how, pairs):
            try:
                op = do(self.world, action)
                self.results[str(op.result)] += 1
                return op
            except (UllageError, AssertionError, IndexError):  # no store, no backup of that name at that moment
                return None

    def turns(self, acts: int) -> Iterator[int]:
        """So many, and more where the other process had too little of the processor to swap anything meanwhile."""
        for number in range(20 * acts):
            if number >= acts and self.swaps.count >= SWAPS_AN_ACT * acts:
                return
            yield number


def standing(world: World, inode: int) -> Path | None:
    """Where among the backups the directory of that inode is."""
    return next((path for path in world.backups.iterdir() if path.stat().st_ino == inode), None)


@pytest.mark.root
@pytest.mark.parametrize("acts", ACTS)
@pytest.mark.parametrize("action", [Action.DELETE, Action.ARCHIVE])
def test_a_backup_that_stands_in_for_another_is_never_taken(ground: Path, action: Action, acts: int) -> None:
    race = Race(ground)
    other = race.world.backup(OTHER, State.CONFIRMED, age=2, mib=0.01)
    inode, before = other.stat().st_ino, fingerprint(other)
    writer = os.open(other, os.O_RDONLY)
    fcntl.flock(writer, fcntl.LOCK_EX)  # so it may not go under any name
    names = (race.world.backups / CHOSEN, other)
    for _ in race.turns(acts):
        race.act(action, "exchange", [names])
        stands = standing(race.world, inode)
        assert stands is not None, (race.world.leftovers(), race.world.history()[-1])
        assert fingerprint(stands) == before
        if stands != other:
            if other.exists():
                other.rename(race.world.backups / "third")
            stands.rename(other)
        if (race.world.backups / "third").exists():
            (race.world.backups / "third").rename(race.world.backups / CHOSEN)
        race.renew()
    os.close(writer)
    print(race.swaps.count, "swaps,", race.results)
    assert race.swaps.count >= SWAPS_AN_ACT * acts
    assert race.world.leftovers() == []


def root(race: Race, victim: Victim) -> list[Path]:
    """The backup root itself, and a place where a backup of that name stands."""
    shutil.copytree(race.world.backups / CHOSEN, victim.path / CHOSEN)
    return [race.world.backups]


def trash(race: Race, victim: Victim) -> list[Path]:
    return [race.world.backups / ".ullage" / "trash"]


def parts(race: Race, victim: Victim) -> list[Path]:
    return [race.world.backups / ".ullage" / "parts"]


def inside(race: Race, victim: Victim) -> list[Path]:
    return [race.world.backups / CHOSEN / "data", race.world.backups / CHOSEN]


def content(race: Race, victim: Victim) -> list[Path]:
    return [race.world.backups / CHOSEN / "data", race.world.backups / CHOSEN / "data" / "content"]


def state(race: Race, victim: Victim) -> list[Path]:
    return [race.world.backups / CHOSEN / ".state"]


def month(race: Race, victim: Victim) -> list[Path]:
    """The month of its archive, and a place where an archive of that name stands."""
    (archive,) = race.world.archives.glob(f"*/*/{CHOSEN}.tar.zst")
    shutil.copy2(archive, victim.path)
    return [archive.parent, archive.parent.parent]


CASES: list[tuple[Action, Callable[[Race, Victim], list[Path]]]] = [
    (Action.DELETE, root),
    (Action.DELETE, trash),
    (Action.DELETE, inside),
    (Action.ARCHIVE, root),
    (Action.ARCHIVE, content),
    (Action.ARCHIVE, month),
    (Action.TRANSITION, state),
    (Action.TRANSITION, inside),
    (Action.DELETE_ARCHIVE, month),
    (Action.RESTORE, month),
    (Action.RESTORE, parts),
]


@pytest.mark.root
@pytest.mark.parametrize("acts", ACTS)
@pytest.mark.parametrize(("action", "what"), CASES)
def test_what_becomes_a_link_during_an_act_leads_nowhere(
    ground: Path, action: Action, what: Callable[[Race, Victim], list[Path]], acts: int
) -> None:
    race = Race(ground)
    aside = ground / "aside"
    for number in race.turns(acts):
        race.renew()
        if action in ON_ARCHIVES or what is month:
            race.have_archived(action)
        victim = Victim(ground / f"victim{number}")
        places = what(race, victim)
        victim.look()
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for at, place in enumerate(places):
            (aside / str(at)).symlink_to(victim.path / "content" if place.is_file() else victim.path)
        race.act(action, "exchange", [(place, aside / str(at)) for at, place in enumerate(places)])
        assert victim.intact()
        for at, place in reversed(list(enumerate(places))):
            if place.is_symlink():
                place.unlink()
                if (aside / str(at)).exists():
                    (aside / str(at)).rename(place)
        shutil.rmtree(victim.path)
    print(race.swaps.count, "swaps,", race.results)
    assert race.swaps.count >= SWAPS_AN_ACT * acts
