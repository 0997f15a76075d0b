"""SPEC.md 7 over one step: the store before and after it, and what the records say of it."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from tests.cli import naive
from tests.machine.place import Place
from tests.machine.seen import Seen, Sight, archive_floor, fingerprint, floor, short_of
from ullage.cli import shapes
from ullage.model.backups import Operation
from ullage.model.cycles import CycleRecord
from ullage.model.units import DAY
from ullage.model.words import Action, Result

befallen: Counter[str] = Counter()
"""What was done in all, by action."""
HAIR = 0.5
"""Percent by which ullage's measure of the usage may differ from ours where it meets a watermark."""
_SMALL = 12 << 10
_GOING = (Action.DELETE, Action.ARCHIVE)


@dataclass
class Asked:
    """What a step was allowed to do: to backups of these levels, or to the one ``named``."""

    levels: set[str] = field(default_factory=set)
    named: str | None = None
    limit: int | None = 0
    goal: float | None = None
    created_too: bool = False


def pressed(place: Place, sight: Sight) -> Asked:
    """What a cycle may do at this usage (SPEC.md 4); at a watermark, what it may on either side."""
    if place.world.store.capacity is None:
        return Asked()
    usage, marks = 100 * sight.used / place.world.store.capacity, place.world.store.watermarks
    asked, limits = Asked(), [0]
    for near in (usage - HAIR, usage + HAIR):
        if near >= marks.emergency:
            urgent = emergency(place)
            asked.levels |= urgent.levels
            asked.goal, asked.created_too = urgent.goal, True
            limits.append(10_000 if urgent.limit is None else urgent.limit)
        elif near >= marks.warning:
            critical = near >= marks.critical
            asked.levels.add("moderate" if critical else "gentle")
            limits.append(place.world.store.reclaim.max_per_cycle if critical else 5)
            asked.goal = marks.warning if asked.goal is None else min(asked.goal, marks.warning)
    asked.limit = max(limits)
    return asked


def emergency(place: Place) -> Asked:
    """What the emergency reclaim may do."""
    store = place.world.store
    strategy = str(store.reclaim.emergency_strategy)
    limit = {"aggressive": store.reclaim.emergency_limit, "conservative": 10, "nuclear": None}[strategy]
    goal = 100 - store.watermarks.target_free
    return Asked(levels={strategy}, limit=limit, goal=goal, created_too=True)


def cleanup(place: Place, sight: Sight, level: str, count: int) -> Asked:
    """What a person's clean-up may do: under pressure no more than end it."""
    store = place.world.store
    high = store.capacity is not None and 100 * sight.used / store.capacity >= store.watermarks.warning + HAIR
    return Asked(levels={level}, limit=count, goal=store.watermarks.warning if high else None)


def judge(place: Place, before: Sight, earlier: dict[int, Operation], asked: Asked, *, wrong: bool) -> None:
    """What must hold after a step that came to its end, or was killed and recovered."""
    after = place.look()
    rows = [op for number, op in place.history().items() if earlier.get(number) != op]
    done = [op for op in rows if op.result is Result.DONE]
    gone = [op for op in done if op.action in _GOING and op.backup_id not in after.backups]
    stand(place, before, after)
    _told(before, after, done)
    _whole(before, after, done)
    _archives(place, before, after, done)
    _allowed(place, before, gone, asked)
    _enough(place, before, after, gone, asked)
    befallen.update(str(op.action) for op in done)
    if wrong:
        assert not [op for op in done if op.action in (*_GOING, Action.DELETE_ARCHIVE)], "by a clock that is wrong"
    assert place.world.leftovers() == []
    assert place.unsettled() == []


def stand(place: Place, before: Sight, after: Sight | None = None) -> None:
    """What no step may touch, killed or not: what is held stands as it was, and nothing outside was changed."""
    after = after or place.look()
    for backup_id in held(place, before):
        assert backup_id in after.backups, f"{backup_id!r} was held"
        assert after.backups[backup_id].content == before.backups[backup_id].content
    assert os.listdir(place.beside) == ["precious"]
    assert (place.beside / "precious").read_bytes() == b"precious"
    assert {entry.name for entry in place.beside.parent.iterdir()} <= {"backups", "archives", "state", "beside", "copy"}


def held(place: Place, sight: Sight) -> set[str]:
    """Who may go for nobody (SPEC.md 7.1, 7.8, 7.10)."""
    now, reclaim = place.watch.now(), place.world.store.reclaim
    kept = floor(sight, keeps(place), now) | sight.pins | place.users.keys()
    kept |= {one.id for one in sight.backups.values() if _doubtful(one, now, reclaim.settle)}
    kept |= {one.id for one in sight.backups.values() if one.created is None or now - one.created < reclaim.min_age}
    return kept & sight.backups.keys()


def keeps(place: Place) -> dict[str, int]:
    """The floors that are set."""
    return {rule: getattr(place.world.store.reclaim, rule) for rule in naive.PERIODS}


def _doubtful(one: Seen, now: float, settle: float) -> bool:
    fresh = one.state == "CREATED" and now - one.newest_mtime < settle
    return one.state is None or one.created is None or one.created > now + 60 or fresh


