"""Where floors and target cannot both be had ``plan`` and ``status`` say it in bytes, with what would have to give."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.cli.shapes import faults
from tests.cli.workplace import Workplace, set_times
from tests.conftest import LoopDisks

MARKS = "warning = 75\ncritical = 85\nemergency = 95\ntarget_free = 20\ninodes = false"
FLOORS = "[stores.main.reclaim]\nkeep_daily = 4\n"
DAY = 86400


@pytest.fixture
def full(place: Workplace) -> Workplace:
    """Five nights of one series at 110 %, of which four are held."""
    for day in range(1, 6):
        place.backup(f"db-2026010{day}", "CONFIRMED", age=(60 - day) * DAY, size=100_000)
    place.register()
    place.press(110, FLOORS, MARKS)
    return place


@pytest.mark.parametrize("command", ["plan", "status"])
def test_it_is_said_what_is_missing_what_holds_it_and_what_would_have_to_give(full: Workplace, command: str) -> None:
    ran = full.done(command, "--json")
    assert faults(command, ran.json) == []
    short = ran.json["stores"][0]["shortfall"]
    gauge = full.done("status", "--json").json["stores"][0]["backup"]
    wanted = gauge["used_bytes"] - 0.8 * gauge["total_bytes"]
    assert short["goal"] == "20 % free"
    assert short["may_go"]["count"] == 1
    assert short["bytes"] == pytest.approx(wanted - short["may_go"]["bytes"], abs=1)
    (floor,) = [one for one in short["because"] if one["cause"] == "keep_daily"]
    assert floor["count"] == 4
    assert short["ways"] == ["lower reclaim.keep_daily from 4 to 3"]
    assert short["text"] in full.done(command).out
    assert "reclaim.keep_daily holds" in short["text"]


def test_what_is_said_would_do(full: Workplace) -> None:
    """Who does it has no shortfall any more, and the reclaim reaches the target."""
    full.press(110, FLOORS.replace("4", "3"), MARKS)
    for command in ("plan", "status"):
        ran = full.done(command, "--json")
        assert faults(command, ran.json) == []
        assert ran.json["stores"][0]["shortfall"] is None
        assert "short of 20 % free" not in full.done(command).out
    full.done("monitor")
    assert full.done("status", "--json").json["stores"][0]["backup"]["usage_percent"] <= 80


def test_the_trash_counts_as_what_comes_back(full: Workplace) -> None:
    full.press(70, FLOORS, MARKS)
    full.done("delete", "db-20260101", "--yes")
    full.press(97, FLOORS, MARKS)
    assert full.done("plan", "--json").json["stores"][0]["shortfall"] is None


def test_a_store_that_is_not_pressed_and_one_that_is_away_have_none(full: Workplace) -> None:
    full.press(50, FLOORS, MARKS)
    for command in ("plan", "status"):
        assert full.done(command, "--json").json["stores"][0]["shortfall"] is None
    full.press(110, FLOORS, MARKS)
    full.backups.rename(full.path / "away")
    assert full.done("status", "--json").json["stores"][0]["shortfall"] is None


@pytest.mark.root
def test_on_a_real_disk_it_is_what_the_filesystem_misses(loop_disk: LoopDisks, place: Workplace) -> None:
    disk = loop_disk("ext4", 64)
    root = _nights(disk.path, place)
    _fill(disk.path, 0.97)
    place.done("init")
    place.done("monitor")
    assert sorted(p.name for p in root.iterdir() if p.name != ".ullage") == [f"db-2026010{day}" for day in range(2, 6)]
    _fill(disk.path, 0.97)
    space = os.statvfs(disk.path)
    used, free = (space.f_blocks - space.f_bfree) * space.f_frsize, space.f_bavail * space.f_frsize
    short = place.done("status", "--json").json["stores"][0]["shortfall"]
    assert short["bytes"] == pytest.approx(used - 0.8 * (used + free), abs=space.f_frsize)
    (floor,) = [one for one in short["because"] if one["cause"] == "keep_daily"]
    assert floor["bytes"] == pytest.approx(4 * (8 << 20), rel=0.01)


@pytest.mark.root
def test_the_ballast_comes_before_what_is_missing_is_told(loop_disk: LoopDisks, place: Workplace) -> None:
    """``plan``, ``status`` and ``doctor`` say what ``monitor`` says when only the ballast was there to go."""
    disk = loop_disk("ext4", 128)
    root = _nights(disk.path, place, more="keep_last = 5\n")
    place.done("init")
    assert (root / ".ullage" / "ballast").stat().st_blocks > 0
    _fill(disk.path, 0.96)
    told = [place.done("plan", "--json"), place.done("status", "--json")]
    before = [ran.json["stores"][0]["shortfall"] for ran in told]
    checked = place.call("doctor").out
    ran = place.done("monitor", "--json")
    assert ran.json["stores"][0]["actions"] == []
    space = os.statvfs(disk.path)
    used, free = (space.f_blocks - space.f_bfree) * space.f_frsize, space.f_bavail * space.f_frsize
    for short in before:
        assert short["bytes"] == pytest.approx(used - 0.8 * (used + free), abs=64 << 10)
        words = short["text"].split(":")[0]
        assert words in " ".join(checked.split())
        assert [note for note in ran.json["stores"][0]["notes"] if note.startswith(words)]


def _nights(disk: Path, place: Workplace, more: str = "") -> Path:
    """Five nights of one series on a disk, and the settings of their store."""
    root = disk / "backups"
    root.mkdir()
    for day in range(1, 6):
        top = root / f"db-2026010{day}"
        top.mkdir()
        at = time.time() - (60 - day) * DAY
        (top / ".state").write_text("CONFIRMED\n")
        (top / ".created_at").write_text(f"{int(at)}\n")
        (top / "data").write_bytes(os.urandom(8 << 20))
        set_times(top, int(at))
    place.config.write_text(
        f'[stores.main]\nbackup_root = "{root}"\narchive_root = "{place.archives}"\n{FLOORS}{more}'
        "[stores.main.archive]\nbefore_delete = false\n"
    )
    place.config.chmod(0o600)
    return root


def _fill(disk: Path, share: float) -> None:
    """More of a filler, until so much of the disk is used."""
    os.sync()
    space = os.statvfs(disk)
    used, free = space.f_blocks - space.f_bfree, space.f_bavail
    wanted = int((share * (used + free) - used) * space.f_frsize)
    with (disk / f"filler{wanted}").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, wanted)
    os.sync()
