"""SPEC.md 2: the table, force, deferral."""

from __future__ import annotations

from itertools import product

import pytest

from ullage.model.words import LIVE_STATES, State, Trigger
from ullage.policy.lifecycle import DEFERRAL_SECONDS, Prior, deferral, refusal

# As SPEC.md 2 has it, in its words; not taken from the code.
SPEC = {
    "CREATED": {"PENDING", "CLEANABLE", "DELETED"},
    "PENDING": {"CONFIRMED", "CLEANABLE", "DELETED"},
    "CONFIRMED": {"CLEANABLE", "ARCHIVED", "DELETED"},
    "CLEANABLE": {"ARCHIVED", "DELETED", "CONFIRMED"},
    "ARCHIVED": {"DELETED", "CONFIRMED"},
    "DELETED": set(),
}
PAIRS = list(product(State, State))


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=str)
def test_a_transition_is_allowed_exactly_where_the_table_says_so(before: State, after: State) -> None:
    assert (refusal(before, after, forced=False) is None) == (after in SPEC[before])


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=str)
def test_force_skips_the_table_among_live_backups_only(before: State, after: State) -> None:
    allowed = before is not after if before in LIVE_STATES else after in SPEC[before]
    assert (refusal(before, after, forced=True) is None) == allowed


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("after", State)
def test_an_unknown_state_becomes_nothing_with_or_without_force(after: State, forced: bool) -> None:
    assert "not known" in str(refusal(None, after, forced=forced))


def test_a_refusal_names_what_it_may_become() -> None:
    assert refusal(State.PENDING, State.ARCHIVED, forced=False) == (
        "PENDING may not become ARCHIVED, but CONFIRMED, CLEANABLE, DELETED"
    )
    assert refusal(State.DELETED, State.CREATED, forced=True) == "DELETED may not become CREATED, but nothing any more"
    assert refusal(State.PENDING, State.PENDING, forced=True) == "it is PENDING already"


@pytest.mark.parametrize(("mine", "other"), list(product(Trigger, Trigger)), ids=lambda trigger: trigger.name)
def test_a_trigger_is_deferred_by_a_higher_one_only(mine: Trigger, other: Trigger) -> None:
    priority = [Trigger.USER, Trigger.DISK_SPACE, Trigger.GIT_HOOK, Trigger.TIME_BASED]
    waits = deferral(mine, [Prior(trigger=other, at=90.0)], now=100.0)
    assert (waits is not None) == (priority.index(other) < priority.index(mine))


@pytest.mark.parametrize(
    ("ago", "waits"),
    [(0, True), (299, True), (DEFERRAL_SECONDS, True), (301, False), (-300, True), (-301, False)],
    ids=["at once", "299 s", "300 s", "301 s", "dated a little ahead", "dated far ahead"],
)
def test_a_higher_trigger_defers_for_300_seconds(ago: float, waits: bool) -> None:
    prior = Prior(trigger=Trigger.USER, at=1000.0 - ago)
    assert (deferral(Trigger.DISK_SPACE, [prior], now=1000.0) is not None) is waits


def test_an_attempt_that_holds_the_backup_defers_however_old_it_is() -> None:
    prior = Prior(trigger=Trigger.USER, at=0.0, holding=True)
    assert deferral(Trigger.DISK_SPACE, [prior], now=1e6) == "USER holds it now and goes before DISK_SPACE"
    assert deferral(Trigger.USER, [prior], now=1e6) is None


def test_the_deferral_names_the_highest_that_counts_and_when_it_acted() -> None:
    old = Prior(trigger=Trigger.USER, at=0.0)
    recent = Prior(trigger=Trigger.DISK_SPACE, at=960.0)
    expected = "DISK_SPACE acted on it 40 s ago and goes before TIME_BASED"
    assert deferral(Trigger.TIME_BASED, [recent, old], now=1000.0) == expected


def test_of_several_that_count_the_highest_is_named_and_of_those_the_last() -> None:
    priors = [
        Prior(trigger=trigger, at=at)
        for trigger, at in ((Trigger.GIT_HOOK, 990.0), (Trigger.USER, 960.0), (Trigger.USER, 970.0))
    ]
    assert "USER acted on it 30 s ago" in str(deferral(Trigger.TIME_BASED, priors, now=1000.0))


def test_one_dated_a_little_ahead_acted_just_now() -> None:
    assert "0 s ago" in str(deferral(Trigger.DISK_SPACE, [Prior(trigger=Trigger.USER, at=1010.0)], now=1000.0))


def test_what_is_in_no_known_state_may_become_nothing() -> None:
    for forced in (False, True):
        why = refusal(None, State.DELETED, forced=forced)
        assert why == "its state is not known, so nothing may be made of it; write the right word into its .state first"
