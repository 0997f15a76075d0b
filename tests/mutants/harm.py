"""``least_harm``: no more than the target needs, and the last of its year not before others (SPEC 7.6)."""

from __future__ import annotations

from tests.mutants.guards import Guard

CHOICE, COVER, HARM = "policy/least_harm.py", "policy/cover.py", "policy/harm.py"
BEST = ("policy/test_least_harm.py::test_no_set_costs_less_and_no_reachable_target_is_missed",)

CHOSEN = (
    Guard(
        "what was chosen is chosen anew where it comes otherwise",
        "engine/reclaim.py",
        "                if course.left(backup.id, self._lacking(goal)):\n",
        "                if False:\n",
        ("engine/test_least_harm.py",),
    ),
    Guard(
        "who did not go is not chosen again",
        "engine/reclaim.py",
        "without=tried, net=net)",
        "net=net)",
        ("engine/test_least_harm.py",),
    ),
    Guard(
        "what a backup that stays holds too is not counted on",
        CHOICE,
        "        (tuple([number[owner] for owner in share.owners]), share.size_bytes, share.inodes)\n"
        "        for share in shares\n"
        "        if all(map(number.__contains__, share.owners))",
        "        (tuple([number[one] for one in share.owners if one in number]), share.size_bytes, share.inodes)\n"
        "        for share in shares\n"
        "        if any(map(number.__contains__, share.owners))",
        BEST,
    ),
    Guard(
        "whoever can be left out of a set is",
        COVER,
        "        if size <= spare and count <= spared:\n",
        "        if False:\n",
        ("policy/test_cover.py",),
    ),
    Guard(
        "the limit holds for a set as well",
        "policy/branch.py",
        "nlargest(room, mine)",
        "mine",
        BEST,
    ),
    Guard(
        "a backup of unknown state or age is the last of nothing",
        HARM,
        "        if backup.state in LIVE_STATES and backup.fault is None and age_known(backup, now):\n",
        "        if True:\n",
        ("policy/test_harm.py",),
    ),
    Guard(
        "one that is not good stands for no good one",
        HARM,
        "append((backup.good, backup.created_at or 0, backup.id))",
        "append((True, backup.created_at or 0, backup.id))",
        ("policy/test_harm.py",),
    ),
)
