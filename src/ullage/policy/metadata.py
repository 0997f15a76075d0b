"""What the metadata of a backup on btrfs takes, learnt from what was measured when others went."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

from msgspec import Struct

KEPT = 31
"""Samples that are remembered: a store that changes its ways is followed within so many backups."""
_ENOUGH = 3
_FULLNESS = 1.2
"""Bytes of tree nodes for one of items, before anything was measured; 1.2 on fresh filesystems (decision 20)."""
_LEAST, _MOST = 0.25, 4.0
"""Samples beyond so many times the first guess are a neighbour's writes or deletions, not metadata."""


class Sample(Struct, frozen=True):
    """Bytes of items that went with a backup, and what was gained beyond its data."""

    items: int
    gained: int


def factor(samples: tuple[Sample, ...], copies: float) -> float:
    """Bytes gained for each byte of items: the median of what was measured, by weight of items.

    ``copies``: how often metadata is written (DUP: 2), over those of data.
    """
    guess = copies * _FULLNESS
    ratios = sorted((s.gained / s.items, s.items) for s in samples if _LEAST <= s.gained / s.items / guess <= _MOST)
    if len(ratios) < _ENOUGH:
        return guess
    weights = list(accumulate(items for _, items in ratios))
    return ratios[bisect_left(weights, weights[-1] / 2)][0]


def with_sample(samples: tuple[Sample, ...], items: int, gained: int) -> tuple[Sample, ...]:
    """What is remembered from now on; backups without items teach nothing."""
    return (*samples, Sample(items, gained))[-KEPT:] if items > 0 else samples
