"""Who goes first (SPEC.md 3): three sort keys. Each ends at the id, so that the order is total."""

from __future__ import annotations

from collections.abc import Iterable

from ullage.model.backups import Backup, Candidate
from ullage.model.words import Strategy


def order(candidates: Iterable[Candidate], strategy: Strategy, need: tuple[int, int] | None = None) -> list[Candidate]:
    """The candidates in the order in which they would go by a strategy that looks at each alone.

    ``need``: (bytes, inodes) that are missing. Where it is inodes alone, the largest are those with the most of them.
    """
    inodes = strategy is Strategy.LARGEST_FIRST and need is not None and need[0] == 0 < need[1]
    return sorted(candidates, key=_most_inodes if inodes else _KEYS[strategy])


def oldest_first(backup: Backup) -> tuple[float, str]:
    """A sort key; an unknown age comes last."""
    return (float("inf") if backup.created_at is None else backup.created_at, backup.id)


def _oldest(candidate: Candidate) -> tuple[float, float, str]:
    return (0.0, *oldest_first(candidate.backup))


def _largest(candidate: Candidate) -> tuple[float, float, str]:
    return (-candidate.backup.reclaimable_bytes, 0.0, candidate.backup.id)


def _most_inodes(candidate: Candidate) -> tuple[float, float, str]:
    return (-candidate.backup.inodes, *_largest(candidate)[::2])


def _surest(candidate: Candidate) -> tuple[float, float, str]:
    return (-candidate.score.boosted, *oldest_first(candidate.backup))


_KEYS = {
    Strategy.OLDEST_FIRST: _oldest,
    Strategy.LARGEST_FIRST: _largest,
    Strategy.CONFIDENCE_BASED: _surest,
}
