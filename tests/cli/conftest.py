"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.workplace import Workplace
from ullage.model.readings import Space
from ullage.system import gauge


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A place to work in, without settings so far."""
    return Workplace(tmp_path)


@pytest.fixture
def store(place: Workplace) -> Workplace:
    """A place with a registered store of three: ``db-20260101`` CLEANABLE, ``-02`` CONFIRMED, ``-03`` CONFIRMED."""
    fill(place)
    return place


def fill(place: Workplace) -> None:
    """The three backups of ``store``, registered."""
    place.backup("db-20260101", "CLEANABLE", age=60 * 86400, size=50_000)
    place.backup("db-20260102", "CONFIRMED", age=50 * 86400, size=50_000)
    place.backup("db-20260103", "CONFIRMED", size=50_000)
    place.register()


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk of this machine is as good as empty: only the store's own capacity presses, whatever else lies there."""
    space = Space(total_bytes=1 << 44, used_bytes=1 << 20, free_bytes=1 << 43, available_bytes=1 << 43)
    monkeypatch.setattr(gauge, "measure", lambda _descriptor: space)
