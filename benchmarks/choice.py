"""What choosing a set costs: ``select`` by ``least_harm`` in this process, over backups that are in memory only."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from benchmarks.measure import Row, cpu, sample
from ullage.model.backups import Backup, Share
from ullage.model.settings import ReclaimSettings, StoreSettings
from ullage.model.units import DAY
from ullage.model.words import CleanupLevel, State, Strategy
from ullage.policy.select import select

GOAL = 2.0
"""CPU seconds until a set of 100,000 candidates is chosen (issue 4)."""
NOW = 1_800_000_000.0


def rows(count: int, runs: int) -> Iterator[Row]:
    """For a thousandth of all bytes, for half, and for a fifth of bytes and inodes; each two share a part."""
    backups, shares = _store(count)
    chosen, oldest = _settings(Strategy.LEAST_HARM), _settings(Strategy.OLDEST_FIRST)
    size, inodes = sum(one.reclaimable_bytes for one in backups), sum(one.inodes for one in backups)
    needs = {"a thousandth": (size // 1000, 0), "half": (size // 2, 0), "a fifth, inodes too": (size // 5, inodes // 5)}
    peer = sample(lambda: cpu(lambda: select(backups, CleanupLevel.MODERATE, None, oldest, now=NOW)), runs)
    for what, need in needs.items():

        def once(need: tuple[int, int] = need) -> object:
            return select(backups, CleanupLevel.MODERATE, None, chosen, now=NOW, need=need, shares=shares)

        yield Row(
            topic="choice, CPU",
            what=f"select(), least_harm, {count:,} candidates, {what}",
            sample=sample(lambda: cpu(once), runs),
            peer="oldest_first",
            peer_sample=peer,
            goal=GOAL,
        )


def _settings(strategy: Strategy) -> StoreSettings:
    reclaim = ReclaimSettings(strategy=strategy, keep_last=0)
    return StoreSettings(name="main", backup_root="/b", archive_root="/a", reclaim=reclaim)


def _store(count: int) -> tuple[list[Backup], list[Share]]:
    rng = Random(1)
    backups = [
        Backup(
            id=f"db{number % 500}-{number:06}",
            state=rng.choice([State.CLEANABLE, State.CONFIRMED]),
            created_at=int(NOW - rng.uniform(40, 1500) * DAY),
            confirmed_at=1,
            reclaimable_bytes=int(10 ** rng.uniform(6, 12)),
            inodes=int(10 ** rng.uniform(1, 5)),
        )
        for number in range(count)
    ]
    shares = [
        Share(owners=tuple(sorted((one.id, other.id))), size_bytes=int(10 ** rng.uniform(6, 11)), inodes=5)
        for one, other in zip(backups[::2], backups[1::2], strict=False)
    ]
    return backups, shares
