"""The order of things: what is durable, and what is in the journal, before the next step is taken (SPEC 7.4, 7.5)."""

from __future__ import annotations

from tests.mutants.guards import Guard

EXECUTE, RECLAIMER, ARCHIVES = "engine/execute.py", "sources/reclaimer.py", "system/archives.py"
FILES, TREE = "system/files.py", "system/tree.py"
ORDER = "engine/test_order.py::"
DURABLE = (ORDER + "test_every_change_of_names_is_durable_before_the_journal_goes_on",)
TAKEN_BACK = (
    ORDER + "test_what_is_taken_back_is_durable_before_the_journal_forgets_it",
    ORDER + "test_what_recovery_brings_back_is_durable_before_the_journal_forgets_it",
)

DURABILITY = (
    Guard(
        "the trash is synced after the move into it",
        RECLAIMER,
        "            self._check_staged(held, trash, token)\n            os.fsync(trash)\n",
        "            self._check_staged(held, trash, token)\n",
        DURABLE,
    ),
    Guard(
        "the root is synced after the move out of it",
        RECLAIMER,
        "        os.fsync(self._roots.backup_fd)\n        return True\n",
        "        return True\n",
        DURABLE,
    ),
    Guard(
        "the root is synced when a backup is brought back",
        RECLAIMER,
        "            os.fsync(self._roots.backup_fd)\n            os.fsync(trash)\n",
        "            os.fsync(trash)\n",
        TAKEN_BACK,
    ),
    Guard(
        "the trash is synced when a backup is brought back",
        RECLAIMER,
        "            os.fsync(self._roots.backup_fd)\n            os.fsync(trash)\n",
        "            os.fsync(self._roots.backup_fd)\n",
        TAKEN_BACK,
    ),
    Guard(
        "an archive is synced before it is read back",
        ARCHIVES,
        "    part.sync()\n",
        "",
        (ORDER + "test_a_file_is_on_the_disk_before_it_gets_its_name",),
    ),
    Guard(
        "the month of an archive is synced",
        RECLAIMER,
        "name)\n                os.fsync(month_fd)\n                status",
        "name)\n                status",
        DURABLE,
    ),
    Guard(
        "the parts are synced after an archive left them",
        RECLAIMER,
        "            os.fsync(parts)\n",
        "",
        DURABLE,
    ),
    Guard(
        "year and root of an archive are synced",
        RECLAIMER,
        "        self._sync_directories(year)\n",
        "",
        (ORDER + "test_a_new_year_is_durable_before_the_backup_of_its_archive_moves",),
    ),
    Guard(
        "the month is synced after an archive was deleted",
        RECLAIMER,
        "            os.unlink(name, dir_fd=month_fd)\n            os.fsync(month_fd)\n",
        "            os.unlink(name, dir_fd=month_fd)\n",
        DURABLE,
    ),
    Guard(
        "a new directory is synced in the one above",
        TREE,
        "        os.mkdir(name, 0o700, dir_fd=dir_fd)\n        os.fsync(dir_fd)\n",
        "        os.mkdir(name, 0o700, dir_fd=dir_fd)\n",
        (ORDER + "test_a_directory_that_is_made_is_durable_at_once",),
    ),
    Guard(
        "what was extracted is synced before it is said to be staged",
        "sources/restore.py",
        "                    linux.syncfs(tree_fd)\n",
        "",
        (ORDER + "test_what_is_restored_is_durable_and_recorded_before_it_comes_to_its_place",),
    ),
    Guard(
        "what tar extracted is synced",
        ARCHIVES,
        "        syncfs(destination_fd)\n",
        "        pass\n",
        ("system/test_archive_extract.py::test_what_was_extracted_is_durable",),
    ),
    Guard(
        "the root is synced after a restore",
        "sources/restore.py",
        "            try:\n                os.fsync(fd)\n            except OSError:\n",
        "            try:\n                pass\n            except OSError:\n",
        DURABLE,
    ),
    Guard(
        "a state is synced before it gets its name",
        FILES,
        "            os.fsync(fd)\n        finally:\n            os.close(fd)\n        os.rename",
        "        finally:\n            os.close(fd)\n        os.rename",
        (ORDER + "test_a_file_is_on_the_disk_before_it_gets_its_name",),
    ),
    Guard(
        "the directory of a state is synced",
        FILES,
        "        os.fsync(dir_fd)\n    except OSError as error:\n",
        "    except OSError as error:\n",
        DURABLE,
    ),
    Guard(
        "a state overwritten in place is synced",
        FILES,
        "    os.ftruncate(fd, len(data))\n    os.fsync(fd)\n",
        "    os.ftruncate(fd, len(data))\n",
        ("system/test_files.py::test_what_is_overwritten_is_durable",),
    ),
    Guard(
        "a pin that is taken away is durably away",
        "sources/pins.py",
        "            return False\n        os.fsync(fd)\n    return True\n",
        "            return False\n    return True\n",
        ("engine/test_order.py::test_a_pin_is_durably_set_and_durably_taken_away",),
    ),
    Guard(
        "the journal is synced before it is believed",
        "catalog/database.py",
        '"synchronous = EXTRA"',
        '"synchronous = OFF"',
        ("catalog/test_durable.py::test_a_row_is_on_the_disk_before_it_is_told",),
    ),
    Guard(
        "the journal outlives a transaction, so that it can be written on a full disk",
        "catalog/database.py",
        '"journal_mode = PERSIST"',
        '"journal_mode = MEMORY"',
        ("catalog/test_durable.py::test_a_row_is_on_the_disk_before_it_is_told",),
    ),
    Guard(
        "a removal is intended before the backup moves",
        EXECUTE,
        "        return self._stage_and_purge(held, fresh, self._begin(held, fresh, op))\n",
        "        token = new_token()\n"
        "        self._stage(held, token)\n"
        "        self._stage = lambda held, token: True\n"
        "        began = self._catalog.begin(replace(op, handle=held.handle, token=token))\n"
        "        return self._stage_and_purge(held, fresh, began)\n",
        (ORDER + "test_nothing_is_changed_before_the_intent_is_in_the_journal",),
    ),
    Guard(
        "a transition is intended before the state is written",
        EXECUTE,
        "        began = self._catalog.begin(replace(op, handle=held.handle))\n        try:\n",
        "        self._write_state(held, op.to_state, int(op.at))\n"
        "        began = self._catalog.begin(replace(op, handle=held.handle))\n        try:\n",
        (ORDER + "test_nothing_is_changed_before_the_intent_is_in_the_journal",),
    ),
    Guard(
        "the removal is journalled before anything of it goes",
        EXECUTE,
        '            purging = self._catalog.advance(op, Phase.PURGING, token=op.token if staged else "")\n',
        '            purging = replace(op, token=op.token if staged else "")\n',
        (ORDER + "test_nothing_of_a_backup_goes_before_the_journal_says_that_it_does",),
    ),
    Guard(
        "the removal is journalled after the move, not before it",
        EXECUTE,
        "            staged = self._stage(held, op.token)\n",
        "            op = self._catalog.advance(op, Phase.PURGING)\n            staged = self._stage(held, op.token)\n",
        (ORDER + "test_nothing_of_a_backup_goes_before_the_journal_says_that_it_does",),
    ),
    Guard(
        "an archive is journalled before it comes to its place",
        EXECUTE,
        "made = self._catalog.advance(made, Phase.ARCHIVED, digest=digest, predicted_bytes=predicted)",
        "made = replace(made, digest=digest, predicted_bytes=predicted)",
        (ORDER + "test_an_archive_is_written_read_back_recorded_and_in_its_place_before_its_backup_moves",),
    ),
    Guard(
        "a restore is journalled before it comes to its place",
        EXECUTE,
        "op = self._catalog.advance(op, Phase.STAGED, handle=handle)",
        "op = replace(op, handle=handle)",
        (ORDER + "test_what_is_restored_is_durable_and_recorded_before_it_comes_to_its_place",),
    ),
    Guard(
        "the state of a backup goes first",
        TREE,
        'first: Sequence[str] = (".state",)',
        "first: Sequence[str] = ()",
        (ORDER + "test_the_state_goes_first_and_durably_before_the_rest",),
    ),
    Guard(
        "the state is durably gone before the rest goes",
        TREE,
        "            self._unlink(component(name))\n        os.fsync(self._descent.level.fd)\n",
        "            self._unlink(component(name))\n",
        (ORDER + "test_the_state_goes_first_and_durably_before_the_rest",),
    ),
    Guard(
        "a removal is durable before it is said to be done",
        TREE,
        "                removal.clear()\n        os.fsync(parent_fd)\n",
        "                removal.clear()\n",
        DURABLE,
    ),
)
