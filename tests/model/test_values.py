"""The frozen values: what the filesystem says, what a backup is, what is never shown."""

from __future__ import annotations

import msgspec
import pytest

from tests.policy.make import NOW, backup, space, store
from ullage.model.backups import Selection
from ullage.model.readings import Space
from ullage.model.settings import AlertSettings, Secret
from ullage.model.words import CleanupLevel, Level, State, Strategy, Trigger
from ullage.policy.select import select


def test_usage_is_used_of_used_and_available_and_not_of_the_total() -> None:
    assert Space(total_bytes=1000, used_bytes=600, free_bytes=400, available_bytes=200).usage_percent == 75.0


def test_where_nothing_may_be_used_all_is_used() -> None:
    assert space(0, total=0).usage_percent == 100.0


def test_a_filesystem_that_counts_no_inodes_has_no_percentage_of_them() -> None:
    assert space(1).inode_percent is None
    assert space(1, inodes=(3, 4)).inode_percent == 75.0


@pytest.mark.parametrize(
    ("state", "confirmed_at", "good"),
    [(State.CONFIRMED, None, True), (State.CLEANABLE, 1, True), (State.CREATED, 0, True),
     (State.PENDING, None, False), (None, None, False)],
)  # fmt: skip
def test_good_is_confirmed_now_or_ever(state: State | None, confirmed_at: int | None, good: bool) -> None:
    assert backup(state=state, confirmed_at=confirmed_at).good is good


def test_the_chosen_are_the_candidates_within_the_limit() -> None:
    full = select([backup("a"), backup("b")], CleanupLevel.NUCLEAR, None, store(keep_last=0), now=NOW)
    assert [len(msgspec.structs.replace(full, limit=limit).chosen) for limit in (None, 0, 1, 5)] == [2, 0, 1, 2]
    empty = Selection(level=full.level, strategy=Strategy.OLDEST_FIRST, limit=None, candidates=(), stays={})
    assert empty.chosen == ()


def test_levels_go_from_best_to_worst() -> None:
    assert [level.severity for level in Level] == [0, 1, 2, 3, 4]
    assert Level.OK.severity < Level.WARNING.severity < Level.EMERGENCY.severity < Level.UNAVAILABLE.severity


def test_triggers_have_the_priorities_of_the_specification() -> None:
    expected = {"USER": 100, "DISK_SPACE": 90, "GIT_HOOK": 80, "TIME_BASED": 70}
    assert {trigger.name: trigger.value for trigger in Trigger} == expected


def test_a_secret_is_used_and_never_shown() -> None:
    secret = Secret("hunter2")
    assert secret.reveal() == "hunter2"
    shown = f"{secret} {secret!r} {[secret]} {AlertSettings(webhook=secret)}"
    assert "hunter2" not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


def test_secrets_are_equal_by_what_they_hide() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
