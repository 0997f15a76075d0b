"""SPEC.md 6: ``check`` as the monitoring plugin guidelines want it, and ``doctor`` and ``status`` beside it."""

from __future__ import annotations

import re

import pytest

from tests.cli.workplace import CALM, Workplace

LINE = re.compile(r"ULLAGE (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+( \|( '[^'=]+'=[0-9.]+%;[0-9.]+;[0-9.]+;0;100)+)?\n")
"""One line of text, a bar, and performance data: 'label'=value[unit];warn;crit;min;max."""
LEVELS = [(50.0, 0, "OK"), (97.5, 1, "WARNING"), (98.5, 2, "CRITICAL"), (99.5, 2, "CRITICAL")]


@pytest.mark.parametrize(("usage", "code", "word"), LEVELS)
def test_check_ends_with_the_code_of_the_level(store: Workplace, usage: float, code: int, word: str) -> None:
    """0 ok, 1 warning, 2 critical and emergency; on one line."""
    store.press(usage)
    ran = store.call("check")
    assert (ran.code, ran.err) == (code, "")
    assert LINE.fullmatch(ran.out), ran.out
    assert ran.out.startswith(f"ULLAGE {word} - main ")
    found = store.call("check", "--json")
    assert (found.code, found.json["code"], found.json["status"]) == (code, code, word)


def test_a_store_that_is_not_there_is_unknown(store: Workplace) -> None:
    """3, and no number: a missing path is never 0 %."""
    store.backups.rename(store.path / "elsewhere")
    ran = store.call("check")
    assert ran.code == 3
    assert LINE.fullmatch(ran.out), ran.out
    assert "%" not in ran.out


def test_faults_of_the_settings_are_unknown_and_not_a_warning(store: Workplace) -> None:
    """3, on one line of stdout, where monitoring looks; in JSON too."""
    store.settings(marks="warning = 99\ncritical = 98")
    ran = store.call("check")
    assert (ran.code, ran.out.count("\n")) == (3, 1)
    assert ran.out.startswith("ULLAGE UNKNOWN - ")
    assert store.call("check", "--json").json["status"] == "UNKNOWN"
    assert store.call("check", "--store", "nowhere").code == 3


def test_the_worst_store_decides_and_a_full_one_is_worse_than_an_unknown_one(store: Workplace) -> None:
    """A plugin has one state for all."""
    for root in ("b2", "a2"):
        (store.path / root).mkdir()
    more = f'[stores.b]\nbackup_root = "{store.path}/b2"\narchive_root = "{store.path}/a2"\ncapacity = "1 TB"\n'
    more += f"[stores.b.watermarks]\n{CALM}\n"
    store.settings(more)
    store.done("init")
    assert store.call("check").code == 0
    (store.path / "b2").rename(store.path / "elsewhere")
    assert store.call("check").code == 3
    store.press(97.5, more)
    assert store.call("check").code == 3
    store.press(98.5, more)
    assert store.call("check").code == 2
    assert store.call("check", "--store", "main").out.count("'main'") == 1


def test_doctor_ends_with_one_where_something_needs_attention(store: Workplace) -> None:
    """Exit 1 for a fault; a warning alone is none."""
    store.backup("odd", "NONSENSE")
    ran = store.done("doctor", "--json")
    assert {one["severity"] for one in ran.json["findings"]} == {"ok", "warning"}
    assert any("odd is eligible for nothing" in one["text"] for one in ran.json["findings"])
    store.press(99.5)
    assert store.call("doctor").code == 1


def test_status_shows_levels_counts_and_the_last_checks(store: Workplace) -> None:
    """SPEC 6: and after ``monitor`` the check is recorded."""
    store.backup("odd", "NONSENSE")
    assert store.done("status", "--json").json["stores"][0]["recent"] == []
    store.done("monitor")
    found = store.done("status", "--json").json["stores"][0]
    assert found["counts"] == {"CONFIRMED": 2, "CLEANABLE": 1, "UNKNOWN": 1}
    assert len(found["recent"]) == 1
    assert found["watermarks"] == {"warning": 97, "critical": 98, "emergency": 99, "target_free": 20}
    assert "main: ok" in store.done("status").out
    store.press(99.5)
    assert store.done("status", "--json").json["stores"][0]["level"] == "emergency"
