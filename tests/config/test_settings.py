"""SPEC.md 5: every setting, its default, what it may be and what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.texts import FILE, STORE, faults_of, nested, only_store, read
from ullage.config.schema import SECTION_ROWS, default_of, value_in
from ullage.config.show import as_shown
from ullage.errors import SettingsError
from ullage.model.settings import Limit, Secret

MIB = 1 << 20

SPEC_DEFAULTS = {
    "watermarks.warning": 75, "watermarks.critical": 85, "watermarks.emergency": 95, "watermarks.target_free": 20,
    "reclaim.strategy": "oldest_first", "reclaim.emergency_strategy": "aggressive", "reclaim.max_per_cycle": 10,
    "reclaim.emergency_limit": 50, "reclaim.keep_last": 1, "reclaim.settle": 300, "reclaim.grace": 3600,
    "confidence.large": 100 * MIB, "confidence.huge": 500 * MIB, "confidence.pressure_boost": 0.2,
    "confidence.emergency_minimum": 0.5, "monitor.interval": 60, "monitor.emergency_interval": 10,
    "monitor.cleanup_interval": 300, "archive.before_delete": True, "archive.ratio_estimate": 0.3,
    "archive.on_failure": "keep", "alerts.enabled": True, "alerts.email": None, "alerts.webhook": None,
    "alerts.slack": None,
}  # fmt: skip

GOOD: list[tuple[str, str, object]] = [
    ("watermarks.warning", "0", 0.0),
    ("watermarks.critical", "80.5", 80.5),
    ("watermarks.emergency", "100", 100.0),
    ("watermarks.target_free", "30", 30.0),
    ("watermarks.inodes", "false", False),
    ("watermarks.inode_warning", '["70 %", "1000 free"]', Limit(70.0, 1000)),
    ("watermarks.inode_critical", "81", 81.0),
    ("watermarks.inode_emergency", '""', None),
    ("watermarks.inode_target_free", '"200000 free"', Limit(0.0, 200_000)),
    ("reclaim.strategy", '"largest_first"', "largest_first"),
    ("reclaim.emergency_strategy", '"nuclear"', "nuclear"),
    ("reclaim.max_per_cycle", "3", 3),
    ("reclaim.emergency_limit", "7", 7),
    ("reclaim.keep_last", "0", 0),
    ("reclaim.keep_daily", "7", 7),
    ("reclaim.keep_weekly", "4", 4),
    ("reclaim.keep_monthly", "12", 12),
    ("reclaim.keep_yearly", "3", 3),
    ("reclaim.min_age", '"3 days"', 259200.0),
    ("reclaim.settle", '"2 min"', 120.0),
    ("reclaim.grace", "0", 0.0),
    ("caps.cycle", "0", 0),
    ("caps.hour", "3", 3),
    ("caps.day", "1000000", 1_000_000),
    ("caps.cycle_share", "12.5", 12.5),
    ("caps.hour_share", "1", 1.0),
    ("caps.day_share", "90", 90.0),
    ("confidence.large", '"1 GB"', 10**9),
    ("confidence.huge", '"2TiB"', 2 << 40),
    ("confidence.pressure_boost", "0", 0.0),
    ("confidence.emergency_minimum", "1", 1.0),
    ("ageing.pending_after", '"1 h"', 3600.0),
    ("ageing.pending_confidence", "0.5", 0.5),
    ("ageing.confirmed_after", '"1 d"', 86400.0),
    ("ageing.confirmed_confidence", "0", 0.0),
    ("ageing.cleanable_after", '"30 d"', 2592000.0),
    ("ageing.cleanable_confidence", "1", 1.0),
    ("archive.before_delete", "false", False),
    ("archive.ratio_estimate", "0.9", 0.9),
    ("archive.on_failure", '"delete"', "delete"),
    ("monitor.interval", "30", 30.0),
    ("monitor.emergency_interval", "0.5", 0.5),
    ("monitor.cleanup_interval", '"1 h"', 3600.0),
    ("monitor.timeout", '"200 ms"', 0.2),
    ("forecast.warn", '"2 d"', 172800.0),
    ("alerts.enabled", "false", False),
    ("alerts.email", '"op@example.org"', "op@example.org"),
    ("alerts.webhook", '"https://example.org/t0ken"', Secret("https://example.org/t0ken")),
    ("alerts.slack", '"http://[::1]:8080/x"', Secret("http://[::1]:8080/x")),
    ("alerts.repeat", '"1 d"', 86400.0),
    ("alerts.timeout", "3", 3.0),
    ("alerts.smtp_host", '"mail.example.org"', "mail.example.org"),
    ("alerts.smtp_port", "587", 587),
    ("alerts.smtp_security", '"starttls"', "starttls"),
    ("alerts.smtp_user", '"ullage"', "ullage"),
    ("alerts.smtp_password", '"s3cret"', Secret("s3cret")),
    ("alerts.smtp_sender", '"ullage@example.org"', "ullage@example.org"),
]

BAD: list[tuple[str, str, str]] = [
    ("watermarks.warning", '"abc"', 'found "abc" (a string), allowed: a number from 0 to 100'),
    ("watermarks.warning", "true", "found true (true or false), allowed: a number from 0 to 100"),
    ("watermarks.warning", "-1", "found -1 (a number)"),
    ("watermarks.emergency", "100.1", "found 100.1 (a number)"),
    ("watermarks.emergency", "nan", "found nan (a number)"),
    ("watermarks.emergency", "inf", "found inf (a number)"),
    ("watermarks.critical", "0x" + "f" * 9000, "found a very large number"),
    ("watermarks.target_free", "[20]", "found a list"),
    ("watermarks.warning", '"50 free"', 'found "50 free" (a string), allowed: a number from 0 to 100 (percent), or wh'),
    ("watermarks.warning", '"0 B free"', 'or what is free, like "50 GiB free", or both: [85, "50 GiB free"]'),
    ("watermarks.warning", '"free"', "allowed: a number"),
    ("watermarks.critical", '"50 GiB"', "allowed: a number"),
    ("watermarks.critical", '"x %"', "allowed: a number"),
    ("watermarks.critical", '"101 %"', "allowed: a number"),
    ("watermarks.critical", "[80, 85]", "found a list"),
    ("watermarks.critical", '["5 GiB free", "6 GiB free"]', "found a list"),
    ("watermarks.critical", '[80, 81, "5 GiB free"]', "found a list"),
    ("watermarks.critical", '""', "allowed: a number"),
    ("watermarks.inode_warning", '"5 GiB free"', 'like "200000 free", or both: [85, "200000 free"], or "" for'),
    ("watermarks.inode_warning", '"1.5 free"', "allowed: a number"),
    ("watermarks.inode_emergency", "101", "allowed: a number"),
    ("watermarks.inodes", "1", "allowed: true or false"),
    ("reclaim.strategy", '"Oldest_first"', 'allowed: one of "oldest_first", "largest_first", "confidence_based"'),
    ("reclaim.emergency_strategy", '"moderate"', 'allowed: one of "conservative", "aggressive", "nuclear"'),
    ("reclaim.max_per_cycle", "0", "allowed: a whole number from 1"),
    ("reclaim.max_per_cycle", "true", "allowed: a whole number from 1"),
    ("reclaim.emergency_limit", "1.0", "allowed: a whole number from 1"),
    ("reclaim.keep_last", "-1", "allowed: a whole number from 0"),
    ("reclaim.keep_daily", "-1", "allowed: a whole number from 0"),
    ("reclaim.min_age", '"2 years"', "allowed: a time from 0 s to 366 d"),
    ("reclaim.settle", '"-1 s"', "allowed: a time from 0 s"),
    ("caps.day", "-1", "allowed: a whole number from 0"),
    ("caps.hour", "2.5", "allowed: a whole number from 0"),
    ("caps.cycle_share", "0", "allowed: a number from 1 to 100"),
    ("caps.day_share", "101", "allowed: a number from 1 to 100"),
    (
        "confidence.large",
        "100",
        'found 100 (a number), allowed: a size from 0 B to 1024 PiB, with its unit, like "100 M',
    ),
    ("confidence.large", '"100"', "allowed: a size"),
    ("confidence.huge", '"2 XB"', "allowed: a size"),
    ("confidence.huge", f'"{"9" * 400} MiB"', "allowed: a size"),
    ("confidence.pressure_boost", "1.1", "allowed: a number from 0 to 1"),
    ("confidence.emergency_minimum", "50", "allowed: a number from 0 to 1"),
    ("archive.ratio_estimate", "0", "allowed: a number from 0.001 to 1"),
    ("archive.on_failure", '"ask"', 'allowed: one of "keep", "delete"'),
    ("monitor.interval", "0", "allowed: a time from 0.1 s"),
    ("monitor.interval", '"60"', "allowed: a time from 0.1 s"),
    ("monitor.interval", "true", "allowed: a time"),
    ("monitor.timeout", "inf", "allowed: a time"),
    ("forecast.warn", "-1", "allowed: a time"),
    ("monitor.cleanup_interval", "1979-05-27", "found a date or time, allowed: a time"),
    ("alerts.email", '"op@example.org\\nBcc: all@example.org"', "allowed: a line of text"),
    ("alerts.smtp_host", '"mail example"', "allowed: a host name"),
    ("alerts.smtp_host", '""', "allowed: a host name"),
    ("alerts.smtp_port", "65536", "allowed: a whole number from 1 to 65535"),
    ("alerts.smtp_security", "false", 'allowed: one of "none", "starttls", "tls"'),
    ("alerts.smtp_user", "{}", "found a table, allowed: a line of text"),
    ("reclaim.max_per_cycle", "0x" + "f" * 9000, "found a very large number"),
]


@pytest.mark.parametrize(("key", "value"), SPEC_DEFAULTS.items())
def test_a_setting_that_nobody_gave_has_the_default_of_the_specification(key: str, value: object) -> None:
    (row,) = [row for row in SECTION_ROWS if row.key == key]
    assert value_in(only_store(STORE), row) == default_of(row) == value


def test_every_setting_but_those_of_files_is_tried_here() -> None:
    assert {key for key, _, _ in GOOD} == {row.key for row in SECTION_ROWS if not row.from_file}


@pytest.mark.parametrize(("key", "literal", "value"), GOOD)
def test_a_setting_of_the_defaults_holds_for_every_store(key: str, literal: str, value: object) -> None:
    (row,) = [row for row in SECTION_ROWS if row.key == key]
    assert value_in(only_store(nested(key, literal)), row) == value


@pytest.mark.parametrize(("key", "literal", "value"), GOOD)
def test_a_setting_of_a_store_goes_before_the_defaults_and_leaves_other_stores(
    key: str, literal: str, value: object
) -> None:
    (row,) = [row for row in SECTION_ROWS if row.key == key]
    other = '[stores.other]\nbackup_root = "/srv/b2"\narchive_root = "/srv/a2"\n'
    default = "" if default_of(row) is None else f"[defaults]\n{key} = {row.kind.write(default_of(row))}\n"
    first, second = read(default + nested(key, literal, "stores.main") + other).stores
    assert (value_in(first, row), value_in(second, row)) == (value, default_of(row))


@pytest.mark.parametrize(("key", "literal", "text"), BAD)
def test_a_value_that_is_not_allowed_is_told_with_file_line_key_found_and_allowed(
    key: str, literal: str, text: str
) -> None:
    (fault,) = faults_of(nested(key, literal))
    assert fault.startswith(f"{FILE}:5: defaults.{key}: found ")
    assert text in fault


@pytest.mark.parametrize("key", ["alerts.webhook", "alerts.slack", "alerts.smtp_password", "alerts.webhook_file"])
@pytest.mark.parametrize(
    "literal", ['"ftp://hush\\u0007"', '"https://hush\u2100.example/\\u0007"', '["hush"]', '{hush = "hush"}']
)
def test_a_faulty_secret_is_not_shown(key: str, literal: str) -> None:
    (fault,) = faults_of(nested(key, literal))
    assert "found a value that is not shown, allowed: " in fault
    assert "hush" not in fault


def test_a_url_without_a_host_is_a_fault() -> None:
    assert len(faults_of(nested("alerts.webhook", '"https:///token"'))) == 1
    assert len(faults_of(nested("alerts.webhook", '"https://[half"'))) == 1


def test_an_empty_text_takes_back_what_the_defaults_say() -> None:
    text = STORE + '[stores.main.alerts]\nwebhook = ""\nemail = ""\n'
    store = only_store(text + '[defaults.alerts]\nwebhook = "https://example.org/"\nemail = "op@example.org"\n')
    assert (store.alerts.webhook, store.alerts.email) == (None, None)


def test_a_secret_never_shows_itself() -> None:
    settings = read(nested("alerts.smtp_password", '"s3cret"') + 'webhook = "https://example.org/t0ken"\n')
    assert "s3cret" not in f"{settings!r}{as_shown(settings)}"
    assert "t0ken" not in f"{settings!r}{as_shown(settings)}"


def test_a_secret_is_read_from_the_first_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "hook"
    file.write_text("https://example.org/t0ken\nmore\n")
    file.chmod(0o600)
    store = only_store(nested("alerts.webhook_file", f'"{file}"'))
    assert store.alerts.webhook == Secret("https://example.org/t0ken")


def test_a_secret_file_that_others_may_read_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hush\n")
    file.chmod(0o644)
    (fault,) = faults_of(nested("alerts.smtp_password_file", f'"{file}"'))
    assert f"others may read it; chmod 600 {file}" in fault
    assert "hush" not in fault


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "its first line is empty"), (b"\nhush", "its first line is empty"), (b"\xff", "its content is not UTF-8"),
     (b"hush", "its first line is not an address"), (b"https://[hush", "its first line is not an address")],
)  # fmt: skip
def test_a_secret_file_without_a_secret_is_a_fault(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "hook"
    file.write_bytes(content)
    file.chmod(0o600)
    (fault,) = faults_of(nested("alerts.slack_file", f'"{file}"'))
    assert reason in fault
    assert "hush" not in fault


def test_a_secret_file_that_is_missing_or_no_file_is_a_fault(tmp_path: Path) -> None:
    assert "No such file" in faults_of(nested("alerts.slack_file", f'"{tmp_path}/none"'))[0]
    assert "not a regular file" in faults_of(nested("alerts.slack_file", f'"{tmp_path}"'))[0]


def test_a_secret_and_its_file_in_one_table_are_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hush\n")
    file.chmod(0o600)
    text = nested("alerts.smtp_password", '"hush"')
    (fault,) = faults_of(f'{text}smtp_password_file = "{file}"\n')
    assert "smtp_password_file: found beside smtp_password, allowed: one of the two" in fault
    overridden = only_store(f'{text}[stores.main.alerts]\nsmtp_password_file = "{file}"\n')
    assert overridden.alerts.smtp.password == Secret("hush")


def test_capacity_is_a_size_above_nothing() -> None:
    assert only_store(nested("capacity", '"2 TB"', "stores.main")).capacity == 2 * 10**12
    assert only_store(STORE).capacity is None
    assert "allowed: a size from 1 B" in faults_of(nested("capacity", '"0 B"', "stores.main"))[0]


_ROW = st.sampled_from(GOOD)


@given(st.lists(_ROW, unique_by=lambda row: row[0]), st.booleans())
def test_any_subset_of_valid_keys_loads(rows: list[tuple[str, str, object]], in_store: bool) -> None:
    table = "stores.main" if in_store else "defaults"
    lines = "".join(f"{key} = {literal}\n" for key, literal, _ in rows)
    store = only_store(STORE + (lines if in_store else f"[{table}]\n{lines}"))
    by_key = {row.key: value_in(store, row) for row in SECTION_ROWS if not row.from_file}
    expected = {row.key: default_of(row) for row in SECTION_ROWS if not row.from_file}
    assert by_key == expected | {key: value for key, _, value in rows}


_KEYS = {part for row in SECTION_ROWS for part in row.parts} | {"backup_root", "archive_root", "capacity"}
_NAME = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True).filter(lambda name: name not in _KEYS)


@given(_NAME, st.sampled_from(["defaults", "defaults.reclaim", "stores.main.alerts", "stores.main"]))
def test_any_unknown_key_is_named_with_what_is_allowed(name: str, table: str) -> None:
    header = "" if table == "stores.main" else f"[{table}]\n"
    (fault,) = faults_of(f"{STORE}{header}{name} = 1\n")
    assert fault.startswith(f"{FILE}:{5 if header else 4}: {table}.{name}: found an unknown key")
    assert ", allowed: " in fault


def test_an_unknown_key_is_told_with_the_nearest_known_one() -> None:
    assert '(did you mean "warning"?)' in faults_of(nested("watermarks.warnign", "1"))[0]
    assert '(did you mean "watermarks"?)' in faults_of(nested("watermark.warning", "1"))[0]
    assert '(did you mean "defaults.watermarks"?)' in faults_of("[watermarks]\nwarning = 1\n" + STORE)[0]
    assert '(did you mean "stores.main.reclaim.keep_last"?)' in faults_of(STORE + "keep_last = 1\n")[0]
    assert '(did you mean "stores.NAME.backup_root"?)' in faults_of('backup_root = "/srv/b"\n' + STORE)[0]


def test_settings_error_is_what_a_caller_catches() -> None:
    with pytest.raises(SettingsError) as caught:
        read("")
    assert caught.value.exit_code == 2
