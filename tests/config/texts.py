"""Settings as text, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ullage.config.load import parse
from ullage.errors import SettingsError
from ullage.model.settings import Settings, StoreSettings

FILE = "/etc/ullage/ullage.toml"
ROOTS = 'backup_root = "/srv/backup"\narchive_root = "/srv/archive"\n'
STORE = f"[stores.main]\n{ROOTS}"
ENV = {"HOME": "/home/op"}


def read(text: str, env: Mapping[str, str] = ENV) -> Settings:
    """The settings of a text."""
    return parse(text, FILE, env)


def only_store(text: str) -> StoreSettings:
    """The one store of a text."""
    (store,) = read(text).stores
    return store


def faults_of(text: str, env: Mapping[str, str] = ENV) -> tuple[str, ...]:
    """The faults of a text that has some."""
    with pytest.raises(SettingsError) as caught:
        read(text, env)
    return caught.value.faults


def nested(key: str, literal: str, table: str = "defaults") -> str:
    """A text in which one key of a table has a value, beside a store that is well."""
    section, _, name = key.rpartition(".")
    header = f"[{table}.{section}]" if section else f"[{table}]"
    return (
        f"{STORE}{header}\n{name} = {literal}\n" if table == "defaults" or section else f"{STORE}{name} = {literal}\n"
    )
