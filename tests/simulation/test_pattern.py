"""What comes: described in a file, or told from the backups that are there."""

from __future__ import annotations

import pytest

from tests.policy.make import backup
from ullage.errors import SettingsError
from ullage.model.units import DAY, GIB
from ullage.model.words import State
from ullage.simulation.pattern import MONTH, Pattern, Series, pattern_of, read_pattern

WHOLE = """
disk = "2 TiB"
archive_disk = "1 TiB"
used = "100 GiB"
others = "1 GiB"
rate = "100 MiB"
[[series]]
name = "db"
every = "12 h"
size = "10 GiB"
growth = 5
spread = 10
full_every = 7
full_size = "40 GiB"
files = 3
confirmed_after = "2 h"
cleanable_after = "30 d"
fails = 2
[[series]]
name = "web"
size = "1 GiB"
confirmed_after = "never"
"""
NOW = 1_780_000_000


def test_a_pattern_is_read_whole() -> None:
    assert read_pattern(WHOLE, "p.toml") == Pattern(
        disk=2048 * GIB,
        archive_disk=1024 * GIB,
        used=100 * GIB,
        others=GIB,
        rate=100 << 20,
        series=(
            Series(
                name="db",
                every=12 * 3600.0,
                size=10 * GIB,
                growth=0.05,
                spread=0.1,
                full_every=7,
                full_size=40 * GIB,
                files=3,
                confirmed_after=7200.0,
                cleanable_after=30 * DAY,
                fails=0.02,
            ),
            Series(name="web", size=GIB, confirmed_after=None),
        ),
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("disk = ", "p.toml: "),
        ("", "at least one [[series]]"),
        ("series = 3", "at least one [[series]]"),
        ('[[series]]\nname = "db"', "series 1: size is missing"),
        ('[[series]]\nsize = "1 GiB"', "series 1: name is missing"),
        ('[[series]]\nname = "a/b"\nsize = "1 GiB"', "name = 'a/b' is not allowed"),
        ('[[series]]\nname = "a"\nsize = 3', "it takes a size with a unit"),
        ('[[series]]\nname = "a"\nsize = "1 GiB"\nevery = "1 s"', "60 s or longer"),
        ('[[series]]\nname = "a"\nsize = "1 GiB"\nevery = true', "a time with a unit"),
        ('[[series]]\nname = "a"\nsize = "1 GiB"\nfails = 101', "from 0 to 100"),
        ('[[series]]\nname = "a"\nsize = "1 GiB"\ngrowth = -100', "a number of percent"),
        ('[[series]]\nname = "a"\nsize = "1 GiB"\nfiles = -1', "a whole number"),
        ('[[series]]\nname = "a"\nsize = "1 GiB"\nodd = 1', "unknown key 'odd'"),
        ('x = 1\n[[series]]\nname = "a"\nsize = "1 GiB"', "unknown key 'x'"),
        ('[[series]]\nname = "a"\nsize = "1 GiB"\n[[series]]\nname = "a"\nsize = "1 GiB"', "two series"),
    ],
)
def test_a_fault_is_named(text: str, fault: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_pattern(text, "p.toml")
    assert fault in str(raised.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        read_pattern("x = 1\ny = 2\n[[series]]\nz = 3", "p.toml")
    assert len(raised.value.faults) == 5


def test_what_the_backups_promise_goes_on() -> None:
    made = [
        backup(
            f"db-202601{day:02d}",
            State.CLEANABLE if day < 5 else State.CONFIRMED,
            created_at=int(NOW + day * DAY),
            confirmed_at=int(NOW + day * DAY + 600),
            cleanable_since=int(NOW + day * DAY + 5 * DAY) if day < 5 else None,
            size_bytes=(100 + day) * GIB,
            inodes=9,
        )
        for day in range(1, 11)
    ]
    failed = [backup("db-20260111", State.PENDING, created_at=int(NOW + 11 * DAY), size_bytes=111 * GIB, inodes=9)]
    alone = [backup("one-20260101", created_at=NOW, size_bytes=GIB), backup("nodate", created_at=NOW)]
    (series,) = pattern_of([*made, *failed, *alone]).series
    assert (series.name, series.every, series.size, series.files) == ("db", DAY, 108 * GIB, 9)
    assert series.growth == pytest.approx(MONTH / DAY / 108)
    assert (series.confirmed_after, series.cleanable_after) == (600.0, 5 * DAY)
    assert series.spread == pytest.approx(2 / 108)
    assert series.fails == 0.0  # the newest may yet be confirmed


def test_of_empty_backups_nothing_is_said_to_grow() -> None:
    empty = [backup(f"db-2026010{day}", State.PENDING, created_at=NOW - day * 9 * 86400) for day in (1, 2)]
    (series,) = pattern_of(empty).series
    assert (series.size, series.growth, series.spread, series.confirmed_after, series.fails) == (0, 0.0, 0.0, None, 1.0)
