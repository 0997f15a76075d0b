"""The right disk, and a clock to be believed (SPEC 7.3 and 7.8)."""

from __future__ import annotations

from tests.mutants.guards import Guard

RECLAIM = "engine/reclaim.py"
ROOTS = "sources/roots.py"
CLOCK = "policy/clock.py"
GUARDS = "engine/test_guards.py::"
MOMENT = "engine/test_last_moment.py::"
RESTRAINT = "engine/test_restraint.py::"

IDENTITY = (
    Guard(
        "a root without an identity is not the store",
        ROOTS,
        "    if found is None:\n        raise Unavailable(",
        "    if found is None:\n        return\n        raise Unavailable(",
        (GUARDS + "test_the_identity_missing_makes_it_unavailable_and_nothing_goes",),
    ),
    Guard(
        "a root with another identity is not the store",
        ROOTS,
        "    if found.id != expected:\n",
        "    if False:\n",
        (GUARDS + "test_another_disk_at_its_place_makes_it_unavailable",),
    ),
    Guard(
        "an identity copied to another filesystem is not the store",
        ROOTS,
        "    _same_filesystem(fd, path, found)\n\n",
        "\n",
        (MOMENT + "test_a_copy_of_the_store_on_another_disk_is_not_the_store",),
    ),
    Guard(
        "the archive root is proven too",
        ROOTS,
        "            verify(archive_fd, store.archive_root, expected.archive_id, store.name)\n",
        "",
        (MOMENT + "test_an_archive_root_that_is_not_the_registered_one_makes_the_store_unavailable",),
    ),
    Guard(
        "one identity is not replaced by another",
        "system/identity.py",
        "        _refuse_another(root, identity)\n",
        "",
        ("system/test_identity.py::test_another_identity_is_never_replaced",),
    ),
    Guard(
        "a private directory that others may write to is not believed",
        "system/identity.py",
        "    fault = _distrust(os.fstat(descriptor))\n",
        "    fault = None\n",
        ("system/test_identity.py::test_a_private_directory_that_others_may_write_to_is_refused",),
    ),
)

TIME = (
    Guard(
        "a step of the clock is seen",
        CLOCK,
        "    if abs(off) > STEP + give:\n",
        "    if False:\n",
        ("policy/test_clock.py", RESTRAINT + "test_while_the_clock_is_not_believed_nobody_deletes_or_archives"),
    ),
    Guard(
        "a clock that went back over a boot is seen",
        CLOCK,
        "    if passed < -STEP:\n",
        "    if False:\n",
        ("policy/test_clock.py",),
    ),
    Guard(
        "a clock that leapt ahead over a boot is seen",
        CLOCK,
        "    if passed > (STEP if trusted.doubted else LONGEST_OFF):\n",
        "    if False:\n",
        ("policy/test_clock.py",),
    ),
    Guard(
        "small steps add up",
        CLOCK,
        "    followed = expected + max(-give, min(give, off))\n",
        "    followed = current.wall\n",
        ("policy/test_clock.py",),
    ),
    Guard(
        "while the clock is not believed nothing leaves the trash by time",
        "engine/cycle.py",
        "            if disbelief is None:\n                actions += self._expired",
        "            if True:\n                actions += self._expired",
        (MOMENT + "test_nothing_leaves_the_trash_by_time_while_the_clock_is_not_believed",),
    ),
    Guard(
        "while the clock is not believed a cycle does nothing",
        "engine/cycle.py",
        "        held = disbelief is not None or stalled is not None\n",
        "        held = stalled is not None\n",
        (MOMENT + "test_a_cycle_does_not_even_promote_while_the_clock_is_not_believed",),
    ),
    Guard(
        "while the clock is not believed a person's choice is refused",
        RECLAIM,
        "        if self._disbelief is not None and op.to_state in (State.ARCHIVED, State.DELETED):\n",
        "        if False:\n",
        (RESTRAINT + "test_while_the_clock_is_not_believed_nobody_deletes_or_archives",),
    ),
    Guard(
        "while the clock is not believed a command is refused",
        "engine/cycle.py",
        "        if frozen is not None:\n",
        "        if False:\n",
        (MOMENT + "test_a_clean_up_by_hand_is_refused_as_a_whole_while_the_clock_is_not_believed",),
    ),
)
