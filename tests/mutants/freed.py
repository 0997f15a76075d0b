"""What keeps more from going for space that is freed and not back (SPEC 7.6)."""

from __future__ import annotations

from tests.mutants.guards import Guard

RECLAIM, EXECUTE, CYCLE = "engine/reclaim.py", "engine/execute.py", "engine/cycle.py"
BTRFS, SITE, DELETED = "system/btrfs.py", "sources/site.py", "system/deleted.py"
HELD, FOUND = "engine/test_still_held.py::", "system/test_deleted.py::"

FREED = (
    Guard(
        "what others have just deleted counts before a backup is chosen",
        RECLAIM,
        "        came = self._opened.gauge.settle(before, 0, archives=archives)\n",
        "        came = True\n",
        (HELD + "test_what_others_have_just_deleted_counts_before_anything_is_chosen",),
    ),
    Guard(
        "what others have just deleted counts before the trash goes",
        CYCLE,
        "            reading, pressure = self._settled(site, reading, pressure)\n",
        "            pass\n",
        (HELD + "test_what_others_have_just_deleted_keeps_the_trash",),
    ),
    Guard(
        "while space still comes back nothing is chosen",
        RECLAIM,
        "        self.waits = None if came else still_coming(before, now, archives=archives)\n",
        "        self.waits = None\n",
        (HELD + "test_while_freed_space_still_comes_back_nothing_is_chosen",),
    ),
    Guard(
        "what a process holds of a deleted backup is not deleted for",
        RECLAIM,
        "            if held.own_files and enough(",
        "            if False and enough(",
        (HELD + "test_what_one_backup_does_not_give_back_is_no_reason_for_another",),
    ),
    Guard(
        "what a process holds of a deleted archive is not deleted for",
        RECLAIM,
        "            if not self.dry_run and self._needless(enough, archives=self._archives_apart):\n",
        "            if not self.dry_run and enough(self.reading):\n",
        (HELD + "test_an_archive_that_somebody_reads_is_no_reason_for_another",),
    ),
    Guard(
        "one whose space may still come is no reason for another",
        "engine/weighing.py",
        " and not (self._short and coming):\n",
        ":\n",
        (HELD + "test_what_may_still_come_of_one_is_no_reason_for_another",),
    ),
    Guard(
        "a part that may still come counts as gained",
        RECLAIM,
        "                self.expect(self._executor.coming, op.predicted_inodes)\n",
        "                pass\n",
        (HELD + "test_a_part_that_may_still_come_counts_as_gained",),
    ),
    Guard(
        "deleted subvolumes are waited for",
        BTRFS,
        "    if not _dead(descriptor):\n",
        "    if True:\n",
        ("system/test_btrfs.py::test_the_space_of_deleted_subvolumes_is_visible_once_settled",),
    ),
    Guard(
        "the last of a deleted subvolume shows after one more commit",
        BTRFS,
        "    linux.syncfs(descriptor)  # the last of it shows after one more commit\n",
        "    pass\n",
        ("system/test_btrfs.py::test_the_space_of_deleted_subvolumes_is_visible_once_settled",),
    ),
    Guard(
        "the ballast is made of no room that is written to already",
        SITE,
        "                if self._has_room(self.read(), size):\n",
        "                if True:\n",
        (HELD + "test_the_ballast_takes_no_room_that_is_written_to_and_not_shown_yet",),
    ),
    Guard(
        "a file with another name is not held by who has it open",
        DELETED,
        " and not status.st_nlink and status.st_blocks",
        " and status.st_blocks",
        (FOUND + "test_a_file_with_another_name_left_is_not_deleted",),
    ),
)
