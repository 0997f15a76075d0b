"""What keeps a saved plan from taking anything but what was read (SPEC 7.1)."""

from __future__ import annotations

from tests.mutants.guards import Guard

RECLAIM, CYCLE, STALE, TRUST = "engine/reclaim.py", "engine/cycle.py", "policy/stale.py", "config/trust.py"
APPLY, COMMAND, PURE = "engine/test_apply.py::", "cli/test_apply.py::", "policy/test_stale.py"

PLANS = (
    Guard(
        "a saved plan takes the very directory that it names",
        RECLAIM,
        '        if op.handle not in ("", held.handle):\n',
        "        if False:\n",
        (APPLY + "test_what_changed_after_the_plan_was_found_true_stays_and_the_others_go",),
    ),
    Guard(
        "a stale plan is refused as a whole",
        CYCLE,
        "            if changes:\n",
        "            if False:\n",
        (APPLY + "test_what_changed_before_that_stops_all_of_it",),
    ),
    Guard(
        "while the clock is not believed no plan is carried out",
        CYCLE,
        "        if doubt is not None:\n",
        "        if False:\n",
        (APPLY + "test_while_the_clock_is_not_believed_no_plan_is_carried_out",),
    ),
    Guard(
        "what a plan was to archive is not deleted in its place",
        RECLAIM,
        "            only = step.action is Action.ARCHIVE",
        "            only = False",
        (APPLY + "test_what_was_to_be_archived_is_not_deleted_where_that_cannot_be",),
    ),
    Guard(
        "a plan of what would be is not carried out",
        STALE,
        "    if saved.assumed:\n",
        "    if False:\n",
        (PURE,),
    ),
    Guard(
        "what holds a backup now makes a plan with it stale",
        STALE,
        "*against]",
        "*()]",
        (PURE,),
    ),
    Guard(
        "another directory by that name makes a plan stale",
        STALE,
        "    if handle != step.handle:\n",
        "    if False:\n",
        (PURE,),
    ),
    Guard(
        "a plan of another store is stale",
        STALE,
        "if saved.identity == identity else",
        "if True else",
        (PURE,),
    ),
    Guard(
        "a plan is good for a day",
        STALE,
        "    if age > LONGEST:\n",
        "    if False:\n",
        (PURE,),
    ),
    Guard(
        "a plan that others could have written is not read",
        TRUST,
        'faults = [*_faults_of(descriptor, "the file"), *open_way(os.path.abspath(path))]',
        "faults: list[str] = []",
        (COMMAND + "test_a_plan_that_others_could_have_written_is_refused",),
    ),
)
