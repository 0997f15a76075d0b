"""Records a row, cuts its power at many places, and counts what did not hold."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.crash.power.alone import alone
from tests.crash.power.disks import Disks, Layout, Unmountable
from tests.crash.power.log import Cut, Log
from tests.crash.power.rows import Row


@dataclass
class Tally:
    """What became of the states."""

    states: int = 0
    violations: list[str] = field(default_factory=list)
    unmountable: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.states} states, {len(self.violations)} violations, {len(self.unmountable)} unmountable"

    def assert_clean(self) -> None:
        """Nothing was violated, and hardly any filesystem lost itself."""
        assert not self.violations, f"{self}; the first:\n{self.violations[0]}"
        assert len(self.unmountable) <= self.states // 200, f"{self}; the first:\n{self.unmountable[0]}"


def cut_power(
    place: Path,
    fstype: str,
    layout: Layout,
    make: Callable[[Path], Row],
    *,
    losses: int,
    seed: str,
    prefixes: int | None = None,
) -> Tally:
    """The tally of one row on new disks under ``place``, its power cut after every entry of its log (or a few).

    And with losses: of all that was not flushed whenever something had just been said, and at random.
    """

    def work() -> Tally:
        disks, random = Disks(place, fstype, layout), Random(f"{seed} {fstype} {layout.name}")
        with disks.made():
            row = make(disks.root)
            log = disks.record(row.act)
            cuts = list(log.prefixes())
            if prefixes is not None:
                cuts = random.sample(cuts, min(prefixes, len(cuts)))
            cuts += log.just_said(layout.lossless)
            cuts += log.losses(losses, random, disks.atom, layout.lossless)
            return _tally(disks, row, log, cuts)

    return alone(work)


def _tally(disks: Disks, row: Row, log: Log, cuts: Sequence[Cut]) -> Tally:
    tally = Tally()
    for cut in disks.states(log, cuts):
        tally.states += 1
        said = log.marks(cut.at)
        try:
            with disks.mounted():
                row.check(said)
        except Unmountable as error:
            tally.unmountable.append(f"{cut}: {error}")
        except Exception:
            tally.violations.append(f"{cut}, said {said}:\n{traceback.format_exc()}")
    return tally
