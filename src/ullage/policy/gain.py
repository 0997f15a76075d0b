"""What a set of backups gives back: where they share files or extents, more than the sum of what each gives alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ullage.model.backups import Backup, Share


class Gains:
    """(bytes, inodes) that come back as one backup after the other goes; ``size`` and ``inodes`` so far."""

    def __init__(self, backups: Iterable[Backup], shares: Iterable[Share] = ()) -> None:
        self._alone = {b.id: (b.reclaimable_bytes, b.inodes) for b in backups}
        self._shares = tuple(shares)
        self._left = [len(share.owners) for share in self._shares]
        self._owned: dict[str, list[int]] = defaultdict(list)
        for number, share in enumerate(self._shares):
            for owner in share.owners:
                self._owned[owner].append(number)
        self.size = self.inodes = 0

    def more(self, backup_id: str) -> tuple[int, int]:
        """What comes back in addition when this one, not taken yet, goes too."""
        size, inodes = self._alone[backup_id]
        for number in self._owned.get(backup_id, ()):
            if self._left[number] == 1:
                size += self._shares[number].size_bytes
                inodes += self._shares[number].inodes
        return size, inodes

    def take(self, backup_id: str) -> tuple[int, int]:
        """The same, and from now on it counts as gone."""
        gained = self.more(backup_id)
        for number in self._owned.get(backup_id, ()):
            self._left[number] -= 1
        self.size, self.inodes = self.size + gained[0], self.inodes + gained[1]
        return gained

    def put_back(self, backup_id: str) -> None:
        """The opposite of ``take``."""
        for number in self._owned.get(backup_id, ()):
            self._left[number] += 1
        lost = self.more(backup_id)
        self.size, self.inodes = self.size - lost[0], self.inodes - lost[1]


def gain_of(chosen: Iterable[str], backups: Iterable[Backup], shares: Iterable[Share] = ()) -> tuple[int, int]:
    """(bytes, inodes) that come back when all of ``chosen`` go."""
    gains = Gains(backups, shares)
    for backup_id in chosen:
        gains.take(backup_id)
    return gains.size, gains.inodes
