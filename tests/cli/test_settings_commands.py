"""SPEC.md 5 and 6: ``init``, ``config show|check|import``; and 7.12: no secret in anything."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.cli.workplace import Workplace, tree
from tests.config.test_seed import SEED

SECRETS = ("s3cret-webhook", "s3cret-slack", "s3cret-password")
ALERTS = """
[stores.main.alerts]
email = "a@example.org"
webhook = "http://127.0.0.1:1/s3cret-webhook"
slack = "http://127.0.0.1:1/s3cret-slack"
smtp_host = "127.0.0.1"
smtp_port = 1
smtp_user = "user"
smtp_password = "s3cret-password"
smtp_security = "tls"
"""


def test_init_writes_settings_registers_and_changes_nothing_when_it_is_run_again(place: Workplace) -> None:
    """SPEC 6: a settings file where there is none, and every store in it; again, nothing."""
    roots = ("--backup-root", place.backups, "--archive-root", place.archives)
    first = place.done("init", *roots, "--store", "home", "--capacity", "1 TiB", "--json").json
    assert (first["written"], first["stores"]) == (True, [{"name": "home", "registered": True, "backups": 0}])
    before = tree(place.backups), tree(place.archives), place.config.read_bytes()
    again = place.done("init", *roots, "--json").json
    assert (again["written"], again["stores"]) == (False, [{"name": "home", "registered": False, "backups": 0}])
    assert (tree(place.backups), tree(place.archives), place.config.read_bytes()) == before
    assert place.call("init", "--backup-root", place.path / "other").code == 2
    assert place.done("config", "check").out == f"{place.config}: valid, 1 store\n"


def test_init_refuses_roots_that_are_not_there(place: Workplace) -> None:
    """Nothing is written for a slip of the pen."""
    ran = place.call("init", "--backup-root", place.path / "no", "--archive-root", place.archives)
    assert ran.code == 2
    assert not place.config.exists()


def test_config_show_gives_settings_that_are_read_back_the_same(place: Workplace) -> None:
    """What is in force, as a settings file."""
    place.register("[stores.main.reclaim]\nkeep_last = 3\n")
    shown = place.done("config", "show")
    again = place.path / "again.toml"
    again.write_text(shown.out)
    again.chmod(0o600)
    assert place.done("--config", again, "config", "show").out == shown.out
    assert place.done("config", "show", "--json").json["settings"]["stores"][0]["reclaim"]["keep_last"] == 3


def test_config_check_tells_what_is_unwise_and_what_is_wrong(place: Workplace) -> None:
    """A warning is on stderr and exit 0; a fault is exit 2."""
    place.settings(ALERTS)
    place.config.chmod(0o644)
    ran = place.done("config", "check")
    assert ran.err.startswith("warning: ")
    assert place.done("config", "check", "--json").json["warnings"]
    place.config.write_text("[stores")
    assert place.call("config", "check").code == 2


def test_the_file_of_the_seed_is_imported_and_never_executed(place: Workplace) -> None:
    """SPEC 5: ``config import FILE``; what it makes is valid, and nothing in it is run."""
    seed = place.path / "disk-policies.conf"
    roots = f"BACKUP_ROOT={place.backups}\nARCHIVE_ROOT={place.archives}\n"
    seed.write_text(SEED + roots)
    printed = place.done("config", "import", seed)
    assert f'backup_root = "{place.backups}"' in printed.out
    place.done("config", "import", seed, "--output", place.config)
    assert stat.S_IMODE(place.config.stat().st_mode) & 0o077 == 0
    place.done("config", "check")
    place.done("init")
    again = place.call("config", "import", seed, "--output", place.config)
    assert (again.code, "nothing was overwritten" in again.err) == (2, True)
    seed.write_text(f"{roots}CLEANUP_STRATEGY=$(touch {place.path}/executed)\n")
    ran = place.call("config", "import", seed)
    assert (ran.code, str(seed) in ran.err) == (2, True)
    assert not (place.path / "executed").exists()


def test_the_roots_of_the_seed_may_come_from_the_environment(place: Workplace) -> None:
    """The seed had them there."""
    seed = place.path / "disk-policies.conf"
    seed.write_text(SEED)
    assert place.call("config", "import", seed).code == 2
    ran = place.call(
        "config", "import", seed, "--json", BACKUP_ROOT=str(place.backups), ARCHIVE_ROOT=str(place.archives)
    )
    assert ran.json["written"] is None
    assert str(place.archives) in ran.json["toml"]


def test_a_secret_stands_in_no_output_of_any_command(store: Workplace) -> None:
    """SPEC 7.12: not in what is shown, not in an error, and not when a channel fails."""
    store.press(97.5, ALERTS)
    lines = "config show,config check,status,list,plan,monitor,alert test,doctor,history,check,cleanup --dry-run,init"
    for line in lines.split(","):
        for words in (line.split(), [*line.split(), "--json"]):
            ran = store.call(*words)
            assert not [one for one in SECRETS if one in ran.out + ran.err], words
    assert store.call("alert", "test").code == 1
    assert store.done("config", "show", "--json").json["settings"]["stores"][0]["alerts"]["webhook"] == "***"


@pytest.mark.parametrize("key", ["webhook", "slack", "smtp_password", "smtp_port"])
def test_a_secret_stands_in_no_fault_of_the_settings(place: Workplace, key: str) -> None:
    """SPEC 7.12: a wrong value is told without showing one that may be secret."""
    lines = [line if not line.startswith(f"{key} ") else f'{key} = ["s3cret-webhook"]' for line in ALERTS.splitlines()]
    place.settings("\n".join(line for line in lines if not line.startswith("smtp_port") or key == "smtp_port"))
    ran = place.call("config", "check")
    if key != "smtp_port":  # which is no secret
        assert (ran.code, f"alerts.{key}" in ran.err) == (2, True)
        assert not [one for one in SECRETS if one in ran.out + ran.err]
    place.settings(ALERTS.replace("\nsmtp_user", "\ns3cret = s3cret-password\nsmtp_user"))
    ran = place.call("config", "check")
    assert (ran.code, "s3cret-password" in ran.err) == (2, False)


def test_settings_with_a_secret_that_others_may_read_are_told(place: Workplace) -> None:
    """SPEC 7.12: or a file others may read; ``doctor`` and ``config check`` say so, without the secret."""
    place.settings(ALERTS)
    place.done("init")
    place.config.chmod(0o644)
    for ran in (place.call("config", "check"), place.call("doctor")):
        assert "chmod 600" in ran.out + ran.err
        assert not [one for one in SECRETS if one in ran.out + ran.err]


def test_the_daemon_starts_once_serves_and_stops_and_its_log_has_no_secret(store: Workplace) -> None:
    """SPEC 6: start, status, restart, stop; 7.12: its log."""
    store.press(97.5, ALERTS + "[stores.main.monitor]\ninterval = 0.2\n")
    try:
        started = store.run("start", "--json")
        assert started.code == 0, started
        pid = started.json["daemon"]["pid"]
        assert store.done("status", "--json").json["daemon"]["pid"] == pid
        again = store.call("start")
        assert (again.code, str(pid) in again.err) == (1, True)
        assert SECRETS[0] not in Path(f"/proc/{pid}/cmdline").read_text()
        restarted = store.run("restart", "--json").json["daemon"]
        assert restarted["running"] and restarted["pid"] != pid
    finally:
        stopped = store.run("stop", "--json")
    assert stopped.json["daemon"] == {"running": False, "pid": None, "started_at": None}
    assert store.done("stop").err == "the daemon is not running\n"
    log = store.state / "ullage.log"
    assert "watching 1 store\n" in log.read_text()
    assert not [one for one in SECRETS if one in log.read_text()]
    assert not os.stat(log).st_mode & 0o077


def test_floors_that_will_be_too_much_once_they_are_full_are_told_before(place: Workplace) -> None:
    """Issue 4: contradictions are found before they bite; by ``doctor`` too."""
    for day in range(5):
        place.backup(f"db-2026010{9 - day}", "CONFIRMED", age=(day + 0.5) * 86400, size=100_000)
    place.register()
    marks = "warning = 75\ncritical = 85\nemergency = 95\ntarget_free = 20\ninodes = false"
    for keeps, told in ((10, False), (11, True)):
        place.press(40, f"[stores.main.reclaim]\nkeep_daily = {keeps}", marks)
        for command, said in (("config check", "err"), ("doctor", "out")):
            text = getattr(place.call(*command.split()), said)
            assert ("once they are full" in text and 'the series "db", one in 1 d, 11 of ' in text) == told, text
            assert "out of reach" not in text


def test_a_target_that_floors_and_pins_put_out_of_reach_is_told_with_what_to_change(store: Workplace) -> None:
    """faults.md: contradictions are said by ``config check``, and by ``doctor``; a store that is away says nothing."""
    words = "watermarks.target_free is out of reach"
    store.press(99.5)
    assert words not in store.done("config", "check").err
    for name in ("db-20260101", "db-20260102"):
        store.done("pin", name)
    (told,) = [line for line in store.done("config", "check").err.splitlines() if words in line]
    assert "are pinned (2)" in told
    assert "unpin what may go, or enlarge the disk" in told
    assert words in store.call("doctor").out
    store.backups.rename(store.path / "away")
    assert words not in store.call("config", "check").err
