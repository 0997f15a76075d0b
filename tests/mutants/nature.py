"""What a backup is, who uses it, and what is mounted in it (SPEC 7.2 and 7.10)."""

from __future__ import annotations

from tests.mutants.guards import Guard

RECLAIMER = "sources/reclaimer.py"
PROTECT = "policy/protect.py"
STATES, HELD = "sources/states.py", "sources/held.py"
TREE = "system/tree.py"
GUARDS = "engine/test_guards.py::"
MOMENT = "engine/test_last_moment.py::"
HOLDS = "policy/test_protect.py"

HANDLES = (
    Guard(
        "a subvolume is told from its snapshots",
        TREE,
        '    own = f":{status.subvolume}" if status.ino == _SUBVOLUME and status.subvolume is not None else ""\n',
        '    own = ""\n',
        ("system/test_tree.py::test_a_subvolume_is_not_taken_for_its_snapshot",),
    ),
    Guard(
        "what lies in the trash is what was held",
        RECLAIMER,
        "        if tree.handle_at(trash, token) != held.handle:\n",
        "        if False:\n",
        (MOMENT + "test_another_backup_in_its_place_in_the_last_moment_comes_back",),
    ),
    Guard(
        "what is removed is what was named",
        TREE,
        "        if handle_of(top) != handle:\n",
        "        if False:\n",
        ("system/test_tree.py::test_another_directory_of_that_name_is_not_touched",),
    ),
    Guard(
        "the top that is removed last is the one that was emptied",
        TREE,
        "        if (here.st_dev, here.st_ino) != self._descent.level.identity:\n",
        "        if False:\n",
        ("system/test_tree.py::test_a_top_that_is_swapped_meanwhile_is_not_taken_for_the_old_one",),
    ),
    Guard(
        "what came into the trash in the place of another is brought back too",
        RECLAIMER,
        "            if not token or not _exists(trash, token):\n",
        "            if not token or tree.handle_at(trash, token) != tree.handle_of(self._roots.archive_fd):\n",
        (MOMENT + "test_another_backup_in_its_place_in_the_last_moment_comes_back",),
    ),
    Guard(
        "what is removed in its place is what was to go",
        RECLAIMER,
        "            if tree.handle_at(self._roots.backup_fd, backup_id) == handle:\n",
        "            if (handle := tree.handle_at(self._roots.backup_fd, backup_id)) is not None:\n",
        ("engine/test_recover.py::test_another_directory_of_that_name_is_not_the_one_that_was_to_go",),
    ),
    Guard(
        "an archive is deleted only where it is still the one that was chosen",
        RECLAIMER,
        "            if _file_handle(month_fd, name) != handle:",
        "            if False:",
        (MOMENT + "test_another_archive_of_that_name_is_not_the_one_that_was_to_go",),
    ),
    Guard(
        "a removal that was undone is not finished by recovery",
        "engine/recover.py",
        "    if op.phase is Phase.PURGING and not (op.token and stands(opened, op)):\n",
        "    if op.phase is Phase.PURGING:\n",
        ("engine/test_recover.py::test_a_removal_that_was_undone_though_its_row_says_otherwise_stays_undone",),
    ),
    Guard(
        "a backup that climbs out of its tree while it is walked is noticed",
        "system/walk.py",
        "        if (status.st_dev, status.st_ino) == self.level.identity:\n            return above\n",
        "        return above\n",
        ("system/test_tree.py::test_a_directory_moved_away_below_us_has_changed",),
    ),
)

