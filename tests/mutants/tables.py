"""The tables and constants of ``policy``: one row of each that is loosened (SPEC 2, 3 and 4)."""

from __future__ import annotations

from tests.mutants.guards import Guard

SELECT, RESPOND, LIFECYCLE = "policy/select.py", "policy/respond.py", "policy/lifecycle.py"
TWO = (
    "engine/test_restraint.py::test_space_that_does_not_come_back_ends_the_reclaim_after_two_and_the_next_ones_wait",
)

TABLES = (
    Guard("gentle asks for 0.85", SELECT, "confidence=0.85", "confidence=0.84", ("policy/test_select.py",)),
    Guard("conservative asks for 0.75", SELECT, "confidence=0.75", "confidence=0.74", ("policy/test_select.py",)),
    Guard("moderate asks for 0.70", SELECT, "confidence=0.70", "confidence=0.69", ("policy/test_select.py",)),
    Guard("aggressive asks for emergency_minimum", SELECT, "confidence=None)", ")", ("policy/test_select.py",)),
    Guard("nuclear asks for an hour", SELECT, "age=3600.0", "age=0.0", ("policy/test_select.py",)),
    Guard(
        "aggressive takes no CREATED backup",
        SELECT,
        "State.PENDING), confidence=None",
        "State.PENDING, State.CREATED), confidence=None",
        ("policy/test_select.py",),
    ),
    Guard(
        "moderate takes no PENDING backup",
        SELECT,
        "State.CONFIRMED), confidence=0.70",
        "State.CONFIRMED, State.PENDING), confidence=0.70",
        ("policy/test_select.py",),
    ),
    Guard(
        "a promotion waits a day", RESPOND, "\nPROMOTE_AGE = DAY\n", "\nPROMOTE_AGE = 0\n", ("policy/test_respond.py",)
    ),
    Guard(
        "a forced deletion waits a day",
        RESPOND,
        "FORCED_DELETE_AGE = DAY\n",
        "FORCED_DELETE_AGE = 0\n",
        ("policy/test_respond.py",),
    ),
    Guard(
        "a forced promotion waits two days",
        RESPOND,
        "FORCED_PROMOTE_AGE = 2 * DAY\n",
        "FORCED_PROMOTE_AGE = DAY\n",
        ("policy/test_respond.py",),
    ),
    Guard(
        "a lower trigger waits 300 s",
        LIFECYCLE,
        "DEFERRAL_SECONDS = 300.0\n",
        "DEFERRAL_SECONDS = 299.0\n",
        ("policy/test_lifecycle.py",),
    ),
    Guard(
        "a CREATED backup is not confirmed without waiting",
        LIFECYCLE,
        "State.CREATED: (State.PENDING,",
        "State.CREATED: (State.PENDING, State.CONFIRMED,",
        ("policy/test_lifecycle.py",),
    ),
    Guard("two fruitless acts are enough", "policy/stall.py", "LIMIT = 2\n", "LIMIT = 3\n", TWO),
    Guard(
        "a clock an hour off is not believed",
        "policy/clock.py",
        "STEP = 3600.0\n",
        "STEP = 7200.0\n",
        ("policy/test_clock.py",),
    ),
    Guard(
        "a clock that drifts by more than a thousandth is not followed",
        "policy/clock.py",
        "DRIFT = 0.001\n",
        "DRIFT = 0.1\n",
        ("policy/test_clock.py",),
    ),
    Guard(
        "a machine that was off for a month says so",
        "policy/clock.py",
        "LONGEST_OFF = 30 * DAY\n",
        "LONGEST_OFF = 300 * DAY\n",
        ("policy/test_clock.py",),
    ),
)
