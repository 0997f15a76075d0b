"""What an alert says (SPEC.md 4, the seed's words)."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json
from msgspec.structs import replace

from ullage.model.units import printable
from ullage.model.words import Level
from ullage.notify.message import Alert, message
from ullage.notify.payloads import slack_body, webhook_body
from ullage.policy.assess import shown_percent

ALERT = Alert(
    store="main",
    level=Level.CRITICAL,
    kind="entered",
    usage=91.23,
    backup_root="/srv/backup",
    host="nas",
    at=1_795_401_000.0,
    details=("Deleted: db-20260101, 1.5 GiB.",),
)
KINDS = ("entered", "repeat", "over", "test", "notice")


def test_the_title_is_the_seeds() -> None:
    assert message(ALERT)[0] == "BACKUP DISK ALERT: critical level - 91.2% usage"


@pytest.mark.parametrize(("usage", "shown"), [(84.96, "84.9"), (94.999, "94.9"), (85.0, "85.0"), (100.0, "100.0")])
def test_a_usage_is_cut_everywhere_and_no_watermark_is_shown_before_it_is_reached(usage: float, shown: str) -> None:
    title, details = message(replace(ALERT, usage=usage))
    assert title == f"BACKUP DISK ALERT: critical level - {shown}% usage"
    assert f"\nUsage: {shown}%\n" in details
    assert shown_percent(usage) == shown


def test_the_details_are_the_seeds_and_say_which_store_on_which_host() -> None:
    lines = message(ALERT)[1].split("\n")
    assert lines[:5] == [
        "Store: main",
        "Host: nas",
        "Backup Directory: /srv/backup",
        "Timestamp: 2026-11-23T02:30:00Z",
        "Usage: 91.2%",
    ]


def test_the_details_say_what_was_done_and_what_to_do() -> None:
    lines = message(ALERT)[1].split("\n")
    assert "Deleted: db-20260101, 1.5 GiB." in lines
    assert lines[-1].startswith("What to do: ")


def test_an_unavailable_store_has_no_usage_but_a_reason_and_advice() -> None:
    gone = replace(ALERT, level=Level.UNAVAILABLE, usage=None, details=("/srv/backup is not mounted.",))
    title, details = message(gone)
    assert title == "BACKUP DISK ALERT: unavailable level - usage unknown"
    assert "/srv/backup is not mounted." in details
    assert "mount the disk that was registered" in details


def test_a_recovery_says_that_it_is_over() -> None:
    title, details = message(replace(ALERT, level=Level.OK, kind="over", usage=62.0))
    assert title == "BACKUP DISK ALERT: ok level - 62.0% usage"
    assert "It is over" in details


def test_a_test_is_seen_to_be_one() -> None:
    title, details = message(replace(ALERT, level=Level.OK, kind="test", usage=62.0))
    assert title == "BACKUP DISK ALERT: ok level - 62.0% usage (test)"
    assert "nothing is wrong" in details


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_at_every_level_has_its_words(level: Level, kind: str) -> None:
    title, details = message(replace(ALERT, level=level, kind=kind))
    assert level in title
    assert "critical" in title or "critical" not in details


names = st.binary(min_size=1, max_size=40).map(os.fsdecode)


@given(store=names, root=names, host=names, detail=names)
def test_no_name_makes_a_line_or_reaches_a_terminal(store: str, root: str, host: str, detail: str) -> None:
    title, details = message(replace(ALERT, store=store, backup_root=root, host=host, details=(detail,)))
    assert title == printable(title)
    assert len(details.split("\n")) == len(message(ALERT)[1].split("\n"))
    assert all(line.isprintable() for line in details.split("\n"))


def test_the_webhooks_body_is_to_the_letter() -> None:
    assert webhook_body("T", 'a "b"\nc', "critical") == b'{"message":"T","details":"a \\"b\\"\\nc","level":"critical"}'


@pytest.mark.parametrize(
    ("level", "colour"),
    [("ok", "good"), ("warning", "good"), ("critical", "warning"), ("emergency", "danger"), ("unavailable", "danger")],
)
def test_slacks_body_is_to_the_letter(level: str, colour: str) -> None:
    assert slack_body("T", "a\nb", level) == (
        b'{"attachments":[{"color":"%s","title":"T","text":"a\\nb"}]}' % colour.encode()
    )


def test_a_name_calls_nobody_on_slack() -> None:
    attachment = json.decode(slack_body("<!here>", "<!channel> & co", "critical"))["attachments"][0]
    assert attachment["title"] == "&lt;!here&gt;"
    assert attachment["text"] == "&lt;!channel&gt; &amp; co"
