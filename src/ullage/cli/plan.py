"""``ullage plan``: who would go, in order, and why each of the others stays. Changes nothing."""

from __future__ import annotations

from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from ullage.cli import shapes
from ullage.cli.context import application, common, common_options
from ullage.cli.output import fail_where_unavailable, flow, level_text, out, percent, print_json, say, table
from ullage.cli.short import shape
from ullage.errors import UllageError, UsageError
from ullage.model.backups import Selection
from ullage.model.plans import Plan, View
from ullage.model.readings import Reading
from ullage.model.units import format_age, format_size, parse_size, printable, rfc3339
from ullage.model.words import CleanupLevel, Level
from ullage.policy import assess, respond
from ullage.policy.assess import Goal
from ullage.policy.assume import Assumed, Until, assume, parse_at, parse_until, when
from ullage.policy.cost import costs
from ullage.policy.exhausted import too_little
from ullage.policy.plan import plan as planned
from ullage.policy.respond import Response

LEVELS = click.Choice([str(level) for level in CleanupLevel])
DEFAULT_LEVEL, DEFAULT_COUNT = CleanupLevel.MODERATE, 10


@click.command()
@click.argument("level", type=LEVELS, required=False)
@click.argument("count", type=click.IntRange(min=1), required=False)
@click.option("--until", metavar="GOAL", help='As many as it takes: "40 % free", "80 % used", "50 GiB free".')
@click.option("--at", metavar="TIME", help="As if it were then: a date, or a time in UTC like 2026-12-24T18:00.")
@click.option("--fill", metavar="SIZE", help='As if so much more were used: "200 GB".')
@click.option("--save", metavar="FILE", help="Keep the plan of one store for ullage apply, for a day at most.")
@click.option("--overwrite", is_flag=True, help="Where FILE is there already, take its place.")
@common_options
def plan(
    level: str | None,
    count: int | None,
    until: str | None,
    at: str | None,
    fill: str | None,
    save: str | None,
    overwrite: bool,
) -> None:
    """Show which backups would go, in order, and why the others stay.

    At LEVEL (that of the present pressure, else moderate), at most COUNT. What the present pressure does not need is
    marked: it would not go. With --until no more are shown than that needs. --at and --fill ask the same of a store as
    it would be; nothing is touched. By `least_harm` the first ones are the set that costs least for what is needed;
    where nothing is, the least harm comes first.
    """
    with application() as app:
        question = _question(app, level, count, until, at, fill)
        sites = app.chosen(common().store)
        if save is not None and len(sites) != 1:
            raise UsageError("a plan is saved of one store; say which with --store")
        answers = [_answer(app, site, question) for site in sites]
        stores = [document for _, _, document in answers]
        if save is not None and stores[0]["fault"] is None:
            _save(app, sites[0], *answers[0][:2], question, save, overwrite)
    if common().json:
        print_json({"stores": stores})
    else:
        for store in stores:
            if store["fault"] is None:
                _print(store)
    fail_where_unavailable(stores)


def _save(app: Any, site: Any, found: Plan, goal: Goal | None, question: _Question, path: str, over: bool) -> None:
    """Keep what the goal needs of a plan for ``apply``."""
    from ullage.config.planfile import write_plan
    from ullage.policy.stale import saved_plan

    names = [step.candidate.backup.id for step in found.taken]
    with site.open() as opened:
        handles = {name: opened.source.handle(name) or "" for name in names}
    kept = saved_plan(
        found,
        site.settings,
        identity=app.identity(site.settings.name),
        handles=handles,
        goal=goal,
        until=question.until_text,
        assumed=question.assumed,
        now=app.clock.now(),
    )
    write_plan(path, kept, over=over)
    say(f"saved {printable(path)}, {len(names)} to go; ullage apply {printable(path)} carries it out")


