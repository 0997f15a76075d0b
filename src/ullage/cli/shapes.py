"""The JSON shapes of SPEC.md 6: G (a gauge), C (a candidate), A (an action), and the documents made of them."""

from __future__ import annotations

from collections.abc import Iterable

from ullage.engine.caps import Hold
from ullage.model.backups import Archive, Backup, Harm, Operation, Pin, Score
from ullage.model.cycles import CycleRecord
from ullage.model.plans import Cost, Step
from ullage.model.readings import Space
from ullage.model.settings import Marks, Watermarks
from ullage.model.units import printable, rfc3339
from ullage.model.words import Phase, Result, Unit
from ullage.policy.assess import usage_of
from ullage.policy.forecast import CONFIDENCE
from ullage.policy.outlook import MARKS, Outlook, Sight, first_full, summary
from ullage.policy.predictions import Predictions
from ullage.policy.series import series_of

Shape = dict[str, object]


def gauge(space: Space | None, marks: Watermarks) -> Shape:
    """G: one space; all but ``available`` null where it could not be measured."""
    if space is None:
        return {
            "available": False,
            "kind": None,
            "usage_percent": None,
            "total_bytes": None,
            "used_bytes": None,
            "free_bytes": None,
            "inode_percent": None,
        }
    return {
        "available": True,
        "kind": space.kind,
        "usage_percent": usage_of(space, marks),
        "total_bytes": space.total_bytes,
        "used_bytes": space.used_bytes,
        "free_bytes": space.available_bytes,
        "inode_percent": space.inode_percent,
    }


def watermarks(marks: Watermarks) -> Shape:
    """The watermarks in force, of bytes and of inodes."""
    return {**_marks(marks.of_bytes), "inodes": _marks(marks.of_inodes) if marks.inodes else None}


def _marks(marks: Marks) -> Shape:
    names = ("warning", "critical", "emergency", "target_free")
    free = {name: getattr(marks.free, name) or None for name in names}
    return {**{name: getattr(marks, name) for name in names}, "free": free}


def candidate(backup: Backup, score: Score | None, reasons: Iterable[str], *, now: float) -> Shape:
    """C: a backup with its confidence; null where its age is not known."""
    created = backup.created_at
    return {
        "backup_id": printable(backup.id),
        "state": backup.state or "UNKNOWN",
        "size_bytes": backup.size_bytes,
        "reclaimable_bytes": backup.reclaimable_bytes,
        "inodes": backup.inodes,
        "age_seconds": None if created is None else max(0, int(now - created)),
        "confidence": None if score is None else score.confidence,
        "boosted_confidence": None if score is None else score.boosted,
        "reasons": [printable(reason) for reason in reasons],
        "series": _series(backup.id),
    }


def step(found: Step, *, now: float) -> Shape:
    """A step of a plan: C, how it would go, and what that gives back."""
    one = found.candidate
    return {
        **candidate(one.backup, one.score, one.reasons, now=now),
        "action": found.action,
        "action_reason": printable(found.why),
        "gain_bytes": found.size_bytes,
        "gain_inodes": found.inodes,
        "usage_percent_after": found.usage,
        "needed": found.needed,
    }


def harm(found: Harm) -> Shape:
    """What is lost when a candidate goes, with every term."""
    return {"harm": found.total, "harm_terms": found.terms}


def cost(found: Cost) -> Shape:
    """What one strategy would cost for what is needed."""
    return {
        "harm": found.harm,
        "backups": found.backups,
        "gain_bytes": found.size_bytes,
        "gain_inodes": found.inodes,
        "enough": found.enough,
    }


def listed(backup: Backup, score: Score | None, stays: Iterable[str], path: str, *, now: float) -> Shape:
    """A backup as ``list`` shows it; ``stays`` are the reasons that hold it whatever the level."""
    held = tuple(stays)
    return {
        **candidate(backup, score, held, now=now),
        "created_at": _time(backup.created_at),
        "pending_since": _time(backup.pending_since),
        "confirmed_at": _time(backup.confirmed_at),
        "cleanable_since": _time(backup.cleanable_since),
        "pinned": backup.pinned,
        "eligible": not held,
        "path": printable(path),
    }


def listed_archive(archive: Archive, held: Iterable[str], path: str, *, now: float) -> Shape:
    """An archive as ``list`` shows it; confidence is for live backups."""
    reasons = [printable(reason) for reason in held]
    return {
        "backup_id": printable(archive.backup_id),
        "state": "ARCHIVED",
        "size_bytes": archive.size_bytes,
        "reclaimable_bytes": archive.size_bytes,
        "inodes": 1,
        "age_seconds": max(0, int(now - archive.created_at)),
        "confidence": None,
        "boosted_confidence": None,
        "reasons": reasons,
        "series": _series(archive.backup_id),
        "created_at": rfc3339(archive.created_at),
        "pinned": archive.pinned,
        "eligible": not reasons,
        "path": printable(path),
    }


