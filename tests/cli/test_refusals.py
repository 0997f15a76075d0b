"""SPEC.md 5 to 7: what cannot be served, what it says, and with which code it ends."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import pytest

from tests.cli.workplace import Workplace, tree
from tests.conftest import LoopDisks

ON_ONE = (
    "show nothing", "pin nothing", "unpin nothing", "delete nothing --yes", "archive nothing --yes", "restore nothing",
    "transition nothing CLEANABLE",
)  # fmt: skip
ON_ALL = ("status", "list", "plan", "monitor", "history", "doctor", "cleanup", "emergency", "alert test", "init")
ACTING = (
    "monitor", "cleanup nuclear 50 --yes", "emergency --yes", "delete db-20260101 --yes", "archive db-20260101 --yes",
    "restore db-20260101", "pin db-20260101", "transition db-20260101 CONFIRMED",
)  # fmt: skip
WRONG = (
    "nonsense", "cleanup gently", "cleanup gentle 0", "list --no", "show", "transition x GONE", "history --limit -1",
    "config",
)  # fmt: skip


@pytest.mark.parametrize("line", ON_ONE)
def test_an_id_that_is_not_there_is_refused(store: Workplace, line: str) -> None:
    """Exit 1, and the message names it."""
    ran = store.call(*line.split())
    assert (ran.code, ran.out) == (1, "")
    assert "'nothing'" in ran.err


@pytest.mark.parametrize("line", [*ON_ALL, *ON_ONE])
def test_a_store_that_is_not_there_is_a_fault_of_usage(store: Workplace, line: str) -> None:
    """Exit 2, and the message names those there are."""
    ran = store.call("--store", "nowhere", *line.split())
    assert ran.code == 2
    assert "'nowhere'" in ran.err
    assert "main" in ran.err


@pytest.mark.parametrize("line", [*ON_ALL, *ON_ONE, "config show", "config check", "start", "stop"])
def test_faults_of_the_settings_are_told_all_at_once(store: Workplace, line: str) -> None:
    """SPEC 5: exit 2, naming file, key, what was found and what is allowed."""
    store.settings('[stores.main.reclaim]\nstrategy = "newest"\nmax_per_cyle = 3\nkeep_last = "one"\n')
    ran = store.call(*line.split())
    assert (ran.code, ran.out) == (2, "")
    for said in (str(store.config), "reclaim.strategy", "newest", "oldest_first", "max_per_cyle", "keep_last", "'one'"):
        assert said.replace("'", "") in ran.err.replace("'", "").replace('"', ""), said


@pytest.mark.parametrize(
    ("line", "meant"),
    [("stauts", "status"), ("config chek", "check"), ("trash emtpy", "empty"), ("--json docter", "doctor")],
)
def test_a_command_that_is_nearly_right_is_asked_about(store: Workplace, line: str, meant: str) -> None:
    """Exit 2, and the command that was probably meant."""
    ran = store.call(*line.split())
    assert (ran.code, ran.out) == (2, "")
    _, asked, guesses = ran.err.partition("Did you mean ")
    assert asked
    assert f"'{meant}'" in guesses


@pytest.mark.parametrize("line", ["qqqq", "config qqqq", "--qqqq", "\x1b[2J"])
def test_nothing_is_guessed_for_what_is_like_no_command(store: Workplace, line: str) -> None:
    """Nor is a terminal escape printed."""
    ran = store.call(*line.split())
    assert ran.code == 2
    assert ("Did you mean" in ran.err, "\x1b" in ran.err) == (False, False)


def test_no_settings_at_all_are_a_fault_that_says_what_to_do(place: Workplace) -> None:
    """Exit 2, and ``init`` is named."""
    ran = place.call("status")
    assert ran.code == 2
    assert "ullage init" in ran.err
    ran = place.call("init")
    assert ran.code == 2
    assert "--backup-root" in ran.err


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_word_is_a_fault_of_usage(store: Workplace, line: str) -> None:
    """Exit 2, on stderr."""
    ran = store.call(*line.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


def _unregistered(store: Workplace) -> None:
    (store.state / "catalog.db").unlink()
    (store.state / "catalog.db-journal").unlink(missing_ok=True)


def _identity_lost(store: Workplace) -> None:
    (store.backups / ".ullage" / "identity").unlink()


def _another_disk(store: Workplace) -> None:
    """A store of another host stands at the root: same look, another identity."""
    identity = store.backups / ".ullage" / "identity"
    ours = identity.read_bytes()
    (store.path / "other").mkdir()
    other = Workplace(store.path / "other")
    other.register()
    identity.write_bytes((other.backups / ".ullage" / "identity").read_bytes())
    assert identity.read_bytes() != ours


def _missing(store: Workplace) -> None:
    store.backups.rename(store.path / "elsewhere")


def _empty(store: Workplace) -> None:
    _missing(store)
    store.backups.mkdir()


@pytest.mark.parametrize("happen", [_unregistered, _identity_lost, _another_disk, _missing, _empty])
def test_a_store_that_cannot_be_trusted_is_unavailable(store: Workplace, happen: Callable[[Workplace], None]) -> None:
    """SPEC 7.3: not the registered one, or not there: said, exit 1, and nothing is touched. Never 0 %."""
    happen(store)
    before = tree(store.path / "backups") if store.backups.exists() else None
    archives = tree(store.archives)
    status = store.done("status", "--json").json["stores"][0]
    assert (status["level"], status["backup"]["usage_percent"]) == ("unavailable", None)
    for line in ACTING:
        ran = store.call(*line.split())
        assert ran.code == 1, line
        assert ran.err, line
    assert store.call("check").code == 3
    assert store.call("list").code == store.call("plan").code == store.call("doctor").code == 1
    assert (tree(store.path / "backups") if store.backups.exists() else None) == before
    assert tree(store.archives) == archives


def test_init_again_does_not_take_another_disk_for_the_store(store: Workplace) -> None:
    """SPEC 7.3: only ``--reregister --store NAME`` does."""
    _another_disk(store)
    assert store.call("init").code == 1
    assert store.call("init", "--reregister").code == 2
    assert store.call("check").code == 3
    store.done("init", "--reregister", "--store", "main")
    assert store.call("check").code == 0


@pytest.mark.root
def test_a_disk_that_is_not_mounted_is_unavailable(store: Workplace, loop_disk: LoopDisks) -> None:
    """SPEC 7.3: the directory under the mount point is not the store."""
    disk = loop_disk("ext4")
    (disk.path / "b").mkdir()
    store.config.write_text(store.config.read_text().replace(str(store.backups), str(disk.path / "b")))
    store.done("init", "--reregister", "--store", "main")
    assert store.call("check").code == 0
    disk.unmount()
    (disk.path / "b").mkdir()
    assert store.call("check").code == 3
    assert store.call("monitor").code == 1
    (disk.path / "b").rmdir()
    disk.mount()
    assert store.call("check").code == 0


def test_one_store_that_is_gone_does_not_hide_the_others(store: Workplace) -> None:
    """SPEC 7.9: the others are listed, planned and served; the exit code still tells."""
    roots = [store.path / "b2", store.path / "a2"]
    for root in roots:
        root.mkdir()
    store.config.write_text(
        store.config.read_text()
        + f'[stores.gone]\nbackup_root = "{roots[0]}"\narchive_root = "{roots[1]}"\ncapacity = "1 TB"\n'
    )
    store.done("init")
    roots[0].rename(store.path / "elsewhere")
    for line, key in (("list", "backups"), ("plan moderate", "candidates"), ("cleanup moderate --yes", "actions")):
        ran = store.call(*line.split(), "--json")
        assert ran.code == 1, line
        found = {one["name"]: one[key] for one in ran.json["stores"]}
        assert found["main"], line
        assert not found["gone"], line
    assert "db-20260103" in store.call("list").out
    assert store.done("show", "db-20260103").out
    assert store.done("list", "--store", "main").out


def test_the_same_id_in_two_stores_must_be_told_apart(store: Workplace) -> None:
    """Exit 2 and the names of both; with ``--store`` it is clear."""
    (store.path / "more").mkdir()
    other = Workplace(store.path / "more")
    other.backup("db-20260101")
    store.config.write_text(
        store.config.read_text()
        + f'[stores.other]\nbackup_root = "{other.backups}"\narchive_root = "{other.archives}"\ncapacity = "1 TB"\n'
    )
    store.done("init")
    ran = store.call("delete", "db-20260101", "--yes")
    assert (ran.code, "main, other" in ran.err) == (2, True)
    assert store.done("show", "db-20260101", "--store", "other", "--json").json["store"] == "other"


@pytest.mark.parametrize("where", ["before", "after", "both"])
def test_the_options_of_all_commands_stand_anywhere(store: Workplace, where: str) -> None:
    """SPEC 6: ``--config FILE``, ``--store NAME`` and ``--json`` anywhere."""
    options = ["--config", str(store.config), "--store", "main", "--json"]
    for line in (
        "status",
        "list",
        "plan",
        "monitor",
        "history",
        "doctor",
        "check",
        "config show",
        "clock",
        "show db-20260101",
    ):
        words = line.split()
        before = options if where in ("before", "both") else []
        after = options if where in ("after", "both") else []
        ran = store.call(*before, *words, *after, ULLAGE_CONFIG="/nowhere")
        assert ran.code == 0, (line, ran)
        assert ran.json["schema_version"] == 1


def test_a_part_of_the_program_that_cannot_be_loaded_is_no_traceback(store: Workplace) -> None:
    with patch("ullage.app.load_settings", side_effect=ImportError("array.so: input/output error")):
        ran = store.call("list")
    assert (ran.code, "cannot be loaded: array.so: input/output error" in ran.err) == (1, True)
