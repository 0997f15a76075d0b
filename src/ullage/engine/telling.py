"""What people are told, and when: a level that changed or lasts, what holds reclaims up, and that it is over."""

from __future__ import annotations

from ullage.model.cycles import QueuedAlert
from ullage.model.readings import Pressure, Reading
from ullage.model.settings import StoreSettings
from ullage.model.units import DAY
from ullage.model.words import Level
from ullage.policy.alerting import alert_due, seen
from ullage.policy.outlook import measured
from ullage.ports import Catalog, Clock, Notifier

CLOCK, FAILURE, EXHAUSTED, UNCONFIRMED = "\0clock", "\0failure", "\0exhausted", "\0unconfirmed"
FORECAST, HELD = "\0forecast", "\0held"
"""Added to a store's name: whether people were told that the clock is not believed, that a reclaim was cut short, that
not enough may go, that a series has no good backup of late, that the disk will soon be full, or that space which was
freed is not back.

Their times are since boot.
"""
_TOLD = {
    CLOCK: ("Confirm it with: ullage clock accept", "The clock is believed again."),
    FAILURE: ("It is tried again in the next cycle; see also: ullage doctor", "A reclaim came to its end again."),
    EXHAUSTED: (
        "Until then ullage cannot free as much: floors, pins and the level's bar go before the target.",
        "Enough may go again, or the usage is under critical.",
    ),
    UNCONFIRMED: (
        "Look at what makes and confirms them; reclaim.keep_last holds the newest good one meanwhile.",
        "Each series has a confirmed backup of late again.",
    ),
    FORECAST: (
        "See ullage status and ullage plan; make room or enlarge the disk, or find out what writes so much.",
        "By the forecast, the disk is not about to be full any more.",
    ),
    HELD: (
        "It comes back by itself when those files are closed; see also: ullage doctor",
        "The space that was freed is back, or is needed no more.",
    ),
}
"""What is added to such an alert, and what is said when it is over."""
_ROUGHLY = 0.95
"""Of the interval: two looks that are one interval apart are so only roughly."""


class Telling:
    """Queues alerts; what was told is in the catalog, so that a restart repeats nothing."""

    def __init__(self, catalog: Catalog, clock: Clock, notifier: Notifier) -> None:
        self._catalog = catalog
        self._clock = clock
        self._notifier = notifier

    def check(
        self, store: StoreSettings, reading: Reading, pressure: Pressure, known: str | None = None, *, believed: bool
    ) -> tuple[QueuedAlert, ...]:
        """Record the check, and queue an alert where the level changed or has lasted.

        ``known``: what the last cycle found missing, said with a level that still is as bad. ``believed``: the clock
        is, and with it the hour that was measured.
        """
        now = reading.at
        points = measured(reading, store.watermarks) if believed else {}
        self._catalog.add_reading(
            store.name, now, pressure.level, pressure.usage, pressure.archive_usage, pressure.total_usage, points
        )
        before = self._catalog.alert_state(store.name)
        settled = _ROUGHLY * store.monitor.interval
        state, kind = alert_due(before, pressure.level, now=now, repeat=store.alerts.repeat, settled=settled)
        if state != before:
            self._catalog.set_alert_state(store.name, state)
        if kind is None:
            return ()
        worse = known is not None and pressure.level in (Level.CRITICAL, Level.EMERGENCY)
        details = [pressure.reason, known] if known is not None and worse else [pressure.reason]
        return self.tell(store, pressure.level, kind, pressure.usage, details)

    def once(
        self, store: StoreSettings, what: str, level: Level, usage: float | None, details: list[str]
    ) -> tuple[QueuedAlert, ...]:
        """A notice of what lasts, at most once within the alerts' repeat interval."""
        before = self._catalog.alert_state(store.name + what)
        now, repeat = self._clock.mark().boot_seconds, store.alerts.repeat
        state, kind = alert_due(before, Level.CRITICAL, now=now, repeat=repeat, settled=0.0)
        if kind is None:
            return ()
        self._catalog.set_alert_state(store.name + what, state)
        return self.tell(store, level, "notice", usage, details)

    def of(
        self, what: str, store: StoreSettings, pressure: Pressure, why: str | None, worst: Level = Level.CRITICAL
    ) -> tuple[QueuedAlert, ...]:
        """Queue an alert where something began to hold reclaims up, has done so for long, or no longer does."""
        before = self._catalog.alert_state(store.name + what)
        if before is None and why is None:
            return ()
        advice, over = _TOLD[what]
        level, details = (Level.OK, [over]) if why is None else (worst, [why, advice])
        now, settled = self._clock.mark().boot_seconds, _ROUGHLY * store.monitor.interval
        repeat = max(store.alerts.repeat, DAY) if what == FORECAST else store.alerts.repeat  # it changes by the day
        state, kind = alert_due(before, level, now=now, repeat=repeat, settled=settled)
        if state != before:
            self._catalog.set_alert_state(store.name + what, state)
        return () if kind is None else self.tell(store, level, "notice", pressure.usage, details)

    def tell(
        self, store: StoreSettings, level: Level, kind: str, usage: float | None, details: list[str]
    ) -> tuple[QueuedAlert, ...]:
        channels = self._notifier.notify(store, level, kind, usage, details)
        return tuple(QueuedAlert(channel=channel, level=level) for channel in channels)

    def better(self, store: StoreSettings, reading: Reading, pressure: Pressure) -> None:
        """Where what acts came to is better than was told, it has been so from now on."""
        told = self._catalog.alert_state(store.name)
        if told is not None and (state := seen(told, pressure.level, now=reading.at)) != told:
            self._catalog.set_alert_state(store.name, state)


def forget_clock_notice(catalog: Catalog, store: str) -> None:
    """The next disbelief in the clock is told anew."""
    catalog.forget_alert(store + CLOCK)
