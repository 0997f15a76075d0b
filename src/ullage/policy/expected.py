"""How large the next backup of a series will be, by its last ones."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest

from ullage.model.backups import Backup
from ullage.model.words import State
from ullage.policy.series import series_of

LAST = 3
"""So many of the newest are looked at: a weekly full backup among nightly ones need not be the last."""
MARGIN = 1.1
"""The next one may be so much larger than the largest of them."""


def expected_bytes(backups: Iterable[Backup], series: str) -> int | None:
    """The bytes of the largest of the last ones that are done; None where there is none.

    Of one that shares files or extents with others what it alone holds counts: the next one will share as well.
    """
    done = [one for one in backups if series_of(one.id) == series and one.state not in (None, State.CREATED)]
    last = nlargest(LAST, done, key=lambda one: (one.created_at or 0, one.id))
    return max((one.reclaimable_bytes if one.shared else one.size_bytes for one in last), default=None)


def with_margin(size: int) -> int:
    """The room that is made for it."""
    return int(MARGIN * size)