def _told(before: Sight, after: Sight, done: list[Operation]) -> None:
    """SPEC.md 7.4: who is gone has one row that says so, and who has one is gone."""
    going = [op for op in done if op.action in _GOING]
    assert len({op.backup_id for op in going}) == len(going), going
    assert {op.backup_id for op in going} == before.backups.keys() - after.backups.keys()
    for op in going:
        assert op.from_state == before.backups[op.backup_id].state
        assert op.reason
    back = {op.backup_id for op in done if op.action is Action.RESTORE}
    assert back == after.backups.keys() - before.backups.keys()


def _whole(before: Sight, after: Sight, done: list[Operation]) -> None:
    """What stands is as it was, not even read; its state is another only where a row says so."""
    moved = {op.backup_id: op.to_state for op in done if op.action in (Action.TRANSITION, Action.PROMOTE)}
    for backup_id in before.backups.keys() & after.backups.keys():
        old, new = before.backups[backup_id], after.backups[backup_id]
        assert new.content == old.content
        assert new.created == old.created or moved.get(backup_id) == "CREATED"
        assert new.word == moved.get(backup_id, old.word), (old, new, done)
        assert new.read_at == old.read_at or backup_id in moved, "our own reading counts as a reading"


def _archives(place: Place, before: Sight, after: Sight, done: list[Operation]) -> None:
    """SPEC.md 7.5: an archive in the place of a backup holds all of it; and archives have floors and pins too."""
    made = {op.path: op.backup_id for op in done if op.action is Action.ARCHIVE}
    assert made.keys() == after.archives.keys() - before.archives.keys()
    for path, backup_id in made.items():
        place.stored[path] = (backup_id, before.backups[backup_id].content)
        assert extracted(place, path) == place.stored[path][1]
    removed = {op.path for op in done if op.action is Action.DELETE_ARCHIVE}
    assert removed == before.archives.keys() - after.archives.keys()
    alive = {naive.series(one.id) for one in after.backups.values() if one.state is not None}
    ids, times = {path: one for path, (one, _) in place.stored.items()}, before.archives | after.archives
    last = archive_floor(ids, times, alive, keeps(place))
    now, youngest = place.watch.now(), place.world.store.reclaim.min_age
    for path in removed:
        assert now - times[path] >= youngest, path
        assert path not in last and place.stored.pop(path)[0] not in before.pins, path
    for op in done:
        if op.action is Action.RESTORE:
            contents = {content for one, content in place.stored.values() if one == op.backup_id}
            assert after.backups[op.backup_id].content in contents
            assert after.backups[op.backup_id].state == "CONFIRMED"


def extracted(place: Place, path: str) -> str:
    """The fingerprint of what an archive holds."""
    out = place.world.state.parent / "copy-of-archive"
    with place.app() as app, app.sites["main"].open() as opened:
        (archive,) = (one for one in opened.source.archives() if one.path == path)
        with opened.restorer.place(archive.backup_id, "0" * 16, str(out)) as there:
            there.extract(archive, app.catalog.archive_digest("main", path))
    staged = out.parent / f".ullage-restore-{'0' * 16}"
    content = fingerprint(staged / out.name / "data")
    shutil.rmtree(staged)
    return content


def _allowed(place: Place, before: Sight, gone: list[Operation], asked: Asked) -> None:
    """SPEC.md 3 and 7.8: who went met the bar of a level that was due, by the true time."""
    latest = place.watch.latest
    for op in gone:
        one = before.backups[op.backup_id]
        lacks = [short_of(one, level, latest) for level in asked.levels]
        last = asked.created_too and one.state == "CREATED" and latest - (one.created or 0) >= DAY
        assert op.backup_id == asked.named or None in lacks or last, (one, lacks)


def _enough(place: Place, before: Sight, after: Sight, gone: list[Operation], asked: Asked) -> None:
    """SPEC.md 7.6: at most as many as allowed, and without the last one it would not have been enough."""
    counted = [op for op in gone if not (asked.created_too and op.from_state == "CREATED")]
    assert asked.limit is None or asked.named is not None or len(counted) <= asked.limit
    capacity = place.world.store.capacity
    if gone and asked.goal is not None and capacity is not None:
        last = before.backups[max(gone, key=lambda op: op.id).backup_id]
        assert after.used + last.size + _SMALL >= capacity * asked.goal / 100, "one more than was needed"


def readable(record: CycleRecord | None, rows: list[Operation]) -> None:
    """SPEC.md 7.11: what is told is JSON, and every word in it can be shown."""
    shown = [] if record is None else [shapes.cycle(record)]
    text = msgspec.json.encode({"stores": shown, "transitions": [shapes.transition(op) for op in rows]})
    for word in _words(json.loads(text)):
        assert word.isprintable(), repr(word)


def _words(value: object) -> list[str]:
    if isinstance(value, dict):
        return [word for inner in value.values() for word in _words(inner)]
    if isinstance(value, list):
        return [word for inner in value for word in _words(inner)]
    return [value] if isinstance(value, str) else []
