"""SPEC 4, row by row: what happens at each level, and never one backup more than is needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.world import World, done
from ullage.engine.cycle import Act
from ullage.model.cycles import CycleRecord
from ullage.model.words import Level, Result, State

MakeStore = Callable[..., World]


@pytest.fixture
def store(ground: Path) -> MakeStore:
    """``store(reclaim={...}, ...)``: a store of that policy; ``press`` then puts it under pressure by a capacity."""

    def make(**settings: object) -> World:
        world = World(ground)
        world.set(**settings)
        return world

    return make


def _deleted(record: CycleRecord) -> list[str]:
    return [backup_id for action, backup_id in done(record) if action == "delete"]


def _fewest(world: World, ids: list[str], least: float) -> int:
    """How many of the oldest must go until usage is under ``least`` percent, reckoned from what stands on the disk."""
    capacity = world.store.capacity or 1
    used = world.usage() / 100 * capacity
    for count, backup_id in enumerate(ids):
        if 100 * used / capacity < least:
            return count
        used -= sum(path.lstat().st_blocks * 512 for path in [world.backups / backup_id, *_below(world, backup_id)])
    return len(ids)


def _below(world: World, backup_id: str) -> list[Path]:
    return list((world.backups / backup_id).rglob("*"))


def test_at_warning_the_oldest_go_gently_until_usage_is_under_it(store: MakeStore) -> None:
    world = store()
    ids = world.series(16)
    world.press(82)
    needed = _fewest(world, ids, 75)
    record = world.cycle()
    assert (record.level, needed) == (Level.WARNING, 2)
    assert _deleted(record) == ids[:needed]
    assert world.usage() < 75


def test_at_warning_no_more_than_five_go(store: MakeStore) -> None:
    world = store()
    ids = world.series(60, mib=0.1)
    world.press(84)
    assert _deleted(world.cycle()) == ids[:5]


def test_at_warning_only_cleanable_backups_of_high_confidence_go(store: MakeStore) -> None:
    world = store()
    world.series(14, State.CONFIRMED, floor_age=0.5)
    world.backup("db-20260301", State.CLEANABLE, age=8, confirmed=False)  # 0.5 + 0.08 + 0.2 is under 0.85
    world.backup("db-20260302", State.CLEANABLE, age=8)  # 0.5 + 0.08 + 0.2 + 0.2 is not
    world.press(80)
    assert _deleted(world.cycle()) == ["db-20260302"]


def test_at_critical_confirmed_ones_go_too_until_usage_is_under_warning(store: MakeStore) -> None:
    world = store()
    ids = world.series(18, State.CONFIRMED)
    world.press(92)
    needed = _fewest(world, ids, 75)
    record = world.cycle()
    assert (record.level, needed) == (Level.CRITICAL, 4)
    assert _deleted(record) == ids[:needed]


def test_at_critical_no_more_than_max_per_cycle_go(store: MakeStore) -> None:
    world = store(reclaim={"max_per_cycle": 2})
    ids = world.series(18)
    world.press(92)
    record = world.cycle()
    assert _deleted(record) == ids[:2]
    assert not [a for a in done(record) if a[0] == "promote"]  # 81 % is under critical


def test_what_is_still_critical_promotes_confirmed_ones_oldest_first_as_many_as_the_missing_bytes_need(
    store: MakeStore,
) -> None:
    world = store(reclaim={"max_per_cycle": 1})
    ids = world.series(20, State.CONFIRMED)
    world.press(94)  # one that goes is 4.7 %, and 2 more bring it under 85 %
    record = world.cycle()
    assert done(record) == [("delete", ids[0]), ("promote", ids[1])]
    assert world.state_of(ids[1]) == "CLEANABLE"
    assert (world.backups / ids[1] / ".cleanable_since").exists()
    assert world.state_of(ids[2]) == "CONFIRMED"


def test_a_confirmed_backup_of_less_than_a_day_is_not_promoted(store: MakeStore) -> None:
    world = store(reclaim={"max_per_cycle": 1})
    for number in range(19):
        world.backup(f"db-202601{number + 10}", State.CONFIRMED, age=0.9 - number / 100)
    world.press(94)
    assert done(world.cycle()) == [("delete", "db-20260110")]


def test_aggressive_takes_pending_ones_forced_and_archives_the_others_first(store: MakeStore) -> None:
    world = store(watermarks={"target_free": 24})
    ids = [world.backup(f"db-2026010{n}", State.PENDING, age=60 - n, confirmed=False).name for n in range(1, 3)]
    ids += [world.backup(f"db-2026010{n}", State.CONFIRMED, age=60 - n).name for n in range(3, 5)]
    world.backup("db-20991231", State.CONFIRMED, age=5, mib=15)
    world.press(97)
    record = world.cycle()
    assert record.level is Level.EMERGENCY
    assert done(record) == [("delete", ids[0]), ("delete", ids[1]), ("archive", ids[2]), ("archive", ids[3])]
    assert [op.forced for op in record.actions] == [True, True, False, False]
    assert world.archived() == [f"{i}.tar.zst" for i in ids[2:]]


def test_an_emergency_ends_at_the_target_and_not_one_later(store: MakeStore) -> None:
    world = store(watermarks={"target_free": 30})
    ids = world.series(19)
    world.press(96)
    needed = _fewest(world, ids, 70.000001)
    assert [i for _, i in done(world.cycle())] == ids[:needed]
    assert world.usage() <= 70


def test_aggressive_takes_at_most_emergency_limit(store: MakeStore) -> None:
    world = store(reclaim={"emergency_limit": 2})
    ids = world.series(19)
    world.press(96)
    assert [i for _, i in done(world.cycle())] == ids[:2]


def test_conservative_takes_cleanable_ones_alone_and_at_most_ten(store: MakeStore) -> None:
    world = store(reclaim={"emergency_strategy": "conservative"}, archive={"before_delete": False})
    world.series(10, State.CONFIRMED, name="other", age=90)
    ids = world.series(88, mib=0.1)
    world.press(96)
    assert _deleted(world.cycle()) == ids[:10]


def test_nuclear_takes_created_ones_of_an_hour_and_has_no_limit(store: MakeStore) -> None:
    world = store(reclaim={"emergency_strategy": "nuclear", "emergency_limit": 1}, archive={"before_delete": False})
    young = world.backup("db-20270101", State.CREATED, age=0.5 / 24)
    ids = [world.backup(f"db-202601{n}", State.CREATED, age=0.9 - n / 100).name for n in range(10, 28)]
    world.press(96)
    assert _deleted(world.cycle()) == ids[:4]
    assert young.exists()


def test_what_is_still_an_emergency_deletes_created_ones_of_a_day_and_makes_pending_ones_of_two_cleanable(
    store: MakeStore,
) -> None:
    world = store(reclaim={"emergency_strategy": "conservative"})
    world.backup("db-20260101", State.CREATED, age=1.1, mib=0.1)
    world.backup("db-20260102", State.CREATED, age=0.9, mib=0.1)
    world.backup("db-20260103", State.PENDING, age=2.1, mib=0.1)
    world.backup("db-20260104", State.PENDING, age=1.9, mib=0.1)
    world.backup("db-20260105", State.CONFIRMED, age=0.1, mib=5)
    world.press(99)
    record = world.cycle()
    assert done(record) == [("delete", "db-20260101"), ("promote", "db-20260103")]
    assert all(op.forced for op in record.actions)
    assert world.state_of("db-20260104") == "PENDING"


def test_created_ones_stop_going_as_soon_as_the_emergency_is_over(store: MakeStore) -> None:
    world = store(reclaim={"emergency_strategy": "conservative"})
    for number in range(1, 5):
        world.backup(f"db-2026010{number}", State.CREATED, age=9 - number)
    world.backup("db-20260109", State.CONFIRMED, age=0.1, mib=15.2)
    world.press(98)
    assert done(world.cycle()) == [("delete", "db-20260101")]


def test_where_archiving_fails_the_backup_is_kept_and_the_next_one_goes(
    store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = store()
    ids = world.series(19)
    world.press(96)
    _fail_to_archive(monkeypatch, ids[0])
    record = world.cycle()
    assert [(op.backup_id, op.result) for op in record.actions][:2] == [
        (ids[0], Result.FAILED),
        (ids[1], Result.DONE),
    ]
    assert "no such tar" in record.actions[0].reason
    assert ids[0] in world.live()
    assert world.usage() <= 80


def test_with_on_failure_delete_it_is_deleted_instead(store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    world = store(archive={"on_failure": "delete"})
    ids = world.series(19)
    world.press(96)
    _fail_to_archive(monkeypatch, ids[0])
    record = world.cycle()
    assert done(record)[:2] == [("delete", ids[0]), ("archive", ids[1])]
    assert record.actions[0].forced


def _fail_to_archive(monkeypatch: pytest.MonkeyPatch, backup_id: str) -> None:
    from ullage.errors import ArchiveError
    from ullage.system import archives

    write = archives.write_archive

    def failing(parent: int, name: str, part: int, **options: object) -> object:
        if name == backup_id:
            raise ArchiveError("no such tar")
        return write(parent, name, part, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(archives, "write_archive", failing)


def test_before_delete_off_deletes_at_once(store: MakeStore) -> None:
    world = store(archive={"before_delete": False})
    world.series(19)
    world.press(96)
    assert {action for action, _ in done(world.cycle())} == {"delete"}


def test_the_readings_are_recorded_and_the_alerts_told_once(store: MakeStore) -> None:
    from ullage.model.settings import AlertSettings, MonitorSettings

    world = store(alerts=AlertSettings(email="ops@example.org"), monitor=MonitorSettings(interval=0.5))
    world.series(16)
    world.press(80)
    with world.app() as app:
        told = [
            (str(alert.level), [one.title for one in app.catalog.alerts(1)])
            for pause in (0.0, 0.0, 0.6, 0.6)
            for alert in _after(pause, lambda: app.engine.cycle(app.sites["main"], Act())).alerts
        ]
        levels = [one.level for one in app.catalog.recent("main", 10)]
    assert [level for level, _ in told] == ["warning", "ok"]
    assert levels == [Level.WARNING, Level.OK, Level.OK, Level.OK]


def _after(seconds: float, act: Callable[[], CycleRecord]) -> CycleRecord:
    time.sleep(seconds)
    return act()


def test_monitor_by_hand_tells_the_end_of_what_its_last_run_mended(store: MakeStore) -> None:
    from ullage.model.settings import AlertSettings, MonitorSettings

    world = store(alerts=AlertSettings(email="ops@example.org"), monitor=MonitorSettings(interval=0.5))
    world.series(16)
    world.press(80)
    first = world.cycle()
    second = _after(0.6, world.cycle)
    assert [[alert.level for alert in one.alerts] for one in (first, second)] == [[Level.WARNING], [Level.OK]]


def test_a_dry_run_plans_the_same_and_changes_nothing(store: MakeStore) -> None:
    world = store()
    ids = world.series(18)
    world.press(92)
    before = world.live()
    planned = world.cycle(Act(dry_run=True))
    assert [op.backup_id for op in planned.actions if op.result is Result.PLANNED] == ids[:4]
    assert (world.live(), world.history()) == (before, [])
    assert [i for _, i in done(world.cycle())] == ids[:4]


def test_a_higher_priority_within_300_s_defers_the_reclaim(store: MakeStore) -> None:
    from ullage.model.words import Trigger

    world = store()
    ids = world.series(16)
    world.press(80)
    with world.app() as app:
        site = app.sites["main"]
        app.engine.one(
            site,
            Act(),
            Trigger.USER,
            lambda r: r.move(r.find(ids[0]), State.CONFIRMED, "mine", forced=True),  # type: ignore[arg-type]
            alone=False,
        )
        app.engine.one(
            site,
            Act(),
            Trigger.USER,
            lambda r: r.move(r.find(ids[0]), State.CLEANABLE, "mine", forced=True),  # type: ignore[arg-type]
            alone=False,
        )
    record = world.cycle()
    assert (record.actions[0].backup_id, record.actions[0].result) == (ids[0], Result.DEFERRED)
    assert [i for _, i in done(record)] == ids[1:3]