class _Question(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    level: str | None
    count: int | None
    until: Until | None
    until_text: str | None
    assumed: Assumed


def _question(
    app: Any, level: str | None, count: int | None, until: str | None, at: str | None, fill: str | None
) -> _Question:
    """Raises UsageError for what cannot be read, and for a time that is over."""
    try:
        then = None if at is None else parse_at(at)
        if then is not None and then < app.clock.now():
            raise ValueError(f"{at!r} is over; --at asks what will be")
        assumed = Assumed(at=then, fill=0 if fill is None else parse_size(fill))
        goal = None if until is None else parse_until(until)
    except ValueError as error:
        raise UsageError(printable(str(error))) from None
    return _Question(level=level, count=count, until=goal, until_text=until, assumed=assumed)


def _answer(app: Any, site: Any, question: _Question) -> tuple[Plan, Goal | None, dict[str, Any]]:
    """The plan for a store, the goal of its level where none was asked for, and the document of it."""
    store = site.settings
    try:
        view: View = app.engine.view(site)
    except UllageError as error:
        view = View(now=app.clock.now(), reading=Reading(at=app.clock.now(), fault=str(error)), backups=())
    view = assume(view, question.assumed)
    pressure = assess.assess(view.reading, store.watermarks)
    asked = _asked(pressure.level, store, question)
    want = question.until or asked.goal
    found = planned(view, asked, store, question.until)
    harm, compared = costs(found, view, store, archive_first=asked.archive_first)
    steps = found.steps if question.until is None else found.taken
    return (
        found,
        asked.goal if question.until is None else None,
        {
            "name": store.name,
            "level": pressure.level,
            "fault": None if view.reading.fault is None else printable(view.reading.fault),
            "usage_percent": pressure.usage,
            "assumed": _assumed(question.assumed),
            **_selected(found.selection),
            "candidates": [
                {**shapes.step(step, now=view.now), **shapes.harm(harm[step.candidate.backup.id])} for step in steps
            ],
            "harm": {strategy: shapes.cost(cost) for strategy, cost in compared.items()},
            "goal": None if want is None else when(want, store.watermarks),
            **_goal(found),
            "shortfall": _shortfall(site, view, pressure.level, question, asked.cleanup_level),
        },
    )


def _shortfall(site: Any, view: View, level: Level, question: _Question, asked: CleanupLevel) -> dict[str, Any] | None:
    """What the goal of the store's level misses if all went that may go at the level asked for, whatever the limit."""
    if question.until is not None or respond.response(level, site.settings) is None:
        return None
    with site.open() as opened:
        archives = opened.source.archives() if view.reading.same_filesystem else []
    found = too_little(
        level,
        view.reading,
        view.backups,
        site.settings,
        now=view.now,
        archives=archives,
        shares=view.shares,
        waiting=(view.pending_bytes, view.pending_inodes),
        asked=asked,
    )
    return shape(found)


def _assumed(assumed: Assumed) -> dict[str, Any] | None:
    if not assumed.sentences:
        return None
    at = None if assumed.at is None else rfc3339(assumed.at)
    return {"at": at, "fill_bytes": assumed.fill, "sentences": assumed.sentences}


def _selected(selection: Selection) -> dict[str, Any]:
    return {
        "cleanup_level": selection.level,
        "strategy": selection.strategy,
        "limit": selection.limit,
        "beyond_limit": len(selection.candidates) - len(selection.chosen),
        "stays": [
            {"backup_id": printable(backup_id), "reasons": [printable(reason) for reason in reasons]}
            for backup_id, reasons in selection.stays.items()
        ],
    }


def _goal(found: Plan) -> dict[str, Any]:
    shortfall = found.shortfall
    return {
        "target_bytes": found.target_bytes,
        "target_inodes": found.target_inodes,
        "pending_bytes": found.pending_bytes,
        "pending_inodes": found.pending_inodes,
        "needed": len(found.taken),
        "predicted_bytes": found.gain[0],
        "predicted_inodes": found.gain[1],
        "usage_percent_after": found.usage_after,
        "shortfall_bytes": shortfall[0],
        "shortfall_inodes": shortfall[1],
    }


def _asked(level: Level, store: Any, question: _Question) -> Response:
    """What was asked for; else what the present pressure would do; else what ``cleanup`` would.

    A goal of one's own has no limit but the one that was given.
    """
    response = respond.response(level, store)
    if question.level is not None or response is None:
        response = respond.by_hand(
            CleanupLevel(question.level or DEFAULT_LEVEL), question.count or DEFAULT_COUNT, level
        )
    return response if question.until is None else replace(response, limit=question.count)


def _print(store: dict[str, Any]) -> None:
    limit = "no limit" if store["limit"] is None else f"at most {store['limit']}"
    out(
        f"store {store['name']} is {level_text(store['level'])}, {percent(store['usage_percent'])} used;"
        f" {store['cleanup_level']}, {store['strategy']}, {limit}"
    )
    for sentence in [] if store["assumed"] is None else store["assumed"]["sentences"]:
        flow(f"({sentence})")
    steps, needed = store["candidates"], store["needed"]
    until = "" if store["goal"] is None else f", until {store['goal']}"
    in_all = f"in this order ({needed}, {format_size(store['predicted_bytes'])} in all)"
    if store["goal"] is None and store["level"] == Level.OK:
        out(f"nothing has to go; a clean-up by hand would take, {in_all}:")
    else:
        out(f"would go, {in_all}{until}:")
    inodes = bool(store["target_inodes"])
    rows = [_row(number, step, inodes=inodes) for number, step in enumerate(steps, 1)]
    heads = ["", "BACKUP", "STATE", "AGE>", "GAIN>", *(["INODES>"] if inodes else []), "USED THEN>", "BECAUSE"]
    table(heads, rows[:needed])
    for line in (*_end(store), _harm(store)):
        flow(line)
    if rows[needed:]:
        out(f"not needed for that ({len(rows) - needed}), next in the order:")
        table(heads, rows[needed:])
    if store["beyond_limit"]:
        out(f"({store['beyond_limit']} more could go, beyond the limit)")
    if store["shortfall"] is not None:
        flow(f"that is not enough: {store['shortfall']['text']}")
    out(f"stay ({len(store['stays'])}):")
    table(["", "BACKUP", "BECAUSE"], (["", one["backup_id"], "; ".join(one["reasons"])] for one in store["stays"]))


def _end(store: dict[str, Any]) -> list[str]:
    """What there is to say of the goal."""
    lines = []
    if store["goal"] is not None and (store["pending_bytes"] or store["pending_inodes"]):
        lines.append(
            f"(besides, {format_size(store['pending_bytes'])} come back of trash, ballast and files still open)"
        )
    missing = [format_size(store["shortfall_bytes"])] if store["shortfall_bytes"] else []
    missing += [f"{store['shortfall_inodes']} inodes"] if store["shortfall_inodes"] else []
    if missing and store["shortfall"] is None:
        lines.append(f"not enough: {' and '.join(missing)} would still be missing until {store['goal']}")
    return lines


def _harm(store: dict[str, Any]) -> str:
    """The harm of this plan, and of the other strategies in its place."""
    told = {}
    for strategy, cost in store["harm"].items():
        short = "" if cost["enough"] is not False else ", not enough"
        told[strategy] = f"{cost['harm']:.1f} ({cost['backups']} for {format_size(cost['gain_bytes'])}{short})"
    others = ", ".join(f"{strategy} {text}" for strategy, text in told.items() if strategy != store["strategy"])
    return f"harm of this plan: {told[store['strategy']]}; by the other strategies: {others}"


def _row(number: int, step: dict[str, Any], *, inodes: bool) -> list[str]:
    because = [*step["reasons"], *([step["action_reason"]] if step["action_reason"] else [])]
    return [
        str(number),
        step["backup_id"],
        step["state"],
        format_age(step["age_seconds"] or 0),
        format_size(step["gain_bytes"]),
        *([f"{step['gain_inodes']:,}"] if inodes else []),
        percent(step["usage_percent_after"]),
        ", ".join([*(["archived first"] if step["action"] == "archive" else []), *because]),
    ]
