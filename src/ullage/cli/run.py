"""``ullage run``: a backup command in a place of its own, with room made before it and its end registered."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from msgspec.structs import replace

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options, dry_run_option
from ullage.cli.output import print_json, say
from ullage.engine.believe import belief
from ullage.engine.cycle import Act
from ullage.engine.reclaim import Reclaim
from ullage.errors import Busy, CatalogError, Refused, UllageError, UsageError
from ullage.model.backups import Operation
from ullage.model.units import format_size, parse_size, printable
from ullage.model.words import Kind, Result, State, Trigger
from ullage.policy.assess import room
from ullage.policy.expected import expected_bytes, with_margin
from ullage.policy.series import series_of
from ullage.sources.begun import is_empty

PLACE = "{backup}"
"""Stands for the path of the backup in the command's arguments."""
_NOT_FOUND, _SIGNALLED = 127, 128
"""Exit codes as a shell gives them."""
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--series", required=True, metavar="NAME", help="What the backup is of; its directory is NAME-DATE-TIME.")
@click.option("--size", metavar="SIZE", help="How large it will be; else as the last ones of its series were.")
@click.option(
    "--anyway", is_flag=True, help="Run it even where there is no room for so much, or the clock is not believed."
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@dry_run_option
@common_options
def run(series: str, size: str | None, anyway: bool, command: tuple[str, ...], dry_run: bool) -> None:
    """Run a backup COMMAND in a new backup of its own, with room made first.

    The directory is made (UTC) and kept from everybody until COMMAND ends; its path stands in the environment as
    ULLAGE_BACKUP_PATH, and in the place of each {backup} in the arguments. Where COMMAND succeeds the backup becomes
    PENDING, else it stays CREATED. The exit code is that of COMMAND; 1 or 2 with a message where it was not run. With
    --json what COMMAND prints goes to stderr.
    """
    wanted = _size(size)
    if not series or series_of(_named(series, 0)) != series or "/" in series or series.startswith("."):
        raise UsageError(f"{printable(series)!r} is no name of a series: no date, no slash and no dot before it")
    if shutil.which(command[0]) is None:
        say(f"cannot run {printable(command[0])}: there is no such program; nothing was done")
        click.get_current_context().exit(_NOT_FOUND)
    with application() as app:
        site = _site(app)
        doubt, clock = belief(app.catalog, app.clock)
        if doubt is not None and not anyway:
            raise Refused(
                f"{doubt}; a backup would bear that date, so nothing was run (ullage clock accept, or --anyway)"
            )
        at = int(clock.now())
        backup_id = _named(series, at)
        expected = _expected(site, series) if wanted is None else wanted
        actions = [*_make_room(app, site, expected, anyway=anyway, dry_run=dry_run)] if expected else []
        fd = -1
        with site.open() as opened:
            if not dry_run:
                fd = opened.source.begin(backup_id, at)
    path = os.path.join(site.settings.backup_root, backup_id)
    code = state = None
    if dry_run:
        say(f"would run {printable(command[0])} for {printable(path)}")
    else:
        try:
            code = _run(command, path, backup_id)
            empty = is_empty(fd)
        finally:
            os.close(fd)  # unlocked: from now on it is known by its state
        registered = _register(backup_id, code, empty=empty)
        actions += registered
        state = State.PENDING if any(op.result is Result.DONE for op in registered) else State.CREATED
    if common().json:
        document = {
            "store": site.settings.name,
            "backup_id": backup_id,
            "path": printable(path),
            "expected_bytes": expected,
            "actions": [shapes.action(op) for op in actions],
            "exit_code": code,
            "state": state,
        }
        print_json(document)
    click.get_current_context().exit(code or 0)


def _named(series: str, at: int) -> str:
    return f"{series}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(at))}"


def _site(app: Any) -> Any:
    sites = app.chosen(common().store)
    if len(sites) != 1:
        raise UsageError("a backup is run in one store; say which with --store")
    return sites[0]


def _size(text: str | None) -> int | None:
    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        raise UsageError(f"--size: {printable(str(error))}") from None


def _expected(site: Any, series: str) -> int | None:
    with site.open() as opened:
        return expected_bytes(opened.source.backups(), series)


def _make_room(app: Any, site: Any, size: int, *, anyway: bool, dry_run: bool) -> Sequence[Operation]:
    """What went. Raises Refused where there is no room for it then; what keeps room from being made is only said."""
    actions: Sequence[Operation] = ()
    try:
        record = app.engine.make_room(site, with_margin(size), Act(dry_run=dry_run, done=_told))
        actions = record.actions
        for note in record.notes:
            say(f"{site.settings.name}: {note}")
    except (Busy, Refused, CatalogError) as error:
        say(f"no room was made for {format_size(size)}: {error}")
    if dry_run:
        return actions
    reading = site.read()
    data = replace(reading, backup=tuple(one for one in reading.backup if one.kind is not Kind.METADATA))
    left = (left for left, inodes in room(None, data, site.settings.watermarks) if not inodes)
    free = min(map(int, left), default=size)  # where nothing was measured the store cannot be opened either
    if free < size and not anyway:
        raise Refused(
            f"there are {format_size(max(0, free))} for a backup of {format_size(size)}; nothing was run"
            " (ullage plan says what holds the rest; --anyway runs it all the same)"
        )
    return actions


def _told(store: str, op: Operation) -> None:
    gained = f", {format_size(op.reclaimed_bytes)}" if op.result is Result.DONE else ""
    say(f"{store}: {op.action} {printable(op.backup_id)}: {op.result}{gained}: {printable(op.reason)}")


def _run(command: Sequence[str], path: str, backup_id: str) -> int:
    """The exit code of the command, as a shell would give it."""
    words = [word.replace(PLACE, path) for word in command]
    told: Mapping[str, str] = {"ULLAGE_BACKUP_PATH": path, "ULLAGE_BACKUP_ID": backup_id}
    child = subprocess.Popen(words, env={**os.environ, **told}, stdout=2 if common().json else None)
    with _passing_on(child):
        code = child.wait()
    return code if code >= 0 else _SIGNALLED - code


@contextmanager
def _passing_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Signals to end go to the command, which decides; a terminal's interrupt reaches it by itself."""
    before = {number: signal.signal(number, lambda got, _: child.send_signal(got)) for number in _PASSED_ON}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _register(backup_id: str, code: int, *, empty: bool) -> Sequence[Operation]:
    """Its transition, where it was tried; the exit code is the command's whatever happens here."""
    name = printable(backup_id)
    if code:
        say(f"the command ended with {code}: {name} stays CREATED")
        return ()
    if empty:
        say(f"the command wrote nothing into {name}, which stays CREATED; does it use {PLACE} or $ULLAGE_BACKUP_PATH?")
        return ()

    def move(reclaim: Reclaim) -> Operation:
        live = reclaim.find(backup_id)
        if live is None:
            raise Refused("it is not there any more")
        return reclaim.move(live, State.PENDING, "ullage run: its command succeeded", forced=False)

    try:
        with application() as app:
            record = app.engine.one(_site(app), Act(), Trigger.GIT_HOOK, move, alone=False)
        (op,) = record.actions
        if op.result is not Result.DONE:
            say(f"{name} stays CREATED: {printable(op.reason)}")
        return (op,)
    except (UllageError, OSError) as error:
        say(f"{name} stays CREATED: {error}; ullage transition {name} PENDING makes up for it")
        return ()
