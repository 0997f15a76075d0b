"""``ullage simulate``: what would become of a store within a year, by the real rules. Changes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options
from ullage.cli.output import fail_where_unavailable, out, percent, print_json, say, table
from ullage.errors import Refused, UllageError, UsageError
from ullage.model.units import DAY, format_size, printable, rfc3339
from ullage.model.words import Action, Result
from ullage.policy.exhausted import told
from ullage.policy.series import named, series_of

_GONE = (Action.DELETE, Action.ARCHIVE, Action.DELETE_ARCHIVE)
_NAMED = 5


@click.command()
@click.option("--days", type=click.IntRange(1, 3660), default=365, show_default=True, help="How long.")
@click.option("--pattern", "pattern_file", metavar="FILE", help="What comes, described in TOML (see the guide).")
@click.option("--seed", type=int, default=0, show_default=True, help="Other dice: sizes and failures vary by chance.")
@common_options
def simulate(days: int, pattern_file: str | None, seed: int) -> None:
    """Run the real rules over a virtual year: what would go and when, what would hold it, when it is not enough.

    From the backups that are there, and what they promise: how often, how large, how growing. A pattern's own
    disk begins empty.
    """
    pattern = None if pattern_file is None else _read(pattern_file)
    with application() as app:
        stores = [_store(app, site, pattern, days, seed) for site in app.chosen(common().store)]
    if common().json:
        print_json({"stores": stores})
    else:
        for store in stores:
            if store["fault"] is None:
                _print(store)
    fail_where_unavailable(stores)


def _read(path: str) -> Any:
    from ullage.simulation.pattern import read_pattern

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the pattern {printable(path)}: {printable(str(error))}") from None
    return read_pattern(text, path)


def _store(app: Any, site: Any, pattern: Any, days: int, seed: int) -> dict[str, Any]:
    from ullage.simulation.year import Year

    store = site.settings
    try:
        world, found = _world(app, site, pattern)
        if not found.series:
            raise Refused(
                f"store {store.name} has no series of two or more backups that would go on; describe what comes in a"
                " file, and name it with --pattern"
            )
        began = dict(world.backups)
        outcome = Year(replace(store, capacity=world.capacity), world, found, seed=seed).run(days * DAY)
    except UllageError as error:
        return {"name": store.name, "fault": printable(str(error))}
    return {
        "name": store.name,
        "fault": None,
        "from": rfc3339(outcome.began),
        "to": rfc3339(outcome.ended),
        "cycles": outcome.cycles,
        "began_with": len(began),
        "came": outcome.arrived,
        "enough": not outcome.failed and not outcome.short,
        "months": _months(outcome),
        "failed": [{"at": rfc3339(at), "backup_id": printable(backup_id)} for at, backup_id in outcome.failed],
        "short": [
            {
                "at": rfc3339(at),
                "level": level,
                "missing_bytes": short.size_bytes,
                "missing_inodes": short.inodes,
                "reason": printable(told(short)),
            }
            for at, level, short in outcome.short
        ],
        "held": _held(outcome),
        "alerts": len(outcome.told),
        "actions": [{"at": rfc3339(op.at), **shapes.action(op)} for op in outcome.operations],
        "left": _left(world),
    }


def _world(app: Any, site: Any, pattern: Any) -> tuple[Any, Any]:
    """The disk to begin with, and what comes: of the pattern, or of the store's own backups."""
    from ullage.simulation.pattern import pattern_of
    from ullage.simulation.world import Disk, World

    now = app.clock.now()
    if pattern is not None and pattern.disk is not None:
        disk = Disk(total_bytes=pattern.disk, used_bytes=min(pattern.used, pattern.disk))
        apart = disk if pattern.archive_disk is None else Disk(total_bytes=pattern.archive_disk)
        return World(now=now, disk=disk, archives_disk=apart), pattern
    with site.open() as opened:
        reading, backups, archives = opened.gauge.read(), opened.source.backups(), opened.source.archives()
    disk = _disk(reading.backup[0])
    disk.used_bytes -= sum(
        op.predicted_bytes for op in app.catalog.trashed(site.settings.name) if not op.path
    )  # it goes
    apart = disk if reading.same_filesystem or reading.archive is None else _disk(reading.archive)
    world = World(
        now=now,
        disk=disk,
        archives_disk=apart,
        capacity=site.settings.capacity,
        backups={one.id: replace(one, busy=None) for one in backups},
        archives={one.path: one for one in archives},
    )
    return world, pattern or pattern_of(backups)


def _disk(space: Any) -> Any:
    """As an unprivileged writer may use it."""
    from ullage.simulation.world import Disk

    return Disk(
        total_bytes=space.used_bytes + space.available_bytes,
        used_bytes=space.used_bytes,
        total_inodes=space.total_inodes,
        used_inodes=space.total_inodes - space.free_inodes,
    )


