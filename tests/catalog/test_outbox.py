"""Alerts that cannot be delivered are kept and tried again (SPEC.md 4), within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.catalog.makers import NAUGHTY, alert
from ullage.catalog import outbox
from ullage.catalog.catalog import Catalog
from ullage.model.units import DAY


def test_an_alert_waits_across_a_restart_until_it_is_delivered(tmp_path: Path) -> None:
    with Catalog.open(str(tmp_path / "state")) as first:
        item = first.enqueue(alert(title=f"a {NAUGHTY}", body=f"about {NAUGHTY}"))
        assert item == replace(alert(title=f"a {NAUGHTY}", body=f"about {NAUGHTY}"), id=item.id, next_at=1000.0)
    with Catalog.open(str(tmp_path / "state")) as second:
        assert second.due(1000.0) == [item]
        second.delivered(item.id, 1001.0)
        assert second.due(2000.0) == []
        assert second.undelivered() == 0
        assert [a.outcome for a in second.alerts(10)] == ["delivered"]


def test_a_failed_delivery_is_due_again_when_its_time_has_come(catalog: Catalog) -> None:
    item = catalog.enqueue(alert())
    catalog.retry(item.id, 1030.0, f"no answer {NAUGHTY}")
    assert catalog.due(1029.0) == []
    assert catalog.due(1030.0) == [replace(item, attempts=1, next_at=1030.0, error=f"no answer {NAUGHTY}")]
    assert catalog.undelivered() == 1


def test_alerts_are_due_oldest_first(catalog: Catalog) -> None:
    items = [catalog.enqueue(alert(title=title)) for title in "abc"]
    assert catalog.due(1000.0) == items


def test_after_a_week_an_alert_is_given_up_and_the_record_says_so(catalog: Catalog) -> None:
    item = catalog.enqueue(alert(at=0.0))
    for _ in range(outbox.LEAST_TRIES):
        catalog.retry(item.id, 7 * DAY, "refused")
    assert [i.id for i in catalog.due(7 * DAY)] == [item.id]
    assert catalog.due(7 * DAY + 1) == []
    (given_up,) = catalog.alerts(1)
    assert (given_up.outcome, given_up.error) == ("given up", "not delivered within 7 days; refused")
    assert catalog.undelivered() == 0


@pytest.mark.parametrize("jump", [10 * 365 * DAY, -20 * 365 * DAY])
def test_a_clock_that_jumps_neither_gives_an_alert_up_nor_delays_it(catalog: Catalog, jump: float) -> None:
    start = 1_800_000_000.0
    before = catalog.enqueue(alert(at=start))
    catalog.retry(before.id, start + 30, "refused")
    meanwhile = catalog.enqueue(alert(at=start + jump))
    catalog.retry(meanwhile.id, start + jump + 30, "refused")
    for now in (start + jump + 60, start + 60):
        assert [item.id for item in catalog.due(now)] == [before.id, meanwhile.id]


def test_where_more_than_a_thousand_wait_the_oldest_of_that_channel_are_given_up(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outbox.MOST_WAITING == 1000
    monkeypatch.setattr(outbox, "MOST_WAITING", 5)
    first, second, other = (
        catalog.enqueue(alert(title=title, channel=channel))
        for title, channel in (("1", "email"), ("2", "email"), ("3", "slack"))
    )
    for number in range(outbox.MOST_WAITING - 1):
        catalog.enqueue(alert(title=f"more {number}"))
    waiting = {item.id for item in catalog.due(1000.0)}
    assert first.id not in waiting
    assert {second.id, other.id} <= waiting
    assert catalog.undelivered() == outbox.MOST_WAITING + 1
    assert catalog.alerts(50)[-1].error == "5 newer ones are waiting; "


def test_the_record_of_what_was_delivered_is_kept_for_a_month(catalog: Catalog) -> None:
    catalog.delivered(catalog.enqueue(alert(at=0.0)).id, 1.0)
    catalog.enqueue(alert(at=30 * DAY))
    assert len(catalog.alerts(10)) == 2
    catalog.enqueue(alert(at=30 * DAY + 1))
    assert len(catalog.alerts(10)) == 2
