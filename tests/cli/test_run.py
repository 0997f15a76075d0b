"""``run``: a backup command in a backup of its own; its exit code, and what becomes of what it wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.cli.shapes import faults
from tests.cli.workplace import Ran, Workplace, allocated
from ullage.errors import NoRoom
from ullage.sources.begun import begin
from ullage.system import files

pytestmark = pytest.mark.usefixtures("roomy")
MARKS = "warning = 75\ncritical = 85\nemergency = 95\ninodes = false"


@pytest.fixture
def store(place: Workplace) -> Workplace:
    """A registered store without a backup."""
    place.register()
    return place


def made(store: Workplace, series: str = "db") -> Path:
    """The one backup of the series."""
    (found,) = store.backups.glob(f"{series}-2*")
    return found


def sh(store: Workplace, script: str, *options: str, series: str = "db") -> Ran:
    """A script as the command."""
    return store.run("run", "--series", series, *options, "--", "sh", "-c", script)


def test_what_it_wrote_is_a_backup_and_pending(store: Workplace) -> None:
    before = int(time.time())
    ran = sh(store, 'echo data > "$ULLAGE_BACKUP_PATH/dump"; echo "$ULLAGE_BACKUP_ID"')
    assert (ran.code, ran.err) == (0, "")
    path = made(store)
    assert ran.out == f"{path.name}\n"
    assert (path / "dump").read_text() == "data\n"
    assert store.state_of(path.name) == "PENDING"
    assert before <= int((path / ".created_at").read_text()) <= time.time()
    (op,) = store.done("history", "--json").json["transitions"]
    assert (op["backup_id"], op["to_state"], op["trigger"]) == (path.name, "PENDING", "GIT_HOOK")


def test_the_path_stands_in_the_place_of_its_word_in_the_arguments(store: Workplace, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("x")
    assert store.run("run", "--series", "db", "cp", tmp_path / "source", "--target-directory={backup}").code == 0
    assert (made(store) / "source").read_text() == "x"


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)])
def test_its_exit_code_is_passed_on_and_what_failed_stays_created(store: Workplace, script: str, code: int) -> None:
    ran = sh(store, f'echo part > "$ULLAGE_BACKUP_PATH/dump"; {script}')
    assert ran.code == code
    assert f"the command ended with {code}: {made(store).name} stays CREATED" in ran.err
    assert store.state_of(made(store).name) == "CREATED"


def test_one_that_wrote_nothing_is_no_backup_yet(store: Workplace) -> None:
    ran = sh(store, "true")
    assert ran.code == 0
    assert "wrote nothing into" in ran.err
    assert store.state_of(made(store).name) == "CREATED"


def test_a_program_that_is_not_there_leaves_nothing(store: Workplace) -> None:
    ran = store.run("run", "--series", "db", "no-such-program")
    assert ran.code == 127
    assert "there is no such program; nothing was done" in ran.err
    assert not list(store.backups.glob("db-*"))


@pytest.mark.parametrize("series", ["", "db-20260101", "a/b", ".hidden", "../x"])
def test_a_series_is_a_plain_name(store: Workplace, series: str) -> None:
    ran = store.call("run", "--series", series, "true")
    assert ran.code == 2
    assert "is no name of a series" in ran.err


def test_what_follows_the_command_is_the_commands_own(store: Workplace) -> None:
    assert "bad size" in store.call("run", "--series", "db", "--size", "bad size", "true").err
    options = store.run("run", "--series", "db", "echo", "--json")
    assert (options.code, options.out) == (0, "--json\n")


def test_as_json_it_says_what_became_of_it_and_the_command_prints_to_stderr(store: Workplace) -> None:
    ran = sh(store, 'echo said; echo x > "$ULLAGE_BACKUP_PATH/dump"', "--json")
    document = ran.json
    assert not faults("run", document)
    assert (document["state"], document["exit_code"], document["expected_bytes"]) == ("PENDING", 0, None)
    assert [one["to_state"] for one in document["actions"]] == ["PENDING"]
    assert document["path"] == str(made(store))
    assert "said" in ran.err
    failed = sh(store, "exit 3", "--json", series="etc")
    assert (failed.code, failed.json["exit_code"], failed.json["state"]) == (3, 3, "CREATED")
    assert not faults("run", failed.json)


def test_while_it_runs_nobody_takes_it_and_a_signal_to_end_reaches_the_command(store: Workplace) -> None:
    script = 'trap "exit 5" TERM; echo x > "$ULLAGE_BACKUP_PATH/dump"; echo up; while :; do sleep 0.05; done'
    words = store.command(["run", "--series", "db", "--", "sh", "-c", script])
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=store.environment()) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"up\n"
        name = made(store).name
        refused = store.call("delete", name, "--yes")
        assert refused.code == 1
        assert "locked" in refused.out + refused.err
        assert store.state_of(name) == "CREATED"
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=20)
    assert running.returncode == 5
    assert b"stays CREATED" in err


def _used(store: Workplace, percent: float) -> None:
    """A capacity of which the backups take so many percent."""
    store.press(percent, marks=MARKS)


def _nights(store: Workplace, count: int) -> list[str]:
    names = [f"db-2026010{number + 1}" for number in range(count)]
    for number, name in enumerate(names):
        store.backup(name, "CLEANABLE", age=(60 - number) * 86400, size=200_000)
    return names


def test_room_is_made_first_and_no_more_of_it_than_keeps_the_end_from_being_an_emergency(place: Workplace) -> None:
    names = _nights(place, 6)
    place.register()
    _used(place, 90)  # one more of that size is 105 % and a tenth of it; the emergency begins at 95 %
    ran = sh(place, 'ls "$ULLAGE_BACKUP_PATH/.." ; echo x > "$ULLAGE_BACKUP_PATH/dump"')
    assert ran.code == 0
    assert names[0] not in ran.out.split(), "it went before the command ran"
    assert f"main: delete {names[0]}: done" in ran.err
    assert "room for a backup of" in ran.err
    assert sorted(path.name for path in place.backups.glob("db-202601*")) == names[1:]


def test_a_dry_run_says_what_would_go_and_does_nothing(place: Workplace) -> None:
    names = _nights(place, 6)
    place.register()
    _used(place, 90)
    ran = sh(place, "echo ran", "--dry-run", "--json")
    assert not faults("run", ran.json)
    assert [one["backup_id"] for one in ran.json["actions"]] == names[:1]
    assert (ran.code, ran.json["exit_code"], ran.json["state"]) == (0, None, None)
    assert "would run sh" in ran.err
    assert "ran\n" not in ran.err
    assert sorted(path.name for path in place.backups.glob("db-*")) == names


def test_where_there_is_room_nothing_goes(place: Workplace) -> None:
    names = _nights(place, 6)
    place.register()
    _used(place, 70)
    assert sh(place, 'echo x > "$ULLAGE_BACKUP_PATH/dump"').code == 0
    assert sorted(path.name for path in place.backups.glob("db-202601*")) == names


def test_without_room_it_is_not_run_unless_it_is_asked_for_anyway(place: Workplace) -> None:
    names = _nights(place, 6)
    place.register()
    for name in names:
        place.done("pin", name)
    _used(place, 95)
    ran = sh(place, "echo ran")
    assert (ran.code, ran.out) == (1, "")
    assert "nothing was run" in ran.err
    assert len(list(place.backups.glob("db-*"))) == 6
    assert sh(place, "echo ran", "--anyway", "--size", "1 GiB", series="a").out == "ran\n"
    small = sh(place, "echo ran", "--size", "1 KiB", series="b")
    assert small.out == "ran\n"
    assert sorted(path.name for path in place.backups.glob("db-202601*")) == names


def test_a_disk_that_is_not_there_is_not_written_to(store: Workplace) -> None:
    store.backups.rename(store.backups.with_name("elsewhere"))
    store.backups.mkdir()
    ran = sh(store, "echo ran")
    assert (ran.code, ran.out) == (1, "")
    assert list(store.backups.iterdir()) == []


def test_the_next_of_its_series_counts_it(store: Workplace) -> None:
    assert sh(store, 'head -c 300000 /dev/zero | tr "\\0" x > "$ULLAGE_BACKUP_PATH/dump"').code == 0
    listed = json.loads(store.run("list", "--json").out)["stores"][0]["backups"]
    (one,) = [backup for backup in listed if backup["backup_id"] == made(store).name]
    assert one["state"] == "PENDING"
    assert one["size_bytes"] == allocated(made(store)) + os.stat(made(store)).st_blocks * 512


def test_while_the_clock_is_not_believed_no_backup_is_dated_by_it(store: Workplace) -> None:
    """Set back by twenty years, it would make the new backup the oldest of its series, and the first to go."""
    store.done("monitor")
    with patch("ullage.system.clock.time.time", return_value=time.time() - 20 * 366 * 86400):
        ran = store.call("run", "--series", "db", "touch", "{backup}/dump")
        assert (ran.code, "ullage clock accept" in ran.err) == (1, True)
        assert not list(store.backups.glob("db-*"))
        assert store.call("run", "--series", "db", "--anyway", "touch", "{backup}/dump").code == 0


def test_what_cannot_be_begun_leaves_nothing_and_touches_nothing_that_took_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / ".state").write_text("CONFIRMED")
    root = os.open(tmp_path, os.O_RDONLY)

    def exchange(*_: object, **__: object) -> None:
        (tmp_path / "db-1").rename(tmp_path / "aside")
        (tmp_path / "db-1").symlink_to("victim")
        raise NoRoom("full")

    monkeypatch.setattr(files, "write_durable", exchange)
    with pytest.raises(NoRoom):
        begin(root, "db-1", 1)
    os.close(root)
    assert (tmp_path / "victim" / ".state").read_text() == "CONFIRMED"


@pytest.mark.parametrize(("strategy", "gone"), [("conservative", 0), ("aggressive", 3)])
def test_no_more_goes_for_room_than_an_emergency_might_take(place: Workplace, strategy: str, gone: int) -> None:
    for number in range(6):
        place.backup(f"db-2026010{number + 1}", "CONFIRMED", age=(60 - number) * 86400, size=200_000)
    place.register()
    rules = f'[stores.main.reclaim]\nemergency_strategy = "{strategy}"\nemergency_limit = 3\n'
    place.press(90, rules, marks=MARKS)
    sh(place, "true", "--size", "1 MiB", "--anyway")
    assert len(list(place.backups.glob("db-202601*"))) == 6 - gone
