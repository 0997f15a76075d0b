"""What several trees hold together: against asking of every set which inodes and blocks nobody else holds."""

from __future__ import annotations

import os
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from ullage.system.extents import Held
from ullage.system.sharing import Sharing, Sum

OWNERS = 4
CHUNK = 10_000
"""Bytes of two inodes with numbers next to each other, which come back together."""


class Blocks:
    """A meter of a filesystem that is told of every inode what it holds: one byte is a block."""

    def __init__(self, pieces: dict[int, tuple[tuple[int, int], ...]]) -> None:
        self.pieces = pieces

    def weigh(self, dir_fd: int, name: str, status: os.stat_result) -> Held:
        return Held(100, 1, self.pieces[status.st_ino])

    def items(self, length: int) -> int:
        return 0

    def chunk(self, ino: int) -> int:
        return ino // 2

    def chunk_size(self, chunk: int, gone: int) -> int:
        return CHUNK if gone == sum(ino // 2 == chunk for ino in self.pieces) else 0


def inode(number: int, links: int) -> os.stat_result:
    return os.stat_result((0o100644, number, 1, links, 0, 0, 0, 0, 0, 0), {"st_blocks": 0})


files = st.lists(
    st.tuples(
        st.lists(st.integers(0, OWNERS - 1), min_size=1, max_size=4),  # the trees that its links are in
        st.integers(0, 1),  # and so many links that are in none
        st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), max_size=2),  # its shared extents
    ),
    max_size=8,
)


def met(found: list[tuple[list[int], int, list[tuple[int, int]]]]) -> Sharing:
    """All files, as walks through the trees meet them, tree after tree."""
    sharing = Sharing(Blocks({number: tuple(pieces) for number, (_, _, pieces) in enumerate(found)}), 1000)
    for owner in range(OWNERS):
        for number, (owners, outside, _) in enumerate(found):
            status = inode(number, len(owners) + outside)
            for _ in range(owners.count(owner)):
                if status.st_nlink > 1:
                    sharing.linked(owner, -1, "f", status)
                else:
                    sharing.plain(owner, -1, "f", status)
    return sharing


@given(files)
def test_a_set_holds_the_inodes_whose_links_are_all_in_it_and_the_blocks_that_nobody_else_uses(
    found: list[tuple[list[int], int, list[tuple[int, int]]]],
) -> None:
    sums = met(found).sums()
    whole = [(set(owners), pieces) for owners, outside, pieces in found if not outside]
    users: dict[int, list[set[int]]] = {}
    for owners, pieces in whole:
        for start, length in pieces:
            for block in range(start, start + length):
                users.setdefault(block, []).append(owners)
    known = {block: set().union(*using) for block, using in users.items() if len(using) > 1}
    for size in range(1, OWNERS + 1):
        for chosen in combinations(range(OWNERS), size):
            inodes = sum(owners <= set(chosen) for owners, _ in whole)
            blocks = sum(using <= set(chosen) for using in known.values())
            chunks = [found[at : at + 2] for at in range(0, len(found), 2)]
            whole_chunks = sum(all(not out and {*own} <= {*chosen} for own, out, _ in chunk) for chunk in chunks)
            bits = sum(1 << owner for owner in chosen)
            got = [held for owners, held in sums.items() if owners & bits == owners]
            assert (sum(held.inodes for held in got), sum(held.size for held in got)) == (
                inodes,
                100 * inodes + blocks + CHUNK * whole_chunks,
            )


@given(files)
def test_it_is_told_whether_anything_leads_out(found: list[tuple[list[int], int, list[tuple[int, int]]]]) -> None:
    sharing = met(found)
    assert sharing.linked_elsewhere == any(outside for _, outside, _ in found)
    uses: dict[int, int] = {}
    for _, outside, pieces in found:
        for start, length in pieces if not outside else ():
            for block in range(start, start + length):
                uses[block] = uses.get(block, 0) + 1
    assert sharing.reflinked_elsewhere == (1 in uses.values())


def test_inodes_beyond_those_that_are_told_apart_are_counted_on_by_nobody() -> None:
    sharing = Sharing(None, 1)
    assert [sharing.linked(owner, -1, "f", inode(number, 2)) for owner in (0, 1) for number in (1, 2)] == [1, 0, 2, 0]
    assert sharing.sums() == {0b11: Sum(0, 0, 1)}
    assert sharing.linked_elsewhere


def test_ten_thousand_owners_of_one_inode_are_one_class() -> None:
    sharing = Sharing(None, 10)
    for owner in range(10_000):
        sharing.linked(owner, -1, "f", inode(1, 10_000))
    assert sharing.sums() == {(1 << 10_000) - 1: Sum(0, 0, 1)}
