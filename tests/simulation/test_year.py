"""Issue 4: a virtual year by the real rules; what comes of plain patterns can be reckoned on paper."""

from __future__ import annotations

from msgspec.structs import replace

from ullage.model.backups import Backup
from ullage.model.settings import ReclaimSettings, StoreSettings
from ullage.model.units import DAY, GIB
from ullage.model.words import Action, Cause, Level, Result, State
from ullage.simulation.pattern import Pattern, Series
from ullage.simulation.world import Disk, World
from ullage.simulation.year import Outcome, Year

NOW = 1_780_000_000.0
STORE = StoreSettings(name="main", backup_root="/b", archive_root="/a")
DAILY = Series(name="db", size=10 * GIB, cleanable_after=7 * DAY)


def year(series: tuple[Series, ...], disk: int, *, days: float = 365, **more: float) -> tuple[World, Outcome]:
    one = Disk(total_bytes=disk)
    world = World(now=NOW, disk=one, archives_disk=one)
    pattern = Pattern(series=series, **more)  # type: ignore[arg-type]
    return world, Year(STORE, world, pattern).run(days * DAY)


def test_where_all_fits_nothing_goes() -> None:
    world, outcome = year((DAILY,), 10_000 * GIB)
    assert [op for op in outcome.operations if op.action is not Action.PROMOTE] == []
    assert (len(world.backups), outcome.arrived, outcome.failed, outcome.short) == (365, 365, [], [])
    assert max(outcome.peaks.values()) < 37


def test_a_steady_series_comes_to_hold_as_many_as_fit_under_the_warning() -> None:
    """75 % of 1000 GiB are 75 backups of 10 GiB; the oldest go as the next come."""
    world, outcome = year((DAILY,), 1000 * GIB)
    assert 73 <= len(world.backups) <= 76
    gone = [op.backup_id for op in outcome.operations if op.action is Action.DELETE and op.result is Result.DONE]
    assert gone == sorted(gone)
    assert outcome.arrived == len(world.backups) + len(gone)
    assert (outcome.failed, outcome.short) == ([], [])
    assert 75 <= max(outcome.peaks.values()) < 77


def test_what_grows_out_of_its_disk_is_said_to_in_time() -> None:
    """The newest good one stays: when it alone is over the watermarks, there is nothing more to give."""
    _, outcome = year((replace(DAILY, growth=1.0),), 200 * GIB, days=180)
    assert outcome.failed
    first = outcome.failed[0][0]
    assert 3 * 30 * DAY < first - NOW < 6 * 30 * DAY  # 10 GiB doubles each month
    assert any(at <= first for at, _, _ in outcome.short)
    assert {level for _, level, _ in outcome.short} <= {Level.CRITICAL, Level.EMERGENCY}
    assert Cause.KEEP_LAST in {one.cause for one in outcome.short[-1][2].because}


def test_a_floor_that_bites_is_named() -> None:
    """Thirty days of 10 GiB are more than 75 % of 300 GiB."""
    one = Disk(total_bytes=300 * GIB)
    world = World(now=NOW, disk=one, archives_disk=one)
    settings = replace(STORE, reclaim=ReclaimSettings(keep_daily=40))
    outcome = Year(settings, world, Pattern(series=(DAILY,))).run(60 * DAY)
    assert outcome.short
    assert Cause.KEEP_DAILY in {because.cause for _, _, short in outcome.short for because in short.because}
    assert outcome.failed  # the floors win, and the disk runs full


def test_backups_that_never_come_to_be_good_push_out_no_good_one() -> None:
    one = Disk(total_bytes=100 * GIB)
    world = World(now=NOW, disk=one, archives_disk=one)
    settings = replace(STORE, reclaim=ReclaimSettings(keep_last=1))
    Year(settings, world, Pattern(series=(DAILY,))).run(5 * DAY)
    good = max((b for b in world.backups.values() if b.state is State.CONFIRMED), key=lambda b: b.created_at or 0)
    Year(settings, world, Pattern(series=(replace(DAILY, fails=1.0),))).run(60 * DAY)
    assert good.id in world.backups


def test_what_others_write_presses_too() -> None:
    world, outcome = year((DAILY,), 1000 * GIB, days=120, others=4 * GIB)
    assert sum(op.action is Action.DELETE for op in outcome.operations) > 0
    assert len(world.backups) < 50


def test_backups_of_several_times_a_day_have_names_of_their_own() -> None:
    world, _ = year((replace(DAILY, every=6 * 3600.0, size=GIB),), 1000 * GIB, days=10)
    assert len(world.backups) == 40


def test_the_same_dice_give_the_same_year() -> None:
    noisy = (replace(DAILY, spread=0.5, fails=0.2),)
    assert year(noisy, 300 * GIB, days=60)[1].operations[-1].at == year(noisy, 300 * GIB, days=60)[1].operations[-1].at


def test_inodes_beyond_the_cap_that_come_back_unseen_end_no_reclaim() -> None:
    """xfs may hold more inodes than it says there are: none is free until as many have gone as are beyond that."""
    one = Disk(total_bytes=1000 * GIB, total_inodes=1000)
    world = World(now=NOW, disk=one, archives_disk=Disk(total_bytes=GIB))
    for day in range(1, 13):
        made = int(NOW - (60 - day) * DAY)
        name = f"db-202601{day:02d}"
        world.backups[name] = Backup(
            id=name,
            state=State.CLEANABLE,
            size_bytes=GIB,
            reclaimable_bytes=GIB,
            inodes=60,
            created_at=made,
            confirmed_at=made,
        )
    one.used_bytes, one.used_inodes = 12 * GIB, 1200
    outcome = Year(STORE, world, Pattern(series=())).run(1)
    assert {op.result for op in outcome.operations} == {Result.DONE}
    assert 12 - len(world.backups) == 7  # 1200 - 7 * 60 are under 800, the target
