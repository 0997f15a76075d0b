"""Whether what nobody may take leaves room for the target at all. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ullage.model.backups import Backup, Share
from ullage.model.readings import Reading
from ullage.model.settings import StoreSettings
from ullage.model.words import Cause
from ullage.policy.assess import Goal
from ullage.policy.exhausted import told
from ullage.policy.keep import numbers
from ullage.policy.shortfall import Asked, shortfall


def out_of_reach(
    store: StoreSettings, reading: Reading, backups: Sequence[Backup], *, now: float, shares: Iterable[Share] = ()
) -> str | None:
    """Why no emergency could reach ``target_free`` now, and what to change; None where one could.

    Only what holds for long counts against it: a pin, a floor, ``min_age``, links and snapshots. Who writes now will be
    done some day.
    """
    lasting = {*numbers(store.reclaim), Cause.MIN_AGE, Cause.PINNED, Cause.ELSEWHERE}
    asked = Asked(goal=Goal.TARGET, level=None, counting=lasting)
    short = shortfall(asked, reading, backups, store, now=now, shares=shares)
    return None if short is None else f"watermarks.target_free is out of reach: {told(short)}"
