"""Whether the wall clock can be believed (SPEC.md 7.8): ages come from it, and a jump would make backups old.

Within one boot the wall clock is held against the time since boot, which nothing sets. The trusted mark moves on by
that time, and gives way to the wall clock by one part in a thousand at most: steps that are each small enough add up
until they are seen, while a clock that is merely corrected now and then (ntpdate, a quartz that drifts) is followed.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ullage.model.units import DAY, format_age, rfc3339

STEP = 3600.0
"""Seconds by which the wall clock may be off: summer time wrongly applied is a mistake, not yet a danger."""
DRIFT = 0.001
"""How much of the time that went by the wall clock may gain or lose besides: twenty times a poor quartz."""
LONGEST_OFF = 30 * DAY
"""How long a machine may have been off and its clock still be believed."""


class ClockMark(Struct, frozen=True):
    """One moment by both clocks: epoch seconds, which boot, and seconds since that boot (suspended time included).

    ``doubted``: since then the clock was seen ahead of what it should be; another boot is no reason to believe it.
    """

    wall: float
    boot_id: str
    boot_seconds: float
    doubted: bool = False


class ClockVerdict(Struct, frozen=True, kw_only=True):
    """Whether the clock is believed, the mark to trust from now on, and why it is not believed."""

    ok: bool
    mark: ClockMark
    reason: str = ""


def check_clock(trusted: ClockMark | None, current: ClockMark) -> ClockVerdict:
    """The verdict on the current clocks by the mark trusted last.

    While it is not ok the trusted mark stays, but for the doubt, so that a clock set right again is believed again.
    """
    if trusted is None:
        return ClockVerdict(ok=True, mark=current)
    if trusted.boot_id == current.boot_id:
        return _same_boot(trusted, current)
    return _other_boot(trusted, current)


def _same_boot(trusted: ClockMark, current: ClockMark) -> ClockVerdict:
    passed = current.boot_seconds - trusted.boot_seconds
    expected = trusted.wall + passed
    off, give = current.wall - expected, DRIFT * abs(passed)
    if abs(off) > STEP + give:
        what = f"{format_age(abs(off))} {'ahead of' if off > 0 else 'behind'} what it should be"
        return _frozen(replace(trusted, doubted=trusted.doubted or off > 0), current, what)
    followed = expected + max(-give, min(give, off))
    return ClockVerdict(ok=True, mark=ClockMark(followed, current.boot_id, current.boot_seconds))


def _other_boot(trusted: ClockMark, current: ClockMark) -> ClockVerdict:
    passed = current.wall - trusted.wall
    if passed < -STEP:
        return _frozen(trusted, current, f"{format_age(-passed)} before it was last seen, and the machine booted since")
    if passed > (STEP if trusted.doubted else LONGEST_OFF):
        return _frozen(trusted, current, f"{format_age(passed)} after it was last seen, and the machine booted since")
    return ClockVerdict(ok=True, mark=current)


def _frozen(trusted: ClockMark, current: ClockMark, what: str) -> ClockVerdict:
    reason = f"the clock says {rfc3339(current.wall)}, {what}; nothing is deleted until that is confirmed or set right"
    return ClockVerdict(ok=False, mark=trusted, reason=reason)
