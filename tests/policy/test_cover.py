"""The parts of choosing a set: what it gives back, who can be left out of it, and the quick way."""

from __future__ import annotations

from ullage.policy.branch import cheapest
from ullage.policy.cover import cover_of, gain, greedy, part_of, thin

PAIR = ((0, 1), 50, 5)


def test_shares_of_the_same_owners_are_added_up() -> None:
    cover = cover_of([1, 1], [10, 20], [1, 2], [PAIR, PAIR])
    assert cover.shares == [((0, 1), 100, 10)]
    assert (gain(cover, [0]), gain(cover, [0, 1])) == ((10, 1), (130, 13))


def test_in_a_part_what_is_gone_owns_no_more_and_what_stays_keeps_what_it_shares() -> None:
    cover = cover_of([1, 2, 3], [10, 20, 30], [0, 0, 0], [PAIR, ((1, 2), 7, 0), ((0, 1, 2), 9, 0)])
    part = part_of(cover, [1], gone=[0])
    assert (part.costs, part.sizes, part.shares) == ([2], [20], [((0,), 50, 5)])


def test_the_costliest_that_a_set_does_without_are_left_out_of_it() -> None:
    cover = cover_of([5, 9, 7], [10, 10, 10], [1, 1, 1], [])
    assert thin(cover, [0, 1, 2], (20, 2)) == [0, 2]
    assert thin(cover, [0, 1, 2], (20, 3)) == [0, 1, 2]


def test_a_share_that_is_needed_keeps_all_its_owners() -> None:
    cover = cover_of([1, 1, 1], [0, 0, 60], [0, 0, 0], [PAIR])
    assert thin(cover, [0, 1, 2], (110, 0)) == [0, 1, 2]
    assert thin(cover, [0, 1, 2], (60, 0)) == [2]


def test_the_last_one_is_the_cheapest_that_is_enough() -> None:
    cover = cover_of([10, 20, 11], [100, 300, 50], [0, 0, 0], [])
    assert greedy(cover, (140, 0)) == [0, 2]
    assert greedy(cover, (310, 0)) == [1, 0]


def test_when_there_are_inodes_enough_the_price_is_that_of_bytes_alone() -> None:
    cover = cover_of([1, 5, 4], [0, 100, 10], [100, 0, 500], [])
    assert greedy(cover, (100, 100)) == [0, 1]


def test_a_search_that_may_begin_nothing_finds_nothing() -> None:
    cover = cover_of([1, 1], [10, 20], [1, 2], [])
    assert cheapest(cover, (10, 0), 2, under=10, steps=0) is None
    assert cheapest(cover, (10, 0), 2, under=1, steps=99) is None
    assert cheapest(cover, (10, 0), 2, under=2, steps=99) == [0]
