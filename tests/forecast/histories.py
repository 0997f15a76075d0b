"""Histories of disks with a known truth: made hour by hour from a seed, and what really came of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from ullage.policy.forecast import Point

SIZE = 1000 * 2**30
HOUR = 3600.0
START = 1_800_000_000.0
_PERCENT = SIZE / 100


@dataclass
class History:
    """``used`` in percent at each hour's end, ``freed`` by ullage within it; ``full`` is the hour it ran full."""

    name: str
    used: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    freed: list[float] = field(default_factory=list)
    full: int | None = None

    def points(self) -> list[Point]:
        """As the catalog keeps them."""
        return [
            Point(
                at=START + HOUR * (hour + 1),
                used=int(used * _PERCENT),
                usable=SIZE,
                peak=int(peak * _PERCENT),
                freed=int(freed * _PERCENT),
            )
            for hour, (used, peak, freed) in enumerate(zip(self.used, self.peak, self.freed, strict=True))
        ]


Change = Callable[[int, float], float]
"""Percent that come or go in an hour, by the hour and the usage before it."""


def run(name: str, level: float, change: Change, days: int, random: Random, noise: float = 0.0) -> History:
    """A history until it is full, or for so many days; ``noise``: what comes and goes within an hour, in percent."""
    history = History(name)
    for hour in range(days * 24):
        step = change(hour, level)
        level = max(0.0, level + step)
        high = level + abs(random.gauss(0.0, noise))
        history.used.append(min(100.0, level + random.gauss(0.0, noise) if noise else level))
        history.peak.append(min(100.0, max(high, history.used[-1])))
        history.freed.append(0.0)
        if history.peak[-1] >= 100.0:
            history.full = hour
            break
    return history


def steady(seed: int) -> History:
    """So much an hour, more or less."""
    r = Random(f"steady {seed}")
    rate = r.choice([0.15, 0.3, 0.6, 1.0, 2.0, 4.0])
    level = max(5.0, 100 - rate * r.uniform(25, 90))
    return run("steady", level, lambda h, u: rate / 24 * r.uniform(0, 2), 130, r, r.choice([0.0, 0.05, 0.3]))


def nightly(seed: int) -> History:
    """A backup every night; the one before goes some hours later."""
    r = Random(f"nightly {seed}")
    rate, size, at = r.choice([0.2, 0.5, 1.0, 2.0]), r.uniform(1, 12), r.randrange(24)
    level = max(5.0, 100 - size - rate * r.uniform(20, 70))

    def change(hour: int, used: float) -> float:
        if hour % 24 == at:
            return (size + rate) * r.uniform(0.9, 1.1)
        return -size * r.uniform(0.95, 1.05) if hour % 24 == (at + 4) % 24 else 0.0

    return run("nightly", level, change, 130, r, 0.05)


