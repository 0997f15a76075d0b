"""Faults in settings, gathered until all are known; where each stands in its file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable

from ullage.config.values import Kind
from ullage.errors import SettingsError
from ullage.model.units import printable

Path = tuple[str, ...]
Where = Callable[[Path], str]
"""Gives what a fault begins with: file, line where it is known, and key."""

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_TABLE_LINE = re.compile(rf"[ \t]*\[\[?[ \t]*({_KEY})[ \t]*\]")
_KEY_LINE = re.compile(rf"[ \t]*({_KEY})[ \t]*=")
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Faults:
    """Every fault so far, each with the path of its key."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._found: dict[str, Path] = {}

    def add(self, path: Path, text: str) -> None:
        """Note a fault; the same one is told once."""
        self._found[f"{self._where(path)}: {text}"] = path

    def add_wrong(self, path: Path, value: object, kind: Kind, reason: str) -> None:
        """Note a value that its kind does not allow."""
        found = "a value that is not shown" if kind.secret else described(value)
        self.add(path, f"found {found}, allowed: {kind.allowed}{'; ' + reason if reason else ''}")

    def add_unknown(self, path: Path, allowed: Iterable[str], elsewhere: Iterable[str]) -> None:
        """Note a key that does not exist, with the nearest that does."""
        known = tuple(allowed)
        self.add(path, f"found an unknown key{nearest(path[-1], known, elsewhere)}, allowed: {', '.join(known)}")

    def at(self, *paths: Path) -> bool:
        """Whether one of these keys has a fault."""
        return not set(paths).isdisjoint(self._found.values())

    def texts(self) -> tuple[str, ...]:
        """The faults in the order in which they were found."""
        return tuple(self._found)

    def raise_any(self) -> None:
        """Raise SettingsError with every fault, if there is one."""
        if self._found:
            raise SettingsError(self.texts())


def described(value: object) -> str:
    """What was found, for a person: its text where it is short and plain, and its type."""
    if isinstance(value, str):
        return f'"{printable(value[:60])}{"..." if len(value) > 60 else ""}" (a string)'
    if isinstance(value, bool):
        return f"{str(value).lower()} (true or false)"
    if isinstance(value, int) and value.bit_length() > 64:  # its digits may be too many even to be written
        return "a very large number"
    if isinstance(value, int | float):
        return f"{value} (a number)"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return "a date or time"


def dotted(path: Path) -> str:
    """The key as it would stand in the file."""
    return ".".join(part if _BARE.fullmatch(part) else f'"{printable(part)}"' for part in path)


def in_toml(file: str, text: str) -> Where:
    """Where a key stands in a TOML text; the nearest table above it where the key itself cannot be found."""
    lines: dict[Path, int] = {}

    def where(path: Path) -> str:
        if not lines:
            lines.update(_lines(text))
        at = next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), None)
        place = printable(file) if at is None else f"{printable(file)}:{at}"
        return f"{place}: {dotted(path)}" if path else place

    return where


def _lines(text: str) -> dict[Path, int]:
    """The line (from 1) of each table and key that begins a line."""
    found: dict[Path, int] = {}
    table: Path = ()
    for at, line in enumerate(text.split("\n"), start=1):
        if header := _TABLE_LINE.match(line):
            table = _parts(header[1])
            found.setdefault(table, at)
        elif key := _KEY_LINE.match(line):
            found.setdefault((*table, *_parts(key[1])), at)
    return found


def _parts(key: str) -> Path:
    try:
        node: object = tomllib.loads(f"{key} = 0")
    except (ValueError, RecursionError):  # a line inside a long string that only looks like a key
        return ()
    parts: list[str] = []
    while isinstance(node, dict):
        name, node = next(iter(node.items()))
        parts.append(name)
    return tuple(parts)


def nearest(name: str, known: Iterable[str], elsewhere: Iterable[str]) -> str:
    """The known name most like this one, else the whole key that it is a part of, as a question; empty for none."""
    import difflib  # not at the top: only a fault needs it

    near = difflib.get_close_matches(name[:80], list(known), n=1)
    near += [key for key in elsewhere if name in key.split(".")]
    return f' (did you mean "{near[0]}"?)' if near else ""
