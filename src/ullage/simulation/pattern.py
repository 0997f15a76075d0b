"""How backups come to be: described in a file, or told from those that a store has."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise
from statistics import median
from typing import Any

from msgspec import Struct

from ullage.errors import SettingsError
from ullage.model.backups import Backup
from ullage.model.units import DAY, MIB, parse_duration, parse_size, printable
from ullage.policy.series import series_of

MONTH = 30 * DAY
_LATELY = 7
"""So many of the newest backups of a series say how large the next ones are."""
_SHORTEST = 60.0


class Series(Struct, frozen=True, kw_only=True):
    """Backups that come again and again. Sizes in bytes, times in seconds, fractions 0..1.

    ``growth``: per 30 days; ``spread``: how far a size is off by chance; every ``full_every``-th is of ``full_size``.
    ``confirmed_after``, ``cleanable_after``: counted from its end; None: never. ``fails``: how many never are.
    """

    name: str
    every: float = DAY
    size: int
    growth: float = 0.0
    spread: float = 0.0
    full_every: int = 0
    full_size: int = 0
    files: int = 1
    confirmed_after: float | None = 3600.0
    cleanable_after: float | None = None
    fails: float = 0.0


class Pattern(Struct, frozen=True, kw_only=True):
    """All that comes. ``others``: bytes a day that others write on the same disk; ``rate``: bytes a second of a writer.

    ``disk``, ``archive_disk`` (bytes; None: the store's own, and for archives the same disk) and ``used`` by others.
    """

    series: tuple[Series, ...]
    others: float = 0.0
    rate: float = 200.0 * MIB
    disk: int | None = None
    archive_disk: int | None = None
    used: int = 0


def _size(value: object) -> int:
    if isinstance(value, str):
        return parse_size(value)
    raise ValueError('a size with a unit, like "10 GiB"')


def _time(value: object) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    raise ValueError('a time with a unit, like "1 d"')


def _never_or_time(value: object) -> float | None:
    return None if value == "never" else _time(value)


def _often(value: object) -> float:
    seconds = _time(value)
    if seconds < _SHORTEST:
        raise ValueError(f"{_SHORTEST:.0f} s or longer")
    return seconds


def _percent(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and -100 < value <= 1000:
        return value / 100.0
    raise ValueError("a number of percent")


def _share(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
        return value / 100.0
    raise ValueError("a number of percent from 0 to 100")


def _count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**9:
        return value
    raise ValueError("a whole number")


def _name(value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= 200 and "/" not in value and value.isprintable():
        return value
    raise ValueError("a name without a slash")


_Reader = Callable[[object], object]
_SERIES: dict[str, _Reader] = {
    "name": _name,
    "every": _often,
    "size": _size,
    "growth": _percent,
    "spread": _share,
    "full_every": _count,
    "full_size": _size,
    "files": _count,
    "confirmed_after": _never_or_time,
    "cleanable_after": _never_or_time,
    "fails": _share,
}
_TOP: dict[str, _Reader] = {
    "disk": _size,
    "archive_disk": _size,
    "used": _size,
    "others": _size,
    "rate": _size,
}


def read_pattern(text: str, path: str) -> Pattern:
    """The pattern that a TOML file describes. Raises SettingsError naming every fault."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{printable(path)}: {error}"]) from None
    faults: list[str] = []
    series = data.pop("series", [])
    top = _values(data, _TOP, printable(path), faults)
    found = []
    if not isinstance(series, list) or not series:
        faults.append(f"{printable(path)}: it needs at least one [[series]]")
        series = []
    for number, one in enumerate(series, 1):
        where = f"{printable(path)}: series {number}"
        values = _values(one if isinstance(one, dict) else {}, _SERIES, where, faults)
        faults += [f"{where}: {key} is missing" for key in ("name", "size") if key not in values]
        found.append(values)
    names = [values.get("name") for values in found]
    faults += [f"{printable(path)}: two series have the name {name!r}" for name in set(names) if names.count(name) > 1]
    if faults:
        raise SettingsError(faults)
    return Pattern(series=tuple(Series(**values) for values in found), **top)


def _values(data: dict[str, object], readers: dict[str, _Reader], where: str, faults: list[str]) -> dict[str, Any]:
    values = {}
    for key, value in data.items():
        if key not in readers:
            faults.append(f"{where}: unknown key {printable(key)!r}; there are: {', '.join(readers)}")
            continue
        try:
            values[key] = readers[key](value)
        except ValueError as error:
            faults.append(f"{where}: {key} = {value!r} is not allowed; it takes {error}")
    return values


def pattern_of(backups: Iterable[Backup]) -> Pattern:
    """What the backups of a store promise for the time to come; a series of a single one does not go on."""
    by_series: dict[str, list[Backup]] = defaultdict(list)
    for backup in backups:
        series = series_of(backup.id)
        if series is not None and backup.created_at is not None and backup.state is not None:
            by_series[series].append(backup)
    found = []
    for name in sorted(by_series):
        members = sorted(by_series[name], key=lambda b: (b.created_at or 0, b.id))
        if len(members) > 1:
            found.append(_series(name, members))
    return Pattern(series=tuple(found))


def _series(name: str, members: Sequence[Backup]) -> Series:
    made = [float(b.created_at or 0) for b in members]
    sizes = [b.size_bytes for b in members]
    size = int(median(sizes[-_LATELY:]))
    good = [b for b in members if b.confirmed_at is not None]
    settled = [b for b in members if made[-1] - (b.created_at or 0) >= DAY]
    done = [b for b in members if b.cleanable_since is not None]
    return Series(
        name=name,
        every=max(_SHORTEST, median(later - sooner for sooner, later in pairwise(made))),
        size=size,
        growth=_growth(made, sizes, size),
        spread=min(1.0, median(abs(one - size) for one in sizes[-_LATELY:]) / size) if size else 0.0,
        files=int(median(b.inodes for b in members)),
        confirmed_after=_after(good, lambda b: b.confirmed_at),
        cleanable_after=_after(done, lambda b: b.cleanable_since),
        fails=sum(not b.good for b in settled) / len(settled) if settled else 0.0,
    )


def _after(members: Sequence[Backup], when: Callable[[Backup], int | None]) -> float | None:
    waits = [max(0, (when(b) or 0) - (b.created_at or 0)) for b in members]
    return float(median(waits)) if waits else None


def _growth(made: Sequence[float], sizes: Sequence[int], size: int) -> float:
    """Per 30 days, the median of all slopes (Theil and Sen), which one odd backup does not move; -50 to 100 %."""
    lately = list(zip(made, sizes, strict=True))[-60:]
    slopes = [(size1 - size0) / (at1 - at0) for (at0, size0), (at1, size1) in combinations(lately, 2) if at1 > at0]
    if not slopes or not size:
        return 0.0
    return max(-0.5, min(1.0, median(slopes) * MONTH / size))