WRITERS = (
    Guard(
        "a backup with a file open for writing stays",
        HELD,
        "write_open=writing.inodes, attributes=True",
        "attributes=True",
        (MOMENT + "test_a_file_opened_for_writing_after_the_selection_holds",),
    ),
    Guard(
        "who writes is looked for once more in the trash",
        RECLAIMER,
        "        if written:\n",
        "        if False:\n",
        ("engine/test_last_check.py",),
    ),
    Guard(
        "a backup in use stays",
        PROTECT,
        "    if backup.busy is not None:\n",
        "    if False:\n",
        (HOLDS,),
    ),
    Guard(
        "an image behind a loop device counts as open for writing",
        "system/processes.py",
        "    for image in _loop_images():\n",
        "    for image in ():\n",
        ("system/test_processes.py::test_an_image_that_the_kernel_may_write_to_counts",),
    ),
    Guard(
        "a backup locked by another stays",
        STATES,
        "            locks.lock_directory(fd)\n",
        "",
        (GUARDS + "test_a_lock_taken_after_the_selection_holds",),
    ),
    Guard(
        "a backup whose .lock is locked stays",
        HELD,
        "            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            pass\n",
        (MOMENT + "test_a_lock_on_its_lock_file_taken_after_the_selection_holds",),
    ),
    Guard(
        "a CREATED backup written a moment ago stays",
        PROTECT,
        "    if backup.state is State.CREATED and now - backup.newest_mtime < reclaim.settle:\n",
        "    if False:\n",
        (GUARDS + "test_a_created_backup_that_was_written_a_moment_ago_stays",),
    ),
    Guard(
        "a shared writable mapping counts as writing",
        "system/processes.py",
        "        for span, device, inode, path in _mappings(pid):\n",
        "        for span, device, inode, path in ():\n",
        ("system/test_processes.py::test_a_file_that_another_process_may_write_to_is_found",),
    ),
)

MOUNTS = (
    Guard(
        "a mount is looked for before the backup moves",
        RECLAIMER,
        "        self._refuse_mounts(held.backup_id)\n",
        "",
        (MOMENT + "test_a_mount_that_appears_after_the_look_is_seen_before_the_move",),
    ),
    Guard(
        "a mount is looked for once more in the trash",
        RECLAIMER,
        "        if mounts.mounts_below(path):\n",
        "        if False:\n",
        (GUARDS + "test_a_mount_that_appears_in_the_last_moment_makes_it_come_back",),
    ),
    Guard(
        "no mount is entered",
        "system/linux.py",
        "RESOLVE_BENEATH_ONE_MOUNT = 0x01 | 0x02 | 0x04 | 0x08\n",
        "RESOLVE_BENEATH_ONE_MOUNT = 0x02 | 0x04 | 0x08\n",
        ("system/test_tree.py::test_a_mount_is_refused_even_one_of_the_same_filesystem",),
    ),
    Guard(
        "no link is followed",
        "system/linux.py",
        "RESOLVE_BENEATH_ONE_MOUNT = 0x01 | 0x02 | 0x04 | 0x08\n",
        "RESOLVE_BENEATH_ONE_MOUNT = 0x01 | 0x02 | 0x08\n",
        ("system/test_linux.py::test_openat2_never_leaves_the_directory",),
    ),
    Guard(
        "nothing outside is reached",
        "system/linux.py",
        "RESOLVE_BENEATH_ONE_MOUNT = 0x01 | 0x02 | 0x04 | 0x08\n",
        "RESOLVE_BENEATH_ONE_MOUNT = 0x01 | 0x02 | 0x04\n",
        ("system/test_linux.py::test_openat2_never_leaves_the_directory",),
    ),
    Guard(
        "another device is not entered: a subvolume is a filesystem of its own",
        "system/walk.py",
        "        if below.status.st_dev != self.level.status.st_dev:\n",
        "        if False:\n",
        ("system/test_tree.py::test_a_subvolume_inside_is_an_obstacle",),
    ),
    Guard(
        "a file that is a mount point is an obstacle",
        "system/survey.py",
        "        if status.mount_root and name:\n",
        "        if False:\n",
        ("system/test_tree.py::test_mounts_inside_are_obstacles_and_are_not_entered",),
    ),
    Guard(
        "an immutable entry is an obstacle",
        "system/survey.py",
        "        if status.immutable:\n",
        "        if False:\n",
        ("system/test_tree.py::test_immutable_and_append_only_entries_are_obstacles",),
    ),
    Guard(
        "an obstacle is refused before anything is changed",
        HELD,
        "        if survey.obstacles:\n",
        "        if False:\n",
        (MOMENT + "test_an_immutable_entry_refuses_before_anything_is_changed",),
    ),
)
