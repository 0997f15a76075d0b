"""What is looked at again before a backup goes, and what holds it (SPEC 7.1)."""

from __future__ import annotations

from tests.mutants.guards import Guard

EXECUTE = "engine/execute.py"
RECLAIM = "engine/reclaim.py"
RECLAIMER = "sources/reclaimer.py"
PROTECT, KEEP = "policy/protect.py", "policy/keep.py"
RESPOND = "policy/respond.py"
STATES = "sources/states.py"
GUARDS = "engine/test_guards.py::"
MOMENT = "engine/test_last_moment.py::"
HOLDS, KEEPS = "policy/test_protect.py", "policy/test_keep.py"

AGAIN = (
    Guard(
        "the level's bar counts again for what was looked at again",
        RECLAIM,
        "        no = allowed(fresh)\n        if no:\n            return self._record(op, Result.SKIPPED",
        "        no = allowed(fresh)\n        if False:\n            return self._record(op, Result.SKIPPED",
        (GUARDS + "test_a_pin_after_the_selection_holds",),
    ),
    Guard(
        "what a floor holds does not become CLEANABLE by time",
        "policy/ageing.py",
        "    if rule.to_state is State.CLEANABLE:\n",
        "    if False:\n",
        ("policy/test_ageing.py",),
    ),
    Guard(
        "what changed since it was looked at is not moved along by time",
        RECLAIM,
        "    return same and not fresh.pinned\n",
        "    return not fresh.pinned\n",
        ("engine/test_ageing.py",),
    ),
    Guard(
        "a backup whose state changed meanwhile stays",
        RECLAIM,
        "        if fresh.state is not op.from_state:",
        "        if False:",
        (GUARDS + "test_a_state_changed_after_the_selection_makes_it_stay",),
    ),
    Guard(
        "a transition looks again",
        RECLAIM,
        "            if fresh is None or not still(fresh):\n",
        "            if fresh is None:\n",
        (MOMENT + "test_a_state_changed_meanwhile_is_not_written_over",),
    ),
    Guard(
        "a pin or a floor that came while it was archived holds",
        EXECUTE,
        "            still()\n",
        "",
        (GUARDS + "test_where_the_floors_holder_went_while_another_was_archived_that_one_stays",),
    ),
)

PINS = (
    Guard(
        "a pinned backup stays",
        PROTECT,
        "    if backup.pinned:\n",
        "    if False:\n",
        (GUARDS + "test_a_pinned_backup_stays",),
    ),
    Guard(
        "what lies in the trash stays while its lock file is locked",
        "sources/trash.py",
        "            lock_fd = lock_file(fd)\n",
        "            pass\n",
        ("engine/test_trash.py::test_what_is_locked_by_its_lock_file_stays_in_the_trash",),
    ),
    Guard(
        "a pin is looked for once more in the trash",
        RECLAIMER,
        "        self._refuse_change(held, self._manifests.get(token), trash, token)\n        self._refuse_pin(held)\n",
        "        self._refuse_change(held, self._manifests.get(token), trash, token)\n",
        (GUARDS + "test_a_pin_in_the_last_moment_holds",),
    ),
    Guard(
        "a pin is looked for once more where there is no room for the trash",
        RECLAIMER,
        "                self._refuse_pin(held)\n                return False\n",
        "                return False\n",
        (MOMENT + "test_a_pin_in_the_last_moment_holds_where_there_is_no_room_for_the_trash",),
    ),
    Guard(
        "what is confirmed stays good when it becomes something else",
        "sources/held.py",
        "        self._keep_good(at, before)\n",
        "",
        ("engine/test_good.py",),
    ),
    Guard(
        "what never was confirmed is not made good",
        "sources/held.py",
        "        if now.state is not State.CONFIRMED or ",
        "        if ",
        ("engine/test_good.py::test_what_never_was_confirmed_is_not_good_by_being_cleanable",),
    ),
    Guard(
        "whoever pins looks for the backup afterwards",
        STATES,
        "        if stood and self.glance(pin.backup_id) is None:\n",
        "        if False:\n",
        (GUARDS + "test_whoever_pins_what_is_just_going_is_told",),
    ),
    Guard(
        "the archives of a pinned backup stay",
        RESPOND,
        "if not archive.pinned and archive.path not in floors",
        "if archive.path not in floors",
        ("policy/test_respond.py", "engine/test_archives.py"),
    ),
    Guard(
        "a pin in the last moment holds an archive too",
        RECLAIM,
        "        if archive.backup_id in self._opened.source.pins():\n",
        "        if False:\n",
        (
            MOMENT + "test_a_pin_in_the_last_moment_holds_an_archive",
            "engine/test_archives.py",
        ),
    ),
    Guard(
        "a pinned backup is not promoted",
        RECLAIM,
        "lambda fresh: fresh.state is backup.state and not fresh.pinned",
        "lambda fresh: fresh.state is backup.state",
        (MOMENT + "test_a_pin_in_the_last_moment_keeps_a_backup_from_being_promoted",),
    ),
    Guard(
        "a pin that cannot be read makes the store unavailable",
        "sources/pins.py",
        '        raise Unavailable(f"a pin cannot be read',
        '        return Pin(backup_id="", at=0.0)\n        raise Unavailable(f"a pin cannot be read',
        (MOMENT + "test_a_pin_that_cannot_be_read_stops_everything",),
    ),
)

