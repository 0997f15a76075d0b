"""The errors of ullage, and the exit code of each.

    UllageError (1)
    ├── UsageError (2)          a wrong word on the command line
    ├── SettingsError (2)       a fault in the settings; all faults at once
    ├── Unavailable             the store cannot be trusted: not there, not ours, not answering
    ├── Busy                    somebody else holds the store or the backup
    ├── Refused                 a rule, a pin, a floor, a mount or a lock forbids it
    ├── NoRoom                  the filesystem has no room for what was to be written
    ├── Changed                 what was looked at is no longer what is there
    ├── Interrupted             a stop was asked for; what was under way is undone or left to recovery
    ├── ArchiveError            an archive could not be written, read or verified
    ├── CatalogError            the catalog cannot be read or written
    └── DeliveryError           an alert could not be delivered

A message says what failed, on what, why, and what to do:
``cannot measure /srv/backup: no such directory; is the disk mounted?``
"""

from __future__ import annotations

from collections.abc import Sequence


class UllageError(Exception):
    """Anything that ullage says of its own accord; ``str(error)`` is fit for a person."""

    exit_code = 1


class UsageError(UllageError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class SettingsError(UllageError):
    """Faults in the settings, every one of them, each naming file, key, found and allowed."""

    exit_code = 2

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class Unavailable(UllageError):
    """A store that is missing, not mounted, not the registered one, or not answering."""


class Busy(UllageError):
    """A store or a backup that somebody else holds; the message says who."""


class Refused(UllageError):
    """What was asked is forbidden by a rule that no force overrides."""


class NoRoom(UllageError):
    """The filesystem has no room (bytes, inodes or quota) for what was to be written."""


class Changed(UllageError):
    """What was decided upon is no longer what is there."""


class Interrupted(UllageError):
    """A stop was asked for in the middle of a long step."""


class ArchiveError(UllageError):
    """An archive could not be written, read back, or is not what was read."""


class CatalogError(UllageError):
    """The catalog cannot be opened, read or written."""


class DeliveryError(UllageError):
    """An alert was not taken by its channel; the message holds no secret, of a URL only the host."""
