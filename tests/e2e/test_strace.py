"""The same kills and errors as ``tests/engine``, at the real system calls of the real command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.command import Command
from tests.engine.world import World, fingerprint
from ullage.model.words import Result, State

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

ONE = "db-20260101"
KILLS = [
    ("archive", "renameat2", 1),
    ("archive", "openat2", 30),
    ("archive", "fsync", 4),
    ("archive", "unlink", 3),
    ("delete", "renameat2", 1),
    ("delete", "fdatasync", 6),
    ("delete", "rmdir", 1),
    ("delete", "pwrite64", 25),
]
ERRORS = [
    ("delete", "renameat2", "EIO"),
    ("delete", "unlink", "EROFS"),
    ("archive", "renameat2", "EACCES"),
    ("archive", "fsync", "EIO"),
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two backups, registered."""
    world = World(tmp_path)
    world.backup(ONE, State.CONFIRMED, mib=0.05)
    world.backup("db-20260102", State.CONFIRMED, age=1, mib=0.05)
    return world


def _strace(call: str, what: str) -> tuple[str, ...]:
    # rmdir and unlink of a directory's own are unlinkat, as Python makes them.
    real = {"unlink": "unlinkat", "rmdir": "unlinkat"}.get(call, call)
    return "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={real}", "-e", f"inject={real}:{what}"


def _assert_settled(world: World, command: Command, before: str) -> None:
    """The next command settles it: whole, or gone with a record."""
    command.run("cleanup", "gentle", "1", "--yes", code=None)
    with world.app() as app:
        assert app.catalog.unsettled("main") == []
    done = any(op.backup_id == ONE and op.result is Result.DONE for op in world.history())
    assert (ONE in world.live()) is not done
    assert done or fingerprint(world.backups / ONE) == before
    assert world.leftovers() == []
    assert done or world.archived() == []


@pytest.mark.parametrize(("verb", "call", "when"), KILLS)
def test_killed_at_a_system_call_it_is_settled(world: World, tmp_path: Path, verb: str, call: str, when: int) -> None:
    command = Command(tmp_path, "[defaults.reclaim]\ngrace = 0\n", main=world)
    command.run("init")
    before = fingerprint(world.backups / ONE)
    command.run(verb, ONE, "--yes", code=-9, before=_strace(call, f"signal=SIGKILL:when={when}"))
    _assert_settled(world, command, before)


@pytest.mark.parametrize(("verb", "call", "error"), ERRORS)
def test_where_a_system_call_fails_it_is_never_done(
    world: World, tmp_path: Path, verb: str, call: str, error: str
) -> None:
    command = Command(tmp_path, "[defaults.reclaim]\ngrace = 0\n", main=world)
    command.run("init")
    before = fingerprint(world.backups / ONE)
    ran = command.run(verb, ONE, "--yes", code=None, before=_strace(call, f"error={error}"))
    assert ran.returncode == 1
    assert not any(op.result is Result.DONE for op in world.history())
    _assert_settled(world, command, before)
