"""Whether acts give back what they promised: a reclaim that is of no use ends (SPEC.md 7.6)."""

from __future__ import annotations

from collections.abc import Collection

from ullage.model.backups import Operation
from ullage.model.words import Unit
from ullage.policy import assess, respond, stall


class Scales:
    """The acts of one reclaim on one filesystem. ``gained``: whether any of them was of use."""

    def __init__(self) -> None:
        self.gained = False
        self._short: list[tuple[Unit, int]] = []
        self._small = (0, 0)

    def weigh(self, op: Operation, lacks: Collection[Unit], of_trees: int) -> None:
        """Note what an act promised and did not give; the next one that gives it starts the count again.

        ``lacks``: of what there was too little; ``of_trees``: bytes of btrfs metadata that it gave back.
        """
        size, back = self._small[0] + op.predicted_bytes, self._small[1] + op.reclaimed_bytes
        if {Unit.BYTES}.issuperset(lacks) and respond.too_small_to_weigh(size, back):
            self._small = (size, back)
            return
        self._small = (0, 0)
        trees = op.predicted_inodes * assess.METADATA_PER_INODE
        promised = {Unit.BYTES: size, Unit.INODES: op.predicted_inodes, Unit.METADATA: trees}
        given = {Unit.BYTES: back, Unit.INODES: op.reclaimed_inodes, Unit.METADATA: of_trees}
        short = respond.short_of(lacks, promised, given)
        if short is not None:
            self._short.append(short)
        else:
            self._short.clear()
            self.gained = True

    def missing(self, *, coming: bool) -> int:
        """What did not come back, where so many acts in a row were of no use that no more may be; else 0.

        ``coming``: the last one's space did not show within the bounds of waiting and may still come: one is enough.
        """
        if len(self._short) < stall.LIMIT and not (self._short and coming):
            return 0
        return max(1, sum(amount for unit, amount in self._short if unit is self.unit))

    @property
    def unit(self) -> Unit:
        """What ``missing`` counts."""
        return self._short[-1][0]
