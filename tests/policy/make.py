"""Backups, stores and readings with only what a test is about spelled out; and the same at random."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ullage.model.backups import Archive, Backup
from ullage.model.readings import Reading, Space
from ullage.model.settings import ReclaimSettings, StoreSettings
from ullage.model.units import DAY, MIB
from ullage.model.words import LIVE_STATES, State, Strategy

NOW = 1_800_000_000.0
HOUR = 3600.0


def backup(
    backup_id: str = "db-20260101", state: State | None = State.CLEANABLE, age: float = 40 * DAY, **more: Any
) -> Backup:
    """A backup ``age`` seconds old; not good unless ``confirmed_at`` says so."""
    return Backup(**{"id": backup_id, "state": state, "created_at": int(NOW - age), **more})


def archive(backup_id: str, age: float, **more: Any) -> Archive:
    """An archive ``age`` seconds old, named after its backup."""
    fields = {"path": f"2026/01/{backup_id}.tar.zst", "size_bytes": MIB, "created_at": int(NOW - age), **more}
    return Archive(backup_id=backup_id, **fields)


def store(**reclaim: Any) -> StoreSettings:
    """A store with these reclaim settings, else the defaults."""
    return StoreSettings(name="main", backup_root="/b", archive_root="/a", reclaim=ReclaimSettings(**reclaim))


def space(used: int, total: int = 1000, inodes: tuple[int, int] = (0, 0), reserved: int = 0) -> Space:
    """``used`` of ``total`` bytes; ``inodes`` as (used, total)."""
    return Space(
        total_bytes=total,
        used_bytes=used,
        free_bytes=max(0, total - used),
        available_bytes=max(0, total - used - reserved),
        total_inodes=inodes[1],
        free_inodes=inodes[1] - inodes[0],
    )


def reading(*backup_spaces: Space, **more: Any) -> Reading:
    """A reading of these spaces."""
    return Reading(at=NOW, backup=backup_spaces, **more)


_NAMES = [
    f"{name}{date}"
    for name in ("db-", "www_", "", "plain", "db.")
    for date in ("20260101", "2026-02-01", "", "x20260301")
]
_AGES = st.one_of(
    st.sampled_from([-3600, -61, -60, -1, 0, 3599, 3600, 3601, DAY, 2 * DAY, 10 * DAY, 20 * DAY, 30 * DAY]),
    st.integers(-7200, int(60 * DAY)),
)


@st.composite
def backups(draw: st.DrawFn) -> list[Backup]:
    """A store's backups: few names, so that series and ties are frequent; every field at its edges."""
    ids = draw(
        st.lists(st.sampled_from([n + suffix for n in _NAMES for suffix in ("", "-b")]), unique=True, max_size=12)
    )
    return [draw(_backup_called(backup_id)) for backup_id in ids]


@st.composite
def _backup_called(draw: st.DrawFn, backup_id: str) -> Backup:
    rarely = st.sampled_from([False] * 5 + [True])
    size = draw(st.sampled_from([0, 100 * MIB, 100 * MIB + 1, 500 * MIB, 500 * MIB + 1]))
    return Backup(
        id=backup_id,
        state=draw(st.sampled_from([*sorted(LIVE_STATES), *sorted(LIVE_STATES), State.ARCHIVED, None])),
        created_at=None if draw(rarely) else int(NOW - draw(_AGES)),
        confirmed_at=draw(st.sampled_from([None, 1])),
        size_bytes=size,
        reclaimable_bytes=draw(st.sampled_from([0, size // 2, size])),
        newest_mtime=NOW - draw(st.sampled_from([-10.0, 0.0, 299.0, 300.0, 1e6])),
        last_read_at=draw(st.sampled_from([None, NOW + 5, NOW - 7 * DAY, NOW - 7 * DAY - 1])),
        pinned=draw(rarely),
        busy="process 12" if draw(rarely) else None,
        fault="unreadable" if draw(rarely) else None,
    )


def stores() -> st.SearchStrategy[StoreSettings]:
    """Stores of every strategy and some floors, most of them few."""
    few = st.sampled_from([0, 0, 0, 1, 2, 3])
    return st.builds(
        store,
        strategy=st.sampled_from(Strategy),
        keep_last=st.integers(0, 3),
        keep_daily=few,
        keep_weekly=few,
        keep_monthly=few,
        keep_yearly=few,
        min_age=st.sampled_from([0.0, 0.0, 0.0, 3600.0, 2 * DAY]),
    )
