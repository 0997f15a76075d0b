"""What a level asks for, step by step (SPEC.md 4)."""

from __future__ import annotations

from collections.abc import Iterator

from ullage.engine.reclaim import Reclaim
from ullage.model.backups import Operation
from ullage.model.readings import Pressure, Reading
from ullage.model.units import format_size
from ullage.model.words import CleanupLevel, Level, Result
from ullage.policy import respond
from ullage.policy.assess import Goal, archive_pressed, assess, of_disk_bytes, reached, shown_percent, usage_of


def respond_to(reclaim: Reclaim, pressure: Pressure) -> Iterator[Operation]:
    """The table of SPEC.md 4 for the level that was read; what a person deleted already goes before all else."""
    store = reclaim.settings
    if pressure.level is Level.EMERGENCY:
        yield from emergency(reclaim, pressure)
    else:
        yield from empty_trash(reclaim, pressure)
        response = respond.response(pressure.level, store)
        if response is not None:
            reason = reason_of(pressure)
            yield from reclaim.clean(response.cleanup_level, response.limit, response.goal, reason)
            if pressure.level is Level.CRITICAL and not reclaim.done(Goal.BELOW_CRITICAL):
                yield from reclaim.promote(f"{reason}; still at critical")
    yield from relieve_archives(reclaim)
    reclaim.tidy()


def emergency(reclaim: Reclaim, pressure: Pressure) -> Iterator[Operation]:
    """The emergency reclaim, until the target is free."""
    response = respond.response(Level.EMERGENCY, reclaim.settings)
    assert response is not None
    reason = reason_of(pressure, "emergency")
    if pressure.level is Level.EMERGENCY:
        reclaim.give_up_ballast()
    if not reached(Goal.TARGET, reclaim.reading, reclaim.settings.watermarks):  # by hand it may be asked for
        yield from reclaim.empty_trash(reason)
    yield from reclaim.clean(
        response.cleanup_level,
        response.limit,
        response.goal,
        reason,
        forced=response.forced,
        archive_first=response.archive_first,
    )
    if not reclaim.done(Goal.BELOW_EMERGENCY):
        yield from reclaim.force_delete(f"{reason}; still an emergency")
    if not reclaim.done(Goal.BELOW_EMERGENCY):
        yield from reclaim.promote(f"{reason}; still an emergency", forced=True)


def make_room(reclaim: Reclaim, size: int) -> Iterator[Operation]:
    """Room for so many bytes before they are written: no more goes than keeps them from being an emergency.

    What may go gently comes first, then what an emergency takes, for that is what it would come to; within its limit.
    """
    reclaim.reckon_with(size)
    store = reclaim.settings
    pressure = assess(reclaim.to_be, store.watermarks)
    answer = respond.response(Level.EMERGENCY, store)
    if pressure.level is not Level.EMERGENCY or answer is None:
        return
    reason = f"room for a backup of {format_size(size)}: {pressure.brief} with it"
    yield from reclaim.empty_trash(reason)
    gone = 0
    for level in (CleanupLevel.GENTLE, answer.cleanup_level):
        limit = None if answer.limit is None else answer.limit - gone
        if limit == 0 or reclaim.done(Goal.BELOW_EMERGENCY):
            return
        last = level is answer.cleanup_level
        first = last and answer.archive_first
        for op in reclaim.clean(level, limit, Goal.BELOW_EMERGENCY, reason, forced=last, archive_first=first):
            gone += op.result in (Result.DONE, Result.PLANNED)
            yield op


def relieve_archives(reclaim: Reclaim) -> Iterator[Operation]:
    """The archives' turn: on their own filesystem when it is pressed, on a shared one when nothing else helped."""
    marks = reclaim.settings.watermarks

    def enough(reading: Reading) -> bool:
        if reading.same_filesystem:
            return reached(Goal.BELOW_CRITICAL, of_disk_bytes(reading), marks)
        return not archive_pressed(reading, marks)

    reading = reclaim.reading
    held = reclaim.budget.stop is not None and reading.same_filesystem  # nor may archives go in their place
    if not reading.same_filesystem and reclaim.archives_wait is not None:
        return
    if reading.archive is not None and not held and not enough(reading):
        reason = f"archive disk cleanup: {shown_percent(usage_of(reading.archive, marks))} % used"
        yield from reclaim.empty_trash(reason, archives=True)
        yield from reclaim.delete_archives(reason, enough)


def empty_trash(reclaim: Reclaim, pressure: Pressure) -> Iterator[Operation]:
    """Under warning its time is waited for, and what it will give back counts as gained."""
    if pressure.level in (Level.CRITICAL, Level.EMERGENCY):
        yield from reclaim.empty_trash(reason_of(pressure))


def reason_of(pressure: Pressure, level: str | None = None) -> str:
    """Of what is done about a pressure, for the record."""
    return f"{level or pressure.level} level cleanup: {pressure.brief}"
