"""Settings for people and programs to see: what is in force, secrets hidden."""

from __future__ import annotations

from ullage.config.schema import SECTION_ROWS, SECTIONS, STORE_ROWS, value_in
from ullage.config.values import key_literal, quoted
from ullage.model.settings import Limit, Secret, Settings, StoreSettings
from ullage.model.units import printable

_ROWS = [row for row in SECTION_ROWS if not row.from_file]


def as_shown(settings: Settings) -> dict[str, object]:
    """What is in force, fit for JSON: bytes, seconds, percent; ``***`` for a secret, None for none."""
    return {
        "path": printable(settings.path),
        "state_dir": printable(settings.state_dir),
        "stores": [_store(store) for store in settings.stores],
    }


def to_toml(settings: Settings) -> str:
    """What is in force, as a settings file; a secret as a comment, for ``***`` would be taken for its value."""
    lines = [f"state_dir = {quoted(printable(settings.state_dir))}"]
    for store in settings.stores:
        lines += _store_lines(store)
    return "\n".join(lines) + "\n"


def _store(store: StoreSettings) -> dict[str, object]:
    shown: dict[str, object] = {"name": store.name}
    shown |= {row.name: value_in(store, row) for row in STORE_ROWS}
    for section in SECTIONS:
        shown[section] = {row.name: _plain(value_in(store, row)) for row in _ROWS if row.section == section}
    return shown


def _plain(value: object) -> object:
    if isinstance(value, Limit):
        return [value.percent, value.free]
    return str(value) if isinstance(value, Secret | str) else value


def _store_lines(store: StoreSettings) -> list[str]:
    lines = [f"\n[stores.{key_literal(store.name)}]"]
    given = [(row, value_in(store, row)) for row in STORE_ROWS]
    lines += [f"{row.name} = {row.kind.write(value)}" for row, value in given if value is not None]
    for row in _ROWS:
        value = value_in(store, row)
        hidden = "# " if isinstance(value, Secret) else ""
        lines.append(f"{hidden}{row.key} = {row.kind.write(value)}")
    return lines
