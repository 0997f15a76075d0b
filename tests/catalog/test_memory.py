"""What is remembered of stores, backups, archives, checks and the clock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.catalog.makers import NAUGHTY
from ullage.catalog.catalog import Catalog
from ullage.catalog.values import Known, Measured, Registration
from ullage.model.units import DAY
from ullage.model.words import Level
from ullage.policy.alerting import AlertState
from ullage.policy.cadence import Rhythm
from ullage.policy.clock import ClockMark

REGISTRATION = Registration(
    name="main",
    backup_id="b-1",
    archive_id="a-1",
    backup_root="/srv/backup",
    archive_root="/srv/archive",
    filesystem="ext4",
    at=1.5,
)


def known(backup_id: str, signature: bytes = b"s") -> Known:
    """A backup as it was walked."""
    return Known(backup_id=backup_id, signature=signature, facts=b"{}" * 150, walked_at=12.5)


def test_small_values_are_none_until_set_and_survive_a_restart(tmp_path: Path) -> None:
    state, mark = AlertState(level=Level.CRITICAL, since=1.0, last_sent=2.0), ClockMark(3.0, "boot", 4.0)
    with Catalog.open(str(tmp_path / "state")) as first:
        assert first.registered("main") is None
        assert first.alert_state("main") is None
        assert first.clock_mark() is None
        assert first.rhythm("main") is None
        first.register(REGISTRATION)
        first.set_alert_state("main", state)
        first.set_clock_mark(mark)
        first.set_rhythm("main", Rhythm(reclaimed_at=5.0))
    with Catalog.open(str(tmp_path / "state")) as second:
        assert second.registered("main") == REGISTRATION
        assert second.alert_state("main") == state
        assert second.clock_mark() == mark
        assert second.rhythm("main") == Rhythm(reclaimed_at=5.0)
        assert second.rhythm("other") is None


def test_backups_that_changed_are_replaced_and_those_gone_are_dropped(catalog: Catalog) -> None:
    catalog.remember("main", [known("a"), known("b"), known(NAUGHTY)], [])
    catalog.remember("other", [known("a", b"elsewhere")], [])
    catalog.remember("main", [known("a", b"new")], ["b"])
    assert catalog.known("main") == {"a": known("a", b"new"), NAUGHTY: known(NAUGHTY)}
    assert catalog.known("other") == {"a": known("a", b"elsewhere")}


def test_ten_thousand_known_backups_are_loaded_in_a_moment(catalog: Catalog) -> None:
    catalog.remember("main", [known(f"backup-{number}") for number in range(10_000)], [])
    took = []
    for _ in range(5):
        began = time.perf_counter()
        assert len(catalog.known("main")) == 10_000
        took.append(time.perf_counter() - began)
    assert min(took) < 0.2  # 25 ms were measured; the machine of the test may be busy


def test_an_archives_digest_is_known_until_it_is_forgotten(catalog: Catalog) -> None:
    path = f"2026/01/{NAUGHTY}.tar.zst"
    assert catalog.archive_digest("main", path) is None
    catalog.remember_archive("main", path, NAUGHTY, "abc", 10, 20)
    catalog.remember_archive("main", path, NAUGHTY, "def", 11, 21)
    assert catalog.archive_digest("main", path) == "def"
    assert catalog.archive_ids("main") == {path: NAUGHTY}
    assert catalog.archive_ids("other") == {}
    catalog.forget_archive("main", path)
    assert catalog.archive_digest("main", path) is None


def test_checks_come_back_in_the_order_in_which_they_were_made(catalog: Catalog) -> None:
    catalog.add_reading("main", 10.0, Level.OK, 50.0, 40.0, 30.0)
    catalog.add_reading("other", 11.0, Level.OK, 1.0, 1.0, 1.0)
    catalog.add_reading("main", 9.0, Level.UNAVAILABLE, None, None, None)  # the clock was set back
    catalog.add_reading("main", 12.0, Level.WARNING, 76.0, 40.0, 30.0)
    newest = Measured(at=12.0, level=Level.WARNING, backup=76.0, archive=40.0, total=30.0)
    before = Measured(at=9.0, level=Level.UNAVAILABLE, backup=None, archive=None, total=None)
    assert catalog.recent("main", 2) == [before, newest]


@pytest.mark.parametrize(("age", "kept"), [(DAY - 1, True), (DAY, True), (DAY + 1, False)])
def test_checks_are_kept_for_24_hours(catalog: Catalog, age: float, kept: bool) -> None:
    catalog.add_reading("main", 1e6 - age, Level.OK, 1.0, 1.0, 1.0)
    catalog.add_reading("other", 0.0, Level.OK, 1.0, 1.0, 1.0)
    catalog.add_reading("main", 1e6, Level.OK, 1.0, 1.0, 1.0)
    assert len(catalog.recent("main", 10)) == (2 if kept else 1)
    assert len(catalog.recent("other", 10)) == 1
