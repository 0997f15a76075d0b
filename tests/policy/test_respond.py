"""SPEC.md 4: what a level does."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.policy.make import NOW, archive, backup, reading, space, store
from ullage.model.backups import Backup
from ullage.model.readings import Space
from ullage.model.settings import ArchiveSettings
from ullage.model.units import DAY, GIB, KIB, MIB
from ullage.model.words import CleanupLevel, EmergencyStrategy, Level, State, Unit
from ullage.policy import respond
from ullage.policy.assess import Goal
from ullage.policy.respond import (
    Response,
    archive_choice,
    archive_gains_nothing,
    archive_must_stop,
    archive_too_late,
    archives_to_go,
    fruitless,
    promotable,
    short_of,
    too_small_to_weigh,
)

STORE = store(max_per_cycle=7, emergency_limit=33)


def test_warning_deletes_at_most_5_gently_until_usage_is_low() -> None:
    assert respond.response(Level.WARNING, STORE) == Response(
        cleanup_level=CleanupLevel.GENTLE, limit=5, forced=False, archive_first=False, goal=Goal.LOW
    )


def test_critical_deletes_at_most_max_per_cycle_moderately_until_usage_is_low() -> None:
    assert respond.response(Level.CRITICAL, STORE) == Response(
        cleanup_level=CleanupLevel.MODERATE, limit=7, forced=False, archive_first=False, goal=Goal.LOW
    )


@pytest.mark.parametrize(
    ("strategy", "level", "limit"),
    [
        (EmergencyStrategy.AGGRESSIVE, CleanupLevel.AGGRESSIVE, 33),
        (EmergencyStrategy.NUCLEAR, CleanupLevel.NUCLEAR, None),
        (EmergencyStrategy.CONSERVATIVE, CleanupLevel.CONSERVATIVE, 10),
    ],
)
@pytest.mark.parametrize("before_delete", [True, False])
def test_emergency_goes_by_its_strategy_archives_first_and_ends_at_the_target(
    strategy: EmergencyStrategy, level: CleanupLevel, limit: int | None, before_delete: bool
) -> None:
    settings = replace(
        store(emergency_strategy=strategy, emergency_limit=33, max_per_cycle=7),
        archive=ArchiveSettings(before_delete=before_delete),
    )
    assert respond.response(Level.EMERGENCY, settings) == Response(
        cleanup_level=level, limit=limit, forced=True, archive_first=before_delete, goal=Goal.TARGET
    )


@pytest.mark.parametrize("level", [Level.OK, Level.UNAVAILABLE])
def test_nothing_is_done_where_all_is_well_or_nothing_is_known(level: Level) -> None:
    assert respond.response(level, STORE) is None


def test_as_many_confirmed_are_promoted_as_the_missing_bytes_need_oldest_first() -> None:
    members = [backup(f"db-{i}", State.CONFIRMED, age=i * DAY, reclaimable_bytes=100) for i in range(1, 6)]
    assert [b.id for b in promotable(members, {}, (150, 0), STORE, now=NOW)] == ["db-5", "db-4"]
    assert [b.id for b in promotable(members, {}, (100, 0), STORE, now=NOW)] == ["db-5"]
    assert promotable(members, {}, (0, 0), STORE, now=NOW) == []
    assert len(promotable(members, {}, (10**6, 0), STORE, now=NOW)) == 5


def test_missing_inodes_promote_too() -> None:
    members = [backup(f"db-{i}", State.CONFIRMED, age=i * DAY, inodes=10) for i in range(1, 6)]
    assert [b.id for b in promotable(members, {}, (0, 11), STORE, now=NOW)] == ["db-5", "db-4"]


def test_equally_old_ones_are_promoted_by_id() -> None:
    members = [backup(name, State.CONFIRMED) for name in ("b", "a")]
    assert [b.id for b in promotable(members, {}, (1, 0), STORE, now=NOW)] == ["a", "b"]


def test_a_confirmed_one_is_promoted_from_the_age_of_a_day_on() -> None:
    assert promotable([backup("x", State.CONFIRMED, age=DAY - 1)], {}, (1, 0), STORE, now=NOW) == []
    assert promotable([backup("x", State.CONFIRMED, age=DAY)], {}, (1, 0), STORE, now=NOW) != []


HELD: list[dict[str, Any]] = [{"pinned": True}, {"busy": "flock"}, {"created_at": None}, {"fault": "unreadable"}]


@pytest.mark.parametrize("facts", HELD, ids=lambda facts: next(iter(facts)))
def test_what_is_held_is_neither_promoted_nor_deleted(facts: dict[str, Any]) -> None:
    confirmed, created, pending = (backup("x", s, **facts) for s in (State.CONFIRMED, State.CREATED, State.PENDING))
    assert promotable([confirmed], {}, (1, 1), STORE, now=NOW) == []
    assert respond.forced_deletions([created], {}, STORE, now=NOW) == []
    assert respond.forced_promotions([pending], {}, STORE, now=NOW) == []


def test_the_floor_is_neither_promoted_nor_deleted() -> None:
    confirmed, created, pending = (backup("x", s) for s in (State.CONFIRMED, State.CREATED, State.PENDING))
    assert promotable([confirmed], {"x": "floor"}, (1, 1), STORE, now=NOW) == []
    assert respond.forced_deletions([created], {"x": "floor"}, STORE, now=NOW) == []
    assert respond.forced_promotions([pending], {"x": "floor"}, STORE, now=NOW) == []


def by_state(age: float) -> list[Backup]:
    return [backup(f"{state}{i}", state, age=age + i) for state in State for i in (1, 2)]


def test_created_of_a_day_are_deleted_when_all_else_was_not_enough_oldest_first() -> None:
    assert [b.id for b in respond.forced_deletions(by_state(DAY), {}, STORE, now=NOW)] == ["CREATED2", "CREATED1"]
    assert respond.forced_deletions(by_state(DAY - 3), {}, STORE, now=NOW) == []


def test_pending_of_two_days_become_cleanable_when_all_else_was_not_enough_oldest_first() -> None:
    assert [b.id for b in respond.forced_promotions(by_state(2 * DAY), {}, STORE, now=NOW)] == ["PENDING2", "PENDING1"]
    assert respond.forced_promotions(by_state(2 * DAY - 3), {}, STORE, now=NOW) == []


def test_a_created_one_being_written_is_not_deleted_by_force() -> None:
    assert respond.forced_deletions([backup("x", State.CREATED, newest_mtime=NOW - 1)], {}, STORE, now=NOW) == []


def test_archives_go_oldest_first_then_by_path() -> None:
    archives = [archive("new", DAY), archive("b-old", 2 * DAY), archive("a-old", 2 * DAY)]
    assert [a.backup_id for a in archives_to_go(archives, {})] == ["a-old", "b-old", "new"]


def test_pinned_archives_and_those_of_the_floor_stay() -> None:
    free, pinned, floor = archive("free", DAY), archive("pinned", DAY, pinned=True), archive("floor", DAY)
    assert archives_to_go([free, pinned, floor], {floor.path: "the newest archive"}) == [free]


def choice(
    state: State, archives: Space | None, *, shared: bool = False, size: int = 1000, **settings: Any
) -> tuple[bool, str]:
    configured = replace(STORE, archive=ArchiveSettings(**settings))
    return archive_choice(
        backup("x", state, size_bytes=size), configured, reading(archive=archives, same_filesystem=shared)
    )


@pytest.mark.parametrize("state", State)
def test_only_confirmed_and_cleanable_are_archived(state: State) -> None:
    assert choice(state, space(0, 10**6))[0] == (state in (State.CONFIRMED, State.CLEANABLE))


def test_nothing_is_archived_where_before_delete_is_off() -> None:
    assert choice(State.CLEANABLE, space(0, 10**6), before_delete=False) == (False, "archive.before_delete is off")


def test_an_archive_must_leave_its_filesystem_under_the_critical_watermark() -> None:
    assert choice(State.CLEANABLE, space(549)) == (True, "an archive of about 300 B fits")
    assert choice(State.CLEANABLE, space(550)) == (
        False,
        "no room for an archive of about 300 B: on the archives' filesystem bytes 85.0 % used, critical begins at 85 %",
    )


def test_an_archive_must_leave_inodes_too() -> None:
    assert choice(State.CLEANABLE, space(0, inodes=(81, 100)))[0]
    assert not choice(State.CLEANABLE, space(0, inodes=(82, 100)))[0]


def test_the_estimate_is_rounded_up_and_goes_by_the_settings() -> None:
    assert choice(State.CLEANABLE, space(0), size=1001, ratio_estimate=0.5)[1] == "an archive of about 501 B fits"


def test_on_the_filesystem_of_the_backups_the_copy_and_a_reserve_must_fit() -> None:
    assert choice(State.CLEANABLE, space(690), shared=True)[0]
    allowed, why = choice(State.CLEANABLE, space(691), shared=True)
    assert (allowed, why) == (
        False,
        "no room for an archive of about 300 B: less than 10 B would be left on the filesystem shared with the backups",
    )


def test_the_reserve_is_at_most_64_mib() -> None:
    big = 100 * GIB
    assert choice(State.CLEANABLE, space(big - 64 * MIB - 300, big), shared=True)[0]
    assert not choice(State.CLEANABLE, space(big - 64 * MIB - 299, big), shared=True)[0]


def test_on_the_filesystem_of_the_backups_three_inodes_must_be_left() -> None:
    assert choice(State.CLEANABLE, space(0, inodes=(97, 100)), shared=True)[0]
    assert "out of inodes" in choice(State.CLEANABLE, space(0, inodes=(98, 100)), shared=True)[1]


def test_where_the_room_is_not_known_the_backup_is_not_deleted_for_want_of_it() -> None:
    assert choice(State.CLEANABLE, None) == (True, "the room for archives is not known")


def test_an_archive_under_way_is_given_up_when_the_room_runs_out() -> None:
    assert archive_must_stop(reading(archive=space(849)), STORE) is None
    assert "critical begins" in str(archive_must_stop(reading(archive=space(850)), STORE))
    assert archive_must_stop(reading(archive=space(990), same_filesystem=True), STORE) is None
    assert "shared" in str(archive_must_stop(reading(archive=space(991), same_filesystem=True), STORE))
    assert archive_must_stop(reading(), STORE) is None


def test_what_does_not_compress_is_not_kept_on_the_filesystem_that_must_gain_bytes() -> None:
    old = backup(state=State.CLEANABLE, size_bytes=100, reclaimable_bytes=100)
    full = reading(space(950), archive=space(950), same_filesystem=True)
    assert "most of the 100 B" in str(archive_gains_nothing(old, 91, full, STORE))
    assert archive_gains_nothing(old, 90, full, STORE) is None
    assert archive_gains_nothing(old, 91, replace(full, same_filesystem=False), STORE) is None
    crowded = reading(space(700, inodes=(99, 100)), archive=space(700), same_filesystem=True)
    assert archive_gains_nothing(old, 91, crowded, STORE) is None


@pytest.mark.parametrize(
    ("used", "written", "seconds", "same", "late"),
    [
        pytest.param(910, 30, 1.0, False, False, id="others write 10 a second, 90 are left, it is done in a second"),
        pytest.param(980, 15, 1.0, False, True, id="others write 80 a second and 20 are left"),
        pytest.param(925, 15, 1.0, True, False, id="on a shared filesystem the archive's own bytes are not others'"),
        pytest.param(900, 15, 1.0, False, False, id="nobody writes"),
        pytest.param(980, 0, 1.0, False, False, id="nothing is written yet"),
        pytest.param(980, 15, 0.0, False, False, id="no time went by"),
    ],
)
def test_an_archive_that_is_slower_than_the_disk_fills_comes_too_late(
    used: int, written: int, seconds: float, same: bool, late: bool
) -> None:
    old = backup(state=State.CLEANABLE, size_bytes=100, reclaimable_bytes=100)
    before = reading(space(900), archive=space(10), same_filesystem=same)
    now = reading(space(used), archive=space(10), same_filesystem=same)
    assert (archive_too_late(old, written, seconds, before, now, STORE) is not None) is late


@pytest.mark.parametrize(
    ("predicted", "reclaimed", "expected"),
    [(0, 0, False), (64 * KIB - 1, 0, True), (64 * KIB, 0, False), (9 * KIB, 4 * KIB, True), (9 * KIB, 5 * KIB, False)],
)
def test_acts_that_promise_less_than_the_filesystem_itself_takes_are_judged_together(
    predicted: int, reclaimed: int, expected: bool
) -> None:
    assert too_small_to_weigh(predicted, reclaimed) is expected


@pytest.mark.parametrize(
    ("predicted", "reclaimed", "expected"),
    [(100, 49, True), (100, 50, False), (0, 0, False), (100, -5, True), (0, -5, True)],
)
def test_a_gain_under_half_of_the_predicted_is_fruitless(predicted: int, reclaimed: int, expected: bool) -> None:
    assert fruitless(predicted, reclaimed) is expected


def _too_late(others: int, available: int, *, ours: int = 150, same: bool = False) -> str | None:
    """An archive of about 300 of which ``ours`` stand after 10 s, while others wrote so much."""
    old = backup(state=State.CLEANABLE, size_bytes=1000, reclaimable_bytes=1000)
    used = 9000 + others + (ours if same else 0)
    spaces = (space(9000, total=used + available), space(used, total=used + available))
    before, now = (reading(one, archive=space(10), same_filesystem=same) for one in spaces)
    return archive_too_late(old, ours, 10.0, before, now, STORE)


@pytest.mark.parametrize("same", [False, True])
def test_an_archive_may_take_exactly_as_long_as_there_is_room_and_no_longer(same: bool) -> None:
    # 150 in 10 s: the other 150 and reading 300 back at 0.7 of that take 24 s more.
    assert _too_late(500, 1200, same=same) is None
    assert _too_late(500, 1199, same=same) is not None


def test_it_says_in_how_long_the_disk_is_full_and_how_long_the_archive_takes() -> None:
    assert _too_late(500, 600) == "at this rate the disk is full in 12 s, and the archive takes 24 s more"


def test_a_little_written_by_others_counts_and_so_does_the_first_byte_of_the_archive() -> None:
    assert _too_late(1, 0) is not None
    assert _too_late(500, 1200, ours=1) is not None


def test_a_space_that_was_not_there_before_is_not_compared() -> None:
    old = backup(state=State.CLEANABLE, size_bytes=1000, reclaimable_bytes=1000)
    before, now = reading(space(500)), reading(space(500), space(999))
    assert archive_too_late(old, 150, 10.0, before, now, STORE) is None


def test_what_is_in_no_known_state_is_not_archived() -> None:
    assert archive_choice(backup(state=None), STORE, reading(space(1))) == (False, "unknown is not archived")
    assert archive_choice(backup(state=State.PENDING), STORE, reading(space(1)))[1] == "PENDING is not archived"


def test_a_shared_filesystem_without_inodes_has_no_room_for_an_archive() -> None:
    full = reading(space(900), archive=space(0, total=GIB, inodes=(10, 10)), same_filesystem=True)
    chosen = archive_choice(backup(state=State.CLEANABLE, size_bytes=10), STORE, full)
    assert chosen == (
        False,
        "no room for an archive of about 3 B: the filesystem shared with the backups is out of inodes",
    )


@pytest.mark.parametrize(
    ("lacks", "gained", "short"),
    [
        (set(), {Unit.BYTES: 49}, (Unit.BYTES, 51)),
        (set(), {Unit.BYTES: 50}, None),
        ({Unit.INODES}, {Unit.INODES: 5}, None),
        ({Unit.INODES}, {Unit.BYTES: 100, Unit.INODES: 4}, (Unit.INODES, 6)),
        ({Unit.BYTES}, {Unit.BYTES: 1, Unit.INODES: 10}, (Unit.BYTES, 99)),
        ({Unit.BYTES, Unit.INODES}, {Unit.BYTES: 1, Unit.INODES: 10}, None),
        ({Unit.BYTES, Unit.INODES}, {Unit.BYTES: 1, Unit.INODES: 1}, (Unit.BYTES, 99)),
        ({Unit.METADATA}, {Unit.BYTES: 100, Unit.METADATA: 499}, (Unit.METADATA, 501)),
        ({Unit.METADATA}, {Unit.METADATA: 500}, None),
    ],
    ids=[
        "a person chose, by bytes", "a person chose, and bytes came", "inodes came", "bytes came for inodes",
        "inodes came for bytes", "one of two came", "neither came", "no metadata came", "metadata came",
    ],
)  # fmt: skip
def test_an_act_is_weighed_by_what_was_lacking(
    lacks: set[Unit], gained: dict[Unit, int], short: tuple[Unit, int] | None
) -> None:
    promised = {Unit.BYTES: 100, Unit.INODES: 10, Unit.METADATA: 1000}
    assert short_of(lacks, promised, dict.fromkeys(Unit, 0) | gained) == short


@pytest.mark.parametrize(
    ("same", "state", "left"), [(True, State.CLEANABLE, 70), (False, State.CLEANABLE, 100), (True, State.PENDING, 100)]
)
def test_what_is_archived_on_the_same_filesystem_gives_back_what_its_archive_leaves(
    same: bool, state: State, left: int
) -> None:
    seen = reading(space(850), archive=space(850), same_filesystem=same)
    one = backup(state=state, size_bytes=100, reclaimable_bytes=100)
    assert respond.lighter(one, STORE, seen) == replace(one, reclaimable_bytes=left)
    assert respond.lighter(replace(one, reclaimable_bytes=34), STORE, seen).reclaimable_bytes == (
        4 if left == 70 else 34
    )
    assert respond.lighter(replace(one, reclaimable_bytes=33), STORE, seen).reclaimable_bytes == 33, "given up"


@pytest.mark.parametrize(("same", "gives", "archived"), [(True, 34, True), (True, 33, False), (False, 33, True)])
def test_an_archive_that_would_take_most_of_what_comes_back_is_foreseen_to_be_given_up(
    same: bool, gives: int, archived: bool
) -> None:
    seen = reading(space(850), archive=space(500) if not same else space(850), same_filesystem=same)
    one = backup(state=State.CLEANABLE, size_bytes=100, reclaimable_bytes=gives)
    found, why = respond.archive_foreseen(one, STORE, seen)
    assert found is archived
    assert archived or why == (
        "an archive of about 30 B is tried and given up: it would take most of the 33 B that the backup gives back"
    )


def test_on_a_filesystem_of_their_own_archives_add_up_until_there_is_no_room() -> None:
    now = reading(space(900), archive=space(780), same_filesystem=False)
    one = backup(state=State.CLEANABLE, size_bytes=100, reclaimable_bytes=100)
    chosen = []
    for _ in range(4):
        archived, _why = respond.archive_foreseen(one, STORE, now)
        chosen.append(archived)
        now = respond.after(now, one, archived, (100, 0), STORE)
    assert chosen == [True, True, False, False]
