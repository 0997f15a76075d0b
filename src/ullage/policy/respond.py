"""What is done at each level (SPEC.md 4): which cleanup, what else when that was not enough, archive or delete."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import ceil

from msgspec import Struct
from msgspec.structs import replace

from ullage.model.backups import Archive, Backup
from ullage.model.readings import Reading, Space
from ullage.model.settings import StoreSettings
from ullage.model.units import DAY, KIB, MIB, format_age, format_size
from ullage.model.words import CleanupLevel, EmergencyStrategy, Level, State, Unit
from ullage.policy.assess import Goal, level_of, missing, of_disk, why, worst_of
from ullage.policy.assume import shifted
from ullage.policy.protect import holds
from ullage.policy.rank import oldest_first

PROMOTE_AGE = DAY
FORCED_DELETE_AGE = DAY
FORCED_PROMOTE_AGE = 2 * DAY
ARCHIVE_RESERVE = 64 * MIB
"""What an archive must leave free on the filesystem that it shares with the backups: room to work."""
ARCHIVE_MOST = 0.9
"""Of what a backup gives back, the part that its archive on the same filesystem may take: more would gain nothing."""
READING_BACK = 0.7
"""How long an archive is read back and compared, in times of its writing (measured: 0.5 to 0.65)."""
WEIGHABLE = 64 * KIB
"""Bytes promised from which on an act is judged alone; smaller ones are judged together."""
ARCHIVE_INODES = 3
"""An archive takes a file, and at worst the directories of its year and its month."""


class Response(Struct, frozen=True, kw_only=True):
    """One reclaim: who may go, how many (None: no limit), how, and until when (None: as many as the limit lets)."""

    cleanup_level: CleanupLevel
    limit: int | None
    forced: bool
    archive_first: bool
    goal: Goal | None


def response(level: Level, store: StoreSettings) -> Response | None:
    """What a level asks for; None where nothing is to be done: all is well, or nothing is known."""
    calm = Response(cleanup_level=CleanupLevel.GENTLE, limit=5, forced=False, archive_first=False, goal=Goal.LOW)
    if level is Level.WARNING:
        return calm
    if level is Level.CRITICAL:
        return replace(calm, cleanup_level=CleanupLevel.MODERATE, limit=store.reclaim.max_per_cycle)
    return _emergency(store) if level is Level.EMERGENCY else None


def by_hand(cleanup_level: CleanupLevel, limit: int | None, pressure: Level) -> Response:
    """What a person's clean-up asks for: under pressure no more than ends it."""
    goal = None if pressure is Level.OK else Goal.LOW
    return Response(cleanup_level=cleanup_level, limit=limit, forced=False, archive_first=False, goal=goal)


def _emergency(store: StoreSettings) -> Response:
    levels: dict[EmergencyStrategy, tuple[CleanupLevel, int | None]] = {
        EmergencyStrategy.AGGRESSIVE: (CleanupLevel.AGGRESSIVE, store.reclaim.emergency_limit),
        EmergencyStrategy.NUCLEAR: (CleanupLevel.NUCLEAR, None),
        EmergencyStrategy.CONSERVATIVE: (CleanupLevel.CONSERVATIVE, 10),
    }
    level, limit = levels[store.reclaim.emergency_strategy]
    first = store.archive.before_delete
    return Response(cleanup_level=level, limit=limit, forced=True, archive_first=first, goal=Goal.TARGET)


def promotable(
    backups: Iterable[Backup], floors: Mapping[str, str], lacking: tuple[int, int], store: StoreSettings, *, now: float
) -> list[Backup]:
    """CONFIRMED backups that should become CLEANABLE, oldest first: as many as the lacking (bytes, inodes) need."""
    chosen: list[Backup] = []
    size, inodes = lacking
    for backup in _of_age(backups, State.CONFIRMED, PROMOTE_AGE, floors, store, now=now):
        if size <= 0 and inodes <= 0:
            break
        chosen.append(backup)
        size, inodes = size - backup.reclaimable_bytes, inodes - backup.inodes
    return chosen


