"""How sure we are that a backup may go (SPEC.md 2, Confidence)."""

from __future__ import annotations

from ullage.model.backups import Backup, Score
from ullage.model.settings import ConfidenceSettings
from ullage.model.units import DAY

FULL_AGE_DAYS = 30.0
RECENT_DAYS = 7.0
DIGITS = 9
"""Confidences are rounded to so many digits, so that 0.5 + 0.3 - 0.1 meets a threshold of 0.7 as it does on paper."""


def score(backup: Backup, settings: ConfidenceSettings, *, now: float) -> Score:
    """Confidence and boosted confidence, 0..1, with every term by name: 0.0 where it does not apply."""
    parts = (
        0.5,
        _age_term(backup.created_at, now),
        0.2 if backup.good else 0.0,
        -0.1 if backup.size_bytes > settings.large else 0.0,
        -0.1 if backup.size_bytes > settings.huge else 0.0,
        -0.2 if _recently_read(backup.last_read_at, now) else 0.0,
    )
    confidence = round(min(1.0, max(0.0, sum(parts))), DIGITS)
    boosted = round(min(1.0, confidence + settings.pressure_boost), DIGITS)
    return Score(confidence=confidence, boosted=boosted, boost=settings.pressure_boost, parts=parts)


def _age_term(created_at: int | None, now: float) -> float:
    if created_at is None:
        return 0.0
    days = max(0.0, now - created_at) / DAY
    return 0.3 * min(days / FULL_AGE_DAYS, 1.0)


def _recently_read(last_read_at: float | None, now: float) -> bool:
    """A read in the future counts: rather keep one too long."""
    return last_read_at is not None and last_read_at >= now - RECENT_DAYS * DAY
