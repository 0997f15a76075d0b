"""Who may write, who may read, who may hang us (SPEC 7.9, 7.11 and 7.12)."""

from __future__ import annotations

from tests.mutants.guards import Guard

OTHERS = (
    Guard(
        "settings that others may write are refused",
        "config/trust.py",
        "    if others_may(descriptor, status, WRITE):\n        faults",
        "    if False:\n        faults",
        ("config/test_load.py::test_a_settings_file_that_others_may_write_is_refused",),
    ),
    Guard(
        "settings of somebody else are refused",
        "config/trust.py",
        "    if owned_by_another(status):\n        faults",
        "    if False:\n        faults",
        ("config/test_load.py::test_a_settings_file_of_another_user_is_refused",),
    ),
    Guard(
        "settings beside which others may write are refused",
        "config/trust.py",
        ", *open_way(os.path.abspath(path)))]",
        ",)]",
        ("config/test_load.py::test_a_settings_file_in_a_directory_that_others_may_write_is_refused",),
    ),
    Guard(
        "a secret that others may read is refused",
        "config/trust.py",
        "    if others_may(descriptor, status, READ):\n",
        "    if False:\n",
        ("config/test_settings.py::test_a_secret_file_that_others_may_read_is_a_fault",),
    ),
    Guard(
        "state that others could have written is refused with the settings",
        "config/load.py",
        "    if faults := trust.state_faults(settings.state_dir):\n",
        "    if faults := list[str]():\n",
        ("config/test_trust.py::test_what_others_may_write_is_refused_with_what_to_do",),
    ),
    Guard(
        "a permission by ACL counts",
        "system/access.py",
        "        permissions & bit\n",
        "        False\n",
        ("config/test_trust.py::test_what_others_may_write_is_refused_with_what_to_do",),
    ),
    Guard(
        "whose a link on the way is counts",
        "system/access.py",
        "        yield there\n",
        "        pass\n",
        ("config/test_trust.py::test_every_link_on_the_way_counts",),
    ),
    Guard(
        "a state directory that others may write is refused",
        "catalog/database.py",
        "    if fault is not None:\n",
        "    if False:\n",
        ("catalog/test_database.py::test_a_state_directory_that_cannot_be_trusted_is_refused",),
    ),
    Guard(
        "a state with a second name is not believed",
        "sources/facts.py",
        "    if status is not None and status.st_nlink > 1:\n",
        "    if False:\n",
        ("sources/test_states.py::test_a_state_with_a_second_name_is_not_believed",),
    ),
    Guard(
        "a link in the place of a small file is not followed",
        "system/files.py",
        "_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK",
        "_SAFE = os.O_NONBLOCK",
        (
            "system/test_files.py::test_a_file_swapped_after_the_look_is_caught_by_the_second",
            "system/test_files.py::test_a_link_swapped_in_after_the_look_is_not_written_through",
        ),
    ),
    Guard(
        "a secret is not shown",
        "model/settings.py",
        '        return "***"\n',
        "        return self._value\n",
        ("config/test_settings.py::test_a_secret_never_shows_itself",),
    ),
    Guard(
        "an error names the host and never the whole address, which is a secret",
        "notify/web.py",
        "{printable(target.netloc or '')}",
        "{printable(url)}",
        ("notify/test_web.py",),
    ),
    Guard(
        "a redirect is not taken for a delivery",
        "notify/web.py",
        "    if not 200 <= status < 300:\n",
        "    if not 200 <= status < 500:\n",
        ("notify/test_web.py",),
    ),
    Guard(
        "a name is spelled out where it would break a line",
        "model/units.py",
        "    if text.isprintable():\n        return text\n",
        "    return text\n",
        ("model/test_units.py", "cli/test_output.py::test_a_message_about_a_strange_name_is_one_line"),
    ),
    Guard(
        "a name is one step below its directory",
        "system/linux.py",
        """    if name in ("", ".", "..") or "/" in name or "\\0" in name:\n""",
        "    if False:\n",
        ("system/test_linux.py::test_a_component_is_a_name_that_leads_nowhere_else",),
    ),
    Guard(
        "a server that answers slowly is given up",
        "notify/network.py",
        "        return future.result(seconds)\n",
        "        return future.result()\n",
        ("notify/test_web.py", "notify/test_mail.py"),
    ),
    Guard(
        "a filesystem that hangs is given up",
        "system/guard.py",
        "        if not errand.done.wait(seconds):\n",
        "        if not errand.done.wait():\n",
        ("system/test_guard.py::test_what_hangs_is_given_up_in_time_and_named",),
    ),
    Guard(
        "a lower trigger waits for a higher one",
        "policy/lifecycle.py",
        "        if abs(now - other.at) <= DEFERRAL_SECONDS:\n",
        "        if False:\n",
        ("policy/test_lifecycle.py",),
    ),
    Guard(
        "a question without a terminal is a refusal",
        "cli/context.py",
        "    if not on_terminal():\n",
        "    if False:\n",
        ("cli/test_questions.py::test_a_question_without_a_terminal_is_a_refusal",),
    ),
)
