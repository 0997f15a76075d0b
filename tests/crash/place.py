"""A store on a real disk, the same before every blow; and what must hold of it at the blow, and when all is settled."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import stat
import sys
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.crash import ptrace
from tests.crash.deeds import CHOSEN, CLEANABLE, CREATED, HOLDER, PENDING, PINNED, Deed, Outcome
from tests.crash.ptrace import Ended, Point
from tests.e2e.command import Command
from tests.engine.world import World
from tests.loops import run
from ullage.app import load_settings, open_app
from ullage.cli.main import main
from ullage.engine.cycle import Act
from ullage.model.backups import Operation
from ullage.model.words import Action, Result, State, Trigger

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Tree = dict[str, tuple[object, ...]]
_GOING = (Action.DELETE, Action.ARCHIVE)
_PRESSED = """
[defaults.reclaim]
emergency_strategy = "conservative"
[defaults.alerts]
webhook = "http://127.0.0.1:9/"
"""
_FILLED, _STEP = 0.995, 1 << 18


class Place(Outcome):
    """The store of one deed on a disk. ``elsewhere`` is a directory of another filesystem, ours alone."""

    def __init__(self, disk: Path, elsewhere: Path, deed: Deed) -> None:
        self.deed = deed
        self._run, self._other = disk / "run", elsewhere / "run"
        self._templates = elsewhere / "templates"
        self._filler = disk / "filler"
        self.output = elsewhere / "output"
        archives = (self._other if deed.archives_elsewhere else self._run) / "archives"
        super().__init__(self._run / "backups", archives)
        world = World(
            self._run, archives=archives, state=(self._other if deed.state_elsewhere else self._run) / "state"
        )
        self._command = Command(elsewhere, _PRESSED if deed.pressed else "", main=world)
        self.before = _furnish(world, deed)
        self._first()
        self.archives_before = self.archived()
        self.rows_before = max((op.id for op in self._history()), default=0)
        self._fill_to = self._keep()
        self._warm()

    def _first(self) -> None:
        """Registered, looked at once, and what must be archived before is."""
        self._done("init")
        self._done("monitor")
        self._done("pin", PINNED)
        if self.deed.archived:
            self._done("archive", CHOSEN, "--yes")

    def _done(self, *words: str) -> None:
        assert ptrace.untouched(self._work(*words), self.output) == 0, self.said()

    def _keep(self) -> int:
        for top in (self._run, self._other):
            top.mkdir(exist_ok=True)
            run("cp", "-a", "--sparse=never", str(top), str(self._templates / top.parent.name))
        space = os.statvfs(self._run)
        free = space.f_bavail * space.f_frsize
        return int(free - (1 - _FILLED) * space.f_blocks * space.f_frsize)

    def _warm(self) -> None:
        """Import here what the command imports as it goes: else a blow would meet Python and not us."""
        names = self.output.with_name("modules")

        def work() -> int:
            code = self._work(*self.deed.words)()
            names.write_text("\n".join(sorted(sys.modules)))
            return code

        self.fresh()
        assert ptrace.untouched(work, self.output) == 0, self.said()
        for name in names.read_text().splitlines():
            with suppress(ImportError):  # made by another module, and imported by none
                importlib.import_module(name)

    def fresh(self) -> None:
        """All is as it was before the first blow."""
        self.output.unlink(missing_ok=True)
        self._filler.unlink(missing_ok=True)
        for top in (self._run, self._other):
            shutil.rmtree(top)
            run("cp", "-a", "--sparse=never", str(self._templates / top.parent.name), str(top))
        if self.deed.pressed:
            self._fill()

    def _fill(self) -> None:
        """Take what room there is, but for the last of it."""
        run("sync", "-f", str(self._run))
        with self._filler.open("xb") as filler, suppress(OSError):  # not all that btrfs says is there can be had
            for at in range(0, self._fill_to, _STEP):
                os.posix_fallocate(filler.fileno(), at, min(_STEP, self._fill_to - at))
        run("sync", "-f", str(self._run))

    def do(self, point: Point) -> Ended:
        """How the command of the deed ended, struck at that point."""
        return ptrace.run(self._work(*self.deed.words), point, self.output)

    def do_again(self) -> None:
        """The same once more, and nothing strikes."""
        self._done(*self.deed.words)

    def said(self) -> str:
        """All that was printed since the store was fresh."""
        return self.output.read_text(errors="replace")

    def _work(self, *words: str) -> Callable[[], int]:
        def work() -> int:
            sys.argv = ["ullage", "--config", str(self._command.config), *words]
            try:
                main()
            except SystemExit as ended:
                return ended.code if isinstance(ended.code, int) else 0
            return 0

        return work

    def recover(self) -> None:
        """The next start; afterwards nothing may be under way."""
        with (
            open_app(load_settings(str(self._command.config))) as app,
            app.engine.working(app.sites["main"], Act(), Trigger.USER),
        ):
            left = app.catalog.unsettled("main")
            assert left == [], f"not settled: {left}"

    def _history(self) -> list[Operation]:
        with open_app(load_settings(str(self._command.config))) as app:
            return app.catalog.history()

    def assert_nothing_lost(self) -> None:
        """What holds at every moment, of what can be seen on the disk alone."""
        for backup_id, tree in self.before.items():
            place = self.backups / backup_id
            if self.state(backup_id) is not None:
                _same(tree_of(place), tree, f"{backup_id} looks whole and is not")
            else:
                assert backup_id in self.deed.may_go or self._was_archived(backup_id), f"{backup_id} is lost"
        for staged in (self.backups / ".ullage/trash").iterdir():
            if (staged / ".state").exists():
                assert tree_of(staged) in self.before.values(), f"{staged} looks whole and is not"
        for path in self.archived():
            backup_id = Path(path).name.split(".")[0]
            _same(tree_in(self.archives / path), self.before[backup_id], f"the archive {path} is not whole")
        for backup_id in self.deed.copies:
            assert self._copies(backup_id), f"there is no whole copy of {backup_id}"

    def _was_archived(self, backup_id: str) -> bool:
        return any(Path(path).name.startswith(backup_id) for path in self.archives_before)

    def _copies(self, backup_id: str) -> bool:
        places = [self.backups / backup_id, *(self.backups / ".ullage/trash").iterdir()]
        trees = [tree_of(place) for place in places if place.exists()]
        return self.before[backup_id] in trees or any(
            path.split("/")[2].startswith(backup_id) for path in self.archived()
        )

    def assert_finished(self) -> None:
        """The deed is done; but for a whole cycle, which may do less where less is needed by then."""
        assert self.deed.pressed or self.deed.finished(self), "it says that it is done, and it is not"

    def assert_settled(self) -> None:
        """What holds when nothing is under way: journal and disk agree, and nothing lies about."""
        self.assert_nothing_lost()
        rooms = [self.backups / ".ullage/trash", self.backups / ".ullage/parts", self.archives / ".ullage/parts"]
        left = [str(path) for room in rooms for path in room.iterdir()]
        left += [str(path) for path in self.backups.glob("*/.ullage-*")]
        assert left == [], f"left over: {left}"
        done = [op for op in self._history() if op.id > self.rows_before and op.result is Result.DONE]
        for backup_id in self.before:
            rows = [op for op in done if op.backup_id == backup_id]
            self._assert_agrees(backup_id, [op.action for op in rows])
        made = [op.path for op in done if op.action is Action.ARCHIVE]
        gone = [op.path for op in done if op.action is Action.DELETE_ARCHIVE]
        assert self.archived() == sorted({*self.archives_before, *made} - set(gone)), (self.archived(), made, gone)

    def _assert_agrees(self, backup_id: str, actions: list[Action]) -> None:
        assert len(actions) == len(set(actions)), f"done twice: {backup_id} {actions}"
        stood = not self._was_archived(backup_id)
        stands = (stood or Action.RESTORE in actions) and not any(action in _GOING for action in actions)
        there = (self.backups / backup_id).exists()
        assert there is stands, f"{backup_id}: {actions} is recorded, and it {'stands' if there else 'is gone'}"
        if there:
            moved = Action.TRANSITION in actions or Action.PROMOTE in actions
            expected = State.CLEANABLE if moved else _states(self.deed)[backup_id]
            assert self.state(backup_id) is expected, f"{backup_id} is {self.state(backup_id)} after {actions}"


def _states(deed: Deed) -> dict[str, State]:
    states = {CHOSEN: State.CONFIRMED, PINNED: State.CLEANABLE, HOLDER: State.CONFIRMED}
    if deed.pressed:
        states |= dict.fromkeys(CLEANABLE, State.CLEANABLE)
        states |= {CREATED: State.CREATED, PENDING: State.PENDING}
        states |= {"web-20260909": State.CONFIRMED, "mail-20260909": State.CONFIRMED}
    return states


def _furnish(world: World, deed: Deed) -> dict[str, Tree]:
    space = os.statvfs(world.backups)
    mib = max(0.2, 0.003 * space.f_blocks * space.f_frsize / (1 << 20)) if deed.pressed else 0.05
    for backup_id, state in _states(deed).items():
        holds = backup_id.endswith(("0202", "0909"))
        top = world.backup(
            backup_id, state, age=1 if holds else 40, mib=0.01 if holds else mib, compressible=deed.pressed
        )
        inner = top / "data" / "in\nner"
        inner.mkdir()
        (inner / "link").symlink_to("../content")
        os.link(top / "data" / "content", inner / "again")
        made = int((top / ".state").stat().st_mtime)
        for path in (inner / "link", inner, top / "data", top):
            os.utime(path, (made, made), follow_symlinks=False)
    return {backup_id: tree_of(world.backups / backup_id) for backup_id in _states(deed)}


def tree_of(top: Path) -> Tree:
    """Every path below a directory, but what a transition writes, with all that must not be lost of it."""
    found: Tree = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if not _written_by_us(name):
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else _hash(path.read_bytes()) if path.is_file() else ""
            found[name] = (stat.S_IMODE(status.st_mode), int(status.st_mtime), content)
    return found


def tree_in(archive: Path) -> Tree:
    """The same of what an archive holds, read by no code of ours."""
    found: Tree = {}
    with zstd.ZstdFile(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            _, _, name = member.name.partition("/")
            if not name or _written_by_us(name):
                continue
            if member.islnk():
                content = found[member.linkname.partition("/")[2]][2]
            else:
                file = tar.extractfile(member) if member.isreg() else None
                content = member.linkname if file is None else _hash(file.read())
            found[name] = (member.mode & 0o7777, int(member.mtime), content)
    return dict(sorted(found.items()))


def _written_by_us(name: str) -> bool:
    return name in (".state", ".cleanable_since") or name.startswith(".ullage-")


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content).hexdigest()


def _same(found: Tree, wanted: Tree, what: str) -> None:
    wrong = {name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)}
    assert not wrong, f"{what}: {sorted(wrong)}"
