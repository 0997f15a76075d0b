"""SPEC.md 6: ``check`` as the monitoring plugin guidelines want it, and ``doctor`` and ``status`` beside it."""

from __future__ import annotations

import re
from math import floor

import pytest

from tests.cli.workplace import CALM, Workplace
from ullage.model.units import exact_size

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


def test_what_must_be_free_and_inodes_of_their_own_are_performance_data_too(store: Workplace) -> None:
    marks = "warning = '20 B free'\ncritical = [98, '9 B free']\nemergency = 99\ninode_warning = [70, '3 free']"
    store.settings(marks=marks)
    ran = store.call("check")
    performance = ran.out.partition(" | ")[2]
    assert re.match(r"'main'=[0-9.]+%;100;98;0;100 'main inodes'=[0-9.]+%;70;98;0;100 ", performance), ran.out
    assert re.search(r" 'main free'=\d+B;21:;10:;0;\d+ 'main inodes free'=\d+;4:;;0;\d+\n", performance), ran.out


def test_status_names_the_limit_that_binds_and_shows_every_one(store: Workplace) -> None:
    store.settings(marks="inodes = false\nwarning = [70, '2 TB free']\ntarget_free = '3 TB free'")
    (found,) = store.done("status", "--json").json["stores"]
    assert found["level"] == "warning"
    assert found["reason"].endswith(" GiB free; warning begins at 2 TB free".replace("2 TB", exact_size(2 * 10**12)))
    assert found["watermarks"]["free"] == {
        "warning": 2 * 10**12, "critical": None, "emergency": None, "target_free": 3 * 10**12,
    }  # fmt: skip
    assert found["archive"]["kind"] == "filesystem"
    assert f"warning 70 % or {exact_size(2 * 10**12)} free, critical 85 %" in store.done("status").out


def test_status_says_which_space_presses(store: Workplace) -> None:
    store.press(99.5)
    (found,) = store.done("status", "--json").json["stores"]
    assert (found["backup"]["kind"], found["reason"]) == (
        "capacity",
        f"capacity {floor(found['backup']['usage_percent'] * 10) / 10} % used, emergency begins at 99 %",
    )
    assert "  backups (capacity)  " in store.done("status").out


def test_status_shows_the_watermarks_of_inodes_where_they_are_others(store: Workplace) -> None:
    assert "of inodes" not in store.done("status").out
    store.settings(marks="inode_warning = 50\ninode_target_free = [60, '700 free']")
    told = "of inodes   warning 50 %, critical 85 %, emergency 95 %, then down to 40 % and until 700 free"
    assert told in store.done("status").out
    assert store.done("status", "--json").json["stores"][0]["watermarks"]["inodes"]["free"]["target_free"] == 700


def test_a_limit_larger_than_the_filesystem_is_told(store: Workplace) -> None:
    store.settings(marks="inodes = false\nwarning = [70, '900 PiB free']")
    words = "watermarks.warning asks for 900 PiB free".replace("900 PiB", exact_size(900 << 50))
    assert words in store.done("config", "check").err
    assert words in store.call("doctor").out


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
    assert found["watermarks"].items() >= {"warning": 97, "critical": 98, "emergency": 99, "target_free": 20}.items()
    assert "main: ok" in store.done("status").out
    store.press(99.5)
    assert store.done("status", "--json").json["stores"][0]["level"] == "emergency"
