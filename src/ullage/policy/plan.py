"""A plan: how far down its ranking a reclaim would go, what each step gives back, and what would still be missing.

The same walk as the engine's, before anything is done: ``engine/reclaim.py`` looks again at each and measures.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from msgspec.structs import replace

from ullage.model.backups import Backup, Candidate, Selection
from ullage.model.plans import Plan, Step, View
from ullage.model.readings import Reading
from ullage.model.settings import StoreSettings
from ullage.model.words import Action
from ullage.policy.assess import usage
from ullage.policy.assume import Until, needed_for, of_disk_alone, shifted
from ullage.policy.gain import Gains
from ullage.policy.respond import Response, after, archive_foreseen, lighter
from ullage.policy.select import select


def plan(view: View, asked: Response, store: StoreSettings, until: Until | None = None) -> Plan:
    """What ``asked`` would take of the store as it is seen; ``until``: a goal in the place of its own."""
    want = until or asked.goal
    need = None if want is None else needed_for(want, view.reading, store.watermarks)
    left = (0, 0) if need is None else (max(0, need[0] - view.pending_bytes), max(0, need[1] - view.pending_inodes))
    chosen = select(
        view.backups,
        asked.cleanup_level,
        asked.limit,
        store,
        now=view.now,
        need=left if any(left) else None,
        of_disk=None if want is None else of_disk_alone(want, left, view.reading, store.watermarks),
        shares=view.shares,
        net=partial(lighter, store=store, reading=at_first(view)) if asked.archive_first else None,
    )
    return plan_of(chosen, view, store, need=need, archive_first=asked.archive_first)


def plan_of(
    selection: Selection, view: View, store: StoreSettings, *, need: tuple[int, int] | None, archive_first: bool = False
) -> Plan:
    """The plan of a selection; ``need``: (bytes, inodes) to gain, None where all within the limit go."""
    return Plan(
        selection=selection,
        target_bytes=None if need is None else need[0],
        target_inodes=None if need is None else need[1],
        pending_bytes=view.pending_bytes,
        pending_inodes=view.pending_inodes,
        usage=usage(view.reading, store.watermarks),
        steps=tuple(_steps(selection, view, store, need, archive_first)),
    )


def _steps(
    selection: Selection, view: View, store: StoreSettings, need: tuple[int, int] | None, archive_first: bool
) -> Iterable[Step]:
    gains = Gains(view.backups, view.shares)
    size, inodes = view.pending_bytes, view.pending_inodes
    left, room = view.reading, at_first(view)
    for candidate in selection.chosen:
        needed = need is None or size < need[0] or inodes < need[1]
        step = going(candidate, gains, room, store, archive_first)
        room = then(room, step, store) if archive_first else room
        size, inodes = size + step.size_bytes, inodes + step.inodes
        left = shifted(left, -step.size_bytes, -step.inodes)
        yield replace(step, usage=usage(left, store.watermarks), needed=needed)


def at_first(view: View) -> Reading:
    """The store when the first one goes: the trash and the ballast went before."""
    return shifted(view.reading, -view.pending_bytes, -view.pending_inodes)


def then(reading: Reading, step: Step, store: StoreSettings) -> Reading:
    """The store when the next one goes."""
    archived = step.action is Action.ARCHIVE
    return after(reading, step.candidate.backup, archived, (step.size_bytes, step.inodes), store)


def going(candidate: Candidate, gains: Gains, reading: Reading, store: StoreSettings, archive_first: bool) -> Step:
    """The step that takes this one after those that ``gains`` counts as gone; it counts as well from now on.

    ``reading``: the store as it is then.
    """
    size, inodes = gains.take(candidate.backup.id)
    action, why = _action(replace(candidate.backup, reclaimable_bytes=size), reading, store, archive_first)
    if action is Action.ARCHIVE and reading.same_filesystem:
        size = max(0, int(size - store.archive.ratio_estimate * candidate.backup.size_bytes))
    return Step(candidate=candidate, action=action, why=why, size_bytes=size, inodes=inodes, usage=None, needed=True)


def _action(backup: Backup, reading: Reading, store: StoreSettings, archive_first: bool) -> tuple[Action, str]:
    if not archive_first:
        return Action.DELETE, ""
    archive, why = archive_foreseen(backup, store, reading)
    return Action.ARCHIVE if archive else Action.DELETE, why