def forced_deletions(
    backups: Iterable[Backup], floors: Mapping[str, str], store: StoreSettings, *, now: float
) -> list[Backup]:
    """CREATED backups that an emergency deletes when all else was not enough, oldest first."""
    return _of_age(backups, State.CREATED, FORCED_DELETE_AGE, floors, store, now=now)


def forced_promotions(
    backups: Iterable[Backup], floors: Mapping[str, str], store: StoreSettings, *, now: float
) -> list[Backup]:
    """PENDING backups that an emergency makes CLEANABLE when all else was not enough, oldest first."""
    return _of_age(backups, State.PENDING, FORCED_PROMOTE_AGE, floors, store, now=now)


def archives_to_go(archives: Iterable[Archive], floors: Mapping[str, str]) -> list[Archive]:
    """The archives that may go, oldest first."""
    free = [archive for archive in archives if not archive.pinned and archive.path not in floors]
    return sorted(free, key=lambda archive: (archive.created_at, archive.path))


def archive_choice(backup: Backup, store: StoreSettings, reading: Reading) -> tuple[bool, str]:
    """Whether an emergency archives this backup before it goes, and why, or why not."""
    if not store.archive.before_delete:
        return False, "archive.before_delete is off"
    if backup.state not in (State.CONFIRMED, State.CLEANABLE):
        return False, f"{backup.state or 'unknown'} is not archived"
    if reading.archive is None:
        # The attempt fails and the backup stays: what is not known is no reason to delete.
        return True, "the room for archives is not known"
    estimate = estimated(backup, store)
    lacking = _lacking(_with_archives(reading.archive, estimate, 1), store, same_filesystem=reading.same_filesystem)
    if lacking is not None:
        return False, f"no room for an archive of about {format_size(estimate)}: {lacking}"
    return True, f"an archive of about {format_size(estimate)} fits"


def archive_foreseen(backup: Backup, store: StoreSettings, reading: Reading) -> tuple[bool, str]:
    """What ``archive_choice`` comes to by the estimate of the archive; ``reading``: as it will be then.

    One that would take most of what the backup gives back is tried, given up, and the backup deleted in its place.
    """
    archive, why = archive_choice(backup, store, reading)
    estimate = estimated(backup, store)
    no = archive_gains_nothing(backup, estimate, reading, store) if archive else None
    if no is None:
        return archive, why
    return False, f"an archive of about {format_size(estimate)} is tried and given up: {no}"


def after(reading: Reading, backup: Backup, archived: bool, gain: tuple[int, int], store: StoreSettings) -> Reading:
    """The reading once the backup gave back so many (bytes, inodes), archived or not."""
    reading = shifted(reading, -gain[0], -gain[1])
    return beside(reading, estimated(backup, store), 1) if archived else reading


def estimated(backup: Backup, store: StoreSettings) -> int:
    """Bytes that its archive is likely to take."""
    return ceil(backup.size_bytes * store.archive.ratio_estimate)


def beside(reading: Reading, size: int, count: int) -> Reading:
    """The reading with so many more archives, of so many bytes in all, where they have a filesystem of their own."""
    if reading.archive is None or reading.same_filesystem:
        return reading
    return replace(reading, archive=_with_archives(reading.archive, size, count))


def lighter(backup: Backup, store: StoreSettings, reading: Reading) -> Backup:
    """The backup as one that gives back what is left when its archive stands, where that is on the same filesystem."""
    if not (reading.same_filesystem and archive_foreseen(backup, store, reading)[0]):
        return backup
    return replace(backup, reclaimable_bytes=max(0, backup.reclaimable_bytes - estimated(backup, store)))


def archive_must_stop(reading: Reading, store: StoreSettings) -> str | None:
    """Why an archive that is being written must be given up for want of room, as measured now; None: go on."""
    if reading.archive is None:
        return None
    return _lacking(reading.archive, store, same_filesystem=reading.same_filesystem)


