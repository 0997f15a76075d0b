"""The history by the hour, and what was seen coming: what a forecast is made of, and judged by later."""

from __future__ import annotations

from msgspec.structs import replace

from ullage.catalog.catalog import Catalog
from ullage.catalog.readings import KEPT
from ullage.model.units import DAY
from ullage.model.words import Level
from ullage.policy.forecast import Point
from ullage.policy.outlook import Outlook, Warned

HOUR = 3600.0
BASE = 1000 * DAY


def point(at: float, used: int, freed: int = 0) -> Point:
    """One look, of which the hour's point is made."""
    return Point(at=BASE + at, used=used, usable=100, peak=used, freed=freed)


def look(catalog: Catalog, at: float, used: int, what: str = "bytes", store: str = "main") -> None:
    """One recorded check."""
    catalog.add_reading(store, BASE + at, Level.OK, 1.0, None, 1.0, {what: point(at, used)})


def test_an_hour_is_its_last_look_its_peak_and_all_that_was_freed_in_it(catalog: Catalog) -> None:
    for at, used in ((10, 30), (20, 90), (HOUR - 1, 40), (HOUR, 41)):
        look(catalog, at, used)
    catalog.add_points("main", {"bytes": point(HOUR + 5, 20, freed=21)})
    catalog.add_points("main", {"bytes": point(HOUR + 6, 15, freed=5)})
    assert catalog.points("main", BASE, BASE + DAY) == {
        "bytes": [
            Point(at=BASE + HOUR - 1, used=40, usable=100, peak=90),
            Point(at=BASE + HOUR + 6, used=15, usable=100, peak=41, freed=26),
        ]
    }


def test_what_is_measured_apart_is_kept_apart_and_so_are_stores(catalog: Catalog) -> None:
    look(catalog, 1, 1)
    look(catalog, 2, 2, what="inodes")
    look(catalog, 3, 3, store="other")
    found = catalog.points("main", BASE, BASE + DAY)
    assert {what: [one.used for one in points] for what, points in found.items()} == {"bytes": [1], "inodes": [2]}


def test_only_the_time_that_was_asked_for_is_given_and_nothing_of_the_future(catalog: Catalog) -> None:
    """A clock that was ahead has left hours of the future."""
    for hour in range(10):
        look(catalog, hour * HOUR, hour)
    found = catalog.points("main", BASE + 3 * HOUR, BASE + 6.5 * HOUR)["bytes"]
    assert [one.used for one in found] == [3, 4, 5, 6]
    assert catalog.points("main", BASE - DAY, BASE - 1) == {}


def test_what_is_older_than_is_kept_goes_as_new_hours_come(catalog: Catalog) -> None:
    """Constant space."""
    look(catalog, 0, 1)
    look(catalog, 0, 1, store="other")
    look(catalog, HOUR, 2)
    look(catalog, KEPT + HOUR, 3)
    assert [one.used for one in catalog.points("main", 0, BASE + 2 * KEPT)["bytes"]] == [2, 3]
    assert [one.used for one in catalog.points("other", 0, BASE + 2 * KEPT)["bytes"]] == [1]


def test_the_newest_outlook_takes_the_place_of_the_one_before_where_that_is_not_kept(catalog: Catalog) -> None:
    assert catalog.outlook("main") is None
    first, second, third = (Outlook(at=at, sights=(), warned=Warned(since=1.0)) for at in (1.0, 2.0, 3.0))
    catalog.add_outlook("main", first, instead=None)
    catalog.add_outlook("main", second, instead=1.0)
    catalog.add_outlook("main", third, instead=None)
    assert catalog.outlook("main") == third
    assert catalog.outlooks("main", 9) == [("main", third), ("main", second)]
    assert catalog.outlooks("main", 1) == [("main", third)]


def test_outlooks_of_all_stores_stand_together_and_old_ones_go(catalog: Catalog) -> None:
    old = Outlook(at=1.0, sights=())
    late = replace(old, at=BASE)
    catalog.add_outlook("main", old, instead=None)
    catalog.add_outlook("other", old, instead=None)
    catalog.add_outlook("main", late, instead=None)
    assert catalog.outlooks(None, 9) == [("main", late), ("other", old)]


def test_an_outlook_of_a_clock_that_was_set_back_since_goes(catalog: Catalog) -> None:
    ahead, now = Outlook(at=BASE, sights=()), Outlook(at=5.0, sights=())
    catalog.add_outlook("main", ahead, instead=None)
    catalog.add_outlook("main", now, instead=None)
    assert catalog.outlook("main") == now
