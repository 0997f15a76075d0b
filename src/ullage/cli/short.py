"""What would still be missing if all went that may go, as ``plan`` and ``status`` show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ullage.engine.remarks import reckoned, to_come
from ullage.model.backups import Backup, Share
from ullage.model.readings import Reading
from ullage.model.shortfall import Shortfall
from ullage.model.units import printable
from ullage.model.words import Level
from ullage.policy.exhausted import told, too_little


def shortfall(app: Any, opened: Any, reading: Reading, level: Level) -> dict[str, Any] | None:
    """Of an opened store, for the goal of its level; None where nothing is."""
    archives = opened.source.archives() if reading.same_filesystem else ()
    waiting = to_come(opened, app.catalog.trashed(opened.settings.name), level)

    def reckon(backups: Sequence[Backup], shares: Iterable[Share]) -> Shortfall | None:
        return too_little(
            level,
            reading,
            backups,
            opened.settings,
            now=app.clock.now(),
            archives=archives,
            shares=shares,
            waiting=waiting,
        )

    return shape(reckoned(opened.source, reckon))


def shape(found: Shortfall | None) -> dict[str, Any] | None:
    """A shortfall as JSON has it."""
    if found is None:
        return None
    return {
        "goal": found.goal,
        "bytes": found.size_bytes,
        "inodes": found.inodes,
        "may_go": {"count": found.count, "bytes": found.may_bytes, "inodes": found.may_inodes},
        "because": [
            {"cause": one.cause, "count": one.count, "bytes": one.size_bytes, "inodes": one.inodes}
            for one in found.because
        ],
        "ways": list(found.ways),
        "enough": found.enough,
        "text": printable(told(found)),
    }
