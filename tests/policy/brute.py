"""Random choices to make, and all the sets there are to choose: what ``least_harm`` is held against."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from msgspec import Struct

from tests.policy.make import backup
from ullage.model.backups import Backup, Share

Need = tuple[int, int]


class Case(Struct, frozen=True, kw_only=True):
    """Whom to choose from, what each costs, what they share, and what for."""

    backups: tuple[Backup, ...]
    harms: dict[str, float]
    shares: tuple[Share, ...]
    need: Need
    limit: int | None

    def cost(self, chosen: Sequence[str]) -> int:
        """The harm of a set, in millionths."""
        return sum(round(self.harms[one] * 1e6) for one in chosen)


def random_case(rng: Random, most: int = 18) -> Case:
    """Up to ``most`` candidates: of all sizes, of few, or as costly as they are large; some share with another."""
    count = rng.randint(1, most)
    names = [f"db-{number:02}" for number in range(count)]
    harms = {name: round(rng.choice([1.3, rng.uniform(0.5, 30.0), rng.uniform(0.5, 30.0)]), 6) for name in names}
    kind = rng.randrange(4)
    sizes = {
        name: (
            rng.randrange(10**12),
            int(10 ** rng.uniform(0, 12)),
            rng.choice([0, 1, 2, 5, 10]) * 10**9,
            int(harms[name] * 1e6) + rng.randrange(1000),
        )[kind]
        for name in names
    }
    members = tuple(backup(n, reclaimable_bytes=sizes[n], inodes=int(10 ** rng.uniform(0, 5))) for n in names)
    shares = tuple(_share(rng, names) for _ in range(rng.choice([0, rng.randrange(2 * count)])) if count > 1)
    whole, limit = total(members, shares), rng.choice([None, None, rng.randint(1, count)])
    need = (_part(rng, whole[0], 0.85), _part(rng, whole[1], 0.5))
    if limit is not None and rng.random() < 0.7:  # one that binds, and can be held
        largest = sorted(members, key=lambda one: one.reclaimable_bytes)[-limit:]
        need = (int(total(largest, shares)[0] * rng.uniform(0.7, 1.0)), 0)
    return Case(backups=members, harms=harms, shares=shares, need=need, limit=limit)


def total(backups: Sequence[Backup], shares: Sequence[Share]) -> Need:
    """What comes back when all of these go."""
    names = {one.id for one in backups}
    whole = [share for share in shares if names.issuperset(share.owners)]
    size = sum(one.reclaimable_bytes for one in backups) + sum(share.size_bytes for share in whole)
    return size, sum(one.inodes for one in backups) + sum(share.inodes for share in whole)


def optimum(case: Case, need: Need, limit: int | None) -> int | None:
    """The least cost of any set of at most ``limit`` that gives back ``need``; None where there is no such set."""
    sizes, inodes, costs = [0], [0], [0]
    place = {one.id: number for number, one in enumerate(case.backups)}
    for number, one in enumerate(case.backups):  # every set without it, then every set with it
        sizes += [size + one.reclaimable_bytes for size in sizes]
        inodes += [count + one.inodes for count in inodes]
        price = case.cost([one.id])
        costs += [cost + price for cost in costs]
        for share in case.shares:
            owners = [place.get(owner, 99) for owner in share.owners]
            if max(owners) == number:
                others = sum(1 << owner for owner in owners) - (1 << number)
                for members in range(1 << number, 2 << number):
                    if members & others == others:
                        sizes[members] += share.size_bytes
                        inodes[members] += share.inodes
    found = (
        cost
        for members, (size, count, cost) in enumerate(zip(sizes, inodes, costs, strict=True))
        if size >= need[0] and count >= need[1] and (limit is None or members.bit_count() <= limit)
    )
    return min(found, default=None)


def _part(rng: Random, whole: int, often: float) -> int:
    return int(whole * rng.uniform(0, 1.05)) if rng.random() < often else 0


def _share(rng: Random, names: list[str]) -> Share:
    """Held by neighbours, or by any; rarely by one that is no candidate."""
    count = min(len(names), rng.choice([2, 2, 3, 4, len(names)]))
    first = rng.randrange(len(names) - count + 1)
    owners = names[first : first + count] if rng.random() < 0.5 else rng.sample(names, count)
    if rng.random() < 0.1:
        owners = [*owners, "elsewhere"]
    return Share(owners=tuple(sorted(owners)), size_bytes=rng.randrange(10**12), inodes=rng.randrange(100))