def weekly(seed: int) -> History:
    """A full backup a week and an incremental one every other day; the last chain goes after the next full one."""
    r = Random(f"weekly {seed}")
    rate, full, inc, day = r.choice([0.7, 1.5, 3.0, 5.0]), r.uniform(4, 15), r.uniform(0.2, 1.5), r.randrange(7)
    level = max(5.0, 100 - full - 6 * inc - rate * r.uniform(5, 14))

    def change(hour: int, used: float) -> float:
        if hour % 24 == 3:
            return (full + rate if hour // 24 % 7 == day else inc) * r.uniform(0.9, 1.1)
        if hour % 24 == 9 and hour // 24 % 7 == day:
            return -(full + 6 * inc) * r.uniform(0.97, 1.03)
        return 0.0

    return run("weekly", level, change, 130, r, 0.05)


def bursts(seed: int) -> History:
    """Nothing for days, then much within an hour, now and then."""
    r = Random(f"bursts {seed}")
    every, size = r.uniform(2, 8), r.uniform(1, 5)
    level = max(5.0, 100 - size / every * r.uniform(30, 80))

    def change(hour: int, used: float) -> float:
        return r.uniform(0.5, 1.5) * size if r.random() < 1 / (24 * every) else 0.002

    return run("bursts", level, change, 130, r, 0.02)


def speeding(seed: int) -> History:
    """Growth that doubles every one to four weeks, below a nightly coming and going."""
    r = Random(f"speeding {seed}")
    rate, double, night = r.uniform(0.05, 0.4), r.uniform(8, 30), r.uniform(0, 6)
    level = r.uniform(20, 60)

    def change(hour: int, used: float) -> float:
        daily = rate * 2 ** (hour / 24 / double)
        return daily / 24 * r.uniform(0.5, 1.5) + (night if hour % 24 == 2 else -night if hour % 24 == 5 else 0.0)

    return run("speeding", level, change, 200, r, 0.05)


def quadratic(seed: int) -> History:
    """Growth that is larger every day by the same amount."""
    r = Random(f"quadratic {seed}")
    more = r.uniform(0.01, 0.08)
    return run("quadratic", r.uniform(15, 50), lambda h, u: more * h / 24 / 24 * r.uniform(0.6, 1.4), 200, r, 0.1)


def imports(seed: int) -> History:
    """Slow growth, and one or two imports that never come again."""
    r = Random(f"imports {seed}")
    rate, days = r.uniform(0.1, 0.8), [r.randrange(10, 60) for _ in range(r.choice([1, 2]))]
    sizes = {day * 24 + r.randrange(24): r.uniform(8, 22) for day in days}
    level = max(5.0, 100 - sum(sizes.values()) - rate * r.uniform(40, 90))
    return run("imports", level, lambda h, u: sizes.get(h, 0.0) + rate / 24 * r.uniform(0, 2), 130, r, 0.03)


def reclaims(seed: int) -> History:
    """ullage frees at 85 % for some weeks; then there is nothing more that may go."""
    r = Random(f"reclaims {seed}")
    rate, night, until = r.uniform(0.5, 3.0), r.uniform(0, 4), r.randrange(20, 70) * 24
    history = History("reclaims")
    level = r.uniform(55, 80)
    for hour in range(150 * 24):
        level += rate / 24 * r.uniform(0.5, 1.5) + (night if hour % 24 == 1 else -night if hour % 24 == 4 else 0.0)
        high = level
        freed = r.uniform(3, 12) if level >= 85 and hour < until else 0.0
        level -= freed
        history.used.append(min(100.0, level))
        history.peak.append(min(100.0, high))
        history.freed.append(freed)
        if high >= 100.0:
            history.full = hour
            break
    return history


def deletes(seed: int) -> History:
    """Growth, and somebody who deletes by hand now and then."""
    r = Random(f"deletes {seed}")
    rate, every = r.uniform(0.6, 2.5), r.uniform(9, 25)

    def change(hour: int, used: float) -> float:
        gone = r.uniform(5, 20) if used > 60 and r.random() < 1 / (24 * every) else 0.0
        return rate / 24 * r.uniform(0.2, 1.8) - gone

    return run("deletes", r.uniform(40, 60), change, 130, r, 0.05)


def flat(seed: int) -> History:
    """Noise, a nightly coming and going, or both, on a disk that stays as it is."""
    r = Random(f"flat {seed}")
    night, noise = r.choice([0.0, 2.0, 8.0]), r.choice([0.02, 0.3, 1.0])
    level = r.uniform(30, 92 - night - 3 * noise)

    def change(hour: int, used: float) -> float:
        pull = 0.02 * (level - used) if night == 0.0 else 0.0
        return pull + r.gauss(0, 0.05) + (night if hour % 24 == 2 else -night if hour % 24 == 6 else 0.0)

    return run("flat", level, change, 120, r, noise)


def levelling(seed: int) -> History:
    """A new disk that fills until retention holds it."""
    r = Random(f"levelling {seed}")
    end, tau = r.uniform(70, 94), r.uniform(8, 25) * 24
    return run("levelling", r.uniform(2, 20), lambda h, u: max(0.0, end - u) / tau * r.uniform(0, 2), 130, r, 0.1)


def runaway(seed: int) -> History:
    """Flat for weeks; then something writes all the time."""
    r = Random(f"runaway {seed}")
    begins, rate = r.randrange(15, 50) * 24, r.uniform(5, 20)
    level = 100 - rate * r.uniform(2.5, 4.5)
    return run("runaway", level, lambda h, u: rate / 24 * r.uniform(0.5, 1.5) if h > begins else 0.0, 130, r, 0.05)


def monthly(seed: int) -> History:
    """Something large once in thirty days."""
    r = Random(f"monthly {seed}")
    size, rate = r.uniform(4, 10), r.uniform(0.05, 0.3)
    level = max(10.0, 100 - (size / 30 + rate) * r.uniform(60, 110))
    return run("monthly", level, lambda h, u: size if h % 720 == 500 else rate / 24, 130, r, 0.05)


def abrupt(seed: int) -> History:
    """Nobody can see that coming: a quiet disk, full within hours."""
    r = Random(f"abrupt {seed}")
    begins = r.randrange(20, 60) * 24
    return run("abrupt", r.uniform(40, 80), lambda h, u: r.uniform(5, 9) if h > begins else 0.0, 130, r, 0.05)


KINDS = {
    steady: 6, nightly: 6, weekly: 6, bursts: 6, speeding: 5, quadratic: 4, imports: 5, reclaims: 6, deletes: 5,
    flat: 6, levelling: 4, runaway: 3, monthly: 3, abrupt: 1,
}  # fmt: skip
"""So many of each kind make one lot of 66 (``abrupt`` cannot be foreseen, and counts all the same)."""


def lot(number: int, sample: int | None = None) -> list[History]:
    """The histories of one lot, none of which is in another; or so many of each kind at most."""
    return [
        kind(seed + 1000 * number)
        for kind, count in KINDS.items()
        for seed in range(count if sample is None else min(sample, count))
    ]