def _months(outcome: Any) -> list[dict[str, Any]]:
    went: dict[str, Counter[str]] = defaultdict(Counter)
    for op in outcome.operations:
        if op.result is Result.DONE:
            month = went[rfc3339(op.at)[:7]]
            month[op.action] += 1
            month["reclaimed_bytes"] += op.reclaimed_bytes if op.action in _GONE else 0
    failed = Counter(rfc3339(at)[:7] for at, _ in outcome.failed)
    short = Counter(rfc3339(at)[:7] for at, _, _ in outcome.short)
    return [
        {
            "month": month,
            "peak_percent": peak,
            "archived": went[month][Action.ARCHIVE],
            "deleted": went[month][Action.DELETE],
            "archives_deleted": went[month][Action.DELETE_ARCHIVE],
            "reclaimed_bytes": went[month]["reclaimed_bytes"],
            "failed": failed[month],
            "short": short[month],
        }
        for month, peak in outcome.peaks.items()
    ]


def _held(outcome: Any) -> list[dict[str, Any]]:
    """What would have bitten: each rule that held something when too little might go, the largest first."""
    rows: dict[str, dict[str, Any]] = {}
    for at, _, short in outcome.short:
        for one in short.because:
            row = rows.setdefault(one.cause, {"rule": one.cause, "times": 0, "most_bytes": 0, "first_at": rfc3339(at)})
            row["times"] += 1
            row["most_bytes"] = max(row["most_bytes"], one.size_bytes)
    return sorted(rows.values(), key=lambda row: (-row["most_bytes"], row["rule"]))


def _left(world: Any) -> list[dict[str, Any]]:
    """What stands at the end, by series."""
    by_series: dict[str | None, list[Any]] = defaultdict(list)
    for backup in world.backups.values():
        by_series[series_of(backup.id)].append(backup)
    rows = []
    for series in sorted(by_series, key=named):
        made = [b.created_at for b in by_series[series] if b.created_at is not None]
        good = [b.created_at for b in by_series[series] if b.created_at is not None and b.good]
        rows.append(
            {
                "series": None if series is None else printable(series),
                "backups": len(by_series[series]),
                "size_bytes": sum(b.size_bytes for b in by_series[series]),
                "oldest_at": rfc3339(min(made)) if made else None,
                "newest_at": rfc3339(max(made)) if made else None,
                "newest_good_at": rfc3339(max(good)) if good else None,
            }
        )
    return rows


def _print(store: dict[str, Any]) -> None:
    out(f"store {store['name']}, {store['from'][:10]} to {store['to'][:10]}, {store['cycles']} looks")
    table(
        ["MONTH", "HIGHEST>", "DELETED>", "ARCHIVED>", "ARCHIVES GONE>", "GAINED>", "NO ROOM FOR>", "SHORT>"],
        (
            [
                one["month"],
                percent(one["peak_percent"]),
                str(one["deleted"]),
                str(one["archived"]),
                str(one["archives_deleted"]),
                format_size(one["reclaimed_bytes"]),
                str(one["failed"]),
                str(one["short"]),
            ]
            for one in store["months"]
        ),
    )
    out("left at the end:")
    table(
        ["", "SERIES", "BACKUPS>", "SIZE>", "OLDEST", "NEWEST", "NEWEST GOOD"],
        (
            [
                "",
                "(no date)" if one["series"] is None else one["series"],
                str(one["backups"]),
                format_size(one["size_bytes"]),
                *(str(one[key] or "-")[:10] for key in ("oldest_at", "newest_at", "newest_good_at")),
            ]
            for one in store["left"]
        ),
    )
    out(f"{store['began_with']} backups to begin with, {store['came']} came; {store['alerts']} alerts")
    _print_end(store)


def _print_end(store: dict[str, Any]) -> None:
    if store["held"]:
        out("what held the rest when too little might go:")
        table(
            ["", "RULE", "TIMES>", "AT MOST>", "FIRST"],
            (
                ["", one["rule"], str(one["times"]), format_size(one["most_bytes"]), one["first_at"][:10]]
                for one in store["held"]
            ),
        )
    if store["enough"]:
        out("it would be enough: every backup finds room, and no reclaim ends at critical or above")
        return
    for one in store["failed"][:_NAMED]:
        say(f"{one['at']}: no room for {one['backup_id']}")
    if store["short"]:
        first = store["short"][0]
        say(f"{first['at']}: {first['level']}, and not enough may go: {first['reason']}")
    out(
        f"it would NOT be enough: {len(store['failed'])} backups find no room,"
        f" {len(store['short'])} reclaims end at critical or above"
    )