def archive_gains_nothing(backup: Backup, written: int, before: Reading, store: StoreSettings) -> str | None:
    """Why an archive of which ``written`` bytes stand is no way to gain room; None where it is.

    On the filesystem shared with the backups, what does not compress would stand there twice and then still once.
    ``before``: as it was when the archive was begun.
    """
    if not before.same_filesystem or written <= ARCHIVE_MOST * backup.reclaimable_bytes:
        return None
    if missing(Goal.TARGET, of_disk(before), store.watermarks)[0] == 0:
        return None  # what is wanted is inodes, or room in the capacity
    return f"it would take most of the {format_size(backup.reclaimable_bytes)} that the backup gives back"


def archive_too_late(
    backup: Backup, written: int, seconds: float, before: Reading, now: Reading, store: StoreSettings
) -> str | None:
    """Why an archive begun ``seconds`` ago comes too late: the disk is full before it is done.

    What others wrote since ``before`` goes on as fast; the rest of the archive, and reading it back, as its beginning.
    """
    if written <= 0 or seconds <= 0:
        return None
    estimate = max(written, estimated(backup, store))
    needed = seconds / written * (estimate - written + estimate * READING_BACK)
    ours = written if now.same_filesystem else 0
    for first, last in zip(before.backup, now.backup, strict=False):
        others = last.used_bytes - first.used_bytes - ours
        if others > 0 and last.available_bytes * seconds / others < needed:
            full = format_age(last.available_bytes * seconds / others)
            return f"at this rate the disk is full in {full}, and the archive takes {format_age(needed)} more"
    return None


def short_of(
    lacks: Collection[Unit], promised: Mapping[Unit, int], gained: Mapping[Unit, int]
) -> tuple[Unit, int] | None:
    """Of what was lacking, that an act promised and did not give, and how much; None where it was of any use.

    Where nothing was lacking (a person chose), by bytes.
    """
    wanted = [unit for unit in Unit if unit in lacks] or [Unit.BYTES]
    if not all(fruitless(promised[unit], gained[unit]) for unit in wanted):
        return None
    return wanted[0], promised[wanted[0]] - gained[wanted[0]]


def too_small_to_weigh(predicted: int, reclaimed: int) -> bool:
    """Whether acts that gained under half promised so little together that it may be the filesystem's own doing.

    A commit of btrfs writes leaves of 16 KiB in several trees: it takes what two small backups give back.
    """
    return predicted < WEIGHABLE and fruitless(predicted, reclaimed)


def fruitless(predicted: int, reclaimed: int) -> bool:
    """Whether under half of what was predicted was gained; nothing predicted is nothing missed."""
    return 2 * reclaimed < predicted


def _of_age(
    backups: Iterable[Backup], state: State, age: float, floors: Mapping[str, str], store: StoreSettings, *, now: float
) -> list[Backup]:
    """Those of the state and at least ``age`` seconds old that nothing holds, oldest first."""
    free = (b for b in backups if b.state is state and not holds(b, floors.get(b.id), store.reclaim, now=now))
    return sorted((b for b in free if b.created_at is not None and now - b.created_at >= age), key=oldest_first)


def _with_archives(space: Space, size: int, count: int) -> Space:
    """The archives' filesystem as it would be with so many more archives on it."""
    return replace(
        space,
        used_bytes=space.used_bytes + size,
        free_bytes=space.free_bytes - size,
        available_bytes=space.available_bytes - size,
        free_inodes=space.free_inodes - count * ARCHIVE_INODES,
    )


def _lacking(space: Space, store: StoreSettings, *, same_filesystem: bool) -> str | None:
    """What is wrong with the archives' filesystem as it is, or would be; None where there is room.

    One of its own must stay under its critical watermark. The one shared with the backups is over it already, and
    need only hold the copy until its backup is gone.
    """
    if same_filesystem:
        reserve = min(ARCHIVE_RESERVE, space.total_bytes // 100)
        if space.available_bytes < reserve:
            return f"less than {format_size(reserve)} would be left on the filesystem shared with the backups"
        if space.total_inodes > 0 and space.free_inodes < 0:
            return "the filesystem shared with the backups is out of inodes"
        return None
    if level_of(space, store.watermarks).severity < Level.CRITICAL.severity:
        return None
    return f"on the archives' filesystem {why(worst_of(space, store.watermarks))}"
