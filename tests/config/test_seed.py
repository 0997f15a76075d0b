"""SPEC.md 5: the seed's disk-policies.conf is read, never executed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.texts import STORE, only_store, read
from ullage.config.schema import SECTION_ROWS, STORE_ROWS
from ullage.config.seed import import_seed
from ullage.errors import SettingsError
from ullage.model.settings import Secret, StoreSettings

ROOTS = {"BACKUP_ROOT": "/srv/backup", "ARCHIVE_ROOT": "/srv/archive"}

SEED = """\
# Disk space monitoring and cleanup policies

# Disk usage thresholds (percentage)
DISK_WARNING_THRESHOLD=75
DISK_CRITICAL_THRESHOLD=85
DISK_EMERGENCY_THRESHOLD=95

# Cleanup strategies
CLEANUP_STRATEGY="oldest_first"  # oldest_first, largest_first, confidence_based
EMERGENCY_CLEANUP_STRATEGY="aggressive"  # conservative, aggressive, nuclear

# Size thresholds for priority cleanup
LARGE_BACKUP_THRESHOLD=100  # MB
HUGE_BACKUP_THRESHOLD=500   # MB

# Safety limits
MAX_CLEANUP_PER_CYCLE=10    # Maximum backups to clean per cycle
MIN_FREE_SPACE_TARGET=20    # Target free space percentage after cleanup
EMERGENCY_CLEANUP_LIMIT=50  # Maximum backups to clean in emergency

# Check intervals
DISK_CHECK_INTERVAL=60      # 1 minute
CLEANUP_CYCLE_INTERVAL=300  # 5 minutes
EMERGENCY_CHECK_INTERVAL=10 # 10 seconds during emergency

# Cleanup confidence overrides for disk pressure
DISK_PRESSURE_CONFIDENCE_BOOST=0.2
EMERGENCY_CONFIDENCE_OVERRIDE=0.5

# Archive compression during cleanup
COMPRESS_BEFORE_DELETE=true
COMPRESSION_RATIO_ESTIMATE=0.3  # 30% of original size

