"""A store with its clock and everything that may befall it; what is done here is judged by ``laws``."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from unittest.mock import patch

from tests.engine.faults import killed_at
from tests.engine.world import World
from tests.machine.seen import Sight, look
from tests.machine.watch import Watch
from ullage.app import App
from ullage.catalog.catalog import Catalog
from ullage.engine.cycle import Act
from ullage.engine.reclaim import Reclaim
from ullage.errors import Refused, UllageError
from ullage.model.backups import Operation, Pin
from ullage.model.cycles import CycleRecord
from ullage.model.words import CleanupLevel, State, Trigger

Doing = Callable[[App], CycleRecord]
NOW = Act(wait=0.0)


class Place:
    """``path`` holds the store's roots, its state, and a sentinel beside that nobody may touch.

    ``pins`` and ``users`` say what is pinned and in use, ``stored`` whose each archive is and what was in it.
    """

    def __init__(self, path: Path) -> None:
        self.world = World(path)
        self.watch = Watch()
        self.pins: set[str] = set()
        self.users: dict[str, list[int]] = {}
        self.stored: dict[str, tuple[str, str]] = {}
        self.beside = path / "beside"
        self.beside.mkdir()
        (self.beside / "precious").write_bytes(b"precious")
        self._copy = path / "copy"
        self._trust = self.watch.trust()

    @contextmanager
    def app(self) -> Iterator[App]:
        """The application, by our clock."""
        with patch("ullage.app.SystemClock", lambda: self.watch), self.world.app() as app:
            yield app

    def look(self) -> Sight:
        """The store as it stands."""
        return look(self.world.backups, self.world.archives, self.pins)

    def history(self) -> dict[int, Operation]:
        """All rows by number."""
        with Catalog.open(str(self.world.state)) as catalog:
            return {op.id: op for op in catalog.history()}

    def make(self, backup_id: str, state: str, age: float, kib: int, times: str) -> None:
        """A backup with a link to the sentinel in it; ``times``: which of its time files it has (letters)."""
        top, made = self.world.backups / backup_id, int(self.watch.truth - age)
        (top / "data" / "deep").mkdir(parents=True)
        (top / "data" / "content").write_bytes(os.urandom(kib << 10))
        (top / "data" / "deep" / "link").symlink_to(self.beside)
        names = {"c": ".created_at", "g": ".confirmed_at", "l": ".cleanable_since"}
        for letter in times:
            text = "soon" if letter == "x" else str(made)
            (top / names.get(letter, ".pending_since")).write_text(text + "\n")
        self._write_state(top, state)
        for entry in (*top.rglob("*"), top):
            os.utime(entry, (made, made), follow_symlinks=False)

    def _write_state(self, top: Path, state: str) -> None:
        if state == "link":
            (top / ".state").symlink_to(self.beside / "precious")
        elif state == "twice":
            (top / "also").write_text("CLEANABLE\n")
            (top / ".state").hardlink_to(top / "also")
        else:
            (top / ".state").write_text(state)

    def grow(self, backup_id: str, kib: int) -> None:
        """Its producer adds to it, now."""
        top = self.world.backups / backup_id
        with (top / "data" / "content").open("ab") as file:
            file.write(os.urandom(kib << 10))
        now = self.watch.now()
        os.utime(top / "data" / "content", (now, now))

    def read(self, backup_id: str, ago: float) -> None:
        """Somebody has read it."""
        path, at = self.world.backups / backup_id / "data" / "content", self.watch.now() - ago
        os.utime(path, (at, path.stat().st_mtime))

    def use(self, backup_id: str, how: str) -> None:
        """Somebody writes it, or locks it, until ``release``."""
        top = self.world.backups / backup_id
        if how == "write":
            fd = os.open(top / "data" / "content", os.O_WRONLY)
        elif how == "flock":
            fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            fd = os.open(top / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.users.setdefault(backup_id, []).append(fd)

    def release(self) -> None:
        """Nobody uses anything any more."""
        for fd in [fd for found in self.users.values() for fd in found]:
            os.close(fd)
        self.users.clear()

    def pin(self, backup_id: str, hold: bool) -> None:
        """A person pins or unpins a backup or an archive."""
        with self.app() as app, app.sites["main"].open() as opened:
            source = opened.source
            pin = Pin(backup_id=backup_id, at=self.watch.now(), reason="why\n", by="somebody")
            changed = source.pin(pin) if hold else source.unpin(backup_id)
        assert changed == ((backup_id in self.pins) is not hold)
        (self.pins.add if hold else self.pins.discard)(backup_id)

    def run(self, doing: Doing, counting: AbstractContextManager[None] | None = None) -> CycleRecord | None:
        """What was done; None where it was refused in words, which is an answer as good."""
        with suppress(UllageError), self.app() as app, counting or nullcontext():
            return doing(app)
        return None

    def killed(self, doing: Doing, number: int, *, deep: bool = False) -> bool:
        """Whether a child that did it was killed before its n-th call; ``deep``: after it had journalled an intent."""
        return killed_at(number, lambda counting: self._to_be_killed(doing, counting, deep))

    def _to_be_killed(self, doing: Doing, counting: AbstractContextManager[None], deep: bool) -> None:
        if not deep:
            self.run(doing, counting)
            return
        begin = Catalog.begin
        began: list[Operation] = []

        def beginning(catalog: Catalog, op: Operation) -> Operation:
            made = begin(catalog, op)
            if not began:
                began.append(made)
                counting.__enter__()
            return made

        with patch.object(Catalog, "begin", beginning):
            self.run(doing)

    def recover(self) -> None:
        """The next start settles what was left; afterwards nothing is."""
        self.run(recovering)

    def unsettled(self) -> list[Operation]:
        """What is under way by the journal."""
        with Catalog.open(str(self.world.state)) as catalog:
            return catalog.unsettled("main")

    def keep_copy(self) -> None:
        """A copy of the state directory as it is."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.world.state, self._copy)
        self._trust = self.watch.trust()

    def take_copy(self) -> bool:
        """The state directory as it once was, if a copy was made."""
        if not self._copy.exists():
            return False
        shutil.rmtree(self.world.state)
        shutil.copytree(self._copy, self.world.state)
        if not self.watch.go_back_to(self._trust):
            self.accept_clock()
        return True

    def accept_clock(self) -> None:
        """``ullage clock accept``."""
        with self.app() as app:
            app.catalog.set_clock_mark(app.clock.mark())
            assert app.clock_fault() is None
        self.watch.accept()

    def spoil_catalog(self, at: int, data: bytes) -> None:
        """Other bytes in the catalog."""
        path = self.world.state / "catalog.db"
        with path.open("r+b") as file:
            file.seek(at % path.stat().st_size)
            file.write(data)

    def lose_catalog(self) -> None:
        """There is none."""
        shutil.rmtree(self.world.state)
        self.world.state.mkdir(0o700)
        self.accept_clock()  # as nothing is known of the past, the clock is believed

    @contextmanager
    def unmounted(self, which: str, *, bare: bool) -> Iterator[None]:
        """In the block a root is not there (or an empty directory is, ``bare``), as where its disk is not mounted."""
        root = self.world.backups if which == "backups" else self.world.archives
        away = root.with_name("away")
        root.rename(away)
        if bare:
            root.mkdir(0o700)
        yield
        if bare:
            root.rmdir()
        away.rename(root)


