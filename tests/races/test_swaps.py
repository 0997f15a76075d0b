"""Whatever is put in the way while a tree is removed, nothing outside of it is touched (SPEC.md 7.2)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.races.swaps import Deleter, Swaps, Victim, by_path, by_rmtree, chain, ours

ENOUGH = [100, pytest.param(5000, marks=[pytest.mark.long, pytest.mark.timeout(3000)])]
ROUNDS = 5000
TRIES = 100
MOUNTS = ["bind", "tmpfs"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A filesystem in memory, quick to swap on; gone afterwards with all that was mounted there."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    ground = tmp_path / "ground"
    ground.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "ullage-test", str(ground)], check=True)
    yield ground
    subprocess.run(["umount", "-R", "-l", str(ground)], check=True)


def link_race(place: Path, deleter: Deleter, enough: int) -> tuple[int, bool]:
    """(swaps made, whether the victim is intact) of directories at every depth against links to the victim."""
    swaps, victim = Swaps(place), Victim(place / "victim")
    for _ in range(ROUNDS):
        directories = chain(place / "b")
        aside = place / "aside"
        aside.mkdir()
        for number in range(len(directories)):
            (aside / str(number)).symlink_to(victim.path)
        pairs: list[tuple[Path | str, Path]] = [(one, aside / str(at)) for at, one in enumerate(directories)]
        with swaps.during("exchange", pairs), suppress(OSError):
            deleter(place / "b")
        if not victim.intact() or swaps.count >= enough:
            break
        shutil.rmtree(aside)
        shutil.rmtree(place / "b", ignore_errors=True)
    return swaps.count, victim.intact()


def mount_race(place: Path, deleter: Deleter, enough: int, kind: str) -> tuple[int, bool]:
    """(mounts that appeared, whether the victim is intact) in directories of every depth, at any moment."""
    swaps, victim = Swaps(place), Victim(place / "victim")
    source = victim.path if kind == "bind" else "tmpfs"
    for _ in range(ROUNDS):
        directories = chain(place / "b")
        with swaps.during("appear", [(source, one) for one in directories]):
            for _ in range(TRIES):  # a mount ends a removal; it is begun again
                with suppress(OSError):
                    deleter(place / "b")
        if not victim.intact() or swaps.count >= enough:
            break
        subprocess.run(["umount", "-R", str(place / "b")], capture_output=True, check=False)
        shutil.rmtree(place / "b", ignore_errors=True)
    return swaps.count, victim.intact()


@pytest.mark.root
@pytest.mark.parametrize("enough", ENOUGH)
def test_a_directory_that_becomes_a_link_leads_nowhere(place: Path, enough: int) -> None:
    swaps, intact = link_race(place, ours, enough)
    assert intact
    assert swaps >= enough


@pytest.mark.root
def test_a_deleter_that_goes_by_paths_is_led_out_by_the_same_links(place: Path) -> None:
    assert not link_race(place, by_path, 100_000)[1]


@pytest.mark.root
@pytest.mark.parametrize("enough", ENOUGH)
@pytest.mark.parametrize("kind", MOUNTS)
def test_a_mount_that_appears_is_not_entered(place: Path, kind: str, enough: int) -> None:
    mounts, intact = mount_race(place, ours, enough, kind)
    assert intact
    assert mounts >= enough


@pytest.mark.root
def test_the_standard_library_deletes_through_the_same_mounts(place: Path) -> None:
    assert not mount_race(place, by_rmtree, 100_000, "bind")[1]
