"""``ullage``: finds the command, and turns what it raises into a message and an exit code."""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from typing import Any, TextIO

import click

from ullage import __version__
from ullage.cli.context import common_options
from ullage.cli.output import say
from ullage.errors import UllageError
from ullage.model.units import printable

COMMANDS = {
    "init": "init",
    "status": "status",
    "list": "listing",
    "show": "show",
    "plan": "plan",
    "simulate": "simulate",
    "explain": "explain",
    "apply": "apply",
    "monitor": "act",
    "cleanup": "act",
    "emergency": "act",
    "run": "run",
    "transition": "one",
    "archive": "one",
    "restore": "one",
    "delete": "one",
    "undo": "trash",
    "trash": "trash",
    "pin": "pins",
    "unpin": "pins",
    "history": "history",
    "start": "daemon",
    "stop": "daemon",
    "restart": "daemon",
    "check": "check",
    "doctor": "doctor",
    "alert": "alert",
    "clock": "clock",
    "resume": "resume",
    "config": "config",
    "demo": "demo",
}
"""Each command and the module of this package that holds it, in the order of the help."""


def _in_short(command: click.Command) -> str:
    return re.split("[:;]", command.get_short_help_str(limit=1000), maxsplit=1)[0].removesuffix(".")


class Commands(click.Group):
    """Loads a command's module when it is asked for: ``status`` must not pay for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: Any = getattr(importlib.import_module(f"ullage.cli.{module}"), cmd_name.replace("list", "list_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with what it does, up to the first colon or semicolon, and not cut off as click would."""
        rows = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, _in_short(command)) for name, command in rows if command is not None])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, whose guess at what was meant knows only commands that are loaded."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ullage")
@common_options
def cli() -> None:
    """Keeps room on the disks that hold backups, and never deletes the wrong backup."""


def main() -> None:
    """Run the command line; the exit code is 0, 1 (failed or refused) or 2 (usage or settings), ``check`` apart."""
    _stand_in()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the locale cannot write is still shown
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = _complain("interrupted; what was under way is settled at the next start", 130)
    except click.ClickException as error:
        code = _complain_of_usage(error)
    except UllageError as error:
        code = _complain(str(error), error.exit_code)
    except BrokenPipeError:
        code = 1
    except ImportError as error:  # a fault of the disk that holds it, or of the memory, as often as of the installation
        code = _complain(
            f"a part of the program cannot be loaded: {error}; look at the disk that it is installed on", 1
        )
    except MemoryError:
        code = _complain("out of memory; what was under way is settled at the next start", 1)
    except OSError as error:
        named = isinstance(error.filename, str | bytes)  # it may be the number of a descriptor
        where = f" ({printable(os.fsdecode(error.filename))})" if named else ""
        code = _complain(f"the system said: {error.strerror or error}{where}", 1)
    flushed = [_flushed(stream) for stream in (sys.stdout, sys.stderr)]
    code = code if isinstance(code, int) else 0
    sys.exit(code if all(flushed) else code or 1)


def _stand_in() -> None:
    """Nothing; in the place of a standard stream that is closed stands /dev/null, or a file of ours got its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _flushed(stream: TextIO) -> bool:
    """Whether all of it was written; what could not be is dropped, or the interpreter would try again and complain."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True


def _complain(text: str, code: int) -> int:
    for line in text.split("\n"):
        say(f"ullage: {line}")
    return code


def _complain_of_usage(error: click.ClickException) -> int:
    """What click says of a command line, which may hold anything, with its control characters spelled out."""
    said = io.StringIO()
    error.show(file=said)
    say(said.getvalue().rstrip("\n"))
    return error.exit_code
