"""Finding and loading the settings file."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping

from ullage.config import trust
from ullage.config.faults import described, in_toml
from ullage.config.schema import STATE_DIR
from ullage.config.tables import settings_of
from ullage.errors import SettingsError
from ullage.model.settings import Settings
from ullage.model.units import printable

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def find_settings(explicit: str | None, env: Mapping[str, str], is_root: bool) -> str:
    """The absolute path of the settings file: --config, else $ULLAGE_CONFIG, else the usual place of root or user.

    The file need not be there. Raises SettingsError where a user has neither $XDG_CONFIG_HOME nor $HOME.
    """
    given = explicit or env.get("ULLAGE_CONFIG")
    if given:
        return os.path.abspath(given)
    if is_root:
        return "/etc/ullage/ullage.toml"
    return os.path.join(_user_place(env, "XDG_CONFIG_HOME", ".config", "--config FILE"), "ullage", "ullage.toml")


def find_state_dir(env: Mapping[str, str], is_root: bool) -> str:
    """The state directory where the settings give none. Raises SettingsError like ``find_settings``."""
    if is_root:
        return "/var/lib/ullage"
    return os.path.join(_user_place(env, "XDG_STATE_HOME", ".local/state", "state_dir or $ULLAGE_STATE_DIR"), "ullage")


def load(path: str, env: Mapping[str, str]) -> Settings:
    """The settings in a file. Raises SettingsError with every fault, or where the file cannot be trusted.

    $ULLAGE_STATE_DIR goes before the file's ``state_dir``, as an environment goes before a file everywhere else.
    Only the settings, files of secrets and the state directory are touched, never a store.
    """
    settings = parse(trust.read_settings(path), path, env)
    if faults := trust.state_faults(settings.state_dir):
        raise SettingsError([f"{printable(path)}: {fault}" for fault in faults])
    return settings


def parse(text: str, path: str, env: Mapping[str, str]) -> Settings:
    """The settings in a text; ``path`` is named in faults. Raises SettingsError with every fault."""
    data = parse_toml(text, path)
    return settings_of(data, in_toml(path, text), path, _state_dir(data, env), env)


def parse_toml(text: str, path: str) -> dict[str, object]:
    """The tables of a TOML text. Raises SettingsError with line and column where it is none."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SettingsError([f"{printable(path)}: not TOML that can be read: nested too deeply"]) from None
    except ValueError as error:  # also a number of thousands of digits, which int() refuses
        reason = _PLACE.sub("", str(error))
        place, hint = _place(str(error), text), _hint(reason)
        raise SettingsError([f"{printable(path)}{place}: not TOML: {printable(reason)}{hint}"]) from None


_HINTS = {
    "Invalid value": 'allowed: text in quotes, like "oldest_first", a number, or true or false',
    "Invalid statement": "allowed: a line like [defaults.alerts], or key = value",
    "Expected '='": "allowed: a line like [defaults.alerts], or key = value",
    "Expected newline": "allowed: one key = value on a line, and text in quotes",
    "Cannot overwrite": "the key stands twice in its table; remove one",
    "Cannot declare": "the table stands twice; put its keys together",
    'Expected "\'"': "text ends on its line, with the quote it begins with",
    "Illegal character": "text ends on its line, with the quote it begins with",
}


def _hint(reason: str) -> str:
    """What is expected there, where the parser's words leave that open."""
    return next((f"; {hint}" for words, hint in _HINTS.items() if reason.startswith(words)), "")


def _place(message: str, text: str) -> str:
    place = _PLACE.search(message)
    if place is None:
        return ""
    return f":{place[1]}:{place[2]}" if place[1] else f":{text.count(chr(10)) + 1}"


def _state_dir(data: Mapping[str, object], env: Mapping[str, str]) -> str:
    """$ULLAGE_STATE_DIR, else empty for the file's own, else the usual place."""
    given = env.get("ULLAGE_STATE_DIR")
    if given:
        return _state_dir_of_env(given)
    return "" if "state_dir" in data else find_state_dir(env, os.geteuid() == 0)


def _state_dir_of_env(given: str) -> str:
    try:
        return str(STATE_DIR.kind.read(given))
    except ValueError:
        raise SettingsError(
            [f"$ULLAGE_STATE_DIR: found {described(given)}, allowed: {STATE_DIR.kind.allowed}"]
        ) from None


def _user_place(env: Mapping[str, str], variable: str, below_home: str, instead: str) -> str:
    place, home = env.get(variable, ""), env.get("HOME", "")
    if place.startswith("/"):  # the XDG specification: a relative one is to be ignored
        return place
    if home.startswith("/"):
        return os.path.join(home, below_home)
    raise SettingsError([f"found neither ${variable} nor $HOME; set one, or give {instead}"])
