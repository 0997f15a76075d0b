"""``ullage config``: the settings in force, checked, and the seed's own file read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ullage.cli.context import common, common_options, dry_run_option
from ullage.cli.output import out, print_json, say
from ullage.errors import SettingsError, UllageError, UsageError
from ullage.model.units import printable


@click.group()
@common_options
def config() -> None:
    """Show, check or import settings."""


@config.command()
@common_options
def show() -> None:
    """Print the settings in force, defaults included; secrets as ***."""
    from ullage.app import load_settings
    from ullage.config.show import as_shown, to_toml

    settings = load_settings(common().config)
    if common().json:
        print_json({"settings": as_shown(settings)})
    else:
        out(to_toml(settings).rstrip("\n"))


@config.command()
@common_options
def check() -> None:
    """Check the settings: faults (exit 2), and what contradicts itself or is unwise."""
    from ullage.app import load_settings
    from ullage.config.advice import contradictions, unwise, warnings
    from ullage.config.roots import check_paths

    settings = load_settings(common().config)
    faults = check_paths(settings, os.environ)
    if faults:
        raise SettingsError(faults)
    advice = [*contradictions(settings), *unwise(settings), *warnings(settings), *_out_of_reach(settings)]
    if common().json:
        print_json({"file": printable(settings.path), "valid": True, "warnings": advice})
        return
    for line in advice:
        say(f"warning: {line}")
    out(f"{printable(settings.path)}: valid, {len(settings.stores)} store{'s' if len(settings.stores) > 1 else ''}")


def _out_of_reach(settings: Any) -> Iterator[str]:
    """What a look at the stores tells of the settings, where they are registered and there."""
    from ullage.app import open_app

    if not os.path.exists(os.path.join(settings.state_dir, "catalog.db")):
        return  # to open it would make it
    with suppress(UllageError), open_app(settings) as app:
        for site in app.sites.values():
            with suppress(UllageError, OSError):
                yield from (f"stores.{site.settings.name}: {text}" for text in app.senseless(site))
                if text := app.out_of_reach(site):
                    yield f"stores.{site.settings.name}: {text}"


@config.command()
@common_options
def systemd() -> None:
    """Print the drop-in of ullage.service for the stores: the paths it may write, the mounts it is bound to."""
    from ullage.app import load_settings
    from ullage.config.roots import roots_of
    from ullage.config.systemd import drop_in
    from ullage.system.mounts import mount_point

    settings = load_settings(common().config)
    roots = roots_of(settings).values()
    mounts = {root: mount_point(os.path.realpath(root)) for root in roots}
    text = drop_in(settings, mounts, (sys.prefix, sys.base_prefix))
    if common().json:
        print_json({"drop_in": text})
    else:
        out(text.rstrip("\n"))


@config.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--output", type=click.Path(), help="Write the settings to this new file instead of printing them.")
@dry_run_option
@common_options
def import_(file: str, output: str | None, dry_run: bool) -> None:
    """Turn the seed's disk-policies.conf into settings: read as text, never executed. BACKUP_ROOT and ARCHIVE_ROOT may
    also come from the environment."""
    from ullage.config.seed import import_seed
    from ullage.config.template import write_settings

    text = Path(file).read_text("utf-8", "surrogateescape")
    try:
        imported = import_seed(text, os.environ)
    except SettingsError as error:
        raise SettingsError([f"{printable(file)}: {fault}" for fault in error.faults]) from None
    for note in imported.notes:
        say(f"note: {note}")
    if output is not None and not dry_run:
        if Path(output).exists():
            raise UsageError(f"{printable(output)} is there already; nothing was overwritten")
        write_settings(output, imported.toml)
    if common().json:
        print_json({"toml": imported.toml, "notes": list(imported.notes), "written": None if dry_run else output})
    elif output is None or dry_run:
        out(imported.toml.rstrip("\n"))
