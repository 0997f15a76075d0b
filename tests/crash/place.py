"""A store on a real disk, the same before every blow; and what must hold of it at the blow, and when all is settled."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from tests.crash import ptrace
from tests.crash.deeds import CHOSEN, CLEANABLE, CREATED, HOLDER, PENDING, PINNED, Deed, Outcome
from tests.crash.ptrace import Ended, Point
from tests.crash.syscalls import CHANGES
from tests.crash.templates import Template
from tests.crash.trees import Tree, assert_same, tree_in, tree_of
from tests.e2e.command import Command
from tests.engine.world import World
from ullage.app import load_settings, open_app
from ullage.catalog.catalog import Catalog
from ullage.cli.main import main
from ullage.engine.cycle import Act
from ullage.model.backups import Operation
from ullage.model.words import Action, Phase, Result, State, Trigger
from ullage.system import linux
from ullage.system.tree import handle_of

_GOING = (Action.DELETE, Action.ARCHIVE)
_SETTINGS = """
[defaults.reclaim]
emergency_strategy = "conservative"
grace = {grace}
[defaults.alerts]
webhook = "http://127.0.0.1:9/"
"""
_FILLED, _STEP = 0.995, 1 << 18


class Place(Outcome):
    """The store of one deed on a disk. ``elsewhere`` is a directory of another filesystem, ours alone."""

    def __init__(self, disk: Path, elsewhere: Path, deed: Deed) -> None:
        self.deed = deed
        self.order = 0
        self._run, self._other = disk / "run", elsewhere / "run"
        self._templates = elsewhere / "templates"
        self._filler = disk / "filler"
        self.output = elsewhere / "output"
        archives = (self._other if deed.archives_elsewhere else self._run) / "archives"
        super().__init__(self._run / "backups", archives)
        self.state_dir = (self._other if deed.state_elsewhere else self._run) / "state"
        world = World(self._run, archives=archives, state=self.state_dir)
        self._command = Command(elsewhere, _SETTINGS.format(grace=deed.grace), main=world)
        self.before = _furnish(world, deed)
        self._first()
        self._fill_to = self._keep()
        self.changes = self._warm()

    def _first(self) -> None:
        """Registered, looked at once, and what must be archived before is."""
        self._done("init")
        self._done("monitor")
        self._done("pin", PINNED)
        if self.deed.archived:
            self._done("archive", CHOSEN, "--yes")
        if self.deed.trashed:
            self._done("delete", CHOSEN, "--yes")

    def _done(self, *words: str) -> None:
        assert ptrace.untouched(self._work(*words), self.output) == 0, self.said()

    def _keep(self) -> int:
        tops = [top for top in (self._run, self._other) if top.exists()]
        self._kept = [Template(top, self._templates / top.parent.name) for top in tops]
        space = os.statvfs(self._run)
        free = space.f_bavail * space.f_frsize
        return int(free - (1 - _FILLED) * space.f_blocks * space.f_frsize)

    def _warm(self) -> int:
        """How many calls the deed makes that change something; imported here is what the command imports as it goes.

        Else a blow would meet Python and not us.
        """
        names = self.output.with_name("modules")

        def work() -> int:
            code = self._work(*self.deed.words)()
            names.write_text("\n".join(sorted(sys.modules)))
            return code

        self.fresh()
        ended = ptrace.run(work, Point(0, CHANGES), self.output)
        assert ended.code == 0, self.said()
        for name in names.read_text().splitlines():
            with suppress(ImportError):  # made by another module, and imported by none
                importlib.import_module(name)
        return ended.count

    def fresh(self) -> None:
        """All is as it was before the first blow."""
        self.output.unlink(missing_ok=True)
        self._filler.unlink(missing_ok=True)
        for template in self._kept:
            template.put_back()
        if self.deed.trashed:
            self._name_anew()
        if self.deed.pressed:
            self._fill()

    def _name_anew(self) -> None:
        """What lies in the trash is a copy, and so another directory or file than was put there: it is told as that."""
        with Catalog.open(str(self.state_dir)) as catalog:
            (op,) = catalog.trashed("main")
            root = self.archives if op.action is Action.DELETE_ARCHIVE else self.backups
            fd = os.open(root / ".ullage/trash" / op.token, os.O_RDONLY)
            handle = handle_of(fd)
            os.close(fd)
            catalog.advance(op, Phase.TRASHED, handle=handle)
        label = self.backups / ".ullage/trash" / f"{op.token}.json"
        label.write_text(label.read_text().replace(op.handle, handle))

    def _fill(self) -> None:
        """Take what room there is, but for the last of it."""
        with self._filler.open("xb") as filler:
            linux.syncfs(filler.fileno())
            with suppress(OSError):  # not all that btrfs says is there can be had
                for at in range(0, self._fill_to, _STEP):
                    os.posix_fallocate(filler.fileno(), at, min(_STEP, self._fill_to - at))
            linux.syncfs(filler.fileno())

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
        assert ptrace.untouched(self._recovery, self.output) == 0, "the next start failed"

    def _recovery(self) -> int:
        with (
            open_app(load_settings(str(self._command.config))) as app,
            app.engine.working(app.sites["main"], Act(), Trigger.USER),
        ):
            left = app.catalog.unsettled("main")
            assert left == [], f"not settled: {left}"
        return 0

    def _history(self) -> list[Operation]:
        with open_app(load_settings(str(self._command.config))) as app:
            return app.catalog.history()[::-1]

    def assert_nothing_lost(self) -> None:
        """What holds at every moment, of what can be seen on the disk alone."""
        for backup_id, tree in self.before.items():
            place = self.backups / backup_id
            if self.state(backup_id) is not None:
                assert_same(tree_of(place), tree, f"{backup_id} looks whole and is not")
            else:
                assert backup_id in self.deed.may_go, f"{backup_id} is lost"
        for staged in _in(self.backups, "trash"):
            if (staged / ".state").exists():
                assert tree_of(staged) in self.before.values(), f"{staged} looks whole and is not"
        for path in self.archived():
            backup_id = Path(path).name.split(".")[0]
            assert_same(tree_in(self.archives / path), self.before[backup_id], f"the archive {path} is not whole")
        for backup_id in self.deed.copies:
            assert self._copies(backup_id), f"there is no whole copy of {backup_id}"

    def _copies(self, backup_id: str) -> bool:
        tree = self.before[backup_id]
        places = [self.backups / backup_id, *_in(self.backups, "trash")]
        if any(tree_of(place) == tree for place in places if place.is_dir()):
            return True
        archives = [self.archives / path for path in self.archived() if Path(path).name.startswith(backup_id)]
        return any(tree_in(archive) == tree for archive in (*archives, *_in(self.archives, "trash")))

    def assert_finished(self) -> None:
        """The deed is done; but for a whole cycle, which may do less where less is needed by then."""
        assert self.deed.pressed or self.deed.finished(self), "it says that it is done, and it is not"

    def assert_settled(self) -> None:
        """What holds when nothing is under way: journal and disk agree, and nothing lies about."""
        self.assert_nothing_lost()
        left = [*_in(self.backups, "parts"), *_in(self.archives, "parts"), *self.backups.glob("*/.ullage-*")]
        assert left == [], f"left over: {left}"
        recorded = _Recorded(self.before, _states(self.deed), self._history())
        stand = {backup_id: self.state(backup_id) for backup_id in self.before if (self.backups / backup_id).exists()}
        assert stand == recorded.stand, f"{recorded.stand} is recorded, and there is {stand}"
        assert self.archived() == sorted(recorded.archives), f"{recorded.archives} are recorded: {self.archived()}"
        trash = {path.name for path in _in(self.backups, "trash") if path.suffix != ".json"}
        assert trash == recorded.trash.keys(), f"{recorded.trash} is recorded, and in the trash is {trash}"
        for token, backup_id in recorded.trash.items():
            assert_same(
                tree_of(self.backups / ".ullage/trash" / token), self.before[backup_id], f"{token} is not whole"
            )
        labels = {path.stem for path in _in(self.backups, "trash") if path.suffix == ".json"}
        assert labels <= recorded.trash.keys() | recorded.archive_trash, f"labels of nothing: {labels}"
        archive_trash = {path.name for path in _in(self.archives, "trash")}
        assert archive_trash == recorded.archive_trash, f"{recorded.archive_trash} is recorded, not {archive_trash}"


class _Recorded:
    """What stands where by the word of the journal alone."""

    def __init__(self, before: Iterable[str], states: dict[str, State], history: Iterable[Operation]) -> None:
        self.stand = {backup_id: states[backup_id] for backup_id in before}
        self.archives: set[str] = set()
        self.trash: dict[str, str] = {}
        self.archive_trash: set[str] = set()
        for op in history:
            if op.result is Result.DONE:
                self._add(op)

    def _add(self, op: Operation) -> None:
        match op.action:
            case Action.DELETE:
                del self.stand[op.backup_id]
                if op.phase is Phase.TRASHED:
                    self.trash[op.token] = op.backup_id
            case Action.ARCHIVE:
                del self.stand[op.backup_id]
                self.archives.add(op.path)
            case Action.DELETE_ARCHIVE:
                self.archives.remove(op.path)
                if op.phase is Phase.TRASHED:
                    self.archive_trash.add(op.token)
            case Action.RESTORE | Action.TRANSITION | Action.PROMOTE:
                assert op.to_state is not None
                self.stand[op.backup_id] = op.to_state


def _in(root: Path, room: str) -> list[Path]:
    return list((root / ".ullage" / room).iterdir())


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
        top = world.backup(backup_id, state, age=1 if holds else 40, mib=0.01 if holds else mib)
        if deed.pressed:  # an archive of it is small, but not so small that its going cannot be measured
            size = (top / "data" / "content").stat().st_size
            (top / "data" / "content").write_bytes(os.urandom(size // 5) + bytes(size - size // 5))
        inner = top / "data" / "in\nner"
        inner.mkdir()
        (inner / "link").symlink_to("../content")
        os.link(top / "data" / "content", inner / "again")
        made = int((top / ".state").stat().st_mtime)
        for path in (inner / "link", inner / "again", inner, top / "data", top):
            os.utime(path, (made, made), follow_symlinks=False)
    return {backup_id: tree_of(world.backups / backup_id) for backup_id in _states(deed)}
