"""Kinds of setting: what is allowed, how it is read from TOML, how it is written back."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from ullage.config import trust
from ullage.model.settings import Limit, Secret, SecretOfService
from ullage.model.units import DAY, exact_size, parse_duration, parse_size

LARGEST_SIZE = 1 << 60
LONGEST_TIME = 366 * DAY
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_CREDENTIAL = "${CREDENTIALS_DIRECTORY}/"
_HOST = re.compile(r"[A-Za-z0-9.:_\[\]-]+", re.ASCII)


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of value. ``read`` raises ValueError or ArithmeticError where ``allowed`` is not met.

    ``noun`` names the kind for the import of the seed's file; ``write`` gives a TOML literal that ``read`` takes back.
    """

    noun: str
    allowed: str
    read: Callable[[object], object]
    write: Callable[[Any], str]
    secret: bool = False


def number(low: float, high: float) -> Kind:
    """A finite number from ``low`` to ``high``, kept as a float."""

    def read(value: object) -> float:
        return _within(_real(value), low, high)

    return Kind(noun="number", allowed=f"a number from {low:g} to {high:g}", read=read, write=_plain)


def limit(everything: float, *, inodes: bool = False) -> Kind:
    """A ``Limit``: percent, what is free in bytes or inodes, or a list of both; of inodes None where it is empty.

    ``everything``: the percentage that binds nothing before all is used, where only what is free is given.
    """

    def read(value: object) -> Limit | None:
        if inodes and value == "":
            return None
        if not isinstance(value, list):
            percent, free = _one_limit(value, inodes=inodes)
            return Limit(everything if percent is None else percent, free)
        parts = [_one_limit(part, inodes=inodes) for part in value]
        (percent,) = (percent for percent, _ in parts if percent is not None)
        (free,) = (free for percent, free in parts if percent is None)
        return Limit(percent, free)

    def write(value: float | Limit | None) -> str:
        if not isinstance(value, Limit):
            return quoted("") if value is None else _plain(value)
        free = quoted(f"{value.free if inodes else exact_size(value.free)} free")
        return free if value.percent == everything else f"[{_plain(value.percent)}, {free}]"

    example = "200000 free" if inodes else "50 GiB free"
    allowed = f'a number from 0 to 100 (percent), or what is free, like "{example}", or both: [85, "{example}"]'
    allowed += ', or "" for the percentage of the bytes' if inodes else ""
    return Kind(noun="number", allowed=allowed, read=read, write=write)


def _one_limit(value: object, *, inodes: bool) -> tuple[float | None, int]:
    """(percent, 0) or (None, what is free)."""
    if not isinstance(value, str):
        return _within(_real(value), 0, 100), 0
    if value.endswith("%"):
        return _within(float(value.removesuffix("%")), 0, 100), 0
    if not value.endswith(" free"):
        raise ValueError
    amount = value.removesuffix(" free")
    return None, int(_within(int(amount) if inodes else parse_size(amount), 1, LARGEST_SIZE))


