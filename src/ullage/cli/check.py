"""``ullage check``: a plugin for Nagios, Icinga and their like (exit 0 ok, 1 warning, 2 critical, 3 unknown)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ullage.cli.context import application, common, common_options
from ullage.cli.output import out, print_json
from ullage.errors import UllageError
from ullage.model.readings import Reading
from ullage.model.settings import Free, Marks, Watermarks
from ullage.model.units import printable
from ullage.model.words import Level, Unit
from ullage.policy.assess import Measure, assess, measures, shown_percent
from ullage.policy.outlook import soonest

CODES = {Level.OK: 0, Level.WARNING: 1, Level.CRITICAL: 2, Level.EMERGENCY: 2, Level.UNAVAILABLE: 3}
WORDS = {0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}
_WORST_FIRST = [2, 3, 1, 0]
"""A plugin reports one state: a full disk before an unknown one, an unknown one before a warning."""


@click.command()
@common_options
def check() -> None:
    """Report the worst level of all stores as a monitoring plugin: one line, performance data, exit 0/1/2/3."""
    context = click.get_current_context()
    try:
        with application() as app:
            read = [(site.settings, site.read()) for site in app.chosen(common().store)]
            left = {store.name: _until_full(app, store.name) for store, _ in read}
    except (UllageError, OSError) as error:
        _unknown(printable(str(error).split("\n", maxsplit=1)[0]))
        context.exit(3)
    found = [(store.name, assess(reading, store.watermarks)) for store, reading in read]
    codes = {CODES[pressure.level] for _, pressure in found}
    code = next(worst for worst in _WORST_FIRST if worst in codes)
    if common().json:
        stores = [
            {"name": n, "level": p.level, "usage_percent": p.usage, "reason": printable(p.reason)} for n, p in found
        ]
        print_json({"status": WORDS[code], "code": code, "reason": None, "stores": stores})
    else:
        words = ", ".join(f"{name} {pressure.level} ({_plain(pressure.reason)})" for name, pressure in found)
        perf = " ".join(
            part
            for (store, reading), (_, pressure) in zip(read, found, strict=True)
            if pressure.usage is not None
            for part in (*_performance(store.name, store.watermarks, reading), *left[store.name])
        )
        out(f"ULLAGE {WORDS[code]} - {words} | {perf}".rstrip(" |"))
    context.exit(code)


def _unknown(why: str) -> None:
    """Nothing could be looked at: that is a state too."""
    if common().json:
        print_json({"status": WORDS[3], "code": 3, "reason": why, "stores": []})
    else:
        out(f"ULLAGE {WORDS[3]} - {_plain(why)}")


def _plain(text: str) -> str:
    """Text for a plugin's line, in which a bar begins the performance data."""
    return printable(text).replace("|", "/")


def _performance(name: str, marks: Watermarks, reading: Reading) -> Iterator[str]:
    """``'label'=value;warn;crit;min;max`` as the plugin guidelines want it: usage, and what has marks of its own."""
    label = _label(name)
    known = [one for space in reading.backup for one in measures(space, marks) if one.unit is not Unit.METADATA]
    inodes = [one for one in known if one.unit is Unit.INODES]
    apart = _percent(marks.of_inodes) != _percent(marks.of_bytes)
    yield _usage(label, [one for one in known if one not in inodes or not apart])
    if inodes and apart:
        yield _usage(f"{label} inodes", inodes)
    yield from _free(f"{label} free", "B", [one for one in known if one not in inodes])
    yield from _free(f"{label} inodes free", "", inodes)


def _until_full(app: Any, name: str) -> list[str]:
    """Seconds until it is likely full, by the newest forecast; nothing where that is not in sight or not known."""
    seen = app.catalog.outlook(name)
    sight = None if seen is None else soonest(seen)
    if sight is None or sight.full is None or sight.full.likely is None:
        return []
    return [f"'{_label(name)} until full'={max(0.0, sight.full.likely - app.clock.now()):.0f}s;;;0"]


def _label(name: str) -> str:
    return name.replace("'", "").replace("=", "")


def _percent(marks: Marks) -> str:
    return f"{marks.warning:g};{marks.critical:g}"


def _usage(label: str, known: list[Measure]) -> str:
    highest = max(known, key=lambda one: one.usage)
    return f"'{label}'={shown_percent(highest.usage)}%;{_percent(highest.marks)};0;100"


def _free(label: str, unit: str, known: list[Measure]) -> Iterator[str]:
    """What is free, where a watermark asks for it: a plugin's ``N:`` is an alert below N."""
    least = min(known, key=lambda one: one.slack, default=None)
    free = Free() if least is None else least.marks.free
    if least is not None and (free.warning or free.critical):
        below = ";".join(f"{mark + 1}:" if mark else "" for mark in (free.warning, free.critical))
        yield f"'{label}'={max(0, least.slack)}{unit};{below};0;{least.usable}"
