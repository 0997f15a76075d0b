"""``ullage alert test``: does every channel really reach somebody?"""

from __future__ import annotations

import socket
from typing import Any

import click

from ullage.cli.context import application, common, common_options
from ullage.cli.output import out, print_json
from ullage.errors import DeliveryError
from ullage.model.words import Level
from ullage.policy.assess import assess


@click.group()
@common_options
def alert() -> None:
    """Try the channels that alerts go by."""


@alert.command()
@common_options
def test() -> None:
    """Send one test alert through each channel of each store, now, and say what happened."""
    with application() as app:
        results = [result for site in app.chosen(common().store) for result in _try(app, site)]
    if common().json:
        print_json({"alerts": results})
    else:
        for one in results:
            out(f"{one['store']}: {one['channel']}: {one['outcome']}" + (f": {one['error']}" if one["error"] else ""))
        if not results:
            out("no channel is configured: set alerts.email, alerts.webhook or alerts.slack")
    if not results or any(one["outcome"] != "delivered" for one in results):
        click.get_current_context().exit(1)


def _try(app: Any, site: Any) -> list[dict[str, str]]:
    from ullage.notify.message import Alert, message
    from ullage.notify.send import channels, send

    store = site.settings
    about = Alert(
        store=store.name,
        level=Level.OK,
        kind="test",
        usage=assess(site.read(), store.watermarks).usage,
        backup_root=store.backup_root,
        host=socket.gethostname(),
        at=app.clock.now(),
    )
    title, details = message(about)
    results = []
    for channel in channels(store.alerts):
        try:
            error = send(channel, title, details, about.level, store.alerts)
            outcome = "delivered"
        except DeliveryError as failure:
            error, outcome = str(failure), "failed"
        results.append({"store": store.name, "channel": channel, "outcome": outcome, "error": error})
    return results
