"""The file itself: who may use it, who else uses it, and what becomes of a broken one."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Thread

import pytest

from tests.catalog.makers import operation
from ullage.catalog import database
from ullage.catalog.catalog import Catalog
from ullage.catalog.schema import MIGRATIONS
from ullage.errors import CatalogError
from ullage.model.words import Level, Phase, Result
from ullage.policy.alerting import AlertState
from ullage.policy.cadence import Rhythm

SPAWN = multiprocessing.get_context("spawn")


def test_the_directory_and_every_file_in_it_are_ours_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Catalog.open(str(tmp_path / "a" / "state")) as catalog:
            catalog.begin(operation())
    finally:
        os.umask(before)
    state = tmp_path / "a" / "state"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (state, *state.rglob("*"))}
    assert modes.pop("state") == modes.pop("reserve") == 0o700
    assert {"catalog.db", "catalog.db-journal", "large"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_a_catalog_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    Catalog.open(str(tmp_path / "state")).close()
    (tmp_path / "state" / "catalog.db").chmod(0o644)
    Catalog.open(str(tmp_path / "state")).close()
    assert stat.S_IMODE((tmp_path / "state" / "catalog.db").stat().st_mode) == 0o600


def _link(state: Path) -> None:
    state.with_name("elsewhere").mkdir()
    state.symlink_to("elsewhere")


def _writable(state: Path) -> None:
    state.mkdir()
    state.chmod(0o775)


def _file(state: Path) -> None:
    state.write_text("")


@pytest.mark.parametrize(("make", "words"), [(_link, "a link or a file"), (_writable, "0775"), (_file, "File exists")])
def test_a_state_directory_that_cannot_be_trusted_is_refused(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    make(tmp_path / "state")
    with pytest.raises(CatalogError, match=words):
        Catalog.open(str(tmp_path / "state"))
    assert not list(tmp_path.rglob("catalog.db"))


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_state_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(0o700)
    os.chown(tmp_path / "state", 65534, 65534)
    with pytest.raises(CatalogError, match="belongs to user 65534"):
        Catalog.open(str(tmp_path / "state"))


def test_every_migration_leads_to_the_newest_schema_and_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(0o700)
    old = sqlite3.connect(tmp_path / "state" / "catalog.db")
    kept = "INSERT INTO meta VALUES ('main', 'rhythm', '{\"reclaimed_at\": 5.0}')"
    old.executescript(f"{MIGRATIONS[0]}; PRAGMA user_version = 1; {kept}")
    old.close()
    with Catalog.open(str(tmp_path / "state")) as catalog:
        assert catalog.rhythm("main") == Rhythm(reclaimed_at=5.0)
    version = sqlite3.connect(tmp_path / "state" / "catalog.db").execute("PRAGMA user_version").fetchone()[0]
    assert version == len(MIGRATIONS)


def test_a_catalog_of_a_newer_ullage_is_refused_and_not_touched(tmp_path: Path) -> None:
    Catalog.open(str(tmp_path / "state")).close()
    path = tmp_path / "state" / "catalog.db"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(CatalogError, match=r"catalog\.db: its schema is version 99.*upgrade ullage"):
        Catalog.open(str(tmp_path / "state"))
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.corrupt-*"))


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(50_000))


def _truncated(path: Path) -> None:
    os.truncate(path, 20_000)


def _scribbled(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(40_000))


def _cut(path: Path) -> None:
    os.truncate(path, 100)


@pytest.mark.parametrize("damage", [_garbage, _truncated, _scribbled, _cut])
def test_a_corrupt_catalog_is_moved_aside_and_a_new_one_is_made(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    with Catalog.open(str(tmp_path / "state")) as first:
        before = first.settle(first.begin(operation()), Result.DONE)
        assert first.recovered_from is None
    path = tmp_path / "state" / "catalog.db"
    damage(path)
    damaged = path.read_bytes()
    with Catalog.open(str(tmp_path / "state")) as second:
        began = second.begin(operation())
        assert second.recovered_from is not None
        assert Path(second.recovered_from).read_bytes() == damaged
        assert Path(second.recovered_from).name.startswith("catalog.db.corrupt-")
        assert Path(second.recovered_from + "-journal").exists()
        assert second.history() == [began]
        assert began.id != before.id
        assert second.fault() is None


def test_an_operation_outlives_a_catalog_that_breaks_under_it(tmp_path: Path) -> None:
    with Catalog.open(str(tmp_path / "state")) as catalog:
        began = catalog.begin(operation())
        _garbage(tmp_path / "state" / "catalog.db")
        staged = catalog.advance(began, Phase.STAGED, token="t")
        assert catalog.recovered_from is not None
        done = catalog.settle(staged, Result.DONE)
        assert catalog.history() == [done]


def test_a_corrupt_catalog_that_somebody_else_has_open_stays_where_it_is(tmp_path: Path) -> None:
    with Catalog.open(str(tmp_path / "state")):
        _garbage(tmp_path / "state" / "catalog.db")
        with pytest.raises(CatalogError, match="stop the daemon"):
            Catalog.open(str(tmp_path / "state"))
    assert not list((tmp_path / "state").glob("*.corrupt-*"))
    with Catalog.open(str(tmp_path / "state")) as alone:
        assert alone.recovered_from is not None


@pytest.mark.parametrize("whole", [False, True])
def test_a_catalog_that_is_taken_away_is_made_anew_while_it_is_used(tmp_path: Path, whole: bool) -> None:
    state = tmp_path / "state"
    with Catalog.open(str(state)) as catalog:
        began = catalog.begin(operation())
        shutil.rmtree(state) if whole else (state / "catalog.db").unlink()
        assert catalog.history() == []  # not what the file that is gone would still say
        done = catalog.settle(began, Result.DONE)
        assert catalog.history() == [done]
        with Catalog.open(str(state)) as other:
            assert other.history() == [done]
            (state / "catalog.db").write_bytes(b"garbage" * 1000)
            with pytest.raises(CatalogError, match="stop the daemon"):  # its place is held by both, as before
                other.begin(operation())


def test_a_catalog_that_is_put_in_the_place_of_another_is_used_from_then_on(tmp_path: Path) -> None:
    told = AlertState(Level.WARNING, 1.0, 2.0)
    with Catalog.open(str(tmp_path / "kept")) as kept:
        kept.set_alert_state("main", told)
    with Catalog.open(str(tmp_path / "state")) as catalog:
        os.replace(tmp_path / "kept" / "catalog.db", tmp_path / "state" / "catalog.db")
        assert catalog.alert_state("main") == told


def test_a_catalog_that_is_taken_away_at_the_last_moment_is_written_anew(tmp_path: Path) -> None:
    with Catalog.open(str(tmp_path / "state")) as catalog:
        times: list[None] = []

        def act(connection: sqlite3.Connection) -> None:
            times.append(None)
            if len(times) == 1:
                (tmp_path / "state" / "catalog.db").unlink()
            connection.execute("INSERT INTO readings (store, at, level) VALUES ('main', 7.0, 'ok')")

        catalog._write(act)
        assert (len(times), [one.at for one in catalog.recent("main", 9)]) == (2, [7.0])


def test_a_fault_deep_in_the_file_is_told(tmp_path: Path) -> None:
    with Catalog.open(str(tmp_path / "state")) as first:
        assert first.fault() is None
        first.begin(operation())
    raw = sqlite3.connect(tmp_path / "state" / "catalog.db")
    raw.execute("PRAGMA writable_schema = ON")
    raw.execute("UPDATE sqlite_schema SET sql = replace(sql, 'result TEXT', 'result TEXT NOT NULL')")
    raw.commit()
    raw.close()
    with Catalog.open(str(tmp_path / "state")) as second:
        assert second.fault() == "NULL value in operations.result"


def test_a_closed_catalog_says_so(tmp_path: Path) -> None:
    catalog = Catalog.open(str(tmp_path / "state"))
    catalog.close()
    catalog.close()
    with pytest.raises(CatalogError, match="closed"):
        catalog.begin(operation())


def _begin_many(state: str, start: Barrier, name: str, count: int) -> None:
    with Catalog.open(state) as catalog:
        start.wait()
        _begin_more(catalog, name, count)


def _begin_more(catalog: Catalog, name: str, count: int) -> None:
    for number in range(count):
        catalog.settle(catalog.begin(operation(backup_id=name)), Result.DONE)
        catalog.record(operation(backup_id=name, result=Result.SKIPPED, reason=str(number)))  # reads, then writes


def test_processes_and_threads_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    start = SPAWN.Barrier(3)
    processes = [SPAWN.Process(target=_begin_many, args=(state, start, f"process-{n}", 40)) for n in range(2)]
    for process in processes:
        process.start()
    with Catalog.open(state) as shared:
        start.wait()
        threads = [Thread(target=_begin_more, args=(shared, f"thread-{n}", 40)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        made = shared.history()
    assert len(made) == len({op.id for op in made}) == 400
    assert {op.phase for op in made} == {Phase.SETTLED}


def test_a_catalog_that_is_locked_for_too_long_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with Catalog.open(str(tmp_path / "state")) as catalog:
        other = sqlite3.connect(tmp_path / "state" / "catalog.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogError, match="another process has been writing"):
            catalog.begin(operation())
        other.execute("COMMIT")
        other.close()
        catalog.begin(operation())


def _write_for_ever(state: str, done: int) -> None:
    with Catalog.open(state) as catalog, os.fdopen(done, "wb", buffering=0) as told:
        while True:
            began = catalog.begin(operation())
            told.write(b"%d begun\n" % began.id)
            catalog.settle(began, Result.DONE)
            told.write(b"%d settled\n" % began.id)


@pytest.mark.parametrize("delay", [0.011, 0.023, 0.037, 0.051])
def test_what_was_told_before_a_kill_is_there_after_it(tmp_path: Path, delay: float) -> None:
    state = str(tmp_path / "state")
    Catalog.open(state).close()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _write_for_ever(state, writing)
    os.close(writing)
    with os.fdopen(reading) as told:
        lines = [told.readline()]
        time.sleep(delay)
        os.kill(child, 9)
        os.waitpid(child, 0)
        lines += told.readlines()
    with Catalog.open(state) as catalog:
        assert catalog.recovered_from is None
        assert catalog.fault() is None
        found = {op.id: op for op in catalog.history()}
        for line in lines:
            number, word = line.split()
            assert int(number) in found
            assert word == "begun" or found[int(number)].result is Result.DONE
        assert len(catalog.unsettled("main")) <= 1
