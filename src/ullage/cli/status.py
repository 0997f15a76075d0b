"""``ullage status``: the daemon, and every store against its watermarks."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import click

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options
from ullage.cli.output import flow, level_text, out, percent, print_json
from ullage.engine.caps import holds
from ullage.errors import UllageError
from ullage.model.backups import Operation
from ullage.model.readings import Reading
from ullage.model.settings import Watermarks
from ullage.model.units import format_size, printable, rfc3339
from ullage.model.words import Level, State, Unit
from ullage.policy.assess import assess, binding, free_told
from ullage.policy.predictions import LAST, judged

_RECENT = 5


@click.command()
@common_options
def status() -> None:
    """Show the daemon and each store: usage, level, watermarks, backups by state, the last checks."""
    with application() as app:
        stores = [_store(app, site) for site in app.chosen(common().store)]
        document = {"daemon": daemon(app.settings.state_dir), "clock": app.clock_fault(), "stores": stores}
    if common().json:
        print_json(document)
    else:
        _print(document)


def daemon(state_dir: str) -> dict[str, object]:
    """Whether the daemon of this state directory runs, and since when."""
    from ullage.system.runfile import running

    found = running(state_dir)
    if found is None:
        return {"running": False, "pid": None, "started_at": None}
    return {"running": True, "pid": found.pid, "started_at": rfc3339(found.started_at)}


def _store(app: Any, site: Any) -> dict[str, object]:
    store = site.settings
    reading = site.read()
    marks: Watermarks = store.watermarks
    pressure = assess(reading, marks)
    return {
        "name": store.name,
        "backup_root": printable(store.backup_root),
        "archive_root": printable(store.archive_root),
        "level": pressure.level,
        "reason": printable(pressure.reason),
        "backup": shapes.gauge(binding(reading, marks), marks),
        "archive": shapes.gauge(reading.archive, marks),
        "total": shapes.gauge(reading.total, marks),
        "watermarks": shapes.watermarks(marks),
        "held": [shapes.hold(hold) for hold in holds(app.catalog, store, reading, now=app.clock.now())],
        "still_open": _still_open(site, reading, pressure.level),
        "predictions": shapes.predictions(judged(app.catalog.predictions(store.name, LAST))),
        **_contents(app, site, reading, pressure.level),
        "trash": _trash(app.catalog.trashed(store.name)),
        "forecast": shapes.forecast(app.catalog.outlook(store.name)),
        "recent": [
            {"at": rfc3339(one.at), "backup": one.backup, "archive": one.archive, "total": one.total}
            for one in app.catalog.recent(store.name, _RECENT)
        ],
    }


def _still_open(site: Any, reading: Reading, level: Level) -> str | None:
    """Who has deleted files open; asked only under pressure, for it takes a look at every process."""
    if level is Level.OK or reading.fault is not None:
        return None
    from ullage.engine.remarks import still_open

    try:
        with site.open() as opened:
            return still_open(opened, reading, level)
    except (UllageError, OSError):
        return None


def _trash(waiting: list[Operation]) -> dict[str, int]:
    return {"count": len(waiting), "bytes": sum(op.predicted_bytes for op in waiting)}


def _contents(app: Any, site: Any, reading: Reading, level: Level) -> dict[str, object]:
    """How many backups there are of each state, and from critical on what is missing for the goal and why."""
    counts: dict[str, int] = {}
    short = None
    if reading.fault is not None:
        return {"counts": counts, "shortfall": None}
    pressed = level in (Level.CRITICAL, Level.EMERGENCY)
    with suppress(UllageError, OSError), site.open() as opened:
        backups = opened.source.facts()
        states = Counter(str(backup.state or "UNKNOWN") for backup in backups)
        states[str(State.ARCHIVED)] = len(opened.source.archives())
        counts = {state: states[state] for state in [*map(str, State), "UNKNOWN"] if states[state]}
        if pressed:
            from ullage.cli.short import shortfall  # only a store that is pressed has need of it

            short = shortfall(app, opened, reading, level)
    return {"counts": counts, "shortfall": short}


def _print(document: dict[str, Any]) -> None:
    daemon_ = document["daemon"]
    out(
        f"daemon: running, process {daemon_['pid']}, since {daemon_['started_at']}"
        if daemon_["running"]
        else "daemon: stopped"
    )
    if document["clock"]:
        out(f"clock: {document['clock']}")
    for store in document["stores"]:
        out()
        out(f"store {store['name']}: {level_text(store['level'])} ({store['reason']})")
        _print_gauge("backups", store["backup_root"], store["backup"])
        _print_gauge("archives", store["archive_root"], store["archive"])
        for hold in store["held"]:
            flow(f"  held back   {hold['reason']} (lifted by: {hold['lifted_by']})", 14)
        if store["predictions"]["count"]:
            flow(f"  predictions {_predicted(store['predictions'])}", 14)
        if store["still_open"]:
            flow(f"  still open  {store['still_open']}", 14)
        if store["shortfall"] is not None:
            flow(f"  not enough  {store['shortfall']['text']}", 14)
        marks = store["watermarks"]
        own = marks.pop("inodes")
        out(f"  watermarks  {_marks(marks, Unit.BYTES)}")
        if own not in (None, marks):
            out(f"  of inodes   {_marks(own, Unit.INODES)}")
        counts = ", ".join(f"{count} {state}" for state, count in store["counts"].items())
        out(f"  holds       {counts or 'no backups'}")
        if store["trash"]["count"]:
            size = format_size(store["trash"]["bytes"])
            out(f"  trash       {store['trash']['count']} deleted by hand, {size} (ullage undo, ullage trash)")
        flow(f"  forecast    {_foreseen(store['forecast'])}", 14)
        for one in store["recent"]:
            out(
                f"  {one['at']}  backups {percent(one['backup'])}, archives {percent(one['archive'])}, "
                f"/ {percent(one['total'])}"
            )


def _marks(marks: dict[str, Any], unit: Unit) -> str:
    levels = ", ".join(f"{name} {_mark(marks, name, unit)}" for name in ("warning", "critical", "emergency"))
    least = marks["free"]["target_free"]
    target = [f"down to {100 - marks['target_free']:g} %"] if marks["target_free"] or not least else []
    target += [f"until {free_told(unit, least)}"] if least else []
    return f"{levels}, then {' and '.join(target)}"


def _mark(marks: dict[str, Any], name: str, unit: Unit) -> str:
    percent, least = marks[name], marks["free"][name]
    told = [f"{percent:g} %"] if percent < 100 or not least else []
    return " or ".join([*told, *([free_told(unit, least)] if least else [])])


def _predicted(found: dict[str, Any]) -> str:
    if found["off"]:
        return f"{found['reason']} (ullage history)"
    return (
        f"of what a backup gives back: half within {percent(found['median_error_percent'])} of what was measured, "
        f"all within {percent(found['worst_error_percent'])}, of the last {found['count']}"
    )


def _foreseen(forecast: dict[str, Any] | None) -> str:
    """What is seen coming, soonest first, and how old that is where it is not of the last hours."""
    if forecast is None:
        return "none yet; the daemon makes one every hour"
    warned = "; warned of" if forecast["warned_since"] else ""
    return f"{forecast['summary']}{warned} (made {forecast['made_at']})"


def _print_gauge(what: str, root: str, gauge: dict[str, Any]) -> None:
    if not gauge["available"]:
        out(f"  {what:<10}  unavailable  {root}")
        return
    inodes = "" if gauge["inode_percent"] is None else f", inodes {percent(gauge['inode_percent'])}"
    free, total = format_size(gauge["free_bytes"]), format_size(gauge["total_bytes"])
    what += {"capacity": " (capacity)", "quota": " (quota)", "metadata": " (btrfs metadata)"}.get(gauge["kind"], "")
    out(f"  {what:<10}  {percent(gauge['usage_percent'])} used, {free} of {total} free{inodes}  {root}")
