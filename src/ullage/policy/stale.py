"""Whether a saved plan is still one of the store as it is: every way in which it is not, named. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ullage.model.backups import Backup
from ullage.model.plans import Plan, SavedPlan, SavedStep, View
from ullage.model.settings import StoreSettings
from ullage.model.units import DAY, format_span, printable, rfc3339
from ullage.policy.assess import Goal
from ullage.policy.assume import Assumed
from ullage.policy.protect import FUTURE_TOLERANCE, floors
from ullage.policy.select import recheck

LONGEST = DAY
"""Seconds for which a plan may be carried out: by then other backups have come, and who made it has forgotten why."""
_DECIDING = ("backup_root", "archive_root", "capacity", "watermarks", "reclaim", "confidence", "archive")
"""The settings that decide what goes, and how."""


def saved_plan(
    plan: Plan,
    store: StoreSettings,
    *,
    identity: str,
    handles: Mapping[str, str],
    goal: Goal | None,
    until: str | None,
    assumed: Assumed,
    now: float,
) -> SavedPlan:
    """The plan as it is kept: the steps that its goal needs, each of a backup whose handle is known."""
    return SavedPlan(
        made_at=now,
        store=store.name,
        identity=identity,
        cleanup_level=plan.selection.level,
        goal=None if goal is None else str(goal),
        until=until,
        assumed=assumed.sentences,
        settings=deciding(store),
        steps=tuple(_saved_steps(plan, handles)),
        stays=plan.selection.stays,
    )


def _saved_steps(plan: Plan, handles: Mapping[str, str]) -> Iterator[SavedStep]:
    for step in plan.taken:
        backup = step.candidate.backup
        assert backup.state is not None  # who may go has both
        assert backup.created_at is not None
        yield SavedStep(
            backup_id=backup.id,
            handle=handles[backup.id],
            state=backup.state,
            created_at=backup.created_at,
            size_bytes=backup.size_bytes,
            newest_mtime=backup.newest_mtime,
            action=step.action,
            reasons=step.candidate.reasons,
        )


def deciding(store: StoreSettings) -> dict[str, Any]:
    """The settings that decide, flat, by key."""
    found: dict[str, Any] = {}
    for name in _DECIDING:
        _flatten(name, msgspec.to_builtins(getattr(store, name)), found)
    return found


def staleness(
    saved: SavedPlan, view: View, store: StoreSettings, *, identity: str, handles: Mapping[str, str]
) -> tuple[str, ...]:
    """Why a saved plan may not be carried out; empty where nothing that it was made of has changed."""
    if saved.assumed:
        return (f"it is what would be, {'; '.join(saved.assumed)}; make a plan of what is",)
    found = [] if saved.identity == identity else ["the store is another one than that it was made for"]
    age = view.now - saved.made_at
    if age > LONGEST:
        found.append(f"it was made {format_span(age)} ago, and a plan is good for {format_span(LONGEST)}")
    if age < -FUTURE_TOLERANCE:
        found.append(f"it is dated ahead, {rfc3339(saved.made_at)}")
    found += _other_settings(saved.settings, deciding(store))
    known = {backup.id: backup for backup in view.backups}
    kept = floors(view.backups, store.reclaim, now=view.now)
    for step in saved.steps:
        backup = known.get(step.backup_id)
        name = printable(step.backup_id)
        if backup is None:
            found.append(f"{name} is gone")
            continue
        against = recheck(backup, saved.cleanup_level, kept.get(backup.id), store, now=view.now)
        why = [*_moved(step, backup, handles.get(backup.id, "")), *against]
        found += [f"{name}: {'; '.join(why)}"] if why else []
    return tuple(found)


def _moved(step: SavedStep, backup: Backup, handle: str) -> Iterator[str]:
    if handle != step.handle:
        yield "it is another directory by that name"
    if backup.state is not step.state:
        yield f"it was {step.state} and is {backup.state or 'unknown'}"
    if backup.created_at != step.created_at:
        yield "its time of creation is another"
    if backup.size_bytes != step.size_bytes:
        yield f"it had {step.size_bytes} bytes and has {backup.size_bytes}"
    yield from written(step, backup)


def written(step: SavedStep, backup: Backup) -> tuple[str, ...]:
    """That something in it was written since, where it was. A backup may be remembered: ask of a fresh look, too."""
    if backup.newest_mtime == step.newest_mtime:
        return ()
    then, now = rfc3339(step.newest_mtime), rfc3339(backup.newest_mtime)
    return (f"it was written to since (last at {now}, and then at {then})",)


def _other_settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*then, *now}):
        if then.get(key) != now.get(key):
            yield f"the setting {key} was {_shown(then.get(key))} and is {_shown(now.get(key))}"


def _shown(value: object) -> str:
    return "none" if value is None else printable(str(value))


def _flatten(name: str, value: object, found: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(f"{name}.{key}", inner, found)
    else:
        found[name] = value
