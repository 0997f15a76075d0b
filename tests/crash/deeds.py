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
    """One row. ``archived``: the chosen one is an archive before. ``may_go``: the only ones that may leave their place.

    ``copies``: of each of these a whole copy stands at every moment. ``pressed``: the disk is nearly full.
    """

    words: tuple[str, ...]
    finished: Callable[[Outcome], bool]
    may_go: frozenset[str] = frozenset({CHOSEN})
    copies: frozenset[str] = frozenset()
    archived: bool = False
    archives_elsewhere: bool = False
    state_elsewhere: bool = False
    pressed: bool = False


def _stands(store: Outcome, state: State) -> bool:
    return store.state(CHOSEN) is state


def _gone(store: Outcome) -> bool:
    return not (store.backups / CHOSEN).exists()


def _archived(store: Outcome) -> bool:
    return _gone(store) and len(store.archived()) == 1


def _relieved(store: Outcome) -> bool:
    return not any((store.backups / backup_id).exists() for backup_id in CLEANABLE)


_ONE = frozenset({CHOSEN})
DEEDS = {
    "delete": Deed(("delete", CHOSEN, "--yes"), _gone),
    "archive": Deed(("archive", CHOSEN, "--yes"), _archived, copies=_ONE, state_elsewhere=True),
    "archive-elsewhere": Deed(("archive", CHOSEN, "--yes"), _archived, copies=_ONE, archives_elsewhere=True),
    "restore": Deed(("restore", CHOSEN), lambda store: _stands(store, State.CONFIRMED), copies=_ONE, archived=True),
    "transition": Deed(
        ("transition", CHOSEN, "CLEANABLE"), lambda store: _stands(store, State.CLEANABLE), may_go=frozenset()
    ),
    "delete-archive": Deed(
        ("delete", CHOSEN, "--yes"),
        lambda store: store.archived() == [],
        archived=True,
        archives_elsewhere=True,
        state_elsewhere=True,
    ),
    "emergency": Deed(("monitor",), _relieved, may_go=frozenset({CHOSEN, *CLEANABLE, CREATED, PENDING}), pressed=True),
}
