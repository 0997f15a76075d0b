"""Issue 4.7: when a space is full, by its history; whatever came and went, was imported, deleted or reclaimed in it."""

from __future__ import annotations

import time
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.make import HOUR, NOW
from ullage.model.units import DAY
from ullage.policy.forecast import MOST_DAYS, Arrival, Forecast, Point, daily_peaks, forecast

SIZE = 100_000


def history(
    used: list[float], *, peak: dict[int, float] | None = None, freed: dict[int, float] | None = None
) -> list[Point]:
    """A point for each hour up to now, in percent; other peaks and what ullage freed by hour."""
    high, gone = peak or {}, freed or {}
    return [
        Point(
            at=NOW - HOUR * (len(used) - 1 - hour),
            used=round(one * SIZE / 100),
            usable=SIZE,
            peak=round(high.get(hour, one) * SIZE / 100),
            freed=round(gone.get(hour, 0.0) * SIZE / 100),
        )
        for hour, one in enumerate(used)
    ]


def growing(start: float, rate: float, days: int) -> list[float]:
    """Percent at each hour of growth by ``rate`` percent a day."""
    return [start + rate * hour / 24 for hour in range(days * 24 + 1)]


def full_in(points: list[Point]) -> tuple[float | None, float | None, float | None]:
    """Days until it is full: earliest, likely, latest."""
    (arrival,) = forecast(points, [SIZE], now=NOW).arrivals
    earliest, likely, latest = (
        None if at is None else (at - NOW) / DAY for at in (arrival.earliest, arrival.likely, arrival.latest)
    )
    return earliest, likely, latest


def likely(points: list[Point]) -> float:
    """Days until it is likely full; it must be in sight."""
    found = full_in(points)[1]
    assert found is not None
    return found


def test_steady_growth_is_full_when_the_line_says_with_some_doubt_about_it() -> None:
    earliest, middle, latest = full_in(history(growing(20, 1, 40)))
    assert earliest is not None
    assert middle == pytest.approx(40, abs=2)
    assert latest is not None
    assert 25 < earliest < 38
    assert 42 < latest < 65


def test_each_mark_has_its_time_in_order_and_one_that_is_reached_has_now() -> None:
    points = history(growing(40, 1, 40))
    found = forecast(points, [0.75 * SIZE, 0.85 * SIZE, SIZE], now=NOW)
    assert found.arrivals[0] == Arrival(first=NOW, earliest=NOW, likely=NOW, latest=NOW)
    second, third = found.arrivals[1:]
    assert second.likely is not None
    assert third.likely is not None
    assert NOW + 4 * DAY < second.likely < NOW + 6 * DAY < third.likely < NOW + 22 * DAY


def test_it_says_on_what_it_stands() -> None:
    basis = forecast(history([50.0] * 240 + growing(50, 1, 40)), [SIZE], now=NOW).basis
    assert basis.days == 50
    assert basis.per_day == pytest.approx(SIZE / 100, rel=0.1)
    assert basis.since is not None
    assert NOW - 42 * DAY < basis.since < NOW - 39 * DAY
    assert basis.missing is None


@pytest.mark.parametrize(("hours", "told"), [(0, "are 0"), (1, "is 1"), (24, ""), (60, "are ")])
def test_less_than_three_days_of_history_are_said_to_be_missing(hours: int, told: str) -> None:
    """Unknown is never fine."""
    found = forecast(history([50.0] * hours), [SIZE], now=NOW)
    assert found.arrivals == ()
    assert found.basis.missing is not None
    assert found.basis.missing.startswith(f"3 whole days of history; there {told}")


def test_three_days_are_enough() -> None:
    assert likely(history(growing(10, 10, 3))) == pytest.approx(6, abs=1)


def test_a_disk_that_stays_as_it_is_is_not_full_within_a_year() -> None:
    assert full_in(history([60.0] * 24 * 30)) == (None, None, None)


def test_what_comes_and_goes_every_night_is_no_growth() -> None:
    nightly = [80.0 if hour % 24 == 2 else 60.0 for hour in range(24 * 30)]
    assert full_in(history(nightly)) == (None, None, None)


def test_a_peak_within_the_hour_counts_although_it_is_gone_at_its_end() -> None:
    points = history(growing(50, 0.5, 40), peak={hour: 70 + hour / 48 for hour in range(3, 24 * 40, 24)})
    assert likely(points) == pytest.approx(20, abs=2)


def test_a_weekly_full_backup_that_goes_again_is_no_growth_and_its_peak_is_what_runs_full() -> None:
    weekly = [70 + (20 if day % 7 == 2 else 0) + day / 7 for day in range(70)]
    earliest, middle, _ = full_in(history([one for one in weekly for _ in range(24)]))
    assert middle is not None
    assert earliest is not None
    assert middle == pytest.approx(7, abs=7.5)  # 90 + 69/7 is within a week or two of 100
    flat = [70 + (20 if day % 7 == 2 else 0) for day in range(70)]
    assert full_in(history([float(one) for one in flat for _ in range(24)])) == (None, None, None)


def test_an_import_that_came_once_is_no_trend() -> None:
    days = [40.0 + 0.2 * day + (20 if day >= 35 else 0) for day in range(40)]
    assert likely(history([one for one in days for _ in range(24)])) == pytest.approx((100 - 67.8) / 0.2, abs=40)


