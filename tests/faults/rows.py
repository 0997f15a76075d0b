"""faults.md as a table: each row in its own words, and the tests that show it; ``test_rows`` looks for them."""

from __future__ import annotations

ROWS: dict[str, dict[str, tuple[str, ...]]] = {
    "Settings": {
        "unknown key, wrong type, watermarks out of order or over 100, TOML that does not parse": (
            "tests/config/test_load.py::test_all_faults_are_told_at_once_each_with_its_line",
            "tests/config/test_load.py::test_watermarks_out_of_order_are_told_where_they_are_given",
            "tests/config/test_load.py::test_text_that_is_not_toml_is_told_with_line_and_column",
            "tests/config/test_settings.py::test_a_value_that_is_not_allowed_is_told_with_file_line_key_found_and_allowed",
        ),
        "root is `/`, a home, `/etc`, empty, relative, or another store's; archive root inside the backup root": (
            "tests/config/test_roots.py::test_a_system_directory_or_a_home_is_no_root",
            "tests/config/test_roots.py::test_a_root_is_absolute_and_has_no_way_up",
            "tests/config/test_roots.py::test_roots_neither_meet_nor_hold_one_another",
        ),
        "settings file writable by others, or in a directory that is": (
            "tests/config/test_load.py::test_a_settings_file_that_others_may_write_is_refused",
            "tests/config/test_load.py::test_a_settings_file_in_a_directory_that_others_may_write_is_refused",
            "tests/config/test_trust.py::test_what_others_may_write_is_refused_with_what_to_do",
        ),
        "settings change while the daemon runs": (
            "tests/e2e/test_daemon.py::test_a_reload_takes_valid_settings_and_ignores_invalid_ones",
        ),
        "contradictions: floors that make the target unreachable, target above warning": (
            "tests/config/test_load.py::test_settings_that_defeat_each_other_are_told_and_still_load",
            "tests/cli/test_settings_commands.py::test_a_target_that_floors_and_pins_put_out_of_reach_is_told_with_what_to_change",
        ),
    },
    "Mounts": {
        "root unmounted; another disk at the same path; identity missing or in two places": (
            "tests/faults/test_mounts.py::test_a_root_that_is_unmounted_under_the_daemon_is_unavailable_told_and_back_by_itself",
            "tests/faults/test_mounts.py::test_another_disk_at_the_same_path_is_unavailable",
            "tests/faults/test_mounts.py::test_an_identity_in_two_places_is_refused",
            "tests/engine/test_guards.py::test_the_identity_missing_makes_it_unavailable_and_nothing_goes",
            "tests/engine/test_guards.py::test_another_disk_at_its_place_makes_it_unavailable",
            "tests/engine/test_guards.py::test_an_unmounted_disk_is_unavailable_and_alerted_never_0_percent",
        ),
        "`umount -l` or remount read-only in mid-removal; filesystem shut down (EIO)": (
            "tests/faults/test_mounts.py::test_a_filesystem_that_goes_in_mid_removal_stops_it_and_the_next_start_finishes",
            "tests/faults/test_mounts.py::test_under_the_daemon_it_is_told_once_and_not_tried_without_pause",
            "tests/faults/test_mounts.py::test_a_filesystem_that_fails_in_mid_removal_is_told_by_name_and_recovered",
        ),
        "bind mount inside a backup; a mount that appears after the check": (
            "tests/engine/test_guards.py::test_a_mount_inside_a_backup_makes_it_fail_by_name",
            "tests/engine/test_guards.py::test_a_mount_that_appears_in_the_last_moment_makes_it_come_back",
        ),
        "`statfs` hangs; FUSE server dead": (
            "tests/faults/test_mounts.py::test_a_filesystem_that_stops_answering_is_unavailable_and_the_others_are_served_on_time",
            "tests/e2e/test_daemon.py::test_a_store_that_hangs_is_unavailable_and_holds_up_nobody",
        ),
    },
    "Full": {
        "backup filesystem at 100 % bytes; at 100 % inodes; quota (EDQUOT)": (
            "tests/e2e/test_full_disks.py::test_an_emergency_reclaims_a_full_disk_to_the_target",
            "tests/faults/test_full.py::test_where_the_quota_is_used_up_a_reclaim_works",
        ),
        "rename into the trash refused (xfs)": (
            "tests/faults/test_full.py::test_where_the_rename_into_the_trash_is_refused_the_ballast_goes_first_and_then_the_backup_in_its_place",
        ),
        "the state directory's filesystem full": (
            "tests/faults/test_full.py::test_where_the_state_cannot_be_recorded_nothing_is_deleted",
            "tests/engine/test_recover.py::test_without_a_journal_nothing_is_begun",
            "tests/catalog/test_full_disk.py::test_operations_are_journalled_on_a_full_disk",
        ),
        "archive target fills while writing": (
            "tests/faults/test_full.py::test_an_archive_whose_disk_fills_up_is_removed_and_its_source_kept",
            "tests/system/test_archive_faults.py::test_a_full_disk_in_mid_write_is_no_room",
        ),
        "space does not come back (hard links, open files, snapshots)": (
            "tests/engine/test_restraint.py::test_space_that_does_not_come_back_ends_the_reclaim_after_two_and_the_next_ones_wait",
            "tests/engine/test_stop_rule.py::test_where_nothing_comes_back_it_stops_after_two",
            "tests/policy/test_stall.py::test_it_says_how_much_is_held_and_by_what",
        ),
    },
    "Trees": {
        "immutable or append-only entry": (
            "tests/faults/test_trees.py::test_an_immutable_or_append_only_entry_is_refused_before_any_change",
        ),
        "entry of the root is a symlink; `.state` is a symlink, FIFO, device, directory, 1 GB, empty, NUL, CRLF,"
        " unknown word, hard-linked": (
            "tests/faults/test_trees.py::test_an_entry_of_the_root_that_is_a_link_is_warned_of_and_never_touched",
            "tests/faults/test_trees.py::test_a_state_that_cannot_be_believed_is_eligible_for_nothing_and_warned_of",
            "tests/faults/test_trees.py::test_crlf_and_surrounding_blanks_are_tolerated",
        ),
        "255-byte name; newline, ESC, `-rf`, `*`, not UTF-8": (
            "tests/cli/test_output.py::test_any_name_goes_through_every_command",
            "tests/cli/test_output.py::test_any_name_goes_through_a_real_process",
            "tests/system/test_tree.py::test_any_name_can_be_opened_surveyed_and_removed",
        ),
        "depth 10,000; a million entries": (
            "tests/system/test_tree.py::test_any_depth_is_walked_with_a_constant_number_of_descriptors",
            "tests/system/test_tree.py::test_a_wide_tree_needs_little_memory",
        ),
        "a writer adds files during removal; a directory is swapped for a link at any step": (
            "tests/faults/test_trees.py::test_a_writer_that_adds_files_during_removal_ends_in_a_refusal_and_later_in_the_removal",
            "tests/system/test_tree.py::test_a_writer_that_never_stops_adding_ends_in_refusal",
            "tests/system/test_tree.py::test_a_directory_swapped_before_it_is_entered_is_not_followed",
            "tests/system/test_tree.py::test_a_race_of_swaps_never_reaches_the_outside",
        ),
        "sparse, reflinked, hard-linked files": (
            "tests/faults/test_trees.py::test_only_the_measured_gain_is_counted",
            "tests/sources/test_capacity.py::test_each_snapshot_that_goes_counts_for_what_it_alone_held",
        ),
    },
    "Time": {
        "clock +10 years, -20 years, 1970 at boot": (
            "tests/faults/test_time.py::test_a_jump_between_two_runs_freezes_until_the_clock_is_right_again",
            "tests/faults/test_time.py::test_a_jump_over_a_reboot_freezes_until_the_clock_is_right_again",
            "tests/faults/test_time.py::test_a_jump_under_the_daemon_freezes_it_until_the_clock_is_right_again",
            "tests/faults/test_time.py::test_a_confirmed_clock_is_believed_and_deletions_go_on",
            "tests/faults/test_time.py::test_small_steps_are_seen_when_they_add_up",
            "tests/faults/test_time.py::test_a_step_too_small_to_freeze_makes_no_backup_old",
            "tests/policy/test_clock.py::test_after_another_boot_the_wall_clock_may_have_gone_on_for_30_days",
        ),
        "backup dated in the future": (
            "tests/faults/test_time.py::test_a_backup_dated_in_the_future_is_not_eligible_for_anything",
        ),
    },
    "Processes": {
        "SIGKILL anywhere; SIGSTOP for long, then CONT; out of memory; out of descriptors": (
            "tests/crash/test_kill_anywhere.py::test_killed_at_a_call_nothing_is_lost_and_all_is_settled",
            "tests/e2e/test_strace.py::test_killed_at_a_system_call_it_is_settled",
            "tests/faults/test_processes.py::test_stopped_for_long_it_verifies_everything_again_before_it_acts",
            "tests/faults/test_processes.py::test_a_daemon_that_was_stopped_goes_on_by_what_stands_then",
            "tests/faults/test_processes.py::test_out_of_memory_it_says_so_and_recovers",
            "tests/faults/test_processes.py::test_out_of_descriptors_it_says_so_and_recovers",
        ),
        "second daemon; daemon and command line at once; two hosts on one store": (
            "tests/e2e/test_daemon.py::test_it_is_started_once_and_stopped",
            "tests/e2e/test_daemon.py::test_four_commands_at_once_take_no_backup_twice",
            "tests/faults/test_processes.py::test_a_stopped_holder_of_the_store_is_named_and_nobody_else_acts",
            "tests/faults/test_processes.py::test_of_two_hosts_on_one_store_one_acts_and_the_other_says_who_holds_it",
        ),
        "pid reused; stale pid file": (
            "tests/e2e/test_daemon.py::test_a_pid_that_belongs_to_another_process_is_never_signalled",
            "tests/e2e/test_daemon.py::test_killed_and_started_again_it_goes_on",
        ),
        "upgrade or downgrade in mid-operation": (
            "tests/faults/test_processes.py::test_a_newer_journal_is_not_touched_and_an_operation_under_way_waits_for_it",
            "tests/catalog/test_database.py::test_a_catalog_of_a_newer_ullage_is_refused_and_not_touched",
        ),
    },
    "Data": {
        "catalog missing, corrupt, or an older copy": (
            "tests/faults/test_data.py::test_without_its_catalog_nothing_is_deleted_until_it_is_rebuilt_from_the_disk",
            "tests/faults/test_processes.py::test_a_journal_of_an_older_day_makes_nobody_remove_what_is_new",
        ),
        "archive with a flipped bit": (
            "tests/faults/test_data.py::test_a_flipped_bit_is_found_before_the_source_goes",
            "tests/faults/test_data.py::test_a_flipped_bit_is_found_by_doctor_later",
            "tests/system/test_archive_faults.py::test_a_flipped_bit_is_found_wherever_it_is",
        ),
        "source changes while it is archived": (
            "tests/faults/test_data.py::test_a_source_that_changes_while_it_is_archived_is_kept_and_archived_later",
            "tests/engine/test_guards.py::test_a_change_while_it_is_archived_makes_it_stay",
        ),
        "every recent backup failed": (
            "tests/faults/test_data.py::test_where_every_recent_backup_failed_the_floor_holds_and_it_is_told",
        ),
    },
    "Network": {
        "webhook 500, hang, redirect elsewhere; SMTP down; name does not resolve": (
            "tests/faults/test_network.py::test_a_webhook_that_fails_keeps_the_alert_until_it_works_again",
            "tests/faults/test_network.py::test_a_webhook_that_hangs_holds_up_no_reclaim_of_the_daemon",
            "tests/faults/test_network.py::test_a_redirect_elsewhere_is_not_followed_and_the_alert_kept",
            "tests/faults/test_network.py::test_whoever_is_not_there_keeps_the_alert",
        ),
    },
}  # fmt: skip
