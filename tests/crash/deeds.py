"""What is done when the blow falls: a command line, the store that it needs, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ullage.model.words import State

CHOSEN, HOLDER, PINNED = "db-20260101", "db-20260202", "db-20260102"
CLEANABLE = ("web-20260101", "web-20260102", "web-20260103")
CREATED, PENDING = "mail-20260101", "mail-20260102"


class Outcome:
    """A store's directories as they stand."""

    def __init__(self, backups: Path, archives: Path) -> None:
        self.backups = backups
        self.archives = archives

    def state(self, backup_id: str) -> State | None:
        """The word of a live state in its place; None where there is none: then nobody takes it for a backup."""
        try:
            word = (self.backups / backup_id / ".state").read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return State(word) if word in set(State) else None

    def archived(self) -> list[str]:
        """Every archive in its place, by its path in the archive root."""
        return sorted(str(path.relative_to(self.archives)) for path in self.archives.glob("[0-9]*/*/*"))


@dataclass(frozen=True)
class Deed:
    """One row. ``archived``, ``trashed``: what has become of the chosen one before.

    ``may_go``: the only ones that may leave their place. ``copies``: of each of these a whole copy stands at every
    moment. ``grace``: seconds that a deletion by hand waits in the trash. ``pressed``: the disk is nearly full.
    """

    words: tuple[str, ...]
    finished: Callable[[Outcome], bool]
    archived: bool = False
    trashed: bool = False
    may_go: frozenset[str] = frozenset({CHOSEN})
    copies: frozenset[str] = frozenset()
    grace: int = 0
    archives_elsewhere: bool = False
    state_elsewhere: bool = False
    pressed: bool = False


def _stands(state: State) -> Callable[[Outcome], bool]:
    return lambda store: store.state(CHOSEN) is state


def _gone(store: Outcome) -> bool:
    return not (store.backups / CHOSEN).exists()


def _archived(store: Outcome) -> bool:
    return _gone(store) and len(store.archived()) == 1


def _no_archive(store: Outcome) -> bool:
    return store.archived() == []


def _relieved(store: Outcome) -> bool:
    return not any((store.backups / backup_id).exists() for backup_id in CLEANABLE)


_ONE, _HOUR = frozenset({CHOSEN}), 3600
_DELETE, _ARCHIVE = ("delete", CHOSEN, "--yes"), ("archive", CHOSEN, "--yes")
DEEDS = {
    "delete": Deed(_DELETE, _gone),
    "archive": Deed(_ARCHIVE, _archived, copies=_ONE, state_elsewhere=True),
    "archive-elsewhere": Deed(_ARCHIVE, _archived, copies=_ONE, archives_elsewhere=True),
    "restore": Deed(("restore", CHOSEN), _stands(State.CONFIRMED), archived=True, copies=_ONE),
    "transition": Deed(("transition", CHOSEN, "CLEANABLE"), _stands(State.CLEANABLE), may_go=frozenset()),
    "delete-archive": Deed(_DELETE, _no_archive, archived=True, archives_elsewhere=True, state_elsewhere=True),
    "trash": Deed(_DELETE, _gone, copies=_ONE, grace=_HOUR),
    "trash-archive": Deed(_DELETE, _no_archive, archived=True, copies=_ONE, grace=_HOUR),
    "undo": Deed(("undo", CHOSEN), _stands(State.CONFIRMED), trashed=True, copies=_ONE, grace=_HOUR),
    "undo-archive": Deed(("undo",), _archived, archived=True, trashed=True, copies=_ONE, grace=_HOUR),
    "empty": Deed(
        ("trash", "empty", "--yes"),
        lambda store: not any((store.backups / ".ullage/trash").iterdir()),
        trashed=True,
        grace=_HOUR,
        state_elsewhere=True,
    ),
    "empty-archive": Deed(
        ("trash", "empty", CHOSEN, "--yes"),
        lambda store: not any((store.archives / ".ullage/trash").iterdir()),
        archived=True,
        trashed=True,
        grace=_HOUR,
        archives_elsewhere=True,
    ),
    "emergency": Deed(
        ("monitor",),
        _relieved,
        trashed=True,
        may_go=frozenset({CHOSEN, *CLEANABLE, CREATED, PENDING}),
        grace=_HOUR,
        pressed=True,
    ),
}
