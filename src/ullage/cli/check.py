"""``ullage check``: a plugin for Nagios, Icinga and their like (exit 0 ok, 1 warning, 2 critical, 3 unknown)."""

from __future__ import annotations

import click

from ullage.cli.context import application, common, common_options
from ullage.cli.output import out, print_json
from ullage.errors import UllageError
from ullage.model.readings import Pressure
from ullage.model.settings import Watermarks
from ullage.model.units import printable
from ullage.model.words import Level
from ullage.policy.assess import assess, shown_percent

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
            found = [
                (site.settings.name, site.settings.watermarks, assess(site.read(), site.settings.watermarks))
                for site in app.chosen(common().store)
            ]
    except (UllageError, OSError) as error:
        _unknown(printable(str(error).split("\n", maxsplit=1)[0]))
        context.exit(3)
    codes = {CODES[pressure.level] for _, _, pressure in found}
    code = next(worst for worst in _WORST_FIRST if worst in codes)
    if common().json:
        stores = [
            {"name": n, "level": p.level, "usage_percent": p.usage, "reason": printable(p.reason)} for n, _, p in found
        ]
        print_json({"status": WORDS[code], "code": code, "reason": None, "stores": stores})
    else:
        words = ", ".join(f"{name} {pressure.level} ({_plain(pressure.reason)})" for name, _, pressure in found)
        perf = " ".join(
            _performance(name, marks, pressure) for name, marks, pressure in found if pressure.usage is not None
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


def _performance(name: str, marks: Watermarks, pressure: Pressure) -> str:
    """``'label'=value;warn;crit;min;max`` as the plugin guidelines want it."""
    label = name.replace("'", "").replace("=", "")
    usage = "U" if pressure.usage is None else shown_percent(pressure.usage)
    return f"'{label}'={usage}%;{marks.warning:g};{marks.critical:g};0;100"
