"""Issue 4, item 4: the set whose going costs least, for enough bytes and inodes, and no more."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.brute import Case, optimum, random_case, total
from tests.policy.make import NOW, backup, store
from ullage.model.backups import Backup, Share
from ullage.model.units import DAY, GIB
from ullage.model.words import CleanupLevel, State, Strategy
from ullage.policy.gain import gain_of
from ullage.policy.least_harm import least_harm
from ullage.policy.select import select

STORE = store(strategy=Strategy.LEAST_HARM, keep_last=0)


def chosen_for(case: Case) -> tuple[list[str], list[str]]:
    return least_harm(case.backups, case.harms, case.shares, case.need, case.limit)


def ratio_to_optimum(case: Case) -> float:
    """What the chosen set costs, in times of the least; every other rule of it is held here."""
    chosen, others = chosen_for(case)
    assert sorted([*chosen, *others]) == sorted(one.id for one in case.backups)
    whole = total(case.backups, case.shares)
    need = (min(case.need[0], whole[0]), min(case.need[1], whole[1]))
    gained = gain_of(chosen, case.backups, case.shares)
    assert gained[0] >= need[0]
    assert gained[1] >= need[1]
    for one in chosen:
        less = gain_of([other for other in chosen if other != one], case.backups, case.shares)
        assert less[0] < need[0] or less[1] < need[1], "one could have been left out"
    best = optimum(case, need, case.limit)
    if best is None:  # not to be had within the limit: it is the first part of what is right without
        best = optimum(case, need, None)
    else:
        assert case.limit is None or len(chosen) <= case.limit, "a reachable target was missed"
    assert best is not None
    return case.cost(chosen) / best if best else 1.0 + len(chosen)


def worst_ratio(seed: int, count: int) -> float:
    rng = Random(seed)
    return max(ratio_to_optimum(random_case(rng)) for _ in range(count))


def test_no_set_costs_less_and_no_reachable_target_is_missed() -> None:
    assert worst_ratio(1, 120) == 1.0


@pytest.mark.long
def test_ten_thousand_random_cases_are_as_good_as_brute_force(capsys: pytest.CaptureFixture[str]) -> None:
    worst = worst_ratio(2, 10_000)
    with capsys.disabled():
        print(f"\n10,000 cases of up to 18 candidates: at worst {worst:.6f} times the least harm")
    assert worst == 1.0


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_backups_come_is_of_no_matter(rng: Random) -> None:
    case = random_case(rng, 8)
    mixed, shared = list(case.backups), list(case.shares)
    rng.shuffle(mixed)
    rng.shuffle(shared)
    assert least_harm(mixed, case.harms, shared, case.need, case.limit) == chosen_for(case)


@pytest.mark.parametrize("count", [40, 90])
@pytest.mark.parametrize("limited", [False, True])
def test_more_candidates_than_can_be_searched_to_the_end_are_close_to_what_is_possible(
    count: int, limited: bool
) -> None:
    rng = Random(count)
    for _ in range(6):
        case = many(rng, count, part=rng.choice([3, 10, 30]), limited=limited)
        chosen, _ = chosen_for(case)
        assert gain_of(chosen, case.backups)[0] >= case.need[0]
        assert case.limit is None or len(chosen) <= case.limit
        assert case.cost(chosen) <= 1.02 * least_cost(case)


def many(rng: Random, count: int, part: int, *, limited: bool = False) -> Case:
    """Backups of few bytes and any harm, for a part of all; a limit that binds but lets the need be met."""
    names = [f"db-{number:06}" for number in range(count)]
    members = tuple(backup(name, reclaimable_bytes=rng.randint(5, 60)) for name in names)
    need = total(members, ())[0] // part
    limit = need // 45 + 2 if limited else None
    harms = {name: round(rng.uniform(1, 30), 6) for name in names}
    return Case(backups=members, harms=harms, shares=(), need=(need, 0), limit=limit)


def least_cost(case: Case) -> int:
    """The least that any set costs, by dynamic programming: per number of backups, for each sum of bytes."""
    need, room = case.need[0], case.limit or 0  # without a limit one row is enough: it follows on itself
    never = 10**12
    least = [[0] + [never] * need] + [[never] * (need + 1) for _ in range(room)]
    for one in case.backups:
        price, size = case.cost([one.id]), one.reclaimable_bytes
        for count in range(room, 0 if room else -1, -1):
            fewer = least[max(0, count - 1)]
            least[count] = [min(old, fewer[max(0, have - size)] + price) for have, old in enumerate(least[count])]
    return min(row[need] for row in least)


@pytest.mark.parametrize("part", [10, 100])
def test_of_twelve_thousand_candidates_it_is_nearly_as_if_one_could_go_in_part(part: int) -> None:
    case = many(Random(3), 12_000, part)
    chosen, _ = chosen_for(case)
    assert gain_of(chosen, case.backups)[0] >= case.need[0]
    least, missing = 0.0, float(case.need[0])
    for one in sorted(case.backups, key=lambda b: case.harms[b.id] / b.reclaimable_bytes):
        whole = min(1.0, missing / one.reclaimable_bytes)
        least, missing = least + whole * case.cost([one.id]), missing - whole * one.reclaimable_bytes
    assert case.cost(chosen) <= 1.001 * least


def test_what_comes_back_with_the_last_owner_alone_is_found_among_many() -> None:
    apart = [backup(f"a-{number:03}", reclaimable_bytes=GIB) for number in range(100)]
    twins = [backup(f"b-{number}", reclaimable_bytes=0) for number in range(2)]
    held = [Share(owners=("b-0", "b-1"), size_bytes=50 * GIB, inodes=1)]
    harms = {one.id: 1.0 for one in (*apart, *twins)}
    for others in ([], apart):
        assert sorted(least_harm([*others, *twins], harms, held, (50 * GIB, 0), None)[0]) == ["b-0", "b-1"]


def test_a_limit_that_only_the_largest_can_hold_is_held() -> None:
    small = [backup(f"a-{number:03}", reclaimable_bytes=GIB) for number in range(100)]
    large = [backup(f"b-{number}", reclaimable_bytes=30 * GIB) for number in range(3)]
    harms = {one.id: 1.0 for one in small} | {one.id: 40.0 for one in large}
    for limit, count in ((None, 50), (50, 50), (25, 21), (2, 2)):
        assert len(least_harm([*small, *large], harms, (), (50 * GIB, 0), limit)[0]) == count


def test_a_limit_that_is_too_low_takes_the_first_of_what_is_right_without_it() -> None:
    members = [backup(f"a-{number}", reclaimable_bytes=GIB) for number in range(8)]
    members.append(backup("b", reclaimable_bytes=3 * GIB))
    harms = {one.id: 1.0 for one in members} | {"b": 100.0}
    chosen, others = least_harm(members, harms, (), (8 * GIB, 0), 2)
    assert (chosen, others) == ([one.id for one in members[:8]], ["b"])


@pytest.mark.parametrize("others", [0, 30])
def test_a_limit_may_be_too_low_for_bytes_and_inodes_though_not_for_each(others: int) -> None:
    members = [backup("a", reclaimable_bytes=10), backup("b", inodes=10)]
    members += [backup(f"c{number}") for number in range(others)]
    harms = {one.id: 1.0 for one in members}
    assert least_harm(members, harms, (), (10, 10), 1)[0] == ["a", "b"]


def test_where_all_together_are_not_enough_those_go_that_give_back_anything() -> None:
    members = [backup("a", reclaimable_bytes=GIB), backup("b"), backup("c", reclaimable_bytes=1)]
    assert least_harm(members, dict.fromkeys("abc", 1.0), (), (9 * GIB, 0), None) == (["a", "c"], ["b"])


def test_whoever_stops_early_has_done_the_least_harm_for_what_came_back() -> None:
    members = [backup("a", reclaimable_bytes=5), backup("b", reclaimable_bytes=100)]
    assert least_harm(members, {"a": 1.0, "b": 10.0}, (), (104, 0), None)[0] == ["b", "a"]


def ids(members: list[Backup], need: tuple[int, int] | None, limit: int | None = None) -> list[str]:
    found = select(members, CleanupLevel.MODERATE, limit, STORE, now=NOW, need=need)
    return [candidate.backup.id for candidate in found.candidates]


def test_the_strategy_chooses_the_set_first_and_has_the_others_behind_it() -> None:
    """40 days of one series: the last of each month is spared for days that others of their week stand for."""
    month = [
        backup(f"db-{number:02}", age=(60 - number) * DAY, confirmed_at=1, reclaimable_bytes=GIB)
        for number in range(40)
    ]
    order = ids(month, (5 * GIB, 0))
    assert len(order) == 40
    free = ids(month, None)
    assert sorted(order[:5]) == sorted(free[:5])


def test_without_a_need_the_least_harm_goes_first() -> None:
    year = backup("db-20260101", age=300 * DAY, confirmed_at=1)
    plain = [backup(f"db-2026010{day}", State.CONFIRMED, age=(90 - day / 10) * DAY, confirmed_at=1) for day in (2, 3)]
    assert ids([year, *plain], None)[0] == plain[0].id
