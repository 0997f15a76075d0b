"""SPEC 7.4: a read of the catalog that fails is no corruption, though SQLite says so: no record is set aside for it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.catalog.makers import operation
from tests.crash import ptrace
from tests.crash.ptrace import Point
from tests.crash.syscalls import READS_AT
from ullage.catalog.catalog import Catalog
from ullage.errors import CatalogError


@pytest.mark.root
@pytest.mark.timeout(60)
def test_a_catalog_that_cannot_be_read_once_keeps_its_records(memory: Path) -> None:
    state = memory / "state"
    with Catalog.open(str(state)) as catalog:
        catalog.record(operation())

    def work() -> int:
        try:
            with Catalog.open(str(state)) as catalog:
                return len(catalog.history())
        except CatalogError:
            return 1

    number = 1
    while (ended := ptrace.run(work, Point(number, READS_AT, errno.EIO))).struck is not None:
        assert ended.code == 1
        number += 1
    assert number > 2
    assert list(state.glob("*.corrupt-*")) == []
