#!/usr/bin/env python3
"""Writes docs/reference from the code: settings, commands, JSON, exit codes. ``--check`` only says what is stale."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from ullage import errors
from ullage.cli.main import COMMANDS, cli
from ullage.config.schema import SECTION_ROWS, SECTIONS, STATE_DIR, STORE_ROWS, Row, default_of

HERE = Path(__file__).parents[1] / "docs" / "reference"
COMMON = frozenset({"config_file", "store_name", "as_json"})
NOTE = "<!-- Made by `make reference` from the code. Change it there. -->\n\n"
SETTINGS = """\
One TOML file: `--config FILE`, else `$ULLAGE_CONFIG`, else `/etc/ullage/ullage.toml` for root or
`$XDG_CONFIG_HOME/ullage/ullage.toml`. What stands in `[stores.NAME.SECTION]` goes before `[defaults.SECTION]`.
`ullage config check` tells every fault; `ullage config import FILE` reads the seed's `disk-policies.conf`.
"""
JSON = """\
`--json` prints one object with `schema_version`. Sizes are bytes, times RFC 3339 UTC, percentages 0..100. Keys are only
ever added. The schemas (JSON Schema, draft 2020-12) are installed with the package, in `ullage/schemas/`. Where a
command fails as a whole, stdout is empty and the message is on stderr."""


def main() -> int:
    """0; or with ``--check`` 1 where a page is stale, missing, or one too many."""
    pages = {"settings": settings(), "commands": commands(), "json": json_page(), "exit-codes": exit_codes()}
    texts = {f"{name}.md": NOTE + "\n".join(lines) + "\n" for name, lines in pages.items()}
    stale = [name for name, text in texts.items() if not (HERE / name).exists() or (HERE / name).read_text() != text]
    if "--check" in sys.argv:
        print("".join(f"docs/reference/{name} is stale; run: make reference\n" for name in stale), end="")
        return 1 if stale else 0
    HERE.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (HERE / name).write_text(texts[name])
    return 0


def settings() -> Iterator[str]:
    """Every key, what is allowed, its default, and what the seed called it."""
    yield "# Settings\n"
    yield SETTINGS
    yield "## At the top\n"
    yield from _rows([STATE_DIR], default=False)
    yield "\n## `[stores.NAME]`\n"
    yield from _rows(STORE_ROWS, default=False)
    for section, text in SECTIONS.items():
        yield f"\n## `[defaults.{section}]`, `[stores.NAME.{section}]`\n\n{text}\n"
        yield from _rows([row for row in SECTION_ROWS if row.section == section], default=True)


def _rows(rows: Any, *, default: bool) -> Iterator[str]:
    yield from _table("key", *(["default"] if default else []), "allowed", "in the seed", "what it is")
    for row in rows:
        yield _line(f"`{row.name}`", *([_default(row)] if default else []), row.kind.allowed, _code(row.seed), row.help)


def _default(row: Row) -> str:
    value = None if row.from_file else default_of(row)
    return "none" if value is None else f"`{row.kind.write(value)}`"


def commands() -> Iterator[str]:
    """Every command with its arguments and options, as its own help has them."""
    context = click.Context(cli, info_name="ullage")
    yield "# Commands\n"
    yield "Every command also takes, before or after its name:\n"
    yield from _parameters(context, [one for one in cli.get_params(context) if one.name in COMMON])
    yield "\nData goes to stdout, messages to stderr. [What `--json` prints](json.md); [exit codes](exit-codes.md)."
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from _command(name, command, context)


def _command(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=name.rsplit(maxsplit=1)[-1])
    yield f"\n## `ullage {name}`\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    yield f"`{context.command_path} {' '.join(command.collect_usage_pieces(context))}`"
    options = [one for one in command.params if isinstance(one, click.Option)]
    own = [one for one in options if one.name not in COMMON and not one.hidden]
    if own:
        yield ""
        yield from _parameters(context, own)
    for inner, subcommand in sorted(getattr(command, "commands", {}).items()):
        yield from _command(f"{name} {inner}", subcommand, context)


def _parameters(context: click.Context, parameters: Iterable[click.Parameter]) -> Iterator[str]:
    yield from _table("", "")
    for one in parameters:
        shown, text = one.get_help_record(context) or ("", "")
        yield _line(f"`{shown}`", text)


def json_page() -> Iterator[str]:
    """Every key of every document, from the published schemas."""
    schemas = {one.name: json.loads(one.read_text("utf-8")) for one in files("ullage").joinpath("schemas").iterdir()}
    yield "# JSON\n"
    yield JSON
    for name, schema in sorted(schemas.items()):
        if name != "shapes.json":
            yield f"\n## `{schema['title']}`\n\nSchema: `{name}`\n"
            yield from _table("key", "type", "what it is")
            yield from (_line(f"`{path}`", kind, text) for path, kind, text in _keys("", schema))
    yield "\n# Shapes that several share"
    for name, shape in schemas["shapes.json"]["$defs"].items():
        yield f'\n<a id="{name.lower()}"></a>\n\n## {name}\n\n{shape["description"]}'
        if "enum" in shape:
            yield f"\n{_type(shape)}"
        if "properties" in shape:
            yield ""
            yield from _table("key", "type", "what it is")
            yield from (_line(f"`{path}`", kind, text) for path, kind, text in _keys("", shape))


def _keys(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for base in schema.get("allOf", ()):
        yield f"{path}…" if path else "…", _type(base), "Its keys, here."
    for key, inner in schema.get("properties", {}).items():
        place = f"{path}.{key}" if path else key
        yield place, _type(inner), inner.get("description", "")
        yield from _keys(place, inner)
        if "items" in inner:
            yield from _keys(f"{place}[]", inner["items"])


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(word)}`" for word in schema["enum"])
    if "allOf" in schema:
        return " and ".join(map(_type, schema["allOf"]))
    kind = schema["type"]
    text = kind if isinstance(kind, str) else " or ".join(kind)
    return f"{text} of {_type(schema['items'])}" if "items" in schema else text


def exit_codes() -> Iterator[str]:
    """The codes, and which error ends with which."""
    from ullage.cli import check

    yield "# Exit codes\n"
    yield from _table("code", "meaning")
    yield _line("0", "done")
    yield _line(
        "1", "the operation failed or was refused; a question was not answered with yes; `doctor` found a fault"
    )
    yield _line("2", "usage or settings")
    yield _line("130", "interrupted with Ctrl-C")
    yield "\n## `ullage check`\n\nAs a monitoring plugin; the worst store decides, a full one before an unknown one.\n"
    yield from _table("code", "word", "levels")
    for code, word in check.WORDS.items():
        levels = ", ".join(f"`{level}`" for level, its in check.CODES.items() if its == code)
        yield _line(str(code), word, levels + ("; settings or catalog cannot be read" if code == 3 else ""))
    yield "\n## Errors\n"
    yield from _table("error", "code", "what it is")
    kinds = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.UllageError)]
    for kind in sorted(kinds, key=lambda one: inspect.getsourcelines(one)[1]):
        yield _line(f"`{kind.__name__}`", str(kind.exit_code), (kind.__doc__ or "").split("\n")[0])


def _table(*heads: str) -> Iterator[str]:
    yield _line(*heads)
    yield _line(*("---" for _ in heads))


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _code(word: str | None) -> str:
    return f"`{word}`" if word else ""


if __name__ == "__main__":
    raise SystemExit(main())
