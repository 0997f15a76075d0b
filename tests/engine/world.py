"""A store to reclaim in: roots, settings, backups of any age and state, and the application, in this process."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ullage.app import App, open_app
from ullage.catalog.catalog import Catalog
from ullage.engine.cycle import Act
from ullage.model.backups import Operation
from ullage.model.cycles import CycleRecord
from ullage.model.settings import ArchiveSettings, CapSettings, ReclaimSettings, Settings, StoreSettings, Watermarks
from ullage.model.words import Level, Result, State
from ullage.sources.register import register

MIB = 1 << 20
DAY = 86400


class World:
    """``backups`` and ``archives`` under ``path`` (or given), the state beside them, one store ``main``.

    Unless it is set, ``grace`` is 0: what is deleted goes at once.
    """

    def __init__(self, path: Path, *, archives: Path | None = None, state: Path | None = None, **settings: Any) -> None:
        self.backups = path / "backups"
        self.archives = path / "archives" if archives is None else archives
        self.state = path / "state" if state is None else state
        for directory in (self.backups, self.archives, self.state):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        plain = StoreSettings(
            name="main",
            backup_root=str(self.backups),
            archive_root=str(self.archives),
            reclaim=ReclaimSettings(grace=0.0),
        )
        self.store = replace(plain, **settings)

    def set(self, **settings: Any) -> None:
        """Other settings: those of a table (``reclaim``, ``caps``) by their own keys, the store's by theirs."""
        parts = {"reclaim": ReclaimSettings, "caps": CapSettings, "archive": ArchiveSettings, "watermarks": Watermarks}
        for name in parts.keys() & settings.keys():
            own = {"grace": 0.0} if name == "reclaim" else {}
            settings[name] = parts[name](**own | settings[name])
        self.store = replace(self.store, **settings)

    @contextmanager
    def app(self) -> Iterator[App]:
        """The application; the store is registered."""
        with open_app(Settings(path="/ullage.toml", state_dir=str(self.state), stores=(self.store,))) as app:
            register(self.store, app.catalog, now=time.time())
            yield app

    def cycle(self, act: Act | None = None) -> CycleRecord:
        """One cycle, in an application of its own."""
        with self.app() as app:
            return app.engine.cycle(app.sites["main"], act or Act())

    def emergency(self, act: Act | None = None) -> CycleRecord:
        """The emergency reclaim."""
        with self.app() as app:
            return app.engine.emergency(app.sites["main"], act or Act())

    def history(self) -> list[Operation]:
        """All that was recorded, oldest first."""
        with Catalog.open(str(self.state)) as catalog:
            return catalog.history()[::-1]

    def levels(self, store: str = "main") -> list[Level]:
        """The level of every check that was recorded."""
        with Catalog.open(str(self.state)) as catalog:
            return [one.level for one in catalog.recent(store, 10_000)]

    def usage(self) -> float:
        """The usage of the store in percent."""
        with self.app() as app:
            reading = app.sites["main"].read()
            assert reading.fault is None, reading.fault
            return max(space.usage_percent for space in reading.backup)

    def backup(
        self,
        backup_id: str,
        state: State = State.CLEANABLE,
        *,
        age: float = 40.0,
        mib: float = 1.0,
        confirmed: bool | None = None,
        compressible: bool = False,
    ) -> Path:
        """A backup of ``mib``, made ``age`` days ago and not read since; confirmed once where its state says so."""
        top = self.backups / backup_id
        (top / "data").mkdir(parents=True)
        size = int(mib * MIB)
        content = b"x" * size if compressible else os.urandom(size)
        (top / "data" / "content").write_bytes(content)
        made = int(time.time() - age * DAY)
        (top / ".created_at").write_text(f"{made}\n")
        once = state in (State.CONFIRMED, State.CLEANABLE) if confirmed is None else confirmed
        if once:
            (top / ".confirmed_at").write_text(f"{made}\n")
        (top / ".state").write_text(f"{state}\n")
        for entry in (*top.rglob("*"), top):
            os.utime(entry, (made, made))
        return top

    def series(self, count: int, state: State = State.CLEANABLE, *, name: str = "db", **how: Any) -> list[str]:
        """So many backups of one series, a day apart, the oldest first; above them a newer one that the floor holds."""
        ids = [f"{name}-2026{1 + n // 28:02d}{1 + n % 28:02d}" for n in range(count)]
        oldest, floor_age = how.pop("age", 40.0) + count, how.pop("floor_age", 39.0)
        for number, backup_id in enumerate(ids):
            self.backup(backup_id, state, age=oldest - number, **how)
        self.backup(f"{name}-20991231", State.CONFIRMED, age=floor_age, mib=0.01)
        return ids

    def press(self, usage: float) -> None:
        """A capacity by which the store is used to so many percent now."""
        entries = (self.backups, *self.backups.rglob("*"))
        taken = sum(path.lstat().st_blocks * 512 for path in entries if path != self.backups)
        self.set(capacity=int(taken * 100 / usage))

    def live(self) -> list[str]:
        """The backups that stand, by name."""
        return sorted(entry.name for entry in self.backups.iterdir() if (entry / ".state").exists())

    def archived(self) -> list[str]:
        """The archives that stand, by file name."""
        return sorted(path.name for path in self.archives.glob("[0-9]*/*/*"))

    def leftovers(self) -> list[str]:
        """What lies where half-finished work stands, and temporary files of ours in the backups."""
        rooms = [self.backups / ".ullage/trash", self.backups / ".ullage/parts", self.archives / ".ullage/parts"]
        found = [str(path) for room in rooms for path in room.iterdir()]
        return found + [str(path) for path in self.backups.glob("*/.ullage-*")]

    def state_of(self, backup_id: str) -> str:
        """The word in its ``.state``."""
        return (self.backups / backup_id / ".state").read_text().strip()


def fingerprint(top: Path) -> str:
    """Of every path, mode, mtime and content below a directory; where it is the same, nothing was lost."""
    digest = hashlib.sha256()
    for path in (top, *sorted(top.rglob("*"))):
        status = path.lstat()
        digest.update(f"{path.relative_to(top)} {status.st_mode} {int(status.st_mtime)}".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def done(record: CycleRecord) -> list[tuple[str, str]]:
    """(action, backup) of what was done."""
    return [(str(op.action), op.backup_id) for op in record.actions if op.result is Result.DONE]


def fill(root: Path, share: float) -> None:
    """Write beside the store until so much of the disk is used."""
    os.sync()
    space = os.statvfs(root)
    usable = space.f_blocks - space.f_bfree + space.f_bavail
    missing = int(share * usable - (space.f_blocks - space.f_bfree)) * space.f_frsize
    with (root / "filler").open("wb") as filler:
        for _ in range(missing // MIB):
            filler.write(os.urandom(MIB))
    os.sync()
