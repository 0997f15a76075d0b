"""The demo itself: a store is made and registered, the daemon watches it, a writer fills it, and what came of it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ullage.app import App, open_app
from ullage.config.load import load
from ullage.config.template import settings_text, write_settings
from ullage.demo import backups
from ullage.demo.ending import Ending
from ullage.demo.place import Place, made_place
from ullage.demo.report import Event, Kept, Report, Screen, View
from ullage.engine.daemon import Daemon
from ullage.errors import UllageError
from ullage.model.backups import Pin
from ullage.model.readings import Space
from ullage.model.settings import Settings
from ullage.model.units import MIB
from ullage.model.words import Level
from ullage.policy.assess import assess
from ullage.policy.protect import floors, holds
from ullage.sources.register import register

STORE = "demo"
RATE = {True: 18 * MIB, False: 14 * MIB}
"""Bytes a second that the writer writes, on disks of its own and on a plain directory, where looks are rarer."""
PULSE = 0.2
LONGEST = 50.0
"""Seconds after which the writer is ended, whatever it has written."""
_REST = 1.0
"""Seconds for which the daemon goes on when the writer is done: what it has begun comes to its end."""
CHANGED = {"monitor.cleanup_interval": '"2 s"', "confidence.large": '"16 MiB"'}
"""Settings in which the demo differs from the defaults: its disk is small and its nights are short."""


def play(screen: Screen, ending: Ending) -> Report:
    """The report of one run; everything that it made is gone again. Raises UllageError, Interrupted."""
    with made_place() as place:
        settings = _settings(place)
        os.mkdir(settings.state_dir, 0o700)
        with open_app(settings) as app, _log() as faults:
            now = app.clock.now()
            backups.fill(place.backup_root, now, ending.check)
            _register(app, now)
            run = _Run(app, place, screen, ending, now)
            before = run.pinned_digest()
            run.go()
            ending.check()
            return run.report(before, faults)


def _settings(place: Place) -> Settings:
    """Settings as a person would have them: written to a file and loaded; the environment is not followed."""
    path = os.path.join(place.directory, "ullage.toml")
    capacity = None if place.capacity is None else f"{place.capacity // MIB} MiB"
    state_dir = os.path.join(place.directory, "state")
    text = settings_text(STORE, place.backup_root, place.archive_root, capacity, state_dir, values=CHANGED)
    write_settings(path, text)
    return load(path, {})


def _register(app: App, now: float) -> None:
    site = app.sites[STORE]
    register(site.settings, app.catalog, now=now)
    app.engine.clock_fault()
    with site.open() as opened:
        opened.source.pin(Pin(backup_id=backups.PINNED.id(now), at=now, reason="before the migration", by="demo"))


class _Faults(logging.Handler):
    """Keeps what the daemon's log says of faults."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def _log() -> Iterator[list[str]]:
    log, handler = logging.getLogger("ullage"), _Faults()
    log.addHandler(handler)
    try:
        yield handler.lines
    finally:
        log.removeHandler(handler)