def whole(low: int, high: int = 1_000_000) -> Kind:
    """A whole number from ``low`` to ``high``."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return Kind(noun="number", allowed=f"a whole number from {low} to {high}", read=read, write=str)


def flag() -> Kind:
    """True or false."""

    def read(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Kind(noun="flag", allowed="true or false", read=read, write=lambda value: "true" if value else "false")


def size(low: int) -> Kind:
    """A size with its unit, in bytes, at least ``low``."""

    def read(value: object) -> int:
        return int(_within(parse_size(_string(value)), low, LARGEST_SIZE))

    allowed = f'a size from {low} B to 1024 PiB, with its unit, like "100 MiB" or "2 TB"'
    return Kind(noun="size", allowed=allowed, read=read, write=_write_size)


def time(low: float) -> Kind:
    """A time in seconds, at least ``low``: text with a unit, or a bare number of seconds."""

    def read(value: object) -> float:
        seconds = parse_duration(value) if isinstance(value, str) else _real(value)
        return _within(seconds, low, LONGEST_TIME)

    allowed = f'a time from {low:g} s to 366 d, like "60 s" or "1 h", or a number of seconds'
    return Kind(noun="time", allowed=allowed, read=read, write=_write_time)


def choice(words: type[StrEnum] | Sequence[str]) -> Kind:
    """One of some words; a member where ``words`` is an enumeration."""
    by_word: dict[str, str] = {str(word): word for word in words}

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in by_word:
            raise ValueError
        return by_word[value]

    allowed = "one of " + ", ".join(f'"{word}"' for word in by_word)
    return Kind(noun="text", allowed=allowed, read=read, write=lambda value: quoted(str(value)))


def text() -> Kind:
    """One line of printable text; None where it is empty, which is how a store says "none" over the defaults."""

    def read(value: object) -> str | None:
        line = _string(value)
        if not line.isprintable():  # a newline here would end a mail header
            raise ValueError
        return line.strip() or None

    return Kind(noun="text", allowed='a line of text, or "" for none', read=read, write=_write_text)


def host() -> Kind:
    """A host name or address."""

    def read(value: object) -> str:
        name = _string(value)
        if not _HOST.fullmatch(name):
            raise ValueError
        return name

    return Kind(noun="text", allowed="a host name or address", read=read, write=quoted)


def secret() -> Kind:
    """A secret of one line; None where it is empty."""
    return Kind(noun="text", allowed='a line of text, or "" for none', read=_secret, write=_write_secret, secret=True)


def url() -> Kind:
    """A web address, secret because it carries its token; None where it is empty."""
    allowed = 'an address that begins with https:// or http://, or "" for none'
    return Kind(noun="text", allowed=allowed, read=_url, write=_write_secret, secret=True)


def secret_file(inner: Kind) -> Kind:
    """The secret that is the first line of a file, read as ``inner`` reads it."""

    def read(value: object) -> object:
        name = _credential(value)
        line = trust.first_line(_path(value)) if name is None else trust.credential(name)
        if line is None:
            return SecretOfService(f"credential {name}")
        try:
            return inner.read(line)
        except ValueError:
            raise ValueError(f"its first line is not {inner.allowed}") from None

    allowed = f"the absolute path of a file that only its owner may read, or {_CREDENTIAL}NAME"
    # Secret: whoever mistakes the key writes the secret itself here.
    return Kind(noun="text", allowed=allowed, read=read, write=_write_text, secret=True)


def directory() -> Kind:
    """An absolute path, normalised as text: the path itself is not touched, for its disk may hang."""
    allowed = 'an absolute path without ".."'
    return Kind(noun="text", allowed=allowed, read=_path, write=_write_text)


def quoted(line: str) -> str:
    """The TOML basic string of ``line``. Raises ValueError where it is not Unicode text, which TOML cannot hold."""
    try:
        line.encode()
    except UnicodeEncodeError:
        raise ValueError("a settings file holds UTF-8 only, and this name is not UTF-8") from None
    # JSON leaves DEL as it is, TOML forbids it; beyond that a JSON string is a TOML string.
    import json  # not at the top: reading settings needs none

    return json.dumps(line, ensure_ascii=False).replace("\x7f", "\\u007f")


def key_literal(name: str) -> str:
    """One part of a key as TOML writes it: bare where it can be. Raises ValueError like ``quoted``."""
    return name if _BARE.fullmatch(name) else quoted(name)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return float(value)


def _within(value: float, low: float, high: float) -> float:
    if not low <= value <= high:  # false for NaN too
        raise ValueError
    return value


def _path(value: object) -> str:
    path = _string(value)
    if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise ValueError
    return os.path.normpath("/" + path.lstrip("/"))  # POSIX lets "//" differ from "/"; Linux does not


def _credential(value: object) -> str | None:
    """The name in ``${CREDENTIALS_DIRECTORY}/NAME``; None where it is a path."""
    if not isinstance(value, str) or not value.startswith(_CREDENTIAL):
        return None
    name = value.removeprefix(_CREDENTIAL)
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError
    return name


def _secret(value: object) -> Secret | None:
    line = _string(value)
    if not line.isprintable():
        raise ValueError
    return Secret(line) if line else None


def _url(value: object) -> Secret | None:
    line = _string(value)
    if not line:
        return None
    parts = urlsplit(line)
    if parts.scheme not in ("https", "http") or not parts.hostname or not line.isprintable() or " " in line:
        raise ValueError
    return Secret(line)


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _write_size(value: int | None) -> str:
    return quoted(exact_size(value or 0))


def _write_time(value: float) -> str:
    for unit, factor in (("d", DAY), ("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if value and value % factor == 0:
            return f'"{int(value / factor)} {unit}"'
    return _plain(value)


def _write_text(value: str | None) -> str:
    return quoted(value or "")


def _write_secret(value: Secret | None) -> str:
    return quoted("***" if value else "")
