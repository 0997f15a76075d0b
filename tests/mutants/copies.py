"""Archives: whole, compared, never over something (SPEC 7.5)."""

from __future__ import annotations

from tests.mutants.guards import Guard

RECLAIMER = "sources/reclaimer.py"
ARCHIVES = "system/archives.py"
GUARDS = "engine/test_guards.py::"
MOMENT = "engine/test_last_moment.py::"
FAULTS = "system/test_archive_faults.py::"

COPIES = (
    Guard(
        "no archive is thrown away whose backup is not seen to stand",
        "engine/execute.py",
        "        needless = op.path and op.digest and reclaimer.stands(op.backup_id, op.handle)\n",
        "        needless = op.path and op.digest\n",
        ("engine/test_recover.py::test_an_older_copy_of_the_catalog_does_not_take_the_archive_of_what_is_gone",),
    ),
    Guard(
        "a backup that has begun to go does not stand for its archive",
        RECLAIMER,
        "        return tree.handle_at(root, backup_id) == handle and has_state(root, backup_id)\n",
        "        return tree.handle_at(root, backup_id) == handle\n",
        ("engine/test_recover.py::test_nor_where_another_bears_its_name_or_what_is_left_of_it_is_half_gone",),
    ),
    Guard(
        "an archive is read back and compared",
        RECLAIMER,
        "                archives.verify_archive(fd, written, manifest, held.backup_id, should_stop=stop)\n",
        "",
        (MOMENT + "test_an_archive_that_reads_back_otherwise_is_thrown_away_and_its_backup_stays",),
    ),
    Guard(
        "an archive is read back from the disk, not from memory",
        ARCHIVES,
        "    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # else memory would be verified, not the disk\n",
        "",
        (FAULTS + "test_the_disk_is_verified_and_not_the_memory",),
    ),
    Guard(
        "what was archived is compared with what stood in the source",
        "system/archive_manifest.py",
        "    if content != manifest.content:\n",
        "    if False:\n",
        ("system/test_archives.py::test_an_archive_of_something_else_than_the_manifest_is_not_verified",),
    ),
    Guard(
        "the digest is compared when an archive is read back",
        ARCHIVES,
        "        if wrong is None and digest.hexdigest() != written.stream_digest:\n",
        "        if False:\n",
        (FAULTS + "test_another_archive_of_the_same_tree_is_not_the_one_written",),
    ),
    Guard(
        "the digest is compared before an archive is restored",
        "sources/archived.py",
        "    if digest and contents.stream_digest != digest:\n",
        "    if False:\n",
        (MOMENT + "test_an_archive_that_was_exchanged_for_another_is_not_restored",),
    ),
    Guard(
        "a source that changed while it was archived stays",
        RECLAIMER,
        "        if not archive_manifest.same(before, after):\n",
        "        if False:\n",
        (GUARDS + "test_a_change_while_it_is_archived_makes_it_stay",),
    ),
    Guard(
        "a source is compared once more in the trash",
        RECLAIMER,
        "        self._refuse_change(held, self._manifests.get(token), trash, token)\n",
        "",
        (MOMENT + "test_a_change_after_it_was_archived_makes_it_come_back",),
    ),
    Guard(
        "a tar that failed is no archive",
        ARCHIVES,
        "        _check_created(tar, name)\n",
        "",
        (
            FAULTS + "test_a_tar_that_is_killed_leaves_no_archive",
            FAULTS + "test_what_tar_cannot_read_fails_and_is_named",
        ),
    ),
    Guard(
        "an archive of another backup is not taken for ours when it is given up",
        RECLAIMER,
        "        except ArchiveError:\n            return False\n",
        "        except ArchiveError:\n            pass\n",
        ("engine/test_same_id.py",),
    ),
    Guard(
        "nothing is ever renamed over something",
        "system/linux.py",
        "_RENAME_NOREPLACE = 1\n",
        "_RENAME_NOREPLACE = 0\n",
        ("system/test_tree.py::test_a_rename_does_not_even_replace_an_empty_directory",),
    ),
    Guard(
        "a restore overwrites nothing",
        "sources/restore.py",
        "            if files.stat_or_none(fd, name) is not None:\n                raise Refused(",
        "            if False:\n                raise Refused(",
        ("engine/test_last_moment.py::test_where_something_stands_already_nothing_is_even_extracted",),
    ),
    Guard(
        "an entry that leads out of an archive is refused",
        ARCHIVES,
        '        if path.startswith(b"/") or b".." in path.split(b"/"):\n',
        "        if False:\n",
        (
            "system/test_archive_extract.py::test_an_evil_archive_writes_nothing_outside",
            "system/test_archive_extract.py::test_a_listing_refuses_what_no_backup_holds",
        ),
    ),
    Guard(
        "only parts of ours are swept",
        RECLAIMER,
        "            if _TOKEN.fullmatch(token) and token not in keep:\n                with",
        "            if token not in keep:\n                with",
        ("engine/test_leftovers.py",),
    ),
    Guard(
        "parts of operations under way are not swept",
        RECLAIMER,
        "            if _TOKEN.fullmatch(token) and token not in keep:\n                with",
        "            if _TOKEN.fullmatch(token):\n                with",
        ("engine/test_leftovers.py",),
    ),
    Guard(
        "what was extracted is held against the archive",
        "system/archives.py",
        '    if wrong is not None:\n        raise ArchiveError(f"cannot extract {name}',
        '    if False:\n        raise ArchiveError(f"cannot extract {name}',
        ("system/test_archive_extract.py::test_what_tar_left_out_without_a_word_is_found",),
    ),
)
