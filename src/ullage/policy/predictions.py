"""How well a store's predictions held, and when they are wrong so often that it is said."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ullage.model.units import KIB, format_size

LAST = 20
"""Backups that went, whose predictions are looked at."""
_PERCENT = 20.0
_SMALL = 512 * KIB
"""An error is none that matters up to the larger of both: a filesystem gives back inodes and metadata in pieces."""
_PART = 4
"""One in so many predictions that are wrong is too many."""


class Prediction(Struct, frozen=True):
    """Bytes that a backup was to give back, and what was measured."""

    predicted: int
    measured: int

    @property
    def error_percent(self) -> float:
        """0..100, of the larger of both: too much and too little weigh the same."""
        return 100.0 * abs(self.predicted - self.measured) / max(self.predicted, self.measured, 1)

    @property
    def wrong(self) -> bool:
        """Whether the error matters."""
        return self.error_percent > _PERCENT and abs(self.predicted - self.measured) > _SMALL


class Predictions(Struct, frozen=True, kw_only=True):
    """Of the last backups that went: how many, the errors in percent (None: of none), how many were wrong.

    ``missing``: bytes that those gave back less than was predicted; negative where they gave more.
    """

    count: int
    median_error_percent: float | None
    worst_error_percent: float | None
    wrong: int
    missing: int

    @property
    def off(self) -> bool:
        """Whether they go wrong."""
        return self.wrong * _PART >= max(1, self.count)

    @property
    def told(self) -> str | None:
        """What to say of that to a person; None where they hold."""
        if not self.off:
            return None
        size = format_size(abs(self.missing))
        if self.missing > 0:
            why = f"{size} less came back: deleted files that a process holds open, snapshots, or links outside"
        else:
            why = f"{size} more came back: something else was deleted at the same time"
        return f"{self.wrong} of the last {self.count} predictions of what a backup gives back were wrong; {why}"


def judged(last: Sequence[Prediction]) -> Predictions:
    """How well they held."""
    errors = sorted(one.error_percent for one in last)
    wrong = [one for one in last if one.wrong]
    return Predictions(
        count=len(last),
        median_error_percent=errors[len(errors) // 2] if errors else None,
        worst_error_percent=max(errors, default=None),
        wrong=len(wrong),
        missing=sum(one.predicted - one.measured for one in wrong),
    )
