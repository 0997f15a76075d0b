"""SPEC.md 2 (Confidence) and 3 over again: slow, plain, from its text alone, sharing nothing with ullage.

Fractions, not floats: a bound that is met exactly is met.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

DAY = 86400
LEVELS = {
    "conservative": ({"CLEANABLE"}, Fraction("0.75"), 0),
    "gentle": ({"CLEANABLE"}, Fraction("0.85"), 0),
    "moderate": ({"CLEANABLE", "CONFIRMED"}, Fraction("0.70"), 0),
    "aggressive": ({"CLEANABLE", "CONFIRMED", "PENDING"}, None, 0),
    "nuclear": ({"CLEANABLE", "CONFIRMED", "PENDING", "CREATED"}, Fraction(0), 3600),
}
PERIODS = {
    "keep_last": "",
    "keep_daily": "%Y-%m-%d",
    "keep_weekly": "%G-W%V",
    "keep_monthly": "%Y-%m",
    "keep_yearly": "%Y",
}
_STATES = {"CREATED", "PENDING", "CONFIRMED", "CLEANABLE"}
_DATE = re.compile(r"(?<!\d)[0-9]{4}(?P<sep>[-_]?)[0-9]{2}(?P=sep)[0-9]{2}")


@dataclass(frozen=True)
class Rules:
    """The settings of one store that section 3 speaks of; sizes in bytes, seconds, fractions."""

    strategy: str = "oldest_first"
    keeps: Mapping[str, int] = field(default_factory=lambda: {"keep_last": 1})
    settle: int = 300
    large: int = 100 << 20
    huge: int = 500 << 20
    boost: Fraction = Fraction("0.2")
    emergency_minimum: Fraction = Fraction("0.5")
    min_age: int = 0


@dataclass
class Facts:
    """One backup as it stands on the disk; bytes and epoch seconds."""

    id: str
    state: str
    created: int
    ever_confirmed: bool
    size: int = 0
    gain: int = 0
    newest_mtime: float = 0.0
    read_at: float = 0.0


def look(path: Path) -> Facts:
    """What is to be known of the backup at that path; nothing is opened but its small files."""
    word = _text(path / ".state")
    created = path / ".created_at"
    facts = Facts(
        id=path.name,
        state=word if word in _STATES else "UNKNOWN",
        created=int(_text(created)) if created.exists() else int(path.stat().st_mtime),
        ever_confirmed=(path / ".confirmed_at").exists() or word == "CONFIRMED",
    )
    seen: dict[int, tuple[os.stat_result, int]] = {}
    for where, directories, files in os.walk(path):
        for entry in [where, *(os.path.join(where, name) for name in files)]:
            found = os.lstat(entry)
            seen[found.st_ino] = (found, seen.get(found.st_ino, (found, 0))[1] + 1)
            facts.newest_mtime = max(facts.newest_mtime, found.st_mtime)
            if stat.S_ISREG(found.st_mode):
                facts.read_at = max(facts.read_at, found.st_atime)
        assert not any(os.path.islink(os.path.join(where, name)) for name in directories)
    for found, times in seen.values():
        facts.size += found.st_blocks * 512
        if stat.S_ISDIR(found.st_mode) or times == found.st_nlink:
            facts.gain += found.st_blocks * 512
    return facts


def _text(path: Path) -> str:
    """What a small file says, with its access time left alone: it is one of the facts."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOATIME)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        return file.read().strip().decode("ascii", "replace")


def confidence(one: Facts, rules: Rules, now: int) -> Fraction:
    """0..1, before the boost."""
    found = Fraction(1, 2) + Fraction(3, 10) * min(Fraction(max(0, now - one.created), 30 * DAY), Fraction(1))
    if one.ever_confirmed:
        found += Fraction(2, 10)
    if one.size > rules.large:
        found -= Fraction(1, 10)
    if one.size > rules.huge:
        found -= Fraction(1, 10)
    if one.read_at >= now - 7 * DAY:
        found -= Fraction(2, 10)
    return min(max(found, Fraction(0)), Fraction(1))


def boosted(one: Facts, rules: Rules, now: int) -> Fraction:
    """Confidence with the boost, 0..1."""
    return min(Fraction(1), confidence(one, rules, now) + rules.boost)


def series(name: str) -> str | None:
    """The id up to its first date, without the separator before that; None: without a date, one series together."""
    for match in _DATE.finditer(name):
        digits = re.sub(r"\D", "", match.group())
        try:
            date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            continue
        return re.sub(r"[-_. ]$", "", name[: match.start()])
    return None


def floor(members: Iterable[tuple[bool, int, str]], keeps: Mapping[str, int]) -> set[str]:
    """The ids that stay of one series of (good, created, id): rule by rule and back from the newest, good ones first.

    Of a day, a week, a month, a year (UTC) that was not met yet, the first that is met stays; ``keep_last`` takes all.
    """
    found: set[str] = set()
    for rule, number in keeps.items():
        met: set[str] = set()
        for _, created, name in sorted(members, reverse=True):
            period = datetime.fromtimestamp(created, UTC).strftime(PERIODS[rule]) if PERIODS[rule] else name
            if period not in met and len(met) < number:
                met.add(period)
                found.add(name)
    return found


def kept(backups: list[Facts], rules: Rules) -> set[str]:
    """The ids that the floors of their series hold."""
    found: set[str] = set()
    for name in {series(one.id) for one in backups}:
        members = [one for one in backups if series(one.id) == name and one.state != "UNKNOWN"]
        found |= floor([(one.ever_confirmed, one.created, one.id) for one in members], rules.keeps)
    return found


def held(one: Facts, pins: set[str], floor: set[str], rules: Rules, now: int) -> bool:
    """Whether it stays whatever the level."""
    fresh = one.state == "CREATED" and one.newest_mtime > now - rules.settle
    young = now - one.created < rules.min_age
    return one.state == "UNKNOWN" or one.id in pins or one.id in floor or fresh or young


def plan(backups: list[Facts], pins: set[str], rules: Rules, level: str, count: int, now: int) -> list[str]:
    """The ids that would go, in their order."""
    states, least, age = LEVELS[level]
    floor = kept(backups, rules)
    bound = rules.emergency_minimum if least is None else least
    go = [
        one
        for one in backups
        if one.state in states
        and boosted(one, rules, now) >= bound
        and now - one.created >= age
        and not held(one, pins, floor, rules, now)
    ]
    return [one.id for one in sorted(go, key=lambda one: _place(one, rules, now))][:count]


def _place(one: Facts, rules: Rules, now: int) -> tuple[Fraction | int, int, str]:
    if rules.strategy == "oldest_first":
        return one.created, 0, one.id
    if rules.strategy == "largest_first":
        return -one.gain, 0, one.id
    return -boosted(one, rules, now), one.created, one.id
