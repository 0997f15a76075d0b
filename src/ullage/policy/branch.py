"""The cheapest set of a few backups that gives back enough, by branch and bound."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest

from ullage.policy.cover import Cover, Need

_NEARLY = 1 - 1e-9
"""Bounds are sums of fractions: only what is short by more than their noise is given up."""
_Shares = Sequence[tuple[tuple[int, ...], int, int]]


def cheapest(cover: Cover, need: Need, limit: int, *, under: int, steps: int) -> list[int] | None:
    """The cheapest set of at most ``limit`` that gives back ``need``; None where none costs less than ``under``.

    After ``steps`` sets that were begun it is the cheapest so far.
    """
    search = _Search(cover, under, steps)
    search.go(list(cover.everyone), cover.shares, need, 0, limit, [])
    return search.best


class _Search:
    def __init__(self, cover: Cover, under: int, steps: int) -> None:
        self._cover = cover
        self._under = under
        self._steps = steps
        self.best: list[int] | None = None

    def go(self, free: list[int], shares: _Shares, need: Need, cost: int, room: int, chosen: list[int]) -> None:
        """Every way to go on from ``chosen`` that could be cheaper: the most promising of ``free`` goes, or stays.

        ``shares``: those that no backup which stays has a part in, with the owners that are free. ``need`` and ``room``
        are what is left of them.
        """
        if need[0] <= 0 and need[1] <= 0:
            self.best, self._under = sorted(chosen), cost
            return
        self._steps -= 1
        first = self._most_promising(free, shares, need, cost, room)
        if first is None or self._steps < 0:
            return
        rest = [member for member in free if member != first]
        size, count, still = self._after(first, shares)
        dearer = cost + self._cover.costs[first]  # under the best so far: the bound is no less
        self.go(rest, still, (need[0] - size, need[1] - count), dearer, room - 1, [*chosen, first])
        self.go(rest, [share for share in shares if first not in share[0]], need, cost, room, chosen)

    def _after(self, first: int, shares: _Shares) -> tuple[int, int, _Shares]:
        """What comes back when this one goes, and the shares then."""
        size, count = self._cover.sizes[first], self._cover.inodes[first]
        still = []
        for share in shares:
            owners = share[0]
            if first not in owners:
                still.append(share)
            elif len(owners) == 1:
                size, count = size + share[1], count + share[2]
            else:
                still.append((tuple(owner for owner in owners if owner != first), share[1], share[2]))
        return size, count, still

    def _most_promising(self, free: list[int], shares: _Shares, need: Need, cost: int, room: int) -> int | None:
        """Who costs least for what it gives back; None where no way on can be cheaper than the best so far.

        What is shared counts in equal parts for its owners: any set then seems to give back at least what it does.
        """
        sizes, inodes = self._seeming(shares)
        if not (_within(sizes, free, room, need[0]) and _within(inodes, free, room, need[1])):
            return None
        by_size = _parts(sizes, free, need[0])
        by_inode = _parts(inodes, free, need[1])
        both = [first + second for first, second in zip(by_size, by_inode, strict=True)]
        left = (self._under - cost) * _NEARLY
        wanted = (need[0] > 0) + (need[1] > 0)
        least, first = self._bound(free, both, wanted)
        if least >= left:
            return None
        if wanted == 2 and any(self._bound(free, parts, 1)[0] >= left for parts in (by_size, by_inode)):
            return None
        return first

    def _seeming(self, shares: _Shares) -> tuple[list[float], list[float]]:
        sizes: list[float] = list(self._cover.sizes)
        inodes: list[float] = list(self._cover.inodes)
        for owners, size, count in shares:
            part, portion = size / len(owners), count / len(owners)
            for owner in owners:
                sizes[owner] += part
                inodes[owner] += portion
        return sizes, inodes

    def _bound(self, free: list[int], parts: list[float], wanted: int) -> tuple[float, int]:
        """The least that ``wanted`` can cost where the last one may go in part, and the best to begin with."""
        costs = self._cover.costs
        best = sorted((costs[member] / part, part, member) for member, part in zip(free, parts, strict=True) if part)
        least, missing = 0.0, float(wanted)
        for price, part, _ in best:
            if part >= missing:
                return least + price * missing, best[0][2]
            least += price * part
            missing -= part
        return least, best[0][2]  # short by the noise of fractions


def _within(amounts: list[float], free: list[int], room: int, wanted: int) -> bool:
    """Whether so many of the free could give back what is wanted."""
    if wanted <= 0:
        return True
    mine = [amounts[member] for member in free]
    return sum(mine if room >= len(mine) else nlargest(room, mine)) >= wanted * _NEARLY


def _parts(amounts: list[float], free: list[int], wanted: int) -> list[float]:
    """Of what is wanted, the part that each of the free gives back: 0..1."""
    if wanted <= 0:
        return [0.0] * len(free)
    return [min(amounts[member] / wanted, 1.0) for member in free]
