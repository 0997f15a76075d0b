"""``ullage transition``, ``archive``, ``restore`` and ``delete``: one backup, moved along by a person or a program."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ullage.cli import shapes
from ullage.cli.act import finish, told
from ullage.cli.context import application, common, common_options, confirm, dry_run_option, yes_option
from ullage.cli.stores import find_one
from ullage.engine.cycle import Act
from ullage.engine.reclaim import Reclaim
from ullage.errors import Refused, UsageError
from ullage.model.backups import Operation
from ullage.model.cycles import CycleRecord
from ullage.model.units import format_age, printable
from ullage.model.words import LIVE_STATES, Level, Result, State, Trigger
from ullage.policy.assess import assess
from ullage.system.identity import PRIVATE

Run = Callable[[Reclaim], Operation]

_STATES = click.Choice([str(state) for state in State], case_sensitive=False)
_TRIGGERS = click.Choice([trigger.name for trigger in Trigger], case_sensitive=False)


@click.command()
@click.argument("backup_id", metavar="ID")
@click.argument("state", type=_STATES)
@click.option("--reason", default="", help="Why; kept in the history.")
@click.option("--force", is_flag=True, help="Skip the table of allowed transitions, and nothing else.")
@click.option("--trigger", type=_TRIGGERS, default=Trigger.USER.name, show_default=True, help="On whose behalf.")
@dry_run_option
@yes_option
@common_options
def transition(backup_id: str, state: str, reason: str, force: bool, trigger: str, dry_run: bool, yes: bool) -> None:
    """Move one backup to STATE. ARCHIVED and DELETED do that work; CONFIRMED brings an archive back."""
    to_state = State(state.upper())
    why = reason or f"transition to {to_state}"

    def run(reclaim: Reclaim) -> Operation:
        live = reclaim.find(backup_id)
        if to_state is State.DELETED:
            return _delete(reclaim, backup_id, why, forced=force)
        if live is None and to_state is State.CONFIRMED:
            return _restore(reclaim, backup_id, None, why)
        if live is None:
            raise _only_archived(reclaim, backup_id, "is archived; it may become CONFIRMED or DELETED")
        if to_state is State.ARCHIVED:
            return reclaim.one(live, why, archive=True, forced=force)
        return reclaim.move(live, to_state, why, forced=force)

    gone = to_state in (State.DELETED, State.ARCHIVED)
    question = f"Make {printable(backup_id)} {to_state}?" if gone else None
    _run(backup_id, run, question, dry_run=dry_run, yes=yes, trigger=Trigger[trigger.upper()], to_state=to_state)


@click.command()
@click.argument("backup_id", metavar="ID")
@click.option("--reason", default="asked for", help="Why; kept in the history.")
@dry_run_option
@yes_option
@common_options
def archive(backup_id: str, reason: str, dry_run: bool, yes: bool) -> None:
    """Put one backup into a verified archive and take its directory away."""

    def run(reclaim: Reclaim) -> Operation:
        live = reclaim.find(backup_id)
        if live is None:
            raise _only_archived(reclaim, backup_id, "is archived already")
        return reclaim.one(live, reason, archive=True)

    question = f"Archive {printable(backup_id)}?"
    _run(backup_id, run, question, dry_run=dry_run, yes=yes, to_state=State.ARCHIVED)


@click.command()
@click.argument("backup_id", metavar="ID")
@click.option("--to", "destination", metavar="PATH", help="Restore to this path instead, which must not exist.")
@click.option("--reason", default="asked for", help="Why; kept in the history.")
@dry_run_option
@common_options
def restore(backup_id: str, destination: str | None, reason: str, dry_run: bool) -> None:
    """Bring an archived backup back, CONFIRMED; nothing is ever overwritten, and the archive stays."""
    target = None if destination is None else _target(destination, backup_id)
    _run(backup_id, lambda reclaim: _restore(reclaim, backup_id, target, reason), None, dry_run=dry_run, yes=True)


@click.command()
@click.argument("backup_id", metavar="ID")
@click.option("--reason", default="asked for", help="Why; kept in the history.")
@dry_run_option
@yes_option
@common_options
def delete(backup_id: str, reason: str, dry_run: bool, yes: bool) -> None:
    """Delete one backup, or its archive where only that is left; pins, floors, locks and writers hold it."""
    question = f"Delete {printable(backup_id)}?"

    def run(reclaim: Reclaim) -> Operation:
        return _delete(reclaim, backup_id, reason)

    _run(backup_id, run, question, dry_run=dry_run, yes=yes, to_state=State.DELETED)


def _only_archived(reclaim: Reclaim, backup_id: str, why: str) -> Refused:
    """What to say of a backup that is not there; another may have taken it away since it was looked for."""
    if reclaim.find_archive(backup_id) is None:
        why = "is not there any more: somebody took it away a moment ago (ullage history, ullage trash)"
    return Refused(f"{printable(backup_id)} {why}")


def _delete(reclaim: Reclaim, backup_id: str, why: str, *, forced: bool = False) -> Operation:
    live = reclaim.find(backup_id)
    if live is not None:
        return reclaim.one(live, why, archive=False, forced=forced)
    found = reclaim.find_archive(backup_id)
    if found is None:
        raise Refused(f"there is no backup and no archive {printable(backup_id)!r}")
    return reclaim.one_archive(found, why)


def _restore(reclaim: Reclaim, backup_id: str, destination: str | None, why: str) -> Operation:
    found = reclaim.find_archive(backup_id)
    if found is None:
        raise Refused(f"there is no archive of {printable(backup_id)}")
    if destination is None and reclaim.find(backup_id) is not None:
        raise Refused(f"{printable(backup_id)} is there already; nothing was overwritten (--to restores elsewhere)")
    return reclaim.restore(found, destination, why)


def _target(destination: str, backup_id: str) -> str:
    """Where the tree will stand: PATH itself, or inside it where it is a directory."""
    if not destination:
        raise UsageError("--to names no path; is a variable empty?")
    path = os.path.abspath(destination)
    if os.path.isdir(path):
        path = os.path.join(path, backup_id)
    if PRIVATE in Path(os.path.realpath(path)).parts:
        raise Refused(f"{printable(path)} is inside {PRIVATE}, which is ullage's own; restore to another place")
    if os.path.lexists(path):
        raise Refused(f"{printable(path)} is there already; nothing was overwritten")
    if not os.path.isdir(os.path.dirname(path)):
        raise UsageError(
            f"cannot restore to {printable(path)}: there is no directory {printable(os.path.dirname(path))}"
        )
    return path


def _run(
    backup_id: str,
    run: Run,
    question: str | None,
    *,
    dry_run: bool,
    yes: bool,
    trigger: Trigger = Trigger.USER,
    to_state: State | None = None,
) -> None:
    with application() as app:
        settled: list[CycleRecord] = []
        try:
            site = find_one(app, backup_id)
        except Refused:  # it may be on its way: out of its place by a run that was interrupted, and not back yet
            settled = [] if dry_run else _settled(app, backup_id)
            if not settled:
                raise
            if _gone_by(settled, backup_id, to_state):
                finish([], [shapes.cycle(record) for record in settled])
                return
            site = find_one(app, backup_id)
        if question is not None and not dry_run:
            fate = _fate(site) if to_state is State.DELETED else ""
            confirm(f"{question} (store {site.settings.name}, {site.settings.backup_root}){fate}", yes=yes)
        alone = to_state not in LIVE_STATES or not _is_live(site, backup_id)
        act = Act(dry_run=dry_run, done=told(dry_run))
        record = app.engine.one(site, act, trigger, run, alone=alone)
    finish([record], [shapes.cycle(one) for one in (*settled, record)])
    if any(op.result in (Result.SKIPPED, Result.DEFERRED) for op in record.actions):
        click.get_current_context().exit(1)


def _settled(app: Any, backup_id: str) -> list[CycleRecord]:
    """What an interrupted run had left of one backup, settled now as before every reclaim."""
    left = [site for site in app.chosen(common().store) if _unsettled(app, site, backup_id)]
    records = (app.engine.settle(site, Act(done=told(dry_run=False))) for site in left)
    return [record for record in records if record is not None]


def _unsettled(app: Any, site: Any, backup_id: str) -> bool:
    return any(op.backup_id == backup_id for op in app.catalog.unsettled(site.settings.name))


def _gone_by(settled: list[CycleRecord], backup_id: str, to_state: State | None) -> bool:
    """Whether that was what is asked for, and is done now."""
    ended = [op for record in settled for op in record.actions if op.backup_id == backup_id]
    return any(op.result is Result.DONE and op.to_state is to_state for op in ended)


def _fate(site: Any) -> str:
    """Whether what a person deletes now can be undone."""
    grace = site.settings.reclaim.grace
    level = assess(site.read(), site.settings.watermarks).level
    if grace and level not in (Level.CRITICAL, Level.EMERGENCY):
        return f" It can be undone for {format_age(grace)}."
    why = f"the store is at {level}" if grace else "reclaim.grace is 0"
    return f" It goes for good, and cannot be undone: {why}."


def _is_live(site: Any, backup_id: str) -> bool:
    with site.open() as opened:
        return opened.source.glance(backup_id) is not None
