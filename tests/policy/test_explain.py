"""What ``explain`` says of a backup is true: each claim is held against ``select``."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.policy.make import HOUR, NOW, backup, backups, reading, space, store, stores
from ullage.model.backups import Backup
from ullage.model.plans import View
from ullage.model.settings import ConfidenceSettings, StoreSettings
from ullage.model.units import DAY, MIB
from ullage.model.words import CleanupLevel, Level, State, Strategy
from ullage.policy.assess import assess
from ullage.policy.explain import Change, Explanation, Verdict, Way, changed, explain, needed, newer_ones
from ullage.policy.plan import plan, plan_of
from ullage.policy.respond import by_hand
from ullage.policy.select import select

STORE = store(keep_last=0)
COUNT = 3


def told(one: Backup, *others: Backup, by: StoreSettings = STORE, used: int = 800) -> Explanation:
    members = (one, *(other for other in others if other.id != one.id))
    view = View(now=NOW, reading=reading(space(used)), backups=members)
    return explain(one.id, view, by, assess(view.reading, by.watermarks).level, COUNT)


def at(level: CleanupLevel, found: Explanation) -> Verdict:
    return next(verdict for verdict in found.verdicts if verdict.level is level)


def goes(subject: Backup, others: list[Backup], level: CleanupLevel, by: StoreSettings, now: float) -> bool:
    return subject.id not in select([subject, *others], level, None, by, now=now).stays


def test_what_may_go_has_its_rank_and_those_before_it() -> None:
    members = [backup(f"db-{n}", age=(50 - n) * DAY, reclaimable_bytes=30) for n in range(5)]
    verdict = at(CleanupLevel.GENTLE, told(members[1], *members))
    assert (verdict.rank, verdict.of, verdict.taken, verdict.before) == (2, 5, True, ("db-0",))
    assert verdict.step is not None
    assert verdict.step.size_bytes == 30
    assert not at(CleanupLevel.GENTLE, told(members[2], *members)).taken  # two of them are enough
    assert at(CleanupLevel.GENTLE, told(members[2], *members)).turn == (60, 0)
    chosen = store(keep_last=0, strategy=Strategy.LEAST_HARM)
    assert at(CleanupLevel.GENTLE, told(members[2], *members, by=chosen)).turn is None
    assert at(CleanupLevel.GENTLE, told(members[2], *members, used=600)).taken  # nothing is needed: by hand it goes
    beyond = at(CleanupLevel.GENTLE, told(members[4], *members, used=999))
    assert (beyond.rank, beyond.step, beyond.taken) == (5, None, False)


def test_where_inodes_alone_are_missing_its_turn_is_told_in_inodes() -> None:
    members = [backup(f"db-{n}", age=(50 - n) * DAY, reclaimable_bytes=30, inodes=4) for n in range(5)]
    view = View(now=NOW, reading=reading(space(1, inodes=(80, 100))), backups=tuple(members))
    verdict = at(CleanupLevel.GENTLE, explain("db-2", view, STORE, Level.WARNING, COUNT))
    assert (verdict.turn, verdict.of_inodes, verdict.taken) == ((60, 8), True, False)
    assert not at(CleanupLevel.GENTLE, told(members[2], *members)).of_inodes


def test_confidence_comes_by_itself_at_its_second() -> None:
    verdict = at(CleanupLevel.GENTLE, told(backup(age=10 * DAY)))
    assert verdict.against == ("confidence 0.60 + 0.20 = 0.80 is under 0.85",)
    assert verdict.way == Way(at=int(NOW + 5 * DAY))


def test_what_was_read_waits_until_that_is_a_week_ago() -> None:
    verdict = at(CleanupLevel.CONSERVATIVE, told(backup(age=30 * DAY, last_read_at=NOW - DAY, size_bytes=101 * MIB)))
    assert verdict.way == Way(at=int(NOW + 6 * DAY + 1))


def test_a_pin_its_use_and_its_state_are_changed_together() -> None:
    one = backup(state=State.CREATED, age=40 * DAY, pinned=True, busy="process 12")
    assert at(CleanupLevel.GENTLE, told(one)).way == Way(
        changes=(Change.UNPIN, Change.END_OF_USE, Change.CLEANABLE), at=int(NOW)
    )
    assert at(CleanupLevel.NUCLEAR, told(one)).way == Way(changes=(Change.UNPIN, Change.END_OF_USE), at=int(NOW))


def test_a_confirmed_backup_that_is_made_cleanable_stays_good() -> None:
    one = changed(backup(state=State.CONFIRMED, age=DAY), (Change.CLEANABLE,))
    assert (one.state, one.good) == (State.CLEANABLE, True)
    assert not changed(backup(state=State.PENDING), (Change.CLEANABLE,)).good


def test_a_floor_lets_go_when_as_many_newer_good_ones_stand() -> None:
    one = backup("db-20260101", State.CLEANABLE, confirmed_at=1)
    older = backup("db-20251231", State.CLEANABLE, age=50 * DAY, confirmed_at=1)
    for keep_last, way in ((1, Way(newer=1, at=int(NOW))), (3, Way(newer=3, at=int(NOW + 2 * DAY - 60)))):
        assert at(CleanupLevel.GENTLE, told(one, older, by=store(keep_last=keep_last))).way == way


def test_what_no_time_and_no_newer_one_ends_is_said() -> None:
    weak = replace(STORE, confidence=ConfidenceSettings(pressure_boost=0.0))
    verdict = at(CleanupLevel.GENTLE, told(backup(age=DAY, size_bytes=101 * MIB), by=weak))
    assert (verdict.way, verdict.never) == (None, ("confidence 0.70 + 0.00 = 0.70 is under 0.85",))
    verdict = at(CleanupLevel.GENTLE, told(backup(), by=store(keep_last=5000)))
    assert (verdict.way, verdict.never) == (
        None,
        ('the newest that the series "db" has in the place of a good backup',),
    )
    verdict = at(CleanupLevel.GENTLE, told(backup(state=None, fault="unreadable")))
    assert verdict.way is None
    assert verdict.never[0] == "it cannot be judged: unreadable"


def test_a_backup_without_an_age_has_no_score() -> None:
    found = told(backup(created_at=None))
    assert found.score is None
    assert found.held == ("its age is not known",)
    assert all(verdict.way is None for verdict in found.verdicts)


@settings(max_examples=150, deadline=None)
@given(backups(), stores(), st.integers(0, 1000), st.data())
def test_every_claim_is_true(members: list[Backup], by: StoreSettings, used: int, data: st.DataObject) -> None:
    if not members:
        return
    subject = data.draw(st.sampled_from(members))
    others = [one for one in members if one is not subject]
    view = View(now=NOW, reading=reading(space(used)), backups=tuple(members))
    pressure = assess(view.reading, by.watermarks).level
    found = explain(subject.id, view, by, pressure, COUNT)
    for verdict in found.verdicts:
        level = verdict.level
        planned = plan(view, by_hand(level, COUNT, pressure), by)
        chosen = planned.selection
        assert verdict.against == select(members, level, COUNT, by, now=NOW).stays.get(subject.id, ())
        assert set(found.held) <= set(verdict.against)
        assert verdict.of == len(chosen.candidates)
        if not verdict.against:
            assert verdict.rank is not None
            assert chosen.candidates[verdict.rank - 1].backup == subject
            assert verdict.before == tuple(one.backup.id for one in chosen.candidates[: verdict.rank - 1])
            took = [step.candidate.backup.id for step in planned.taken]
            assert verdict.taken == (subject.id in took)
            if verdict.turn is not None:
                assert not verdict.taken
                size, inodes = verdict.turn
                needs = (((size, inodes), False), ((size + 1, inodes), True), ((size, inodes + 1), True))
                for need, goes_then in needs:
                    then = plan_of(chosen, view, by, need=need)
                    assert then.steps[verdict.rank - 1].needed == goes_then
        elif verdict.way is not None:
            _holds_true(verdict.way, subject, others, level, by)
        else:
            assert verdict.never
            after = changed(subject, needed(subject, level))
            crowd = [*others, *newer_ones(subject, 20, now=NOW)]
            for days in (0, 7, 30, 365, 3650):
                assert not goes(after, crowd, level, by, NOW + days * DAY)


def _holds_true(way: Way, subject: Backup, others: list[Backup], level: CleanupLevel, by: StoreSettings) -> None:
    """At that second, with those changes and so many newer ones, it may go; not before, and not with less."""
    after, newer = changed(subject, way.changes), newer_ones(subject, way.newer, now=NOW)
    assert way.at >= NOW
    assert way != Way(at=int(NOW))  # it stays now
    assert goes(after, [*others, *newer], level, by, way.at)
    assert way.at == NOW or not goes(after, [*others, *newer], level, by, way.at - 1)
    for left in way.changes:
        less = tuple(change for change in way.changes if change is not left)
        assert not goes(changed(subject, less), [*others, *newer], level, by, way.at)
    if way.newer:
        assert not goes(after, [*others, *newer[:-1]], level, by, way.at + 3650 * DAY)
    for later in (HOUR, DAY, 400 * DAY):
        assert goes(after, [*others, *newer], level, by, way.at + later)