# Monitoring and alerting
ENABLE_DISK_ALERTS=true
ALERT_EMAIL=""
ALERT_WEBHOOK_URL=""
SLACK_WEBHOOK_URL=""
"""


def _imported(text: str) -> StoreSettings:
    return only_store(import_seed(text, ROOTS).toml)


def _faults(text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        import_seed(text, ROOTS)
    return caught.value.faults


def test_the_seeds_own_file_means_the_defaults_of_the_specification() -> None:
    assert _imported(SEED) == only_store(STORE)


def test_the_seeds_own_file_names_every_key_that_the_schema_has_from_it() -> None:
    keys = {line.partition("=")[0] for line in SEED.splitlines() if "=" in line}
    assert {row.seed for row in (*STORE_ROWS, *SECTION_ROWS)} - {None} == keys | set(ROOTS)


def test_every_value_of_the_seed_arrives() -> None:
    store = _imported(
        "DISK_WARNING_THRESHOLD=50\nDISK_CRITICAL_THRESHOLD=60.5\nDISK_EMERGENCY_THRESHOLD=70\nMIN_FREE_SPACE_TARGET=40\n"
        "CLEANUP_STRATEGY=largest_first\nEMERGENCY_CLEANUP_STRATEGY='nuclear'\nMAX_CLEANUP_PER_CYCLE=1\n"
        "EMERGENCY_CLEANUP_LIMIT=2\nLARGE_BACKUP_THRESHOLD=1\nHUGE_BACKUP_THRESHOLD=1.5\n"
        "DISK_PRESSURE_CONFIDENCE_BOOST=0\nEMERGENCY_CONFIDENCE_OVERRIDE=0.4\nDISK_CHECK_INTERVAL=5\n"
        "EMERGENCY_CHECK_INTERVAL=1\nCLEANUP_CYCLE_INTERVAL=9\nCOMPRESS_BEFORE_DELETE=false\n"
        "COMPRESSION_RATIO_ESTIMATE=0.5\nENABLE_DISK_ALERTS=false\nALERT_EMAIL=op@example.org\n"
        'ALERT_WEBHOOK_URL="https://example.org/a?b=c&d=#e"\nSLACK_WEBHOOK_URL=https://hooks.example.org/T\n'
    )
    marks, reclaim, alerts = store.watermarks, store.reclaim, store.alerts
    assert (marks.warning, marks.critical, marks.emergency, marks.target_free) == (50, 60.5, 70, 40)
    assert (reclaim.strategy, reclaim.emergency_strategy) == ("largest_first", "nuclear")
    assert (reclaim.max_per_cycle, reclaim.emergency_limit) == (1, 2)
    assert (store.confidence.large, store.confidence.huge) == (1 << 20, 3 << 19)
    assert (store.confidence.pressure_boost, store.confidence.emergency_minimum) == (0, 0.4)
    assert (store.monitor.interval, store.monitor.emergency_interval, store.monitor.cleanup_interval) == (5, 1, 9)
    assert (store.archive.before_delete, store.archive.ratio_estimate) == (False, 0.5)
    assert (alerts.enabled, alerts.email) == (False, "op@example.org")
    assert alerts.webhook == Secret("https://example.org/a?b=c&d=#e")
    assert alerts.slack == Secret("https://hooks.example.org/T")


def test_roots_come_from_the_file_and_else_from_the_environment() -> None:
    imported = import_seed("BACKUP_ROOT=/data/b\n", ROOTS)
    store = only_store(imported.toml)
    assert (store.backup_root, store.archive_root) == ("/data/b", "/srv/archive")
    assert "ARCHIVE_ROOT is taken from the environment" in imported.notes


def test_roots_that_stand_nowhere_are_faults() -> None:
    with pytest.raises(SettingsError) as caught:
        import_seed("", {})
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["BACKUP_ROOT", "ARCHIVE_ROOT"]


def test_a_root_that_is_refused_is_refused_here_too() -> None:
    assert _faults("BACKUP_ROOT=/etc")[0].startswith('line 1: BACKUP_ROOT: found "/etc", which is a system directory')


@pytest.mark.parametrize(
    "line",
    ["MAX_CLEANUP_PER_CYCLE=3", "export MAX_CLEANUP_PER_CYCLE=3", "  MAX_CLEANUP_PER_CYCLE=3  ",
     "MAX_CLEANUP_PER_CYCLE='3'", 'MAX_CLEANUP_PER_CYCLE="3"\t# three; $(not run)', "MAX_CLEANUP_PER_CYCLE=3\r",
     "\ufeffMAX_CLEANUP_PER_CYCLE=3"],
)  # fmt: skip
def test_a_value_is_read_however_the_shell_would_let_it_be_written(line: str) -> None:
    assert _imported(f"{line}\n#x\n\n").reclaim.max_per_cycle == 3


def test_of_a_key_that_stands_twice_the_last_counts_and_it_is_said() -> None:
    imported = import_seed("MAX_CLEANUP_PER_CYCLE=3\nMAX_CLEANUP_PER_CYCLE=4\n", ROOTS)
    assert only_store(imported.toml).reclaim.max_per_cycle == 4
    assert any("stands twice" in note for note in imported.notes)


@pytest.mark.parametrize(
    "value",
    [
        "$(touch {mark})",
        '"$(touch {mark})"',
        "`touch {mark}`",
        '"`touch {mark}`"',
        "$HOME",
        '"${{HOME}}/x"',
        "$((1+1))",
        "'$x'",
    ],
)
def test_a_value_for_the_shell_is_a_named_fault_and_is_not_executed(value: str, tmp_path: Path) -> None:
    (fault,) = _faults(f"\nALERT_EMAIL={value.format(mark=tmp_path / 'mark')}\n")
    assert fault.startswith("line 2: ALERT_EMAIL: found a value for the shell to work out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    ["if true; then", "source x", "ALERT_EMAIL=a; rm x", "ALERT_EMAIL=a b", 'ALERT_EMAIL="a', "ALERT_EMAIL = a", "=a"],
)
def test_a_line_that_is_not_one_assignment_is_a_fault(line: str) -> None:
    (fault,) = _faults(line)
    assert fault.startswith("line 1: ")
    assert "allowed: KEY=VALUE" in fault


def test_all_faults_of_the_seeds_file_are_told_at_once_with_line_and_key() -> None:
    text = (
        "DISK_WARNING_TRESHOLD=70\nDISK_WARNING_THRESHOLD=high\nCLEANUP_STRATEGY=random\nENABLE_DISK_ALERTS=yes\n"
        "MAX_CLEANUP_PER_CYCLE=-1\nLARGE_BACKUP_THRESHOLD=big\nSLACK_WEBHOOK_URL=hush\nDISK_CRITICAL_THRESHOLD=99\n"
        f"EMERGENCY_CLEANUP_LIMIT={'9' * 5000}\n"
    )
    faults = _faults(text)
    assert sorted(fault.split(":")[0] for fault in faults) == [f"line {n}" for n in range(1, 10)]
    assert '(did you mean "DISK_WARNING_THRESHOLD"?)' in faults[0]
    assert "hush" not in "".join(faults)


def test_the_megabytes_of_the_seed_are_said_to_be_mebibytes() -> None:
    assert any('confidence.large = "100 MiB"' in note for note in import_seed(SEED, ROOTS).notes)


@given(
    st.one_of(
        st.text(),
        st.lists(st.tuples(st.sampled_from(SEED.split("\n")), st.text(max_size=6)).map("".join)).map("\n".join),
    )
)
def test_no_text_whatever_raises_anything_but_a_settings_error(text: str) -> None:
    try:
        read(import_seed(text, ROOTS).toml)
    except SettingsError as error:
        assert error.faults
