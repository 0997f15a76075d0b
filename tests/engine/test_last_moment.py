"""SPEC 7: what comes between the look and the act, each guard where no other one could stand in for it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.conftest import LoopDisks
from tests.engine.acts import CHOSEN, HOLDER, Case, do
from tests.engine.moments import between, pin
from tests.engine.order import Recorder, recorded
from tests.engine.world import DAY, World, fingerprint
from tests.loops import run
from ullage.app import App
from ullage.engine.cycle import Act
from ullage.errors import NoRoom, Refused, Unavailable
from ullage.model.backups import Operation
from ullage.model.words import Action, Level, Phase, Result, State, Trigger
from ullage.sources.held import StateHeld
from ullage.sources.reclaimer import TreeReclaimer
from ullage.sources.states import StateSource
from ullage.system import archives, files, tree

Patch = pytest.MonkeyPatch


def _stays(case: Case, op: Operation, result: Result, why: str) -> None:
    """The chosen backup stands as it stood, nothing else came of it, and the record says why."""
    assert (op.result, why in op.reason) == (result, True), op
    assert fingerprint(case.world.backups / CHOSEN) == case.whole
    assert (case.world.archived(), case.world.leftovers()) == ([], [])


def _exchange(world: World) -> Callable[[], None]:
    """Another program puts another backup in its place."""

    def act() -> None:
        (world.backups / CHOSEN).rename(world.backups / "aside-20260101")
        world.backup(CHOSEN, State.CREATED, mib=0.02)

    return act


def test_another_backup_in_its_place_in_the_last_moment_comes_back(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.DELETE)
    between(monkeypatch, tree, "rename_exclusive", _exchange(case.world))
    op = do(case.world, Action.DELETE)
    assert (op.result, "exchanged for another" in op.reason) == (Result.SKIPPED, True), op
    assert (case.world.state_of(CHOSEN), case.world.leftovers()) == ("CREATED", [])
    assert fingerprint(case.world.backups / "aside-20260101") != ""


def test_another_backup_that_a_killed_process_took_comes_back(ground: Path, monkeypatch: Patch) -> None:
    class Killed(BaseException):
        """A kill that leaves things as they are."""

    def killed(*_: object) -> None:
        raise Killed

    case = Case(ground, Action.DELETE)
    with monkeypatch.context() as patched:
        between(patched, tree, "rename_exclusive", _exchange(case.world))
        patched.setattr(TreeReclaimer, "_check_staged", killed)
        patched.setattr(TreeReclaimer, "unstage", killed)
        with pytest.raises(Killed):
            do(case.world, Action.DELETE)
    assert len(case.world.leftovers()) == 1
    with case.world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER):
        pass
    assert (case.world.state_of(CHOSEN), case.world.leftovers()) == ("CREATED", [])
    assert "back in its place" in case.world.history()[-1].reason


def test_a_file_opened_for_writing_after_the_selection_holds(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.DELETE)
    held: list[int] = []
    content = case.world.backups / CHOSEN / "data" / "content"
    between(monkeypatch, StateHeld, "look", lambda: held.append(os.open(content, os.O_RDWR)))
    op = do(case.world, Action.DELETE)
    os.close(held[0])
    _stays(case, op, Result.SKIPPED, "it is in use")


def test_a_lock_on_its_lock_file_taken_after_the_selection_holds(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.DELETE)
    lock = case.world.backups / CHOSEN / ".lock"
    lock.touch()
    case.whole = fingerprint(case.world.backups / CHOSEN)
    fd = os.open(lock, os.O_RDONLY)
    between(monkeypatch, StateSource, "hold", lambda: fcntl.flock(fd, fcntl.LOCK_SH))
    op = do(case.world, Action.DELETE)
    os.close(fd)
    _stays(case, op, Result.SKIPPED, "flock on its .lock")


def test_a_state_changed_meanwhile_is_not_written_over(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.TRANSITION)
    state = case.world.backups / CHOSEN / ".state"
    between(monkeypatch, StateSource, "hold", lambda: state.write_text("PENDING\n"))
    op = do(case.world, Action.TRANSITION)
    assert (op.result, case.world.state_of(CHOSEN)) == (Result.SKIPPED, "PENDING")


def test_a_pin_in_the_last_moment_keeps_a_backup_from_being_promoted(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.TRANSITION)
    case.world.press(97)
    between(monkeypatch, StateSource, "hold", lambda: pin(case.world, CHOSEN))
    with case.world.app() as app:
        record = app.engine.one(
            app.sites["main"], Act(), Trigger.DISK_SPACE, lambda reclaim: next(reclaim.promote("pressed")), alone=True
        )
    assert [op.result for op in record.actions] == [Result.SKIPPED]
    assert case.world.state_of(CHOSEN) == "CONFIRMED"


def test_a_pin_that_cannot_be_read_stops_everything(ground: Path) -> None:
    case = Case(ground, Action.DELETE)
    with case.world.app():
        pass
    (case.world.backups / ".ullage" / "pins" / "p-1").write_text("{")
    with pytest.raises(Unavailable, match="a pin cannot be read"):
        do(case.world, Action.DELETE)
    case.world.press(97)
    record = case.world.cycle()
    assert (record.actions, CHOSEN in case.world.live()) == ((), True)
    assert "a pin cannot be read" in " ".join(record.notes)


@pytest.mark.root
def test_a_mount_that_appears_after_the_look_is_seen_before_the_move(
    ground: Path, loop_disk: LoopDisks, monkeypatch: Patch
) -> None:
    loop_disk("ext4")  # or a skip
    case = Case(ground, Action.DELETE)
    treasure = ground / "treasure"
    treasure.mkdir()
    inside = str(case.world.backups / CHOSEN / "data")
    between(monkeypatch, TreeReclaimer, "stage", lambda: run("mount", "--bind", str(treasure), inside))
    try:
        op = do(case.world, Action.DELETE)
    finally:
        subprocess.run(["umount", inside], check=True)
    _stays(case, op, Result.FAILED, "a filesystem is mounted inside, at ")


@pytest.mark.root
def test_an_immutable_entry_refuses_before_anything_is_changed(loop_disk: LoopDisks) -> None:
    case = Case(loop_disk("ext4", 32).path, Action.DELETE)
    content = str(case.world.backups / CHOSEN / "data" / "content")
    run("chattr", "+i", content)
    try:
        op = do(case.world, Action.DELETE)
    finally:
        run("chattr", "-i", content)
    _stays(case, op, Result.FAILED, "immutable")
    assert op.token == "", "nothing was begun"


def test_a_change_after_it_was_archived_makes_it_come_back(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.ARCHIVE)
    more = case.world.backups / CHOSEN / "data" / "more"
    between(monkeypatch, TreeReclaimer, "stage", more.touch)
    op = do(case.world, Action.ARCHIVE)
    assert more.exists()
    more.unlink()
    os.utime(more.parent, (os.stat(case.world.backups / CHOSEN / ".state").st_mtime,) * 2)
    _stays(case, op, Result.SKIPPED, "changed while it was archived")


def test_an_archive_that_reads_back_otherwise_is_thrown_away_and_its_backup_stays(
    ground: Path, monkeypatch: Patch
) -> None:
    case = Case(ground, Action.ARCHIVE)

    def rot() -> None:
        (part,) = (case.world.archives / ".ullage" / "parts").iterdir()
        with part.open("r+b") as file:
            file.seek(part.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))

    monkeypatch.setattr(archives, "write_archive", _then(archives.write_archive, rot))
    _stays(case, do(case.world, Action.ARCHIVE), Result.FAILED, "cannot be trusted")


def _then(call: Callable[..., object], after: Callable[[], None]) -> Callable[..., object]:
    def calling(*arguments: object, **options: object) -> object:
        given = call(*arguments, **options)
        after()
        return given

    return calling


def test_an_archive_that_was_exchanged_for_another_is_not_restored(ground: Path) -> None:
    case, other = Case(ground / "one", Action.RESTORE), Case(ground / "other", Action.RESTORE)
    (there,), (here,) = (c.world.archives.glob("*/*/*.tar.zst") for c in (case, other))
    shutil.copy(here, there)
    op = do(case.world, Action.RESTORE)
    assert (op.result, "is not what was written" in op.reason) == (Result.FAILED, True), op
    assert (CHOSEN in case.world.live(), case.world.leftovers()) == (False, [])


def test_where_something_stands_already_nothing_is_even_extracted(ground: Path) -> None:
    case = Case(ground, Action.RESTORE)
    case.world.backup(CHOSEN, State.CREATED)
    recorder = Recorder(str(ground))
    op = do(case.world, Action.RESTORE, recorded(recorder))
    assert (op.result, "is there already" in op.reason) == (Result.FAILED, True), op
    assert [event for event in recorder.events if event.what == "mkdir"] == []
    assert case.world.state_of(CHOSEN) == "CREATED"


def test_another_archive_of_that_name_is_not_the_one_that_was_to_go(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.DELETE_ARCHIVE)
    (there,) = case.world.archives.glob("*/*/*.tar.zst")

    def exchange() -> None:
        there.rename(there.with_name("aside"))
        there.write_bytes(b"another")

    between(monkeypatch, TreeReclaimer, "delete_archive", exchange)
    op = do(case.world, Action.DELETE_ARCHIVE)
    assert (op.result, there.read_bytes()) == (Result.SKIPPED, b"another")


def test_a_person_cannot_delete_the_last_archive_of_a_series(ground: Path) -> None:
    case = Case(ground, Action.DELETE_ARCHIVE)
    shutil.rmtree(case.world.backups / HOLDER)
    op = do(case.world, Action.DELETE_ARCHIVE)
    assert (op.result, "no live backup" in op.reason) == (Result.SKIPPED, True)
    assert len(case.world.archived()) == 1


def test_a_pin_in_the_last_moment_holds_an_archive(ground: Path) -> None:
    case = Case(ground, Action.DELETE_ARCHIVE)
    with case.world.app() as app, app.engine.working(app.sites["main"], Act(), Trigger.USER) as reclaim:
        found = reclaim.find_archive(CHOSEN)
        assert found is not None
        pin(case.world, CHOSEN)
        op = reclaim.delete_archive(found, "asked for")
    assert (op.result, "it is pinned" in op.reason) == (Result.SKIPPED, True)
    assert len(case.world.archived()) == 1


def _without_room(monkeypatch: Patch, world: World, owner: object, name: str, *, ballast: bool) -> None:
    """A disk too full for a call; ``ballast``: until that is given up."""
    call, stands = getattr(owner, name), world.backups / ".ullage" / "ballast"

    def full(*arguments: object, **options: object) -> object:
        if not ballast or stands.exists():
            raise NoRoom("the filesystem has no room left")
        return call(*arguments, **options)

    with world.app():
        pass
    stands.write_bytes(b"x" * 4096)
    monkeypatch.setattr(owner, name, full)


def test_where_there_is_no_room_for_the_trash_the_ballast_makes_it(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.DELETE)
    _without_room(monkeypatch, case.world, tree, "rename_exclusive", ballast=True)
    op = do(case.world, Action.DELETE)
    assert (op.result, op.token != "", CHOSEN in case.world.live()) == (Result.DONE, True, False)


def test_where_there_is_no_room_for_the_trash_at_all_it_goes_in_its_place(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.DELETE)
    _without_room(monkeypatch, case.world, tree, "rename_exclusive", ballast=False)
    op = do(case.world, Action.DELETE)
    assert (op.result, op.token, CHOSEN in case.world.live()) == (Result.DONE, "", False)


def test_a_pin_in_the_last_moment_holds_where_there_is_no_room_for_the_trash(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.DELETE)
    _without_room(monkeypatch, case.world, tree, "rename_exclusive", ballast=False)
    between(monkeypatch, TreeReclaimer, "stage", lambda: pin(case.world, CHOSEN))
    _stays(case, do(case.world, Action.DELETE), Result.FAILED, "pinned meanwhile")


def test_where_there_is_no_room_for_a_state_the_ballast_makes_it(ground: Path, monkeypatch: Patch) -> None:
    case = Case(ground, Action.TRANSITION)
    for name in ("write_durable", "overwrite"):
        _without_room(monkeypatch, case.world, files, name, ballast=True)
    op = do(case.world, Action.TRANSITION)
    assert (op.result, case.world.state_of(CHOSEN)) == (Result.DONE, "CLEANABLE")


def _disbelieve(app: App) -> None:
    mark = app.clock.mark()
    app.catalog.set_clock_mark(replace(mark, wall=mark.wall - 10 * DAY))


def test_a_cycle_does_not_even_promote_while_the_clock_is_not_believed(ground: Path) -> None:
    case = Case(ground, Action.TRANSITION)
    case.world.press(90)
    with case.world.app() as app:
        _disbelieve(app)
        record = app.engine.cycle(app.sites["main"], Act())
    assert (record.level, record.actions, case.world.state_of(CHOSEN)) == (Level.CRITICAL, (), "CONFIRMED")


def test_nothing_leaves_the_trash_by_time_while_the_clock_is_not_believed(ground: Path) -> None:
    case = Case(ground, Action.DELETE)
    case.world.set(reclaim={"grace": 3600.0})
    with case.world.app() as app:
        site, mark = app.sites["main"], app.clock.mark()
        do(case.world, Action.DELETE)
        (op,) = app.catalog.trashed("main")
        app.catalog.advance(replace(op, at=op.at - 7200.0), Phase.TRASHED)
        _disbelieve(app)
        app.engine.cycle(site, Act())
        assert len(app.catalog.trashed("main")) == 1
        app.catalog.set_clock_mark(mark)
        app.engine.cycle(site, Act())
        assert app.catalog.trashed("main") == []


def test_a_clean_up_by_hand_is_refused_as_a_whole_while_the_clock_is_not_believed(ground: Path) -> None:
    case = Case(ground, Action.TRANSITION)
    case.world.press(97)
    with case.world.app() as app:
        _disbelieve(app)
        with pytest.raises(Refused, match="ullage clock accept"):
            app.engine.emergency(app.sites["main"], Act())
    assert case.world.state_of(CHOSEN) == "CONFIRMED", "not even promoted"


@pytest.mark.parametrize("happens", ["another", "none"])
def test_an_archive_root_that_is_not_the_registered_one_makes_the_store_unavailable(ground: Path, happens: str) -> None:
    case = Case(ground, Action.ARCHIVE)
    case.world.press(97)
    with case.world.app() as app:
        identity = case.world.archives / ".ullage" / "identity"
        identity.write_text(identity.read_text().replace('"id":"', '"id":"x'))
        if happens == "none":
            identity.unlink()
        record = app.engine.cycle(app.sites["main"], Act())
    assert (record.level, record.actions) == (Level.UNAVAILABLE, ())
    assert str(case.world.archives) in record.notes[0]


@pytest.mark.root
def test_a_copy_of_the_store_on_another_disk_is_not_the_store(loop_disk: LoopDisks, tmp_path: Path) -> None:
    disk, other = loop_disk("ext4"), loop_disk("ext4")
    world = World(disk.path, state=tmp_path / "state", archives=tmp_path / "archives")
    world.backup(CHOSEN, mib=0.01)
    with world.app() as app:
        assert app.sites["main"].read().fault is None
        run("cp", "-a", f"{disk.path}/.", str(other.path))
        disk.unmount()
        run("mount", "--bind", str(other.path), str(disk.path))
        record = app.engine.cycle(app.sites["main"], Act())
    assert (record.level, "on another filesystem" in record.notes[0]) == (Level.UNAVAILABLE, True)
