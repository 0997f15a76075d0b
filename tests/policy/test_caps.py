"""Issue 3: caps per cycle, hour and day, by count and by share of the store's bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ullage.model.settings import CapSettings
from ullage.policy.caps import SECONDS, Cap, Taken, Window, binding, binds, limit_of, told

NOW = 1_800_000_000.0
NONE = CapSettings(cycle=0, hour=0, day=0, cycle_share=100, hour_share=100, day_share=100)
DAY, HOUR, CYCLE = Window.DAY, Window.HOUR, Window.CYCLE


def windows(day: Taken, hour: Taken | None = None, cycle: Taken | None = None) -> dict[Window, Taken]:
    """What went; the shorter windows hold nothing unless it is said."""
    return {DAY: day, HOUR: hour or Taken(), CYCLE: cycle or Taken()}


def taken(count: int, size: int = 0, ago: float = 60.0) -> Taken:
    """So many backups, the first so many seconds ago."""
    return Taken(count=count, bytes=size, first=NOW - ago)


def stop(caps: CapSettings, went: dict[Window, Taken], standing: int = 100, following: int = 10) -> str | None:
    """The key of the cap that binds."""
    cap = binding(caps, went, standing, following, now=NOW)
    return None if cap is None else cap.key


COUNTS = [
    ("cycle", windows(taken(2), taken(2), taken(2)), None),
    ("cycle", windows(taken(9), taken(9), taken(3)), "caps.cycle"),
    ("hour", windows(taken(9), taken(2)), None),
    ("hour", windows(taken(9), taken(3)), "caps.hour"),
    ("hour", windows(taken(9), taken(4)), "caps.hour"),
    ("day", windows(taken(2), taken(2), taken(2)), None),
    ("day", windows(taken(3)), "caps.day"),
]


@pytest.mark.parametrize(("key", "went", "expected"), COUNTS)
def test_a_cap_by_count_lets_so_many_go_and_no_more(key: str, went: dict[Window, Taken], expected: str | None) -> None:
    assert stop(replace(NONE, **{key: 3}), went) == expected


SHARES = [  # 100 bytes stood in all: what went, and what stands
    ("cycle_share", windows(taken(4, 40), taken(4, 40), taken(4, 40)), 60, 10, None),
    ("cycle_share", windows(taken(4, 40), taken(4, 40), taken(4, 40)), 60, 11, "caps.cycle_share"),
    ("cycle_share", windows(taken(9, 90), taken(9, 90), taken(4, 40)), 60, 11, "caps.cycle_share"),
    ("hour_share", windows(taken(9, 90), taken(4, 40)), 60, 10, None),
    ("hour_share", windows(taken(9, 90), taken(4, 40)), 60, 11, "caps.hour_share"),
    ("day_share", windows(taken(4, 40)), 60, 10, None),
    ("day_share", windows(taken(4, 40)), 60, 11, "caps.day_share"),
    ("day_share", windows(taken(4, 0)), 0, 0, None),
]


@pytest.mark.parametrize(("key", "went", "standing", "following", "expected"), SHARES)
def test_a_cap_by_share_lets_so_much_go_of_what_stands_and_went_together(
    key: str, went: dict[Window, Taken], standing: int, following: int, expected: str | None
) -> None:
    assert stop(replace(NONE, **{key: 50.0}), went, standing, following) == expected


def test_one_backup_may_always_go_however_large() -> None:
    """A store of one large backup and a small one must not fill up for ever."""
    half = replace(NONE, cycle_share=50.0, hour_share=50.0, day_share=50.0)
    assert stop(half, windows(Taken()), standing=100, following=90) is None
    assert stop(half, windows(taken(1, 0), taken(1, 0), taken(1, 0)), standing=100, following=90) == "caps.day_share"


def test_where_several_bind_the_one_that_lasts_longest_is_told() -> None:
    all_three = replace(NONE, cycle=1, hour=1, day=1)
    assert stop(all_three, windows(taken(1), taken(1), taken(1))) == "caps.day"
    assert stop(replace(all_three, day=0), windows(taken(1), taken(1), taken(1))) == "caps.hour"


def test_a_cap_says_when_it_ends() -> None:
    day = binding(replace(NONE, day=1), windows(taken(1, ago=600.0)), 1, 1, now=NOW)
    cycle = binding(replace(NONE, cycle=1), windows(taken(1), taken(1), taken(1)), 1, 1, now=NOW)
    assert day is not None and day.until == NOW - 600.0 + SECONDS[DAY]
    assert cycle is not None and cycle.until is None


CAP = Cap(window=HOUR, share=False, limit=2000, at=NOW, until=NOW + 600, taken=2000, percent=1.0)


@pytest.mark.parametrize(
    ("cap", "caps", "now", "still"),
    [
        pytest.param(CAP, CapSettings(), NOW + 599, True, id="its window is not over"),
        pytest.param(CAP, CapSettings(), NOW + 600, False, id="its window is over"),
        pytest.param(CAP, CapSettings(hour=3000), NOW, False, id="another limit was set"),
        pytest.param(replace(CAP, until=None), CapSettings(), NOW + 1e6, True, id="until the next cycle"),
    ],
)
def test_a_cap_binds_until_its_window_is_over_or_its_limit_another(
    cap: Cap, caps: CapSettings, now: float, still: bool
) -> None:
    assert binds(cap, caps, now=now) is still


def test_what_is_told_names_the_cap_how_much_went_and_until_when() -> None:
    by_count = told(CAP)
    assert all(part in by_count for part in ("caps.hour = 2000", "2000 backups", "2027-01-15T08:10:00Z"))
    by_share = told(replace(CAP, window=CYCLE, share=True, limit=50.0, until=None, taken=1, percent=62.04))
    assert all(part in by_share for part in ("1 backup went", "caps.cycle_share = 50", "62.0 %", "next cycle"))


_TAKEN = st.builds(Taken, count=st.integers(0, 50), bytes=st.integers(0, 10**6), first=st.just(NOW - 5))
_WENT = st.fixed_dictionaries({DAY: _TAKEN, HOUR: _TAKEN, CYCLE: _TAKEN})
_SHARE = st.floats(1, 100)
_CAPS = st.builds(
    CapSettings,
    cycle=st.integers(0, 50), hour=st.integers(0, 50), day=st.integers(0, 50),
    cycle_share=_SHARE, hour_share=_SHARE, day_share=_SHARE,
)  # fmt: skip
_SIZE = st.integers(0, 10**6)


@given(_WENT, _SIZE, _SIZE)
def test_without_caps_everything_may_go(went: dict[Window, Taken], standing: int, following: int) -> None:
    assert binding(NONE, went, standing + following, following, now=NOW) is None


@given(_CAPS, _WENT, _SIZE, _SIZE)
def test_what_may_go_passes_no_cap_and_what_may_not_would_pass_the_one_that_is_named(
    caps: CapSettings, went: dict[Window, Taken], standing: int, following: int
) -> None:
    cap = binding(caps, went, standing + following, following, now=NOW)
    for window, found in went.items():
        limit, share = limit_of(caps, window, share=False), limit_of(caps, window, share=True)
        over = found.count > 0 and share < 100 and _percent(found, standing, following) > share
        passed = (limit > 0 and found.count + 1 > limit, over)
        assert cap is not None or passed == (False, False)
        assert cap is None or cap.window is not window or passed[cap.share]


@given(_CAPS, st.lists(st.integers(1, 1000), min_size=1, max_size=60))
def test_however_a_store_is_taken_apart_a_cycle_ends_at_its_caps(caps: CapSettings, sizes: list[int]) -> None:
    """All together: a share is of what stood at the beginning, so a shrinking store does not move it."""
    total, went = sum(sizes), Taken()
    for size in sizes:
        if binding(caps, windows(went, went, went), total - went.bytes, size, now=NOW) is not None:
            break
        went = Taken(count=went.count + 1, bytes=went.bytes + size, first=NOW)
    counts = [limit for limit in (caps.cycle, caps.hour, caps.day) if limit]
    assert went.count >= 1
    assert all(went.count <= limit for limit in counts)
    share = min(caps.cycle_share, caps.hour_share, caps.day_share)
    assert went.count == 1 or share == 100 or 100 * went.bytes <= share * total * (1 + 1e-9)


def _percent(found: Taken, standing: int, following: int) -> float:
    total = standing + following + found.bytes
    return 100.0 * (found.bytes + following) / total if total else 0.0
