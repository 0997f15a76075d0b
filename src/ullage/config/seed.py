"""The seed's disk-policies.conf, read as text and never executed, as a settings file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from ullage.config.faults import Path, dotted, nearest
from ullage.config.schema import SECTION_ROWS, STORE_ROWS, Row
from ullage.config.tables import settings_of
from ullage.config.template import settings_text
from ullage.config.values import quoted
from ullage.errors import SettingsError
from ullage.model.units import printable

STORE = "main"
"""The name of the one store that the seed knows."""

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<key>[A-Za-z_][A-Za-z0-9_]*)=
        (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s'"\\;&|<>()#][^\s'"\\;&|<>()]*)|)
        (?:\s+\#.*|\s*)""",
    re.VERBOSE,
)
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_ROWS = {row.seed: row for row in (*STORE_ROWS, *SECTION_ROWS) if row.seed}


class Imported(Struct, frozen=True, kw_only=True):
    """A settings file that ``load`` accepts, and sentences on what was decided in making it."""

    toml: str
    notes: tuple[str, ...]


class _Given(Struct, frozen=True):
    row: Row
    value: str
    where: str


def import_seed(text: str, env: Mapping[str, str]) -> Imported:
    """The seed's settings in our words. Raises SettingsError with every fault, each naming line and key.

    BACKUP_ROOT and ARCHIVE_ROOT are taken from the environment where the file has none.
    """
    faults: list[str] = []
    notes: list[str] = []
    given: dict[str, _Given] = {}
    for at, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        _read_line(f"line {at}", line, given, faults, notes)
    _read_environment(env, given, notes)
    toml = _checked(given, faults)
    return Imported(toml=toml, notes=(*notes, *_size_notes(given)))


def _read_line(where: str, line: str, given: dict[str, _Given], faults: list[str], notes: list[str]) -> None:
    if not line.strip() or line.lstrip().startswith("#"):
        return
    match = _LINE.fullmatch(line)
    if match is None:
        faults.append(f"{where}: {_unread(line)}, allowed: KEY=VALUE with one plain or quoted value, then a comment")
        return
    key, value = match["key"], _value(match)
    if "$" in value or "`" in value:
        faults.append(f"{where}: {_unread(line)}, allowed: a plain value")
    elif key not in _ROWS:
        faults.append(f"{where}: {key}: found an unknown key{nearest(key, _ROWS, ())}, allowed: {', '.join(_ROWS)}")
    else:
        if key in given:
            notes.append(f"{where}: {key} stands twice; the last one counts, as in the shell")
        given[key] = _Given(_ROWS[key], value, f"{where}: {key}")


def _unread(line: str) -> str:
    """What is wrong with a line that only a shell could read. The value is not shown: it may be a secret."""
    assignment = _ASSIGNMENT.match(line)
    if assignment is None:
        return "found what is not KEY=VALUE"
    for_shell = "$" in line or "`" in line
    return f"{assignment[1]}: found {'a value for the shell to work out' if for_shell else 'more than one value'}"


def _value(match: re.Match[str]) -> str:
    if match["double"] is not None:
        return re.sub(r'\\(["\\$`])', r"\1", match["double"])
    return match["single"] or match["bare"] or ""


def _read_environment(env: Mapping[str, str], given: dict[str, _Given], notes: list[str]) -> None:
    for key in ("BACKUP_ROOT", "ARCHIVE_ROOT"):
        if key not in given and env.get(key):
            given[key] = _Given(_ROWS[key], env[key], f"the environment: {key}")
            notes.append(f"{key} is taken from the environment")


def _checked(given: Mapping[str, _Given], faults: list[str]) -> str:
    """The settings file; raises SettingsError with the faults so far and those of the values."""
    tables: dict[str, Any] = {"defaults": {}, "stores": {STORE: {}}}
    for one in given.values():
        _put(tables, one)
    try:
        settings_of(tables, _place(given), "the seed's file", "", {})
    except SettingsError as error:
        raise SettingsError([*faults, *error.faults]) from None
    if faults:
        raise SettingsError(faults)
    values = {one.row.key: _literal(_raw(one)) for one in given.values() if one.row.section and one.value}
    return settings_text(STORE, given["BACKUP_ROOT"].value, given["ARCHIVE_ROOT"].value, values=values)


def _put(tables: dict[str, Any], one: _Given) -> None:
    if one.row.section:
        tables["defaults"].setdefault(one.row.section, {})[one.row.name] = _raw(one)
    else:
        tables["stores"][STORE][one.row.name] = _raw(one)


def _place(given: Mapping[str, _Given]) -> Callable[[Path], str]:
    places = {row.parts: given[key].where if key in given else key for key, row in _ROWS.items()}
    # Without the table's name ("defaults", or "stores" and the store's) a path is a row's key.
    return lambda path: places.get(path[1:]) or places.get(path[2:]) or dotted(path)


def _raw(one: _Given) -> str | bool | int | float:
    """The value as TOML would hold it; text that is not what its kind needs stays text, and is then a fault."""
    noun, value = one.row.kind.noun, one.value
    if noun == "flag" and value in ("true", "false"):
        return value == "true"
    if noun == "size" and _NUMBER.fullmatch(value):
        return f"{value} MiB"  # the seed says MB and reckons in MiB, as du -m does
    if noun in ("number", "time") and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value


def _literal(raw: str | bool | int | float) -> str:
    if isinstance(raw, str):
        return quoted(raw)
    return str(raw).lower()


def _size_notes(given: Mapping[str, _Given]) -> Iterator[str]:
    for key, one in given.items():
        if one.row.kind.noun == "size":
            yield f'{key} is in MB of 1024 x 1024 bytes there; it is {one.row.key} = "{printable(str(_raw(one)))}" here'
