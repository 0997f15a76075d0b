"""Issue 4.2: a backup whose content something else holds, too, gives nothing back, and does not go for a pressure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import NOW, backup, reading, space, store
from ullage.model.backups import Backup, Share
from ullage.model.plans import View
from ullage.model.readings import Reading
from ullage.model.units import GIB, KIB, MIB
from ullage.model.words import Cause, CleanupLevel, Kind, Level, Strategy
from ullage.policy.elsewhere import held_elsewhere
from ullage.policy.exhausted import too_little
from ullage.policy.explain import explain
from ullage.policy.plan import plan
from ullage.policy.respond import by_hand
from ullage.policy.select import select

NEED = (GIB, 0)
ALL = store(keep_last=0)


def linked(backup_id: str, gives: int, takes: int = 40 * MIB, inodes: int = 2) -> Backup:
    """One that takes so much and gives back so much, for others link to its files."""
    return backup(backup_id, size_bytes=takes, reclaimable_bytes=gives, inodes=inodes, linked=True, confirmed_at=1)


@pytest.mark.parametrize(
    ("gives", "takes", "need", "stays"),
    [
        (16 * KIB, 100 * MIB, (GIB, 0), True),
        (0, 100 * MIB, (1, 0), True),
        (16 * KIB, 100 * MIB, (16 * KIB, 0), False),  # it ends what is missing
        (16 * KIB, 100 * MIB, (64 * KIB, 0), True),  # it does not, and it would go for nothing
        (MIB, 100 * MIB, (GIB, 0), False),  # a hundredth of it is its own
        (MIB - 1, 100 * MIB, (GIB, 0), True),
        (MIB - 1, 100 * MIB, (99 * MIB, 0), False),  # a hundredth of what is missing
        (MIB - 1, 100 * MIB, (100 * MIB, 0), True),
        (0, 0, (GIB, 0), False),  # it takes nothing, and nothing of it is elsewhere
    ],
)  # fmt: skip
def test_one_that_gives_next_to_nothing_of_what_it_takes_or_what_is_missing_stays(
    gives: int, takes: int, need: tuple[int, int], stays: bool
) -> None:
    assert bool(held_elsewhere([linked("db-20260101", gives, takes)], (), need)) is stays


@pytest.mark.parametrize("need", [None, (0, 0)])
def test_where_nothing_is_missing_whoever_is_asked_for_goes(need: tuple[int, int] | None) -> None:
    assert held_elsewhere([linked("db-20260101", 0)], (), need) == {}


def test_inodes_that_it_gives_back_are_of_use_where_they_are_missing() -> None:
    one = linked("db-20260101", 100 * KIB, takes=100 * 1000 * KIB, inodes=10)
    assert held_elsewhere([one], (), (0, 1000)) == {}
    assert held_elsewhere([one], (), (0, 1001)) != {}


def test_directories_are_its_own_where_inodes_are_missing_however_few_bytes_they_take() -> None:
    """Of a tree of hard links only the directories come back, and they may be half of what is missing."""
    tree = linked("db-20260101", 250 * KIB, takes=300 * MIB, inodes=254)
    assert held_elsewhere([tree], (), (0, 515)) == {}
    assert held_elsewhere([tree], (), (GIB, 0)) != {}


@pytest.mark.parametrize(("need", "stay"), [(85, False), (149, False), (150, True)])
def test_many_that_each_give_little_go_where_together_they_are_enough(need: int, stay: bool) -> None:
    """Three hundred generations of 100 MiB with half a MiB each of its own: no single one is a hundredth of it."""
    known = [linked(f"db-{number:03}", MIB // 2, takes=100 * MIB) for number in range(298)]
    hopeless = linked("db-300", 4 * KIB, takes=100 * MIB)
    found = held_elsewhere([*known, hopeless], (), (need * MIB, 0))
    assert found.keys() == ({one.id for one in (*known, hopeless)} if stay else {"db-300"})
    assert held_elsewhere([*known, replace(known[0], id="own", linked=False, reclaimable_bytes=GIB)], (), (GIB, 0))


def test_many_that_each_give_few_inodes_go_where_together_they_are_enough() -> None:
    known = [linked(f"db-{number:03}", 0, inodes=4) for number in range(300)]
    assert held_elsewhere(known, (), (0, 1200)) == {}
    assert len(held_elsewhere(known, (), (0, 1201))) == 300


def test_one_that_shares_nothing_goes_whatever_it_gives() -> None:
    assert held_elsewhere([replace(linked("db-20260101", 0), linked=False)], (), NEED) == {}


def test_what_several_hold_together_comes_back_when_all_of_them_may_go() -> None:
    pair = [linked("db-20260101", 0), linked("db-20260102", 0)]
    share = Share(owners=("db-20260101", "db-20260102"), size_bytes=40 * MIB, inodes=1)
    assert held_elsewhere(pair, (share,), NEED) == {}
    assert held_elsewhere(pair[:1], (share,), NEED).keys() == {"db-20260101"}  # the other one stays, and keeps it


@pytest.mark.parametrize(
    ("linked_", "reflinked", "holder"),
    [
        (True, False, "other hard links"),
        (False, True, "reflinks or snapshots"),
        (True, True, "other hard links, reflinks or snapshots"),
    ],
)
def test_it_is_said_who_holds_it(linked_: bool, reflinked: bool, holder: str) -> None:
    one = replace(linked("db-20260101", 16 * KIB), linked=linked_, reflinked=reflinked)
    assert held_elsewhere([one], (), NEED) == {
        "db-20260101": f"it would give back 16.0 KiB of its 40.0 MiB: {holder} hold the rest"
    }


STORED = [linked(f"db-2026010{n}", 12 * KIB) for n in range(1, 5)] + [
    replace(linked("db-20260105", 40 * MIB), linked=False)
]


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("level", list(CleanupLevel))
def test_by_no_strategy_and_at_no_level_does_it_go_for_a_need(strategy: Strategy, level: CleanupLevel) -> None:
    settings = store(keep_last=0, strategy=strategy)
    found = select(STORED, level, None, settings, now=NOW, need=NEED, of_disk=NEED)
    assert [one.backup.id for one in found.candidates] == ["db-20260105"]
    assert found.stays["db-20260101"] == (
        "it would give back 12.0 KiB of its 40.0 MiB: other hard links hold the rest",
    )
    assert len(select(STORED, level, None, settings, now=NOW).candidates) == len(STORED)  # a person's own choice


@pytest.mark.parametrize("kind", [Kind.CAPACITY, Kind.QUOTA])
def test_a_capacity_and_a_quota_have_back_what_something_outside_holds_too(kind: Kind) -> None:
    limited, roomy = (replace(space(used, total=100 * GIB), kind=kind) for used in (98 * GIB, GIB))
    asked = by_hand(CleanupLevel.MODERATE, 10, Level.CRITICAL)
    for one, count in ((limited, len(STORED)), (roomy, 1)):
        both = replace(FULL, backup=(*FULL.backup, one))
        assert len(plan(_view(both), asked, ALL).selection.candidates) == count
        short = too_little(Level.EMERGENCY, both, STORED, ALL, now=NOW)
        assert short is not None
        assert (Cause.ELSEWHERE in [because.cause for because in short.because]) is (count == 1)


FULL = reading(space(98 * GIB, total=100 * GIB))


def test_what_is_missing_for_it_is_said_with_what_it_takes() -> None:
    short = too_little(Level.EMERGENCY, FULL, STORED, ALL, now=NOW)
    assert short is not None
    assert (short.count, short.may_bytes) == (1, 40 * MIB)
    [because] = short.because
    assert (because.cause, because.count, because.size_bytes) == (Cause.ELSEWHERE, 4, 160 * MIB)
    assert {one.size_bytes for one in short.largest} == {40 * MIB}
    assert not short.enough


def test_explain_says_that_no_time_ends_it() -> None:
    told = explain("db-20260101", _view(FULL), ALL, Level.EMERGENCY, 10)
    for verdict in told.verdicts:
        assert (verdict.way, verdict.never) == (None, verdict.against)
        assert "other hard links hold the rest" in verdict.never[0]


def test_explain_promises_nothing_to_one_that_is_pinned_and_held_elsewhere() -> None:
    view = _view(FULL)
    pinned = replace(view, backups=(replace(view.backups[0], pinned=True), *view.backups[1:]))
    for verdict in explain("db-20260101", pinned, ALL, Level.EMERGENCY, 10).verdicts:
        assert verdict.against == ("it is pinned",)
        assert (verdict.way, len(verdict.never)) == (None, 1)


def _view(now: Reading) -> View:
    return View(now=NOW, reading=now, backups=tuple(STORED))


@given(
    st.lists(st.tuples(st.integers(0, 100 * MIB), st.integers(0, 100 * MIB), st.booleans()), max_size=8),
    st.integers(1, GIB),
)
def test_nobody_who_would_end_what_is_missing_or_shares_nothing_stays(
    sizes: list[tuple[int, int, bool]], need: int
) -> None:
    known = [
        replace(linked(f"db-{number:08}", min(gives, takes), takes), linked=shares)
        for number, (gives, takes, shares) in enumerate(sizes)
    ]
    for held in held_elsewhere(known, (), (need, 0)):
        one = next(backup for backup in known if backup.id == held)
        assert one.shared
        assert one.reclaimable_bytes < need
        assert one.reclaimable_bytes < one.size_bytes / 100
