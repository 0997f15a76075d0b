"""``ullage init``: a settings file where there is none, and every store in it registered."""

from __future__ import annotations

import os
from typing import Any

import click

from ullage.cli.context import common, common_options, dry_run_option, on_terminal
from ullage.cli.output import out, print_json, say
from ullage.errors import SettingsError, UllageError, UsageError
from ullage.model.units import printable


@click.command()
@click.option("--backup-root", metavar="PATH", help="Where the backups are.")
@click.option("--archive-root", metavar="PATH", help="Where archives go.")
@click.option("--capacity", metavar="SIZE", help='Treat the store as a filesystem of this size, like "500 GiB".')
@click.option("--reregister", is_flag=True, help="Take what stands at the store's roots now for the store (--store).")
@dry_run_option
@common_options
def init(
    backup_root: str | None, archive_root: str | None, capacity: str | None, reregister: bool, dry_run: bool
) -> None:
    """Write the settings where there are none, and register every store in them; again, it changes nothing."""
    from ullage.app import load_settings, settings_path

    if reregister and common().store is None:
        raise UsageError("--reregister needs --store NAME: it changes what a store is taken for")
    path = settings_path(common().config)
    written = not os.path.lexists(path)
    if written:
        text = _settings(path, backup_root, archive_root, capacity)
        if dry_run:
            _show(path, text)
            return
        _write(path, text)
        say(f"wrote {printable(path)}")
    settings = load_settings(path)
    _check_given(settings, backup_root, archive_root)
    _check_paths(settings)
    if dry_run:
        _rehearse(settings)
    else:
        _register(settings, reregister=reregister, written=written)


def _settings(path: str, backup_root: str | None, archive_root: str | None, capacity: str | None) -> str:
    """The text of a new settings file, valid. Asks for what is missing on a terminal, else says what to give."""
    from ullage.config.load import parse
    from ullage.config.template import settings_text

    terminal = on_terminal()
    if not terminal and (backup_root is None or archive_root is None):
        raise UsageError(f"there are no settings at {printable(path)}; give --backup-root and --archive-root")
    name = common().store or "main"
    if backup_root is None:
        backup_root = click.prompt("Where are the backups", err=True)
    if archive_root is None:
        archive_root = click.prompt("Where may archives go (another disk is best)", err=True)
    for directory in (backup_root, os.path.dirname(os.path.abspath(archive_root))):
        if not os.path.isdir(directory):  # before anything is written: settings that are there are never changed
            raise UsageError(
                f"there is no directory {printable(directory)}; make it, or mount its disk, then try again"
            )
    text = settings_text(name, str(backup_root), str(archive_root), capacity)
    _check_paths(parse(text, path, os.environ))
    return text


def _show(path: str, text: str) -> None:
    """The settings that would be written."""
    if common().json:
        print_json({"settings": printable(path), "written": False, "toml": text, "stores": []})
    else:
        out(text.rstrip("\n"))


def _rehearse(settings: Any) -> None:
    """The stores that would be registered; nothing is opened, for that alone would make a state directory."""
    chosen = [store for store in settings.stores if common().store in (None, store.name)]
    if not chosen:
        raise UsageError(f"there is no store {printable(common().store or '')!r} in {printable(settings.path)}")
    for store in chosen:
        say(f"{store.name}: would be registered at {store.backup_root} and {store.archive_root}")
    if common().json:
        print_json({"settings": printable(settings.path), "written": False, "stores": []})


def _write(path: str, text: str) -> None:
    from ullage.config.template import write_settings

    write_settings(path, text)


def _check_given(settings: Any, backup_root: str | None, archive_root: str | None) -> None:
    """A root that was given must be the one in the settings: they are never changed here."""
    known = [(store.backup_root, store.archive_root) for store in settings.stores]
    for given, index in ((backup_root, 0), (archive_root, 1)):
        if given is not None and os.path.normpath(given) not in [roots[index] for roots in known]:
            raise UsageError(
                f"{printable(settings.path)} is there already and has no store with {printable(given)}; "
                "add a [stores.NAME] table to it, then run: ullage init"
            )


def _check_paths(settings: Any) -> None:
    from ullage.config.roots import check_paths

    faults = check_paths(settings, os.environ)
    if faults:
        raise SettingsError(faults)


def _register(settings: Any, *, reregister: bool, written: bool) -> None:
    from ullage.app import open_app
    from ullage.sources.register import register

    _make_state_dir(settings.state_dir)
    faults: list[str] = []
    stores = []
    with open_app(settings) as app:
        for site in app.chosen(common().store):
            store = site.settings
            try:
                new = register(store, app.catalog, now=app.clock.now(), again=reregister)
                app.clock_fault()
                with site.open() as opened:
                    opened.gauge.restore_ballast()
                    count = len(opened.source.backups())
            except UllageError as error:
                faults.append(str(error))
                continue
            stores.append({"name": store.name, "registered": new, "backups": count})
    if common().json:
        print_json({"settings": printable(settings.path), "written": written, "stores": stores})
    else:
        for one in stores:
            state = "registered" if one["registered"] else "was registered already"
            out(f"{one['name']}: {state}, {one['backups']} backups")
        if stores and not faults:
            say("next: ullage plan, then ullage start")
    if faults:
        raise UllageError("\n".join(faults))


def _make_state_dir(path: str) -> None:
    """The state directory and those above it; the catalog makes sure of its permissions."""
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise UllageError(f"cannot make the state directory {printable(path)}: {error.strerror}") from error
