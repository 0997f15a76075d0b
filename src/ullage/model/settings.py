"""The settings as frozen values, with the defaults of SPEC.md 5. ``config`` reads them, nobody changes them."""

from __future__ import annotations

from msgspec import Struct

from ullage.errors import DeliveryError
from ullage.model.units import MIB
from ullage.model.words import EmergencyStrategy, Strategy


class Secret:
    """A value that is used but never shown: ``str`` and ``repr`` give ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class SecretOfService(Secret):
    """A secret that systemd gives ullage.service alone, where we are not it: the daemon can use it, we cannot."""

    __slots__ = ()

    def reveal(self) -> str:
        """Raises DeliveryError: it is kept, and the daemon delivers it."""
        raise DeliveryError("its secret is a credential of ullage.service; the daemon delivers it when it runs")


class Limit(Struct, frozen=True):
    """Where a level begins, as settings write it: a percentage, what is free, or both; ``free`` of 0 is none."""

    percent: float
    free: int = 0


class Free(Struct, frozen=True, kw_only=True):
    """Bytes, or inodes, that are free where a level begins and when an emergency reclaim is done; 0 binds nothing."""

    warning: int = 0
    critical: int = 0
    emergency: int = 0
    target_free: int = 0


class Marks(Struct, frozen=True, kw_only=True):
    """Where the levels of one kind of space begin, in percent used and, beside that, in what is free.

    The stricter one counts. A percentage of 100 (``target_free``: 0) leaves it to what is free.
    """

    warning: float
    critical: float
    emergency: float
    target_free: float
    free: Free


class InodeMarks(Struct, frozen=True, kw_only=True):
    """Those of inodes; a percentage of None is that of the bytes, or its default where they have none."""

    warning: float | None = None
    critical: float | None = None
    emergency: float | None = None
    target_free: float | None = None
    free: Free = Free()


class Watermarks(Struct, frozen=True, kw_only=True):
    """Percentages of usage, 0..100; ``target_free`` is how much is free when an emergency reclaim is done.

    ``free``: the same in bytes, beside them. ``inodes``: whether those count as space does; ``inode``: by what marks.
    """

    warning: float = 75.0
    critical: float = 85.0
    emergency: float = 95.0
    target_free: float = 20.0
    free: Free = Free()
    inodes: bool = True
    inode: InodeMarks = InodeMarks()

    @property
    def of_bytes(self) -> Marks:
        """The marks of bytes."""
        return Marks(
            warning=self.warning,
            critical=self.critical,
            emergency=self.emergency,
            target_free=self.target_free,
            free=self.free,
        )

    @property
    def of_inodes(self) -> Marks:
        """The marks of inodes."""
        own, free = self.inode, self.free
        bound = self.warning < 100 or not free.warning, self.critical < 100 or not free.critical
        plain = (
            self.warning if bound[0] else 75.0,
            self.critical if bound[1] else 85.0,
            self.emergency if self.emergency < 100 or not free.emergency else 95.0,
            self.target_free if self.target_free > 0 or not free.target_free else 20.0,
        )
        return Marks(
            warning=plain[0] if own.warning is None else own.warning,
            critical=plain[1] if own.critical is None else own.critical,
            emergency=plain[2] if own.emergency is None else own.emergency,
            target_free=plain[3] if own.target_free is None else own.target_free,
            free=own.free,
        )


class ReclaimSettings(Struct, frozen=True, kw_only=True):
    """Who goes first, how many, and what stays. ``min_age``, ``settle`` and ``grace`` in seconds."""

    strategy: Strategy = Strategy.OLDEST_FIRST
    emergency_strategy: EmergencyStrategy = EmergencyStrategy.AGGRESSIVE
    max_per_cycle: int = 10
    emergency_limit: int = 50
    keep_last: int = 1
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0
    min_age: float = 0.0
    settle: float = 300.0
    grace: float = 3600.0


class CapSettings(Struct, frozen=True, kw_only=True):
    """What may go by itself in a cycle, an hour, a day: so many backups (0: any), so many percent of the bytes."""

    cycle: int = 100
    hour: int = 2000
    day: int = 10_000
    cycle_share: float = 100.0
    hour_share: float = 100.0
    day_share: float = 100.0


class ConfidenceSettings(Struct, frozen=True, kw_only=True):
    """``large`` and ``huge`` in bytes; boost and minimum are fractions 0..1."""

    large: int = 100 * MIB
    huge: int = 500 * MIB
    pressure_boost: float = 0.2
    emergency_minimum: float = 0.5


class AgeingSettings(Struct, frozen=True, kw_only=True):
    """What time alone makes of a backup: after so many seconds in the state before (0: never), from a confidence on."""

    pending_after: float = 0.0
    pending_confidence: float = 0.0
    confirmed_after: float = 0.0
    confirmed_confidence: float = 0.0
    cleanable_after: float = 0.0
    cleanable_confidence: float = 0.7


class ArchiveSettings(Struct, frozen=True, kw_only=True):
    """``ratio_estimate``: archive bytes per byte of the backup; ``on_failure``: ``keep`` or ``delete``."""

    before_delete: bool = True
    ratio_estimate: float = 0.3
    on_failure: str = "keep"


class MonitorSettings(Struct, frozen=True, kw_only=True):
    """All in seconds. ``timeout``: a store that has not answered for so long is unavailable."""

    interval: float = 60.0
    emergency_interval: float = 10.0
    cleanup_interval: float = 300.0
    timeout: float = 5.0


class ForecastSettings(Struct, frozen=True, kw_only=True):
    """``warn``: seconds before a disk is full by which people are told; 0: they are not."""

    warn: float = 86400.0


class SmtpSettings(Struct, frozen=True, kw_only=True):
    """``security``: ``none``, ``starttls`` or ``tls``. ``sender``: none means ullage@<host name>."""

    host: str = "localhost"
    port: int = 25
    security: str = "none"
    user: str | None = None
    password: Secret | None = None
    sender: str | None = None


class AlertSettings(Struct, frozen=True, kw_only=True):
    """Where alerts go; ``repeat`` and ``timeout`` in seconds. The URLs are secrets: they carry their token."""

    enabled: bool = True
    email: str | None = None
    webhook: Secret | None = None
    slack: Secret | None = None
    repeat: float = 14400.0
    timeout: float = 10.0
    smtp: SmtpSettings = SmtpSettings()


class StoreSettings(Struct, frozen=True, kw_only=True):
    """One store, with its defaults applied. Paths are absolute; ``capacity`` in bytes."""

    name: str
    backup_root: str
    archive_root: str
    capacity: int | None = None
    watermarks: Watermarks = Watermarks()
    reclaim: ReclaimSettings = ReclaimSettings()
    caps: CapSettings = CapSettings()
    confidence: ConfidenceSettings = ConfidenceSettings()
    ageing: AgeingSettings = AgeingSettings()
    archive: ArchiveSettings = ArchiveSettings()
    monitor: MonitorSettings = MonitorSettings()
    forecast: ForecastSettings = ForecastSettings()
    alerts: AlertSettings = AlertSettings()


class Settings(Struct, frozen=True, kw_only=True):
    """The whole file. ``path`` is where it was read from."""

    path: str
    state_dir: str
    stores: tuple[StoreSettings, ...]
