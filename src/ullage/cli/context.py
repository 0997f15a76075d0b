"""What every command takes: --config, --store, --json, before or after its name; and what it is given for them."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from ullage.errors import Refused

F = TypeVar("F", bound=Callable[..., Any])


class Common:
    """The options that may stand anywhere; ``unsaid`` is why a line could not be printed while there was work to do."""

    def __init__(self) -> None:
        self.config: str | None = None
        self.store: str | None = None
        self.json = False
        self.unsaid: OSError | None = None


def common_options(command: F) -> F:
    """The command with --config, --store and --json, which go into the context and not into its arguments."""

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> Any:
        common = click.get_current_context().ensure_object(Common)
        common.config = arguments.pop("config_file") or common.config
        common.store = arguments.pop("store_name") or common.store
        common.json = arguments.pop("as_json") or common.json
        return command(**arguments)

    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout."),
        click.option("--store", "store_name", metavar="NAME", help="Only this store."),
        click.option("--config", "config_file", metavar="FILE", help="The settings file."),
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def common() -> Common:
    """The options of the command that is running."""
    found = click.get_current_context().find_object(Common)
    return found if found is not None else Common()


def dry_run_option(command: F) -> F:
    """The command with --dry-run."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(command)


def yes_option(command: F) -> F:
    """The command with --yes."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def on_terminal() -> bool:
    """Whether somebody is there to answer; stdin may be closed altogether."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(question: str, *, yes: bool) -> None:
    """Go on only where the answer is yes. Raises Refused: without a terminal, no answer is a refusal."""
    if yes:
        return
    if not on_terminal():
        raise Refused(f"{question} There is no terminal to answer on, so nothing was done; --yes answers it.")
    try:
        answer = click.confirm(question, default=False, err=True)
    except click.Abort:  # end of input, or Ctrl-C
        answer = False
    if not answer:
        raise Refused("nothing was done")


@contextmanager
def application() -> Iterator[Any]:
    """The application for the settings that were named. Raises SettingsError, CatalogError."""
    from ullage.app import load_settings, open_app

    with open_app(load_settings(common().config)) as app:
        yield app
