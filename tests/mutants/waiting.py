"""What a person deleted: labelled, moved, brought back and purged in this order, and each step durable."""

from __future__ import annotations

from tests.mutants.guards import Guard

TRASH, EXECUTE, ORDER = "sources/trash.py", "engine/execute.py", "engine/test_order_trash.py::"
MOVED = (ORDER + "test_what_is_deleted_is_labelled_and_durably_moved_before_the_journal_says_that_it_waits",)
BACK = (ORDER + "test_what_is_brought_back_is_durable_before_the_journal_says_so",)
GONE = (ORDER + "test_what_goes_for_good_goes_after_the_journal_says_so_and_durably",)
WHOLE = ("engine/test_trash.py::test_what_cannot_go_as_a_whole_stays_in_the_trash_as_a_whole",)

WAITING = (
    Guard(
        "the trash is synced after an archive moved into it",
        TRASH,
        "            os.fsync(trash)\n            os.fsync(month_fd)\n",
        "            os.fsync(month_fd)\n",
        MOVED,
    ),
    Guard(
        "the month is synced after an archive moved out of it",
        TRASH,
        "            os.fsync(trash)\n            os.fsync(month_fd)\n",
        "            os.fsync(trash)\n",
        MOVED,
    ),
    Guard(
        "its month, the trash and what is above are synced when an archive is brought back",
        TRASH,
        "                os.fsync(month_fd)\n            finally:\n                os.close(month_fd)\n"
        "            os.fsync(trash)\n            linux.syncfs(trash)",
        "            finally:\n                os.close(month_fd)\n            linux.free_bytes(trash)",
        BACK,
    ),
    Guard(
        "the trash is synced when an archive goes for good",
        TRASH,
        "            os.unlink(token, dir_fd=trash)\n            os.fsync(trash)\n",
        "            os.unlink(token, dir_fd=trash)\n",
        GONE,
    ),
    Guard(
        "a label that is taken off is durably off",
        TRASH,
        "                os.unlink(token + LABEL, dir_fd=fd)\n                os.fsync(fd)\n",
        "                os.unlink(token + LABEL, dir_fd=fd)\n",
        GONE,
    ),
    Guard(
        "a backup is labelled before it moves",
        EXECUTE,
        "            self._opened.trash.label(made)\n            if self._stage(held, made.token):\n",
        "            if self._stage(held, made.token):\n                self._opened.trash.label(made)\n",
        MOVED,
    ),
    Guard(
        "what lies in the trash goes for good after the journal says so",
        EXECUTE,
        "        purging = self._catalog.advance(op, Phase.PURGING, result=None,",
        "        purging = replace(op, phase=Phase.PURGING, result=None,",
        GONE,
    ),
    Guard(
        "what is brought back is so in the journal first",
        EXECUTE,
        "        back = self._catalog.advance(op, Phase.STAGED, result=None)\n",
        "        back = replace(op, phase=Phase.STAGED, result=None)\n",
        BACK,
    ),
    Guard(
        "what lies in the trash of archives is what was chosen",
        TRASH,
        "            if _handle(trash, token) != handle:\n                raise Changed(",
        "            if False:\n                raise Changed(",
        (ORDER + "test_an_archive_in_the_place_of_another_in_the_last_moment_comes_back",),
    ),
    Guard(
        "an archive in the place of another comes back too",
        TRASH,
        "            if not token or _handle(trash, token) is None:\n",
        '            if not token or _handle(trash, token) != "":\n',
        (ORDER + "test_an_archive_in_the_place_of_another_in_the_last_moment_comes_back",),
    ),
    Guard(
        "what is locked stays in the trash",
        TRASH,
        "        locks.lock_directory(fd)\n",
        "        pass\n",
        WHOLE,
    ),
    Guard(
        "what has a mount in it stays in the trash",
        TRASH,
        "        if below:\n            raise Refused(",
        "        if False:\n            raise Refused(",
        WHOLE,
    ),
    Guard(
        "what has an immutable entry stays in the trash",
        TRASH,
        "        if found.obstacles:\n",
        "        if False:\n",
        WHOLE,
    ),
    Guard(
        "what is being written stays in the trash",
        TRASH,
        "        if found.written:\n",
        "        if False:\n",
        WHOLE,
    ),
    Guard(
        "what was put in the place of another in the trash stays",
        TRASH,
        "        if tree.handle_of(fd) != op.handle:\n",
        "        if False:\n",
        ("engine/test_trash.py::test_what_was_put_in_its_place_in_the_trash_stays",),
    ),
    Guard(
        "what another host has begun to remove is not brought back",
        EXECUTE,
        "        if not self._opened.trash.whole(op):\n",
        "        if False:\n",
        ("engine/test_interrupted_trash.py::test_what_another_host_has_begun_to_remove_is_not_brought_back",),
    ),
    Guard(
        "a clock that was behind makes the grace no shorter",
        EXECUTE,
        "        return max(at, mark.wall + now.boot_seconds - mark.boot_seconds)\n",
        "        return at\n",
        ("engine/test_interrupted_trash.py::test_a_clock_that_was_behind_makes_the_grace_no_shorter",),
    ),
    Guard(
        "an archive that comes back is checked by its own digest",
        EXECUTE,
        "        _remember(opened, catalog, op)\n    if",
        "        pass\n    if",
        ("engine/test_interrupted_trash.py::test_an_archive_that_comes_back_is_checked_by_its_own_digest",),
    ),
    Guard(
        "what cannot go back to its place waits in the trash",
        "engine/recover.py",
        "        if waits and op.phase is not Phase.PURGING:\n",
        "        if False:\n",
        ("engine/test_interrupted_trash.py::test_where_its_place_was_taken_meanwhile_it_waits_in_the_trash",),
    ),
)
