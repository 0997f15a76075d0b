"""What keeps too much from going, and what works on a full disk (SPEC 7.6 and 7.7)."""

from __future__ import annotations

from tests.mutants.guards import Guard

EXECUTE = "engine/execute.py"
RECLAIM = "engine/reclaim.py"
RECLAIMER = "sources/reclaimer.py"
SITE = "sources/site.py"
GUARDS = "engine/test_guards.py::"
MOMENT = "engine/test_last_moment.py::"
RESTRAINT = "engine/test_restraint.py::"

SPACE = (
    Guard(
        "after each deletion it is measured whether more is needed",
        RECLAIM,
        "                if self._no_more(goal):\n",
        "                if False:\n",
        (GUARDS + "test_without_a_hindrance_the_two_oldest_go",),
    ),
    Guard(
        "before each deletion the caps are asked",
        RECLAIM,
        "                if self.budget.forbids(backup.reclaimable_bytes, standing):\n",
        "                if self._no_more(goal):\n",
        ("engine/test_caps.py",),
    ),
    Guard(
        "inodes, capacity, quota and metadata must reach the goal, too",
        "policy/assess.py",
        "    return frozenset(one.unit for one in _all(reading, marks) if not _done(goal, one))\n",
        "    return frozenset(one.unit for one in _all(reading, marks)[:1] if not _done(goal, one))\n",
        ("policy/test_assess.py",),
    ),
    Guard(
        "no more goes for metadata than ends critical",
        "policy/assess.py",
        "    if goal is Goal.TARGET and one.unit is not Unit.METADATA:\n",
        "    if goal is Goal.TARGET:\n",
        ("policy/test_assess.py",),
    ),
    Guard(
        "an act that gave nothing of all that was lacking was of no use",
        "policy/respond.py",
        "    if not all(fruitless(promised[unit], gained[unit]) for unit in wanted):\n",
        "    if not all(fruitless(promised[unit], gained[unit]) for unit in Unit):\n",
        ("policy/test_respond.py",),
    ),
    Guard(
        "acts of next to nothing are judged together",
        "policy/respond.py",
        "    return predicted < WEIGHABLE and fruitless(predicted, reclaimed)\n",
        "    return False\n",
        ("policy/test_respond.py",),
    ),
    Guard(
        "what something else holds, too, goes for no pressure",
        "policy/select.py",
        "    useless = held_elsewhere((one.backup for one in candidates), shares, of_disk)\n",
        "    useless = held_elsewhere((), shares, of_disk)\n",
        ("policy/test_elsewhere.py",),
    ),
    Guard(
        "a forced deletion takes nothing that something else holds, too",
        RECLAIM,
        "        chosen = [one for one in old if one.id not in useless]\n",
        "        chosen = old\n",
        ("engine/test_elsewhere.py",),
    ),
    Guard(
        "inodes that come back unseen, of an xfs beyond its cap, end no reclaim",
        RECLAIM,
        "            self._lacks -= {Unit.INODES}",
        "            self._lacks -= set()",
        ("simulation/test_year.py",),
    ),
    Guard(
        "a cap by count stops",
        "policy/caps.py",
        "    return 0 < limit <= taken.count\n",
        "    return False\n",
        ("policy/test_caps.py", "engine/test_caps.py"),
    ),
    Guard(
        "a cap by share stops",
        "policy/caps.py",
        "        return limit < 100.0 and taken.count > 0 and percent > limit\n",
        "        return False\n",
        ("policy/test_caps.py", "engine/test_caps.py"),
    ),
    Guard(
        "space that does not come back ends a reclaim",
        RECLAIM,
        "            if self._stopping() or self.missing():\n                return\n            with",
        "            if self._stopping():\n                return\n            with",
        (RESTRAINT + "test_space_that_does_not_come_back_ends_the_reclaim_after_two_and_the_next_ones_wait",),
    ),
    Guard(
        "space that does not come back ends the deletion of archives",
        RECLAIM,
        "or self._stopping() or self.missing(archives=self._archives_apart):",
        "or self._stopping():",
        (RESTRAINT + "test_archives_whose_space_does_not_come_back_stop_going_after_two",),
    ),
    Guard(
        "after a reclaim that gained nothing the next one waits",
        "engine/cycle.py",
        "        held = disbelief is not None or stalled is not None\n",
        "        held = disbelief is not None\n",
        (RESTRAINT + "test_space_that_does_not_come_back_ends_the_reclaim_after_two_and_the_next_ones_wait",),
    ),
    Guard(
        "archives whose space does not come back hold no backup up",
        RECLAIM,
        "        return op.action is Action.DELETE_ARCHIVE and self._archives_apart\n",
        "        return False\n",
        (RESTRAINT + "test_archives_whose_space_does_not_come_back_hold_no_backup_up",),
    ),
    Guard(
        "after archives gained nothing the next ones wait",
        "engine/response.py",
        "reclaim.archives_wait is not None:",
        "False:",
        (RESTRAINT + "test_archives_whose_space_does_not_come_back_stop_going_after_two",),
    ),
    Guard(
        "freed space is waited for",
        "system/gauge.py",
        "    if filesystem in _AT_ONCE:\n",
        "    if filesystem:\n",
        ("engine/test_stop_rule.py::test_exactly_as_many_go_as_the_target_needs",),
    ),
    Guard(
        "two stores on one filesystem take turns",
        RECLAIM,
        "            with nullcontext() if self.dry_run else self._opened.turn(TURN):\n",
        "            with nullcontext():\n",
        (RESTRAINT + "test_two_stores_on_one_filesystem_do_not_both_go_for_the_same_pressure",),
    ),
    Guard(
        "the store is locked while it is reclaimed",
        SITE,
        '            with FileLock(fd, "lock", "reclaim", wait=wait):\n                yield\n',
        "            yield\n",
        (GUARDS + "test_a_store_held_by_another_process_is_left_to_it_and_it_is_named",),
    ),
    Guard(
        "a lock file that was replaced is not the lock",
        "system/locks.py",
        "            if _flock(descriptor) and self._in_place(descriptor):\n",
        "            if _flock(descriptor):\n",
        ("system/test_locks.py::test_a_lock_file_that_is_removed_before_it_is_locked_is_not_the_lock",),
    ),
    Guard(
        "hard links that lead outside are no gain",
        "system/sharing.py",
        "        if met == status.st_nlink:\n",
        "        if met == 1:\n",
        ("system/test_tree.py::test_an_inode_is_reclaimable_when_all_its_links_are_inside",),
    ),
    Guard(
        "an extent that something unknown shares is no gain",
        "system/sharing.py",
        "            if uses > 1:",
        "            if uses > 0:",
        ("system/test_sharing.py",),
    ),
    Guard(
        "what several share is walked for again when one of them changed",
        "sources/together.py",
        "        if together.keys[number] != _key(backup, sign):\n",
        "        if False:\n",
        ("sources/test_together.py::test_an_owner_that_holds_a_copy_of_its_own_by_now_leads_to_another_walk",),
    ),
    Guard(
        "what a writer has linked so far is counted on by nobody",
        "sources/together.py",
        "    return backup.state is State.CREATED and now - backup.newest_mtime < _WRITTEN\n",
        "    return False\n",
        ("sources/test_together.py::test_what_a_writer_has_linked_by_now_is_counted_on_by_nobody",),
    ),
    Guard(
        "on a full disk the ballast makes room for the trash",
        EXECUTE,
        "        return self._opened.gauge.give_up_ballast() > 0 and self._opened.reclaimer.stage(held, token)\n",
        "        return False\n",
        (MOMENT + "test_where_there_is_no_room_for_the_trash_the_ballast_makes_it",),
    ),
    Guard(
        "where there is no room for the trash a backup goes in its place",
        RECLAIMER,
        "            except NoRoom:\n                self._refuse_change",
        "            except ZeroDivisionError:\n                self._refuse_change",
        (MOMENT + "test_where_there_is_no_room_for_the_trash_at_all_it_goes_in_its_place",),
    ),
    Guard(
        "on a full disk the ballast makes room for a state",
        EXECUTE,
        "            if not self._opened.gauge.give_up_ballast():\n                raise\n",
        "            raise\n",
        (MOMENT + "test_where_there_is_no_room_for_a_state_the_ballast_makes_it",),
    ),
    Guard(
        "on a full disk the catalog gives up its reserve",
        "catalog/database.py",
        "        return full and self.give_up_reserve()\n",
        "        return False\n",
        ("catalog/test_full_disk.py",),
    ),
)
