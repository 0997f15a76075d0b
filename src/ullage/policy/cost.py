"""What a plan costs in harm, beside the other strategies for the same need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from ullage.model.backups import Candidate, Harm
from ullage.model.plans import Cost, Plan, View
from ullage.model.settings import StoreSettings
from ullage.model.words import Strategy
from ullage.policy.gain import Gains
from ullage.policy.harm import harms
from ullage.policy.plan import at_first, going, then
from ullage.policy.respond import lighter
from ullage.policy.select import ranked


def costs(
    found: Plan, view: View, store: StoreSettings, *, archive_first: bool
) -> tuple[dict[str, Harm], dict[Strategy, Cost]]:
    """The harm of each candidate of a plan, by id, and what each strategy would cost in its place."""
    selection = found.selection
    harm = harms(selection.candidates, view.backups, view.shares, now=view.now)
    need = None
    if found.target_bytes is not None and found.target_inodes is not None:
        need = max(0, found.target_bytes - view.pending_bytes), max(0, found.target_inodes - view.pending_inodes)
    net = partial(lighter, store=store, reading=at_first(view)) if archive_first else None
    compared = {}
    for strategy in Strategy:
        ranking: Iterable[Candidate] = selection.candidates
        if strategy is not selection.strategy:
            among = (view.backups, view.shares, need, selection.limit)
            ranking = ranked(selection.candidates, strategy, *among, now=view.now, net=net)
        compared[strategy] = _cost(list(ranking)[: selection.limit], harm, need, view, store, archive_first)
    return harm, compared


def _cost(
    ranking: Iterable[Candidate],
    harm: Mapping[str, Harm],
    need: tuple[int, int] | None,
    view: View,
    store: StoreSettings,
    archive_first: bool,
) -> Cost:
    """Of a ranking within the limit, down to where the need is met."""
    gains = Gains(view.backups, view.shares)
    total, gone, size, inodes = 0.0, 0, 0, 0
    room = at_first(view)
    for candidate in ranking:
        if need is not None and size >= need[0] and inodes >= need[1]:
            break
        step = going(candidate, gains, room, store, archive_first)
        room = then(room, step, store) if archive_first else room
        size, inodes = size + step.size_bytes, inodes + step.inodes
        total, gone = total + harm[candidate.backup.id].total, gone + 1
    enough = None if need is None else size >= need[0] and inodes >= need[1]
    return Cost(harm=round(total, 6), backups=gone, size_bytes=size, inodes=inodes, enough=enough)