def action(op: Operation) -> Shape:
    """A: one step of a cycle or a command."""
    return {
        "backup_id": printable(op.backup_id),
        "action": op.action,
        "from_state": op.from_state or "UNKNOWN",
        "to_state": op.to_state,
        "trigger": op.trigger.name,
        "forced": op.forced,
        "outcome": op.result or "interrupted",
        "in_trash": op.phase is Phase.TRASHED and op.result is Result.DONE,
        "predicted_bytes": op.predicted_bytes,
        "reclaimed_bytes": op.reclaimed_bytes,
        "reclaimed_inodes": op.reclaimed_inodes,
        "reason": printable(op.reason),
    }


def transition(op: Operation) -> Shape:
    """One row of ``history``."""
    return {
        "at": rfc3339(op.at),
        "store": printable(op.store),
        **action(op),
        "predicted_inodes": op.predicted_inodes,
        "duration_seconds": op.duration_seconds,
        "path": printable(op.path) or None,
    }


def predictions(found: Predictions) -> Shape:
    """How well a store's predictions held."""
    return {
        "count": found.count,
        "median_error_percent": found.median_error_percent,
        "worst_error_percent": found.worst_error_percent,
        "wrong": found.wrong,
        "off": found.off,
        "reason": found.told,
    }


def trashed(op: Operation, grace: float) -> Shape:
    """One row of ``trash``; ``grace`` in seconds."""
    reason = op.reason if op.result is not None else f"{op.reason}; under way, or interrupted: ullage undo settles it"
    return {
        "store": printable(op.store),
        "backup_id": printable(op.backup_id),
        "state": op.from_state or "UNKNOWN",
        "deleted_at": rfc3339(op.at),
        "goes_at": rfc3339(op.at + grace),
        "size_bytes": op.predicted_bytes,
        "reason": printable(reason),
    }


def cycle(record: CycleRecord) -> Shape:
    """One store of ``monitor`` and of every command that acts."""
    return {
        "name": record.store,
        "level": record.level,
        "usage_before": record.usage_before,
        "usage_after": record.usage_after,
        "actions": [action(op) for op in record.actions],
        "alerts": [{"channel": alert.channel, "level": alert.level, "outcome": "queued"} for alert in record.alerts],
        "notes": [printable(note) for note in record.notes],
    }


def pin(found: Pin | None) -> Shape | None:
    """A pin; None where there is none."""
    if found is None:
        return None
    return {"at": rfc3339(found.at), "reason": printable(found.reason), "by": printable(found.by)}


def hold(found: Hold) -> Shape:
    """What holds a store's reclaims back."""
    until = None if found.until is None else rfc3339(found.until)
    return {"setting": found.setting, "reason": printable(found.reason), "until": until, "lifted_by": found.lifted_by}


def forecast(seen: Outlook | None) -> Shape | None:
    """What was seen coming of a store; None where there is no forecast yet."""
    return None if seen is None else foreseen(seen)


def foreseen(seen: Outlook) -> Shape:
    """One forecast; of each unit the space that fills first."""
    inodes = [sight for sight in seen.sights if sight.unit is Unit.INODES]
    sizes = [sight for sight in seen.sights if sight.unit is not Unit.INODES]
    return {
        "made_at": rfc3339(seen.at),
        "confidence": CONFIDENCE,
        "summary": summary(seen),
        "warned_since": None if seen.warned is None else rfc3339(seen.warned.since),
        "bytes": _arrivals(first_full(sizes)),
        "inodes": _arrivals(first_full(inodes)),
        "basis": {"bytes": _basis(first_full(sizes)), "inodes": _basis(first_full(inodes))},
    }


def _arrivals(sight: Sight | None) -> Shape | None:
    if sight is None or not sight.arrivals:
        return None
    return {
        mark: None
        if one.earliest is None
        else {
            "likely_at": _time(one.likely),
            "first_at": _time(one.first),
            "earliest_at": _time(one.earliest),
            "latest_at": _time(one.latest),
        }
        for mark, one in zip(MARKS, sight.arrivals, strict=True)
    }


def _basis(sight: Sight | None) -> Shape | None:
    if sight is None:
        return None
    return {
        "what": sight.what,
        "used": sight.used,
        "usable": sight.usable,
        "days": sight.basis.days,
        "growth_per_day": sight.basis.per_day,
        "rising_since": _time(sight.basis.since),
        "missing": sight.basis.missing,
    }


def _time(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)


def _series(backup_id: str) -> str | None:
    series = series_of(backup_id)
    return None if series is None else printable(series)
