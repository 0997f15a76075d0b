"""SPEC.md 6 and 7.11: data on stdout, messages on stderr, colour on terminals only, and any name anywhere."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.cli.terminal import on_terminal
from tests.cli.workplace import Workplace
from ullage.cli.main import COMMANDS

NAMES = {
    "newline": "a\nullage: all is well-20260101",
    "escape": "\x1b]0;owned\x07\x1b[31mred-20260101",
    "dash": "-rf",
    "option": "--yes",
    "not UTF-8": os.fsdecode(b"caf\xe9-\xff-20260101"),
    "long": "x" * 255,
    "long and wide": "é" * 127,
    "separator": "a\u2028b\u202ec-20260101",
    "space": "  ",
}
SHOWN = {
    "newline": "a\\nullage: all is well-20260101",
    "escape": "\\x1b]0;owned\\x07\\x1b[31mred-20260101",
    "not UTF-8": "caf\\xe9-\\xff-20260101",
    "separator": "a\\u2028b\\u202ec-20260101",
}
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]")


@pytest.mark.parametrize("kind", NAMES)
def test_any_name_goes_through_every_command(place: Workplace, kind: str) -> None:
    """SPEC 7.11: it breaks no line, no document, no terminal and no command."""
    name, shown = NAMES[kind], SHOWN.get(kind, NAMES[kind])
    place.backup(name)
    place.backup("keep", age=86400)
    place.backup("keep-20260101")
    place.register("[stores.main.reclaim]\nkeep_last = 0\n")
    for line in ("pin", "unpin", "show", "transition CONFIRMED", "archive --yes", "restore"):
        command, *more = line.split()
        words = [one for one in more if one.startswith("-")]
        state = [one for one in more if not one.startswith("-")]
        asked = place.done(command, *words, "--json", "--", name, *state)
        found = asked.json if command in ("pin", "unpin", "show") else asked.json["stores"][0]["actions"][0]
        assert found["backup_id"] == shown, line
        assert not _CONTROL.search(asked.err), line
    for line in ("list", "plan nuclear", "history", "doctor", "status", "check", "monitor"):
        ran = place.done(*line.split())
        assert not _CONTROL.search(ran.out + ran.err), line
        document = place.done(*line.split(), "--json").out
        json.loads(document)
        assert not _CONTROL.search(document), line
    assert shown in place.done("list").out
    assert shown in place.done("plan", "nuclear").out
    assert shown in place.done("history").out
    assert shown in place.done("show", "--", name).out
    assert place.done("delete", "--yes", "--", name).code == 0
    assert not (place.backups / name).exists()


def test_any_name_goes_through_a_real_process(place: Workplace) -> None:
    """SPEC 7.11: bytes on a real command line, in a locale that cannot write them all."""
    for name in NAMES.values():
        place.backup(name)
    place.register()
    shown = {SHOWN.get(kind, name) for kind, name in NAMES.items()}
    for locale in ("C.UTF-8", "POSIX"):
        ran = place.run("list", "--json", LC_ALL=locale)
        assert {one["backup_id"] for one in ran.json["stores"][0]["backups"]} == shown
    assert place.run("list", PYTHONIOENCODING="ascii").code == 0
    for name in NAMES.values():
        assert place.run("show", "--", name).code == 0, name


def test_a_message_about_a_strange_name_is_one_line(place: Workplace) -> None:
    """SPEC 7.11: a name cannot speak in our voice."""
    place.backup("a\nullage: all is well", "NONSENSE")
    place.register()
    for line in ("list", "pin", "unpin", "delete --yes", "archive --yes", "show"):
        command, *words = line.split()
        ran = place.call(command, *words, *([] if command == "list" else ["a\nullage: all is well"]))
        assert not [said for said in ran.err.splitlines() if said.startswith("ullage: all is well")], line


@pytest.mark.parametrize("name", ["no\x07\x1b[31m\nullage: such", os.fsdecode(b"\xff")])
def test_an_id_that_is_not_there_is_said_safely(store: Workplace, name: str) -> None:
    """SPEC 7.11: nor does what a person typed."""
    for line in (
        ["show", name],
        ["pin", name],
        [name],
        ["status", name],
        ["status", f"--{name}"],
        ["transition", "db-20260101", name],
    ):
        ran = store.run(*line)
        assert ran.code in (1, 2)
        assert not _CONTROL.search(ran.err), line
        assert ran.out == ""


def test_stdout_is_data_and_stderr_is_messages(store: Workplace) -> None:
    """SPEC 6: what is redirected is data and nothing else."""
    store.backup("odd", "NONSENSE")
    for line in ("status", "list", "plan", "history", "check", "show db-20260101", "config show", "doctor", "clock"):
        ran = store.done(*line.split())
        assert ran.out
        assert ran.err == (
            ""
            if line != "list"
            else "store main: odd: .state says 'NONSENSE', not CREATED, PENDING, CONFIRMED or CLEANABLE\n"
        )
    for line in ("pin db-20260101", "unpin db-20260101", "stop", "start --dry-run"):
        ran = store.done(*line.split())
        assert (ran.out, bool(ran.err)) == ("", True), line
    ran = store.call("show", "nothing", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("ullage: ")


@pytest.mark.parametrize("line", ["status", "list", "plan", "history"])
def test_colour_is_for_terminals_that_want_it(store: Workplace, line: str) -> None:
    """SPEC 6: none through a pipe, none with NO_COLOR."""
    store.done("transition", "db-20260102", "CLEANABLE")  # that there is a history
    assert "\x1b[" not in store.run(line, FORCE_COLOR="1").out
    assert "\x1b[" in on_terminal(store, line)[1]
    assert "\x1b[" not in on_terminal(store, line, NO_COLOR="1")[1]
    assert "\x1b[" not in on_terminal(store, line, "--json")[1]


def test_a_reader_that_goes_away_is_no_traceback(store: Workplace) -> None:
    """``ullage list | head -1`` ends quietly."""
    import subprocess

    for number in range(300):
        store.backup(f"x-{number:0200}")
    command = " ".join(map(repr, store.command(["list"])))
    done = subprocess.run(
        ["bash", "-c", f"{command} | true"], env=store.environment(), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_a_name_with_a_bar_does_not_begin_the_performance_data(tmp_path: Path) -> None:
    """Monitoring plugin guidelines: a bar ends the text; a path may hold one."""
    (tmp_path / "a|b").mkdir()
    place = Workplace(tmp_path / "a|b")
    place.register()
    place.backups.rename(place.path / "elsewhere")
    ran = place.call("check")
    assert ran.code == 3
    assert "|" not in ran.out


@pytest.mark.parametrize(
    ("line", "column", "width"),
    [
        ("explain db-20260101", "14", 100),
        ("doctor", "9", 100),
        ("plan", "15", 100),
        ("list", "50,", 100),
        ("cleanup --dry-run", "2", 70),
    ],
)
def test_on_a_terminal_lines_are_broken_between_words_under_the_column_they_began_in(
    store: Workplace, line: str, column: str, width: int
) -> None:
    """What does not fit is read as easily as what does; through a pipe a line stays a line."""
    (store.backups / "db-20260101" / ".state").write_text("confirmed\n")
    wide = store.run(*line.split()).out
    assert max(map(len, wide.splitlines())) > width
    told = on_terminal(store, *line.split(), NO_COLOR="1", COLUMNS=str(width))[1].splitlines()
    assert max(map(len, told)) <= width
    assert [one for one in told if re.match(rf" {{{column}}}[^ ]", one)]
    for word in re.findall("[A-Za-z]+", wide):
        assert [one for one in told if word in one], word


def test_where_a_terminal_leaves_the_last_cells_no_room_they_are_left_to_it(store: Workplace) -> None:
    (store.backups / "db-20260101" / ".state").write_text("confirmed\n")
    wide = store.run("list").out
    assert wide in on_terminal(store, "list", NO_COLOR="1", COLUMNS="80")[1].replace("\r", "")


def test_the_help_says_of_every_command_what_it_does_and_cuts_no_sentence_off(place: Workplace) -> None:
    told = place.done("--help").out
    commands = told[told.index("Commands:") :]
    assert "..." not in commands
    assert re.search(r"^  history +Show what became of backups$", commands, re.MULTILINE)
    assert re.search(r"^  alert +Try the channels that alerts go by$", commands, re.MULTILINE)
    assert set(re.findall(r"^  ([a-z]+)", commands, re.MULTILINE)) == set(COMMANDS)


def test_a_history_of_nothing_says_so(store: Workplace) -> None:
    assert store.done("history").out == "nothing was done yet\n"
    store.done("transition", "db-20260102", "CLEANABLE")
    assert "db-20260102" in store.done("history").out
    assert store.done("history", "--backup", "db-20260101").out == "nothing was done with db-20260101 yet\n"
