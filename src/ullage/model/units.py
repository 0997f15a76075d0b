"""Sizes, durations, percentages and times: read from settings, shown to people. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from math import floor

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
DAY = 86400.0

_SIZE_UNITS = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15,
    "KIB": KIB, "MIB": MIB, "GIB": GIB, "TIB": TIB, "PIB": 1 << 50,
}  # fmt: skip
_TIME_UNITS = {
    "ms": 0.001, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": DAY, "day": DAY, "days": DAY, "w": 7 * DAY, "week": 7 * DAY, "weeks": 7 * DAY,
}  # fmt: skip
_QUANTITY = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)\s*", re.ASCII)
_FIRST, _LAST = -62135596800, 253402300799  # years 1 and 9999, all that RFC 3339 can write


def parse_size(text: str) -> int:
    """Bytes of ``"100 MiB"``, ``"2 TB"``. Raises ValueError where the unit is missing or unknown."""
    number, unit = _split(text)
    factor = _SIZE_UNITS.get(unit.upper())
    if factor is None:
        raise ValueError(f'{text!r} is not a size with a unit, like "100 MiB" or "2 TB"')
    return int(Decimal(number) * factor)  # in decimal: "2.3 KB" is 2300 bytes


def parse_duration(text: str) -> float:
    """Seconds of ``"60 s"``, ``"1 h"``. Raises ValueError where the unit is missing or unknown."""
    number, unit = _split(text)
    factor = _TIME_UNITS.get(unit.lower())
    if factor is None:
        raise ValueError(f'{text!r} is not a time with a unit, like "60 s" or "1 h"')
    return float(number) * factor


def _split(text: str) -> tuple[str, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit")
    return match.group(1), match.group(2)


def format_size(size: float) -> str:
    """Binary units for a person: ``512 B``, ``1.5 GiB``."""
    for unit, factor in (("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if abs(size) >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} B"


def exact_size(size: int) -> str:
    """The size in the largest unit of which it is a whole number, as settings write it: ``50 GiB``, ``1500 B``."""
    for unit, factor in (("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def format_age(seconds: float) -> str:
    """An age or duration for a person: ``12 s``, ``5 min``, ``3 h``, ``41 d``."""
    for unit, factor in (("d", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= factor:
            return f"{int(seconds / factor)} {unit}"
    return f"{seconds:.0f} s"


def format_span(seconds: float) -> str:
    """A time to wait, for a person, in two units: ``4 d 3 h``, ``3 h 12 min``, ``40 s``."""
    left = int(seconds)
    found: list[str] = []
    for unit, factor in (("d", int(DAY)), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= factor or found:
            found.append(f"{left // factor} {unit}")
            left %= factor
    return " ".join(part for part in found[:2] if not part.startswith("0 ")) or "0 s"


def rfc3339(at: float) -> str:
    """``2026-11-23T02:30:00Z`` for epoch seconds; whole seconds, UTC. Beyond the years 1 to 9999, their bounds."""
    held = min(max(at, _FIRST), _LAST)
    return datetime.fromtimestamp(floor(held), UTC).isoformat().replace("+00:00", "Z")


def printable(text: str) -> str:
    """The text with control characters, escapes and undecodable bytes spelled out: safe anywhere."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _spelled(char) for char in text)


def _spelled(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as os.fsdecode gives it
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
