"""``ullage plan``: who would go, in order, and why each of the others stays. Changes nothing."""

from __future__ import annotations

from typing import Any

import click

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options
from ullage.cli.output import fail_where_unavailable, level_text, out, print_json, table
from ullage.errors import UllageError
from ullage.model.backups import Selection
from ullage.model.units import format_age, format_size, printable
from ullage.model.words import CleanupLevel, Level
from ullage.policy import respond
from ullage.policy.assess import assess

LEVELS = click.Choice([str(level) for level in CleanupLevel])
DEFAULT_LEVEL, DEFAULT_COUNT = CleanupLevel.MODERATE, 10


@click.command()
@click.argument("level", type=LEVELS, required=False)
@click.argument("count", type=click.IntRange(min=1), required=False)
@common_options
def plan(level: str | None, count: int | None) -> None:
    """Show which backups would go, in order, and why the others stay.

    At LEVEL (that of the present pressure, else moderate), at most COUNT.
    """
    with application() as app:
        stores = [_store(app, site, level, count) for site in app.chosen(common().store)]
    if common().json:
        print_json({"stores": stores})
    else:
        for store in stores:
            if store["fault"] is None:
                _print(store)
    fail_where_unavailable(stores)


def _store(app: Any, site: Any, level: str | None, count: int | None) -> dict[str, Any]:
    store = site.settings
    pressure = assess(site.read(), store.watermarks)
    chosen, limit = _level_and_limit(pressure.level, store, level, count)
    fault = None
    try:
        with site.open() as opened:
            selection: Selection = app.engine.select(opened, chosen, limit)
    except UllageError as error:
        fault = printable(str(error))
        selection = Selection(level=chosen, strategy=store.reclaim.strategy, limit=limit, candidates=(), stays={})
    now = app.clock.now()
    return {
        "name": store.name,
        "level": pressure.level if fault is None else Level.UNAVAILABLE,
        "fault": fault,
        "usage_percent": pressure.usage,
        "cleanup_level": selection.level,
        "strategy": selection.strategy,
        "limit": selection.limit,
        "candidates": [shapes.candidate(c.backup, c.score, c.reasons, now=now) for c in selection.chosen],
        "beyond_limit": len(selection.candidates) - len(selection.chosen),
        "stays": [
            {"backup_id": printable(backup_id), "reasons": [printable(reason) for reason in reasons]}
            for backup_id, reasons in selection.stays.items()
        ],
    }


def _level_and_limit(level: Level, store: Any, asked: str | None, count: int | None) -> tuple[CleanupLevel, int | None]:
    """What was asked for; else what the present pressure would use; else what ``cleanup`` would."""
    if asked is not None:
        return CleanupLevel(asked), count or DEFAULT_COUNT
    response = respond.response(level, store)
    if response is not None:
        return response.cleanup_level, count or response.limit
    return DEFAULT_LEVEL, count or DEFAULT_COUNT


def _print(store: dict[str, Any]) -> None:
    limit = "no limit" if store["limit"] is None else f"at most {store['limit']}"
    out(
        f"store {store['name']} is {level_text(store['level'])}; {store['cleanup_level']}, {store['strategy']}, {limit}"
    )
    gain = sum(c["reclaimable_bytes"] for c in store["candidates"])
    out(f"would go, in this order ({len(store['candidates'])}, {format_size(gain)} in all):")
    table(
        ["", "BACKUP", "STATE", "AGE>", "GAIN>", "BECAUSE"], (_row(n, c) for n, c in enumerate(store["candidates"], 1))
    )
    if store["beyond_limit"]:
        out(f"({store['beyond_limit']} more could go, beyond the limit)")
    out(f"stay ({len(store['stays'])}):")
    table(["", "BACKUP", "BECAUSE"], (["", one["backup_id"], "; ".join(one["reasons"])] for one in store["stays"]))


def _row(number: int, candidate: dict[str, Any]) -> list[str]:
    return [
        str(number),
        candidate["backup_id"],
        candidate["state"],
        format_age(candidate["age_seconds"] or 0),
        format_size(candidate["reclaimable_bytes"]),
        ", ".join(candidate["reasons"]),
    ]