def test_bursts_that_come_again_and_again_are_a_trend() -> None:
    days = list(accumulate([20.0, *(5.0 if day % 6 == 5 else 0.0 for day in range(60))]))
    assert likely(history([one for one in days for _ in range(24)])) == pytest.approx(36, abs=12)


def test_what_somebody_deleted_by_hand_is_not_relied_on() -> None:
    days = [30 + 1.0 * day - (30 if day >= 30 else 0) for day in range(60)]
    assert likely(history([one for one in days for _ in range(24)])) == pytest.approx(41, abs=5)


def test_what_ullage_freed_is_added_back() -> None:
    """A disk that ullage holds at 85 % grows all the same."""
    used, freed, level = [], {}, 70.0
    for hour in range(24 * 40):
        level += 1.5 / 24
        if level >= 85:
            level, freed[hour] = level - 5, 5.0
        used.append(level)
    high = {hour: used[hour] + gone for hour, gone in freed.items()}
    assert likely(history(used, freed=freed, peak=high)) == pytest.approx((100 - level) / 1.5, abs=2)


def test_growth_that_speeds_up_is_full_sooner_than_its_mean_says() -> None:
    used = [10 + 60 * (hour / (24 * 60)) ** 2 for hour in range(24 * 60)]
    assert 7 < likely(history(used)) < 20  # truly after 13.5 days; by the mean of all of it after 30
    earliest, _, latest = full_in(history(used))
    assert earliest is not None
    assert latest is not None
    assert earliest < 13.5 < latest


def test_a_rise_that_goes_on_all_day_may_go_on() -> None:
    """Something began to write a day ago, on a disk that was quiet before: the earliest time says so."""
    earliest, middle, _ = full_in(history([40.0] * 24 * 30 + growing(40, 20, 1)))
    assert earliest == pytest.approx(2, abs=0.3)
    assert middle is None


def test_the_same_amount_at_once_is_over() -> None:
    assert full_in(history([40.0] * 24 * 30 + [60.0] * 12))[0] is None


def test_days_that_were_not_looked_at_are_filled_evenly() -> None:
    points = history(growing(20, 1, 40))
    rest = [point for point in points if not 5 * DAY < NOW - point.at < 9 * DAY]
    assert likely(rest) == pytest.approx(likely(points), abs=2)


def test_what_was_before_an_absence_of_over_a_week_says_nothing_of_now() -> None:
    points = history(growing(20, 1, 40))
    rest = [point for point in points if not 1.5 * DAY < NOW - point.at < 20 * DAY]
    assert forecast(rest, [SIZE], now=NOW).basis.missing is not None


def test_no_more_than_thirteen_weeks_are_looked_at() -> None:
    assert len(daily_peaks(history(growing(0, 0.1, 200)))) == MOST_DAYS


def test_a_last_day_that_was_hardly_looked_at_has_no_steady_rise() -> None:
    points = history(growing(20, 1, 40))
    rest = [point for point in points if not 0 < NOW - point.at < DAY]
    assert likely(rest) == pytest.approx(40, abs=3)


_HISTORIES = st.lists(st.tuples(st.floats(-15, 15), st.sampled_from([0.0, 0.0, 0.0, 5.0])), min_size=72, max_size=200)


@settings(max_examples=40)
@given(_HISTORIES, st.integers(0, 23))
def test_whatever_the_history_times_are_in_order_and_the_same_every_time(
    steps: list[tuple[float, float]], phase: int
) -> None:
    level, used, freed = 50.0, [], {}
    for hour, (step, gone) in enumerate(steps):
        level = min(100.0, max(0.0, level + (step if hour % 24 == phase else step / 50)))
        level, freed[hour] = level - min(gone, level), min(gone, level)
        used.append(level)
    points = history(used, freed=freed)
    found = forecast(points, [0.75 * SIZE, 0.95 * SIZE, SIZE], now=NOW)
    assert found == forecast(points, [0.75 * SIZE, 0.95 * SIZE, SIZE], now=NOW)
    _in_order(found)


def _in_order(found: Forecast) -> None:
    far = float("inf")
    rows = [tuple(far if at is None else at for at in (one.earliest, one.likely, one.latest)) for one in found.arrivals]
    for row in rows:
        assert NOW <= row[0] <= row[1] <= row[2]
    for lower, higher in pairwise(rows):
        assert all(one <= other for one, other in zip(lower, higher, strict=True))


@settings(max_examples=40)
@given(_HISTORIES, st.floats(1, 20))
def test_a_smaller_disk_is_never_full_later(steps: list[tuple[float, float]], less: float) -> None:
    points = history([min(100.0, max(0.0, 50 + step)) for step, _ in steps])
    ((smaller, larger),) = [forecast(points, [SIZE * (1 - less / 100), SIZE], now=NOW).arrivals]
    assert larger.earliest is None or (smaller.earliest is not None and smaller.earliest <= larger.earliest)


def test_a_year_of_hours_is_judged_in_a_moment() -> None:
    """Measured: 10 ms where nothing is in sight and every path goes a year; the bound leaves room for slow machines."""
    points = history([50.0 + hour % 24 / 10 for hour in range(365 * 24)])
    began = time.process_time()
    forecast(points, [0.75 * SIZE, 0.85 * SIZE, 0.95 * SIZE, SIZE], now=NOW)
    assert time.process_time() - began < 0.1
