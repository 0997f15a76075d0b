"""The settings file with every key, its meaning and its default, made from the schema."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from textwrap import wrap

from ullage.config.schema import SECTION_ROWS, SECTIONS, STATE_DIR, STORE_ROWS, Row, default_of
from ullage.config.values import key_literal, quoted
from ullage.errors import Refused, SettingsError
from ullage.model.units import printable

_HEAD = """\
# Settings of ullage. Every key is here; one with "#" before it shows its default or an example.
# What stands in [stores.NAME.SECTION] goes before [defaults.SECTION].
# `ullage config check` tells what is wrong with this file.
"""


def settings_text(
    store: str,
    backup_root: str,
    archive_root: str,
    capacity: str | None = None,
    state_dir: str | None = None,
    *,
    values: Mapping[str, str] | None = None,
) -> str:
    """A settings file with one store, every key in it explained.

    ``capacity`` is text with a unit; ``values`` are TOML literals for keys of ``[defaults]``.
    Raises SettingsError where a path cannot be written in TOML (it is not UTF-8).
    """
    try:
        top = _setting(STATE_DIR, state_dir and quoted(state_dir), "/var/lib/ullage")
        given = {"backup_root": quoted(backup_root), "archive_root": quoted(archive_root)}
        if capacity is not None:
            given["capacity"] = quoted(capacity)
        header = f"\n[stores.{key_literal(store)}]"
    except ValueError as error:
        raise SettingsError([f"cannot write the settings of the store {printable(store)}: {error}"]) from None
    stores = [line for row in STORE_ROWS for line in _setting(row, given.get(row.name), "2 TiB")]
    return "\n".join((_HEAD, *top, header, *stores, *_sections(values or {}))) + "\n"


def _sections(values: Mapping[str, str]) -> Iterator[str]:
    for section, help_ in SECTIONS.items():
        yield f"\n# {help_}"
        yield f"[defaults.{section}]"
        for row in SECTION_ROWS:
            if row.section == section:
                yield from _setting(row, values.get(row.key), "")


def _setting(row: Row, given: str | None, example: str) -> Iterator[str]:
    """The lines of one key: what it is, what it may be, and its value, commented out where nobody gave it."""
    yield from (f"# {line}" for line in wrap(f"{row.help} Allowed: {row.kind.allowed}.", 116))
    yield f"{row.name} = {given}" if given else f"#{row.name} = {_shown_default(row, example)}"


def _shown_default(row: Row, example: str) -> str:
    if example:
        return quoted(example)
    if row.from_file:
        return quoted(f"/etc/ullage/{row.name.removesuffix('_file')}")
    return row.kind.write(default_of(row))


def write_settings(path: str, text: str) -> None:
    """Write a new settings file, 0600 and durable. Raises Refused where there is one, SettingsError where it fails."""
    try:
        _make_parents(os.path.dirname(os.path.abspath(path)))
        descriptor = _create(path)
    except OSError as error:
        raise SettingsError([f"{printable(path)}: cannot make the settings file: {error.strerror}"]) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        os.unlink(path)  # ours: O_EXCL made it; half a file would be taken for settings
        raise SettingsError([f"{printable(path)}: cannot write the settings file: {error.strerror}"]) from None


def _create(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Refused(f"{printable(path)} is there already and is left as it is") from None


def _make_parents(directory: str) -> None:
    if os.path.isdir(directory):
        return
    _make_parents(os.path.dirname(directory))
    os.mkdir(directory, 0o755)  # not makedirs: it leaves those between to the umask
    _sync_directory(os.path.dirname(directory))


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
