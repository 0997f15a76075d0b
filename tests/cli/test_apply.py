"""``plan --save`` and ``apply``: what the file names goes, in its order, and a plan that is stale does nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.shapes import faults
from tests.cli.workplace import Workplace, set_times, tree

pytestmark = pytest.mark.usefixtures("roomy")
DAY = 86400
MARKS = "warning = 75\ncritical = 85\nemergency = 95\ninodes = false"
IDS = [f"db-2026010{number}" for number in range(1, 6)]


@pytest.fixture
def store(place: Workplace) -> Workplace:
    """At critical; five of one series that may go but for the newest, some 15 % of the store each."""
    for number, name in enumerate(IDS):
        place.backup(name, "CLEANABLE", age=(50 - number) * DAY, size=60_000)
    place.register()
    place.press(90, marks=MARKS)
    return place


def saved(store: Workplace, *line: str) -> Path:
    file = store.path / "plan.json"
    store.done("plan", *line, "--save", file)
    return file


def test_what_was_planned_goes_and_no_more(store: Workplace) -> None:
    planned = [c["backup_id"] for c in store.done("plan", "--json").json["stores"][0]["candidates"] if c["needed"]]
    file = saved(store)
    assert file.stat().st_mode & 0o777 == 0o600
    assert not faults("plan-file", json.loads(file.read_text()))
    store.backup("www-20250101", "CLEANABLE", age=100 * DAY)  # older than all of them, and not in the plan
    before = tree(store.backups)
    ran = store.done("apply", file, "--dry-run", "--json").json["stores"][0]
    assert [(one["backup_id"], one["outcome"]) for one in ran["actions"]] == [(name, "planned") for name in planned]
    assert tree(store.backups) == before
    ran = store.done("apply", file, "--yes", "--json").json["stores"][0]
    assert [(one["backup_id"], one["outcome"]) for one in ran["actions"]] == [(name, "done") for name in planned]
    assert ran["actions"][0]["trigger"] == "USER"
    assert ran["actions"][0]["reason"].startswith(f"plan {file} of 20")
    assert 0 < len(planned) < 4
    assert [name for name in IDS if store.state_of(name) is None] == planned
    again = store.call("apply", file, "--yes")
    assert again.code == 1
    assert f"{planned[0]} is gone" in again.err


def test_a_file_that_was_overwritten_in_its_place_makes_the_plan_stale_or_its_backup_stay(store: Workplace) -> None:
    """Where it lies deep the backup is remembered as it was, and looked at once more when its turn comes."""
    deep = store.backups / IDS[0] / "deep" / "er"
    deep.mkdir(parents=True)
    (deep / "data").write_bytes(b"x" * 100)
    set_times(store.backups / IDS[0], time.time() - 50 * DAY)
    file = saved(store)
    (deep / "data").write_bytes(b"y" * 100)
    ran = store.call("apply", file, "--yes")
    assert ran.code == 1
    assert "it was written to since" in ran.out + ran.err
    assert store.state_of(IDS[0]) == "CLEANABLE"


def test_it_ends_as_soon_as_its_goal_is_reached(store: Workplace) -> None:
    file = saved(store, "moderate", "--until", "60 % free")
    assert len(json.loads(file.read_text())["steps"]) == 3
    store.settings("", marks=MARKS, capacity=1 << 30)
    kept = json.loads(file.read_text())
    kept["settings"]["capacity"] = 1 << 30  # as if it had been made there
    file.write_text(json.dumps(kept))
    ran = store.done("apply", file, "--yes", "--json").json["stores"][0]
    assert ran["actions"] == []


def test_what_a_person_planned_and_deleted_can_be_undone(store: Workplace) -> None:
    store.settings("", marks=MARKS)  # no pressure
    file = saved(store, "moderate", "2")
    store.done("apply", file, "--yes")
    assert [store.state_of(name) for name in IDS[:3]] == [None, None, "CLEANABLE"]
    store.done("undo", "--all")
    assert store.state_of(IDS[0]) == "CLEANABLE"


def _pin(store: Workplace) -> None:
    store.done("pin", IDS[0])


def _another(store: Workplace) -> None:
    (store.backups / IDS[0]).rename(store.path / "elsewhere")
    store.backup(IDS[0], "CLEANABLE", age=50 * DAY, size=60_000)


def _confirm(store: Workplace) -> None:
    (store.backups / IDS[0] / ".state").write_text("PENDING\n")


def _other_settings(store: Workplace) -> None:
    store.settings("[stores.main.reclaim]\nkeep_last = 2", marks=MARKS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_pin, f"{IDS[0]}: it is pinned"),
        (_another, f"{IDS[0]}: it is another directory by that name"),
        (_confirm, f"{IDS[0]}: it was CLEANABLE and is PENDING"),
        (_other_settings, "the setting reclaim.keep_last was 1 and is 2"),
    ],
)
def test_a_stale_plan_is_refused_as_a_whole_with_what_changed(
    store: Workplace, change: Callable[[Workplace], None], why: str
) -> None:
    file = saved(store, "moderate", "3")
    change(store)
    before = tree(store.backups)
    for line in (("--yes",), ("--dry-run",), ()):
        ran = store.call("apply", file, *line)
        assert ran.code == 1
        assert "is stale, and nothing was done" in ran.err
        assert why in ran.err, ran.err
    gone = {path for path in before if not Path(path).exists()}
    assert not gone


def test_a_plan_of_what_would_be_is_refused(store: Workplace) -> None:
    file = saved(store, "--fill", "10 KB", "--at", "2999-01-01")
    ran = store.call("apply", file, "--yes")
    assert ran.code == 1
    assert "it is what would be, as if it were 2999-01-01T00:00:00Z" in ran.err
    assert store.state_of(IDS[0]) == "CLEANABLE"


def test_no_file_is_overwritten_unless_that_was_asked_for(store: Workplace) -> None:
    file = saved(store)
    first = file.read_bytes()
    ran = store.call("plan", "moderate", "1", "--save", file)
    assert (ran.code, file.read_bytes()) == (1, first)
    assert "nothing was overwritten" in ran.err
    store.done("plan", "moderate", "1", "--save", file, "--overwrite")
    assert file.read_bytes() != first
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in store.path.glob("plan*")] == ["plan.json"]


def test_a_plan_that_others_could_have_written_is_refused(store: Workplace) -> None:
    file = saved(store)
    file.chmod(0o602)
    ran = store.call("apply", file, "--yes")
    assert ran.code == 1
    assert "others may write the file, and so decide what is deleted" in ran.err
    assert store.state_of(IDS[0]) == "CLEANABLE"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", "\0", '{"schema_version": 2}', "{" * 100_000, '{"steps": [{"backup_id": "../etc"}]}', "nonsense"],
)
def test_what_is_no_plan_is_a_fault_of_usage(store: Workplace, text: str) -> None:
    file = store.path / "odd.json"
    file.write_text(text)
    file.chmod(0o600)
    ran = store.call("apply", file, "--yes")
    assert (ran.code, ran.out) == (2, "")
    assert "is not a plan that ullage plan --save wrote" in ran.err


@pytest.mark.parametrize("made_at", ["NaN", "Infinity", "-Infinity"])
def test_a_plan_made_at_no_time_is_a_fault_of_usage(store: Workplace, made_at: str) -> None:
    file = saved(store)
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "made_at": float(made_at)}))
    ran = store.call("apply", file, "--yes")
    assert (ran.code, ran.out) == (2, "")
    assert f"is not a plan that ullage plan --save wrote: there is no number {made_at}" in ran.err


def test_a_goal_that_is_none_a_missing_file_and_another_store_are_faults_of_usage(store: Workplace) -> None:
    file = saved(store)
    kept = json.loads(file.read_text())
    for change in ({"goal": "much"}, {"until": "half"}):
        file.write_text(json.dumps(kept | change))
        assert store.call("apply", file, "--yes").code == 2
    file.write_text(json.dumps(kept | {"store": "other"}))
    assert "there is no store 'other'" in store.call("apply", file, "--yes").err
    assert "is a plan of store other" in store.call("apply", file, "--store", "main").err
    assert store.call("apply", store.path / "none.json").code == 2
    assert "cannot write the plan" in store.call("plan", "--save", store.path / "no" / "plan.json").err


def test_a_name_that_is_not_utf8_is_kept_and_goes(store: Workplace) -> None:
    store.backup("odd-\udcff-20250101", "CLEANABLE", age=90 * DAY, size=60_000)
    store.backup("odd-\udcff-20250102", "CONFIRMED", age=89 * DAY)
    file = saved(store, "moderate", "1")
    assert json.loads(file.read_text())["steps"][0]["backup_id"] == "odd-\udcff-20250101"
    store.done("apply", file, "--yes")
    assert store.state_of("odd-\udcff-20250101") is None
