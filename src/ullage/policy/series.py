"""Which backups are copies of the same thing, told by their names (SPEC.md 3)."""

from __future__ import annotations

import re
from functools import lru_cache

from ullage.model.units import printable

_DATE = re.compile(
    r"""
    [-_. ]?                                     # the separator before the date
    (?<![0-9])                                  # not within a longer run of digits
    (?:19[7-9][0-9]|20[0-9][0-9])               # no backup is older than Unix time; 1700000000 is no date
    (?P<sep>[-_]?) (?:0[1-9]|1[0-2])
    (?P=sep) (?:0[1-9]|[12][0-9]|3[01])
    (?:(?:[01][0-9]|2[0-3])                     # the time of day may follow at once: HH, HHMM, HHMMSS, fractions
       (?:[0-5][0-9](?:[0-5][0-9][0-9]*)?)?)?
    (?![0-9])
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=1 << 17)
def series_of(backup_id: str) -> str | None:
    """The id up to its first date, without the separator before it; None, one series together, where it has none.

    An id that begins with its date is of the series "".
    """
    date = _DATE.search(backup_id)
    return None if date is None else backup_id[: date.start()]


def named(series: str | None) -> str:
    """A series, for a person."""
    return "the series of names without a date" if series is None else f'the series "{printable(series)}"'