FLOORS = (
    Guard(
        "the floor of a series holds",
        PROTECT,
        "    if floor is not None:\n",
        "    if False:\n",
        (GUARDS + "test_the_newest_good_one_of_a_series_stays",),
    ),
    Guard(
        "the holders of a floor are looked at again",
        RECLAIM,
        "            self._load()\n        return self._floors.get(backup_id)\n",
        "            pass\n        return self._floors.get(backup_id)\n",
        (GUARDS + "test_where_the_floors_holder_went_meanwhile_the_next_newest_stays",),
    ),
    Guard(
        "a backup of unknown state holds no place in the floor",
        PROTECT,
        "    return _state_known(backup) and age_known(backup, now)\n",
        "    return age_known(backup, now)\n",
        (HOLDS,),
    ),
    Guard(
        "a backup of unknown age holds no place in the floor",
        PROTECT,
        "    return _state_known(backup) and age_known(backup, now)\n",
        "    return _state_known(backup)\n",
        (HOLDS,),
    ),
    Guard(
        "the newest archives of a series without a backup stay",
        RESPOND,
        "if not archive.pinned and archive.path not in floors",
        "if not archive.pinned",
        ("policy/test_respond.py", "engine/test_archives.py"),
    ),
    Guard(
        "a person's choice of an archive is held by its floor too",
        RECLAIM,
        "        if archive.path in floor:\n",
        "        if False:\n",
        (MOMENT + "test_a_person_cannot_delete_the_last_archive_of_a_series",),
    ),
    Guard(
        "a backup of unknown state does not set its series' archives free",
        PROTECT,
        "    alive = {series_of(backup.id) for backup in backups if _state_known(backup)}\n",
        "    alive = {series_of(backup.id) for backup in backups}\n",
        (HOLDS,),
    ),
    Guard(
        "one that is not good takes no place of a good one of its day",
        KEEP,
        "max(member, last.get(period, member))",
        "max(member, last.get(period, member), key=lambda one: one[1:])",
        (KEEPS,),
    ),
    Guard(
        "days with a good backup go before the others",
        KEEP,
        "nlargest(number, newest)",
        "nlargest(number, newest, key=lambda one: one[1:])",
        (KEEPS,),
    ),
    Guard(
        "the last of a day stays",
        KEEP,
        "        if number:\n",
        "        if number and rule is Cause.KEEP_LAST:\n",
        ("engine/test_floors.py::test_what_the_floors_hold_stays_at_every_level_and_all_else_goes",),
    ),
    Guard(
        "one that comes to be a holder while it is chosen stays",
        RECLAIM,
        "for one in (backup_id, *holders) if",
        "for one in holders if",
        ("engine/test_floors.py::test_one_that_comes_to_be_a_holder_while_it_is_chosen_stays",),
    ),
    Guard(
        "a holder that cannot be judged any more holds no place",
        RECLAIM,
        "backup.good, backup.fault is None",
        "backup.good",
        ("engine/test_floors.py::test_where_a_holder_cannot_be_judged_any_more_the_next_stays",),
    ),
    Guard(
        "a backup younger than min_age stays",
        PROTECT,
        "    if young(backup.created_at, reclaim, now):\n",
        "    if False:\n",
        (KEEPS, "engine/test_floors.py::test_one_younger_than_min_age_stays_at_every_level_and_for_a_person"),
    ),
    Guard(
        "an archive younger than min_age stays",
        PROTECT,
        "        if young(archive.created_at, reclaim, now):\n",
        "        if False:\n",
        (KEEPS,),
    ),
    Guard(
        "an archive that is dated ahead stays and lets no other go",
        PROTECT,
        "        if archive.created_at > now + FUTURE_TOLERANCE:\n",
        "        if False:\n",
        (KEEPS,),
    ),
    Guard(
        "a backup of unknown state stays",
        PROTECT,
        "    if not _state_known(backup):\n",
        "    if False:\n",
        (HOLDS,),
    ),
    Guard(
        "a backup of unknown age, or dated ahead, stays",
        PROTECT,
        "    if not age_known(backup, now):\n",
        "    if False:\n",
        (HOLDS,),
    ),
)
