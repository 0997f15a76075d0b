"""Choosing a set of backups that gives back enough bytes and inodes: what there is to choose from, and quick ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

from msgspec import Struct

Need = tuple[int, int]
"""Bytes and inodes."""

NEVER = float("inf")


class Cover(Struct, frozen=True, kw_only=True):
    """What may be chosen, numbered in the order of ids, so that ties end there: what each costs and gives back alone.

    ``shares``: who holds it, bytes, inodes; it comes back with the last of its owners. ``owned``: which, by number.
    """

    costs: Sequence[int]
    sizes: Sequence[int]
    inodes: Sequence[int]
    shares: Sequence[tuple[tuple[int, ...], int, int]]
    owned: Sequence[Sequence[int]]

    @property
    def everyone(self) -> range:
        """All numbers."""
        return range(len(self.costs))


def cover_of(
    costs: Sequence[int],
    sizes: Sequence[int],
    inodes: Sequence[int],
    shares: Iterable[tuple[tuple[int, ...], int, int]],
) -> Cover:
    """The same with ``owned`` filled in, and what the same owners share added up."""
    together: dict[tuple[int, ...], tuple[int, int]] = {}
    for owners, size, count in shares:
        before = together.get(owners, (0, 0))
        together[owners] = (before[0] + size, before[1] + count)
    owned: list[list[int]] = [[] for _ in costs]
    for number, owners in enumerate(together):
        for owner in owners:
            owned[owner].append(number)
    merged = [(owners, size, count) for owners, (size, count) in together.items()]
    return Cover(costs=costs, sizes=sizes, inodes=inodes, shares=merged, owned=owned)


def part_of(cover: Cover, members: Sequence[int], gone: Iterable[int] = ()) -> Cover:
    """``members`` alone, numbered by their place; ``gone`` are taken already, and all the others stay for ever."""
    place = {member: number for number, member in enumerate(members)}
    away = set(gone)
    numbers = dict.fromkeys(number for member in members for number in cover.owned[member])
    kept = []
    for owners, size, count in (cover.shares[number] for number in numbers):
        rest = [owner for owner in owners if owner not in away]
        if all(owner in place for owner in rest):
            kept.append((tuple(place[owner] for owner in rest), size, count))
    costs = [cover.costs[member] for member in members]
    sizes = [cover.sizes[member] for member in members]
    return cover_of(costs, sizes, [cover.inodes[member] for member in members], kept)


def seeming(cover: Cover, left: Sequence[int]) -> tuple[list[float], list[float]]:
    """Bytes and inodes of each, with an equal part of what it shares with so many owners as are left: 0 for nothing."""
    sizes: list[float] = list(cover.sizes)
    inodes: list[float] = list(cover.inodes)
    for (owners, size, count), others in zip(cover.shares, left, strict=True):
        if others:
            part, portion = size / others, count / others
            for owner in owners:
                sizes[owner] += part
                inodes[owner] += portion
    return sizes, inodes


def gain(cover: Cover, chosen: Iterable[int]) -> Need:
    """What comes back when all of ``chosen`` go."""
    members = list(chosen)
    there = Counter(number for member in members for number in cover.owned[member])
    whole = [cover.shares[number] for number, owners in there.items() if owners == len(cover.shares[number][0])]
    size = sum(cover.sizes[member] for member in members) + sum(share[1] for share in whole)
    return size, sum(cover.inodes[member] for member in members) + sum(share[2] for share in whole)


def thin(cover: Cover, chosen: Iterable[int], need: Need) -> list[int]:
    """``chosen``, which gives back ``need``, without those that it does so without, the costliest first.

    One pass is enough: what could not be left out of a set cannot be left out of a part of it.
    """
    kept = set(chosen)
    there = Counter(number for member in kept for number in cover.owned[member])
    had = gain(cover, kept)
    spare, spared = had[0] - need[0], had[1] - need[1]
    for member in sorted(kept, key=lambda m: (-cover.costs[m], -m)):
        size, count = cover.sizes[member], cover.inodes[member]
        for number in cover.owned[member]:
            owners, held, nodes = cover.shares[number]
            if there[number] == len(owners):
                size, count = size + held, count + nodes
        if size <= spare and count <= spared:
            kept.remove(member)
            spare, spared = spare - size, spared - count
            there.subtract(cover.owned[member])
    return sorted(kept)


def greedy(cover: Cover, need: Need, *, ahead: bool = True) -> list[int]:
    """Who goes, in order, until ``need`` is met: always the one that costs least for what it gives back.

    What is shared counts in equal parts for its owners that are still there; not ``ahead``: for the last of them alone.
    Where not even all that give back anything meet the need, it is those.
    """
    return _Greedy(cover, need, ahead=ahead).run()


def prices(cover: Cover, need: Need) -> list[float]:
    """What each costs for its part of ``need``, as ``greedy`` sees it at first; infinite where it has none."""
    return _Greedy(cover, need, ahead=True).prices


class _Greedy:
    """A set that grows. A price is set anew when a share of its owner came to have half as many owners left.

    So all setting anew together costs no more than twice as many steps as there are owners of shares.
    """

    def __init__(self, cover: Cover, need: Need, *, ahead: bool) -> None:
        self._cover = cover
        self._size, self._inodes = need
        self._ahead = ahead
        self._left = [len(owners) for owners, _, _ in cover.shares]
        self._priced = self._left.copy()
        self._taken = bytearray(len(cover.costs))
        self._set_units()
        self.prices = self._all_prices()

    def run(self) -> list[int]:
        order: list[int] = []
        heap = self._heap()
        while heap and (self._size > 0 or self._inodes > 0):
            price, member = heappop(heap)
            if self._taken[member] or price != self.prices[member]:
                continue  # it has another price by now, and stands there for that too
            now = self._price(member)
            if now > price:  # it gives back more than is still missing
                self.prices[member] = now
                heappush(heap, (now, member))
                continue
            order.append(member)
            for number in self._take(member):
                for owner in self._cover.shares[number][0]:
                    if not self._taken[owner]:
                        self.prices[owner] = self._price(owner)
                        heappush(heap, (self.prices[owner], owner))
            if (self._size > 0, self._inodes > 0) != self._wanted:
                self._set_units()
                self.prices = self._all_prices()
                heap = self._heap()
        return order

    def _take(self, member: int) -> list[int]:
        """The shares of it whose other owners have another price now."""
        cover, moved = self._cover, []
        self._taken[member] = True
        size, count = cover.sizes[member], cover.inodes[member]
        for number in cover.owned[member]:
            self._left[number] -= 1
            left = self._left[number]
            if not left:
                size += cover.shares[number][1]
                count += cover.shares[number][2]
            elif 2 * left <= self._priced[number]:
                self._priced[number] = left
                moved.append(number)
        self._size -= size
        self._inodes -= count
        return moved

    def _set_units(self) -> None:
        self._wanted = (self._size > 0, self._inodes > 0)
        self._per_byte = 1 / self._size if self._size > 0 else 0.0
        self._per_inode = 1 / self._inodes if self._inodes > 0 else 0.0

    def _all_prices(self) -> list[float]:
        """As ``_price`` says of each, but all at once, which is several times as quick."""
        most, many, per_byte, per_inode = self._size, self._inodes, self._per_byte, self._per_inode
        left = self._left if self._ahead else [int(owners == 1) for owners in self._left]
        worths = [
            (size if size < most else most) * per_byte + (count if count < many else many) * per_inode
            for size, count in zip(*seeming(self._cover, left), strict=True)
        ]
        return [
            cost / worth if worth and not taken else NEVER
            for cost, worth, taken in zip(self._cover.costs, worths, self._taken, strict=True)
        ]

    def _heap(self) -> list[tuple[float, int]]:
        heap = [(price, member) for member, price in enumerate(self.prices) if price != NEVER]
        heapify(heap)
        return heap

    def _price(self, member: int) -> float:
        cover = self._cover
        size, count = float(cover.sizes[member]), float(cover.inodes[member])
        for number in cover.owned[member]:
            left = self._left[number]
            if self._ahead or left == 1:
                size += cover.shares[number][1] / left
                count += cover.shares[number][2] / left
        worth = min(size, self._size) * self._per_byte + min(count, self._inodes) * self._per_inode
        return cover.costs[member] / worth if worth else NEVER
