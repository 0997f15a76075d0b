"""Issue 4: deleted files that are still open on a pressed disk are named, without any reclaim."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.shapes import faults
from tests.cli.workplace import CALM, Workplace
from tests.conftest import LoopDisks
from ullage.model.units import MIB

pytestmark = pytest.mark.root

PRESSED = "warning = 1\ncritical = 98\nemergency = 99\ninodes = false"


@pytest.fixture
def held(loop_disk: LoopDisks) -> Workplace:
    """A disk of 100 MiB, of which this process has 20 deleted and open."""
    place = Workplace(loop_disk("ext4", 100).path)
    place.backup("db-20260101", size=50_000)
    place.register()
    return place


def _still_open(place: Workplace) -> tuple[str | None, list[str]]:
    (store,) = place.done("status", "--json").json["stores"]
    findings = place.call("doctor", "--json").json["findings"]
    found: str | None = store["still_open"]
    return found, [one["text"] for one in findings if "deleted file" in one["text"]]


def test_status_and_doctor_name_who_has_much_open_that_is_deleted(held: Workplace) -> None:
    path: Path = held.path / "log"
    path.write_bytes(os.urandom(20 * MIB))
    held.settings(marks=PRESSED)
    assert _still_open(held) == (None, []), "it is not deleted"
    with path.open("rb"):
        path.unlink()
        found, warned = _still_open(held)
        assert found is not None
        assert found.startswith(f"20.0 MiB still held by process {os.getpid()}, ")
        assert warned == [f"main: {found}; it comes back when they are closed, or that process ends"]
        assert f"still open  {found}" in held.done("status").out
        assert not faults("status", held.done("status", "--json").json)
        held.settings(marks=CALM)
        assert _still_open(held) == (None, []), "without pressure it is no matter"
    held.settings(marks=PRESSED)
    assert _still_open(held) == (None, []), "it is closed"


def test_a_store_that_is_not_there_is_no_reason_to_look(held: Workplace) -> None:
    held.settings(marks=PRESSED)
    held.backups.rename(held.path / "away")
    (store,) = held.done("status", "--json").json["stores"]
    assert (store["level"], store["still_open"]) == ("unavailable", None)