class _Writer:
    """The process that writes the dump, and what it said last."""

    def __init__(self, directory: Path, size: int, rate: float) -> None:
        command = [sys.executable, "-P", "-m", "ullage.demo.writer", str(directory), str(size), str(rate)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )  # of its own session: a Ctrl-C is for the demo, which ends it
        assert self._process.stdout is not None
        self._said = self._process.stdout
        os.set_blocking(self._said.fileno(), False)
        self._rest = b""
        self.written = self.no_space = 0

    def look(self) -> bool:
        """Whether it is still writing; ``written`` and ``no_space`` are as it said last."""
        running = self._process.poll() is None
        *lines, self._rest = (self._rest + (self._said.read() or b"")).split(b"\n")
        if lines:
            self.written, self.no_space = map(int, lines[-1].split())
        return running

    def end(self) -> None:
        """End it, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self.look()
        self._said.close()


class _Run:
    """The daemon and the writer, side by side."""

    def __init__(self, app: App, place: Place, screen: Screen, ending: Ending, now: float) -> None:
        self._app = app
        self._site = app.sites[STORE]
        self._place = place
        self._screen = screen
        self._ending = ending
        self._now = now
        self._began = 0.0
        self._ended_at: float | None = None
        self._highest = 0.0
        self._seen_until = 0.0
        self._levels: list[Level] = []
        self._told: set[int] = set()
        self._error: BaseException | None = None
        self._writer: _Writer | None = None

    def pinned_digest(self) -> str:
        """What the pinned backup holds now."""
        return backups.digest(Path(self._place.backup_root, backups.PINNED.id(self._now)))

    def go(self) -> None:
        """Until the writer is done and the daemon at rest, or a signal, or a fault of the screen."""
        app = self._app
        directory = backups.begin(self._place.backup_root, self._now)
        size = backups.TONIGHT.mib * MIB
        self._screen.begin(self._place.words, self._site.settings.watermarks, size)
        self._daemon = Daemon(app.engine, app.clock, self._deliver, lambda _: self._pulse())
        self._writer = _Writer(directory, size, RATE[self._place.loop])
        self._began = app.clock.now()
        try:
            self._daemon.watch([self._site])
            self._daemon.run(PULSE)
        finally:
            self._writer.end()
            ended = self._daemon.wait_for_watches(10.0)
        if not ended:
            raise UllageError("the daemon did not come to its end in 10 s; is the machine very busy?")
        if self._error is not None:
            raise self._error
        self._show(last=True)

    def _deliver(self) -> None:
        self._app.deliver()

    def _pulse(self) -> None:
        """Look, show, and see whether this is the end; the daemon's loop is not the place to fail in."""
        try:
            if self._ending.number or self._over():
                self._daemon.end()
            else:
                self._show()
        except BaseException as error:
            self._error = error
            self._daemon.end()

    def _over(self) -> bool:
        assert self._writer is not None
        now = self._app.clock.now()
        if self._writer.look() and now - self._began < LONGEST:
            return False
        self._ended_at = self._ended_at or now
        return now - self._ended_at >= _REST and not self._app.catalog.unsettled(STORE)

    def _show(self, *, last: bool = False) -> None:
        assert self._writer is not None
        reading = self._site.read()
        pressure = assess(reading, self._site.settings.watermarks)
        self._highest = max([self._highest, pressure.usage or 0.0, *map(_filled, reading.backup)])
        view = View(
            seconds=reading.at - self._began,
            level=pressure.level,
            usage=pressure.usage,
            written=self._writer.written,
            no_space=self._writer.no_space,
            last=last,
        )
        self._screen.show(view, self._events())

    def _events(self) -> list[Event]:
        """What the daemon has noted since the last time, in the order in which it happened."""
        return sorted([*self._level_changes(), *self._operations()], key=lambda event: event.seconds)

    def _level_changes(self) -> Iterator[Event]:
        recent = [one for one in self._app.catalog.recent(STORE, 100) if one.at > self._seen_until]
        for one in recent:
            self._seen_until = one.at
            self._highest = max(self._highest, one.backup or 0.0)
            if not self._levels or one.level is not self._levels[-1]:
                self._levels.append(one.level)
                yield Event(seconds=one.at - self._began, level=one.level, usage=one.backup)

    def _operations(self) -> Iterator[Event]:
        for op in self._app.catalog.history(store=STORE):
            if op.result is not None and op.id not in self._told:
                self._told.add(op.id)
                yield Event(seconds=op.at + op.duration_seconds - self._began, operation=op)

    def report(self, before: str, faults: list[str]) -> Report:
        """What is on the disk now, and in the catalog."""
        assert self._writer is not None
        single = backups.SINGLE.id(self._now)
        with self._site.open() as opened:
            archives = tuple(opened.source.archives())
        return Report(
            place=self._place.words,
            loop=self._place.loop,
            seconds=self._app.clock.now() - self._began,
            written=self._writer.written,
            no_space=self._writer.no_space,
            highest=self._highest,
            levels=tuple(self._levels),
            operations=tuple(reversed(self._app.catalog.history(store=STORE))),
            archives=archives,
            kept=tuple(self._kept()),
            pinned=backups.PINNED.id(self._now),
            pinned_kept=self.pinned_digest() == before,
            single=single,
            single_kept=Path(self._place.backup_root, single, "dump.sql").is_file(),
            faults=tuple(faults),
        )

    def _kept(self) -> Iterator[Kept]:
        reclaim, now = self._site.settings.reclaim, self._app.clock.now()
        with self._site.open() as opened:
            found = opened.source.backups()
        kept = floors(found, reclaim, now=now)
        for backup in found:
            reasons = holds(backup, kept.get(backup.id), reclaim, now=now)
            yield Kept(
                backup_id=backup.id,
                state=str(backup.state),
                size_bytes=backup.size_bytes,
                reasons=reasons or ("its room was not needed",),
            )


def _filled(space: Space) -> float:
    """Percent of a space that is taken; over 100 where a capacity was overrun."""
    return 100.0 * space.used_bytes / max(1, space.total_bytes)
