"""A catalog on the disk of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ullage.catalog.catalog import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """An open catalog, new and empty."""
    with Catalog.open(str(tmp_path / "state")) as opened:
        yield opened