def cycle(app: App) -> CycleRecord:
    """What the daemon does."""
    return app.engine.cycle(app.sites["main"], NOW)


def emergency(app: App) -> CycleRecord:
    """``ullage emergency``."""
    return app.engine.emergency(app.sites["main"], NOW)


def cleanup(level: str, count: int) -> Doing:
    """``ullage cleanup LEVEL COUNT``."""
    return lambda app: app.engine.cleanup(app.sites["main"], CleanupLevel(level), count, NOW)


def delete(backup_id: str) -> Doing:
    """``ullage delete ID``, the backup or else its archive."""

    def run(reclaim: Reclaim) -> Operation:
        live = reclaim.find(backup_id)
        if live is not None:
            return reclaim.one(live, "asked for", archive=False)
        found = reclaim.find_archive(backup_id)
        if found is None:
            raise Refused("there is none")
        return reclaim.one_archive(found, "asked for")

    return _one(run)


def archive(backup_id: str) -> Doing:
    """``ullage archive ID``."""

    def run(reclaim: Reclaim) -> Operation:
        live = reclaim.find(backup_id)
        if live is None:
            raise Refused("there is none")
        return reclaim.one(live, "asked for", archive=True)

    return _one(run)


def restore(backup_id: str) -> Doing:
    """``ullage restore ID``."""

    def run(reclaim: Reclaim) -> Operation:
        found = reclaim.find_archive(backup_id)
        if found is None or reclaim.find(backup_id) is not None:
            raise Refused("there is none, or it stands")
        return reclaim.restore(found, None, "asked for")

    return _one(run)


def transition(backup_id: str, to_state: State, forced: bool) -> Doing:
    """``ullage transition ID STATE [--force]``."""

    def run(reclaim: Reclaim) -> Operation:
        live = reclaim.find(backup_id)
        if live is None:
            raise Refused("there is none")
        return reclaim.move(live, to_state, "asked for", forced=forced)

    return _one(run, alone=False)


def recovering(app: App) -> CycleRecord:
    """What every start does first, and then a look."""
    with app.engine.working(app.sites["main"], NOW, Trigger.USER):
        pass
    return app.engine.cycle(app.sites["main"], NOW, reclaim=False)


def _one(run: Callable[[Reclaim], Operation], *, alone: bool = True) -> Doing:
    return lambda app: app.engine.one(app.sites["main"], NOW, Trigger.USER, run, alone=alone)
