"""Which backups go so that enough comes back and the least is lost: the strategy ``least_harm`` (docs/decisions)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nlargest, nsmallest
from math import isqrt

from msgspec.structs import replace

from ullage.model.backups import Backup, Candidate, Share
from ullage.policy.branch import cheapest
from ullage.policy.cover import NEVER, Cover, Need, cover_of, gain, greedy, part_of, prices, seeming, thin
from ullage.policy.harm import harms

EXACT, TO_THE_END = 18, 1 << 19
"""So many candidates are searched to the end, in at most so many steps."""
FEW, STEPS = 60, 20_000
"""Of so many all are searched together, but only for so many steps: half a second at worst."""
CORE, CORE_STEPS, ROUNDS = 20, 4000, 4
"""Of more, so many at a time, the others as they are; so often."""
_MANY = 10_000
"""From so many candidates, or hundredth part of it chosen, on, one more or less matters little: see ``_improved``."""
TRIES = 8
"""How often a price is tried on each member, where a limit binds; half as often among many."""
_UNIT = 1_000_000
"""Costs are whole millionths of harm, as it is shown: sums of them are the same in whatever order."""


def by_harm(
    candidates: Sequence[Candidate],
    backups: Iterable[Backup],
    shares: Sequence[Share],
    need: Need | None,
    limit: int | None,
    *,
    now: float,
    net: Callable[[Backup], Backup] | None = None,
) -> list[Candidate]:
    """The candidates in the order in which they would go; without a need, the least harm first.

    ``backups``: all that live, the candidates among them; ``shares``: what they share; ``net``: a backup with what it
    gives back less its archive.
    """
    found = harms(candidates, backups, shares, now=now)
    if need is None:
        return sorted(candidates, key=lambda c: (found[c.backup.id].total, c.backup.id))
    costs = {backup_id: harm.total for backup_id, harm in found.items()}
    among = [c.backup if net is None else net(c.backup) for c in candidates]
    chosen, others = least_harm(among, costs, shares, need, limit)
    by_id = {candidate.backup.id: candidate for candidate in candidates}
    return [by_id[backup_id] for backup_id in (*chosen, *others)]


def least_harm(
    backups: Iterable[Backup], harms: Mapping[str, float], shares: Iterable[Share], need: Need, limit: int | None
) -> tuple[list[str], list[str]]:
    """Who goes for ``need`` (bytes, inodes), and the others, who step in for one that cannot; both in order.

    The order is by harm for what comes back, so that whoever stops early has done the least. Where not even all of them
    meet the need, those that give back as much as can be. Where more than ``limit`` would have to go, it is the set
    that would be right without it, for the next reclaim goes on with that.
    """
    known = sorted(backups, key=lambda b: b.id)
    cover = _cover(known, harms, shares)
    chosen = _chosen(cover, need, limit)
    spare = prices(cover, need)
    others = sorted(sorted(set(cover.everyone).difference(chosen)), key=spare.__getitem__)
    return [known[member].id for member in chosen], [known[member].id for member in others]


def _cover(known: Sequence[Backup], harms: Mapping[str, float], shares: Iterable[Share]) -> Cover:
    number = {backup.id: at for at, backup in enumerate(known)}
    held = [
        (tuple([number[owner] for owner in share.owners]), share.size_bytes, share.inodes)
        for share in shares
        if all(map(number.__contains__, share.owners))  # what one that stays holds too never comes back
    ]
    costs = [round(harms[backup.id] * _UNIT) for backup in known]
    sizes, inodes = [backup.reclaimable_bytes for backup in known], [backup.inodes for backup in known]
    return cover_of(costs, sizes, inodes, held)


def _chosen(cover: Cover, need: Need, limit: int | None) -> list[int]:
    """The set, in order."""
    most = gain(cover, cover.everyone)
    wanted = (min(need[0], most[0]), min(need[1], most[1]))
    chosen = None if limit is None else _within(cover, wanted, limit)
    if chosen is None:
        chosen = _any_number(cover, wanted)
    mine = part_of(cover, chosen)
    return [chosen[member] for member in greedy(mine, wanted)]


def _any_number(cover: Cover, need: Need) -> list[int]:
    """The set without a limit."""
    return _improved(cover, _quick(cover, need), need, len(cover.costs))


def _within(cover: Cover, need: Need, limit: int) -> list[int] | None:
    """The set of at most ``limit``; None where none was found."""
    best = _any_number(cover, need)
    if len(best) <= limit:
        return best
    if not _possible(cover, need, limit):
        return None
    if len(cover.costs) <= EXACT:
        return cheapest(cover, need, limit, under=sum(cover.costs) + 1, steps=TO_THE_END)
    few = _fewer(cover, need, limit)
    return None if few is None else _improved(cover, few, need, limit)


def _fewer(cover: Cover, need: Need, limit: int) -> list[int] | None:
    """A cheap set of at most ``limit``, by a price on each member: the lowest with which few enough are chosen."""
    mean = sum(cover.costs) // len(cover.costs) + 1
    low, high = mean // 10 + 1, 1000 * mean
    found = _quick(_dearer(cover, high), need)
    if len(found) > limit:
        return None
    for _ in range(TRIES if len(cover.costs) < _MANY else TRIES // 2):
        middle = isqrt(low * high)  # by its order of magnitude
        fewer = _quick(_dearer(cover, middle), need)
        if len(fewer) <= limit:
            found, high = fewer, middle
        else:
            low = middle
    return found


def _dearer(cover: Cover, price: int) -> Cover:
    return replace(cover, costs=[cost + price for cost in cover.costs])


def _possible(cover: Cover, need: Need, limit: int) -> bool:
    """Whether ``limit`` of them could be enough, were each share given back in equal parts by its owners."""
    sizes, inodes = seeming(cover, [len(owners) for owners, _, _ in cover.shares])
    return sum(nlargest(limit, sizes)) >= need[0] * (1 - 1e-9) and sum(nlargest(limit, inodes)) >= need[1] * (1 - 1e-9)


def _quick(cover: Cover, need: Need) -> list[int]:
    """The cheaper of what is chosen looking ahead to the last owner of each share, and of what is not."""
    found = thin(cover, greedy(cover, need), need)
    if not cover.shares or len(cover.costs) >= _MANY:
        return found
    near = greedy(cover, need, ahead=False)
    had = gain(cover, near)
    if had[0] < need[0] or had[1] < need[1]:
        return found
    return min(found, thin(cover, near, need), key=lambda chosen: _cost(cover, chosen))


def _improved(cover: Cover, chosen: list[int], need: Need, limit: int) -> list[int]:
    """``chosen`` after searches: among all, where they are few, else among its dearest and the best of the others."""
    count = len(cover.costs)
    if count <= FEW:
        steps = TO_THE_END if count <= EXACT else STEPS
        chosen = cheapest(cover, need, limit, under=_cost(cover, chosen), steps=steps) or chosen
    if count <= EXACT or len(chosen) > _MANY // 100:
        return chosen
    for turn in range(ROUNDS if count < _MANY else 1):
        chosen = _exchanged(cover, chosen, need, limit, by_price=turn % 2 == 0)
    return chosen


def _exchanged(cover: Cover, chosen: list[int], need: Need, limit: int, *, by_price: bool) -> list[int]:
    """``chosen`` with its members of the worst price, or of the highest cost, exchanged for better ones."""
    bad = prices(part_of(cover, chosen), need) if by_price else [cover.costs[member] for member in chosen]
    out = [member for _, member in nlargest(CORE // 2, zip(bad, chosen, strict=True))]
    kept = set(chosen).difference(out)
    had = gain(cover, kept)
    lacking = (need[0] - had[0], need[1] - had[1])
    tempting = prices(cover, lacking)
    for member in chosen:
        tempting[member] = NEVER
    others = nsmallest(CORE // 2, cover.everyone, key=tempting.__getitem__)
    core = sorted([*out, *(member for member in others if tempting[member] != NEVER)])
    part = part_of(cover, core, kept)
    found = cheapest(part, lacking, limit - len(kept), under=_cost(cover, out), steps=CORE_STEPS)
    return chosen if found is None else thin(cover, [*kept, *(core[member] for member in found)], need)


def _cost(cover: Cover, chosen: Iterable[int]) -> int:
    return sum(cover.costs[member] for member in chosen)
