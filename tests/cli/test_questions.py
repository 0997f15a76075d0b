"""SPEC.md 6: what is asked, of whom, and what counts as yes."""

from __future__ import annotations

import pytest

from tests.cli.terminal import on_terminal
from tests.cli.workplace import Workplace

ASKING = (
    "delete db-20260101",
    "archive db-20260101",
    "transition db-20260101 DELETED",
    "cleanup moderate",
    "emergency",
    "apply TMP/plan.json",
)


@pytest.fixture
def pressed(store: Workplace) -> Workplace:
    """The store in emergency, where every command that asks has something to ask about."""
    store.press(99.5)
    store.done("plan", "nuclear", "1", "--save", store.path / "plan.json")
    return store


@pytest.mark.parametrize("line", ASKING)
def test_a_question_without_a_terminal_is_a_refusal(pressed: Workplace, line: str) -> None:
    """SPEC 6: never a yes; exit 1, nothing done, and the message says how to answer."""
    ran = pressed.call(*line.replace("TMP", str(pressed.path)).split())
    assert ran.code == 1
    assert "--yes" in ran.err
    assert pressed.state_of("db-20260101") == "CLEANABLE"


@pytest.mark.parametrize("line", ASKING)
def test_yes_answers_the_question(pressed: Workplace, line: str) -> None:
    """SPEC 6: ``--yes`` on all that asks."""
    pressed.done(*line.replace("TMP", str(pressed.path)).split(), "--yes")
    assert pressed.state_of("db-20260101") is None


@pytest.mark.parametrize("answer", [b"y\n", b"yes\n"])
def test_yes_on_a_terminal_is_yes(store: Workplace, answer: bytes) -> None:
    """A person may answer."""
    code, seen = on_terminal(store, "delete", "db-20260101", answer=answer)
    assert (code, store.state_of("db-20260101")) == (0, None), seen


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"\x04"], ids=["no", "nothing", "end of input"])
def test_anything_else_on_a_terminal_is_no(store: Workplace, answer: bytes) -> None:
    """Nothing is the answer no, and so is the end of the input: exit 1."""
    code, seen = on_terminal(store, "delete", "db-20260101", answer=answer)
    assert (code, store.state_of("db-20260101")) == (1, "CLEANABLE"), seen
    assert "nothing was done" in seen


def test_the_question_names_backup_store_and_place(store: Workplace) -> None:
    """notes/safety: show the store in the question."""
    _, seen = on_terminal(store, "delete", "db-20260101", answer=b"n\n")
    question = seen.replace("\r\n", "").replace("\n", "")
    assert f"Delete db-20260101? (store main, {store.backups})" in question


def test_a_clean_up_shows_its_plan_before_it_asks(pressed: Workplace) -> None:
    """What is asked about stands above the question."""
    _, seen = on_terminal(pressed, "cleanup", "moderate", answer=b"n\n")
    assert seen.index("db-20260101: planned") < seen.index("clean-up (1 step)?")


def test_a_clean_up_with_nothing_to_do_asks_nothing(store: Workplace) -> None:
    """There is no question where the plan is empty, and then nothing is done."""
    store.done("pin", "db-20260101")
    store.done("pin", "db-20260102")
    ran = store.done("cleanup", "moderate", "--json")
    assert ran.json["stores"][0]["actions"] == []
