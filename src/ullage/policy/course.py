"""Whether a reclaim still goes as it was planned to: where it does not, who goes next is to be chosen anew."""

from __future__ import annotations

from collections.abc import Iterable

from ullage.model.backups import Backup, Share
from ullage.policy.gain import Gains

ASTRAY = 0.01
"""The part of what was missing by which a plan may be off: what others write meanwhile is no reason for a new one."""


class Course:
    """A plan under way: ``need`` (bytes, inodes) was missing when it was made."""

    def __init__(self, need: tuple[int, int], backups: Iterable[Backup], shares: Iterable[Share]) -> None:
        self._need = need
        self._gains = Gains(backups, shares)

    def left(self, backup_id: str, lacking: tuple[int, int]) -> bool:
        """Whether after this one's turn another plan is needed: so much is ``lacking`` now.

        It gave back more or less than was expected, or did not go at all; or the plan is at its end.
        """
        self._gains.take(backup_id)
        expected = (self._need[0] - self._gains.size, self._need[1] - self._gains.inodes)
        if expected[0] <= 0 and expected[1] <= 0:
            return True
        pairs = zip(self._need, expected, lacking, strict=True)
        return any(abs(max(0, hoped) - lacks) > ASTRAY * need for need, hoped, lacks in pairs)
