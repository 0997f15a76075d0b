"""The settings that TOML tables mean: every key read by the schema, stores laid over the defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

import msgspec

from ullage.config.faults import Faults, Path, Where, described, dotted
from ullage.config.roots import root_faults, roots_of
from ullage.config.schema import (
    DEFAULTS_TREE,
    SECTION_ROWS,
    SECTIONS,
    STATE_DIR,
    STORE_ROWS,
    STORE_TREE,
    Row,
    Tree,
)
from ullage.model.settings import Limit, Settings, StoreSettings
from ullage.model.units import exact_size

STORE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_TOP_TREE: Tree = {"state_dir": STATE_DIR, "defaults": DEFAULTS_TREE, "stores": STORE_TREE}
_SOME_STORE = "a table [stores.NAME] with backup_root and archive_root"
_Values = dict[Path, object]


def settings_of(
    data: Mapping[str, object], where: Where, file: str, state_dir: str, env: Mapping[str, str]
) -> Settings:
    """The settings of a parsed file; ``state_dir``, if any, goes before the file's. Raises SettingsError."""
    faults = Faults(where)
    values: _Values = {}
    _read(faults, (), {key: value for key, value in data.items() if key != "stores"}, _TOP_TREE, values)
    names = _read_stores(faults, data.get("stores"), values)
    stores = [_store(faults, name, values) for name in names]
    for store in stores:
        _check_order(faults, store, values)
    settings = Settings(path=file, state_dir=state_dir or str(values.get(("state_dir",), "")), stores=tuple(stores))
    _check_roots(faults, settings, values, env)
    faults.raise_any()
    return settings


def _read(faults: Faults, path: Path, table: Mapping[str, object], tree: Tree, values: _Values) -> None:
    """Put the value of every key under ``table`` into ``values``, by its whole path."""
    for name, value in table.items():
        here, node = (*path, name), tree.get(name)
        if node is None:
            faults.add_unknown(here, tree, _elsewhere(path))
        elif isinstance(node, Row):
            _read_value(faults, here, value, node, values)
        elif isinstance(value, dict):
            _read(faults, here, value, node, values)
        else:
            faults.add(here, f"found {described(value)}, allowed: a table")


def _read_value(faults: Faults, here: Path, value: object, row: Row, values: _Values) -> None:
    try:
        values[here] = row.kind.read(value)
    except (ValueError, ArithmeticError) as error:
        # A parser's own words quote the value, which may be long, unprintable or secret; those on a file do not.
        reason = str(error) if row.from_file else ""
        faults.add_wrong(here, value, row.kind, reason)


def _elsewhere(path: Path) -> list[str]:
    """Whole keys among which a misplaced one may be meant: of the same store, else of the defaults."""
    prefix = dotted(path[:2]) if len(path) > 1 and path[0] == "stores" else "defaults"
    keys = [*SECTIONS, *(row.key for row in SECTION_ROWS)]
    return [f"{prefix}.{key}" for key in keys] + [f"stores.NAME.{row.key}" for row in STORE_ROWS]


def _read_stores(faults: Faults, stores: object, values: _Values) -> list[str]:
    """The names of the stores, once their tables are read."""
    if not stores:
        faults.add((), f"found no store, allowed: {_SOME_STORE}")
        return []
    if not isinstance(stores, dict):
        faults.add(("stores",), f"found {described(stores)}, allowed: {_SOME_STORE}")
        return []
    return [name for name, table in stores.items() if _read_store(faults, name, table, values)]


def _read_store(faults: Faults, name: str, table: object, values: _Values) -> bool:
    here = ("stores", name)
    if not isinstance(table, dict):
        faults.add(here, f"found {described(table)}, allowed: {_SOME_STORE}")
        return False
    if not STORE_NAME.fullmatch(name):
        faults.add(
            here, f"found the name {described(name)}, allowed: up to 64 of A-Z a-z 0-9 . _ -, a letter or digit first"
        )
    for key in ("backup_root", "archive_root"):
        if key not in table:
            faults.add((*here, key), "found nothing, allowed: an absolute path; it is required")
    _read(faults, here, table, STORE_TREE, values)
    return True


def _store(faults: Faults, name: str, values: _Values) -> StoreSettings:
    fields = _fields(faults, ("defaults",), values) | _fields(faults, ("stores", name), values)
    nested: dict[str, object] = {"name": name, "backup_root": "", "archive_root": ""}
    for field, value in fields.items():
        _put(nested, field.split("."), value)
    return msgspec.convert(nested, StoreSettings)


def _fields(faults: Faults, path: Path, values: _Values) -> dict[str, object]:
    """What one table gives, by field; two keys for one field are a fault."""
    found: dict[str, object] = {}
    for row in (*STORE_ROWS, *SECTION_ROWS):
        here = (*path, *row.parts)
        if here not in values:
            continue
        if row.field in found:
            faults.add(here, f"found beside {row.name.removesuffix('_file')}, allowed: one of the two")
        value = values[here]
        found[row.field] = value.percent if isinstance(value, Limit) else value
        if row.free:
            found[row.free] = value.free if isinstance(value, Limit) else 0
    return found


def _put(table: dict[str, object], parts: list[str], value: object) -> None:
    for part in parts[:-1]:
        inner = table.setdefault(part, {})
        assert isinstance(inner, dict)
        table = inner
    table[parts[-1]] = value


_LEVELS = ("warning", "critical", "emergency")


def _check_order(faults: Faults, store: StoreSettings, values: _Values) -> None:
    """Each level begins after the one before it, by percentages and by what is free, for bytes and for inodes."""
    found: list[tuple[Path, str]] = []
    for prefix, marks in (("", store.watermarks.of_bytes), ("inode_", store.watermarks.of_inodes)):
        percents = {name: float(getattr(marks, name)) for name in _LEVELS}
        free = {name: int(getattr(marks.free, name)) for name in _LEVELS if getattr(marks.free, name)}
        # One that goes by what is free alone is at 100 %, and in no order with the others.
        bound = {name: percent for name, percent in percents.items() if percent < 100 or name not in free}
        for falling, given in ((False, bound), (True, free)):
            for low, high in pairwise(given):
                ordered = given[low] > given[high] if falling else given[low] < given[high]
                paths = _watermark_paths(store.name, (prefix + high, prefix + low))
                path = next((path for path in paths if path in values), None)  # where the fault can be mended
                # Where one is faulty, a default stands in for it, and to compare that would mislead.
                if path is not None and not ordered and not faults.at(*paths):
                    found.append((path, _disorder(path[-1], prefix, given, (low, high), falling=falling)))
    for path, text in found:
        faults.add(path, text)


def _disorder(key: str, prefix: str, given: Mapping[str, float], pair: tuple[str, str], *, falling: bool) -> str:
    """What is wrong with the watermark that stands at ``key`` beside the other of the pair."""
    low, high = pair
    name, other = (high, low) if key == prefix + high else (low, high)
    way = "more" if (name == high) is not falling else "less"
    found, than = (_shown(given[one], prefix, falling=falling) for one in (name, other))
    number = "" if falling else " (a number)"
    return f"found {found}{number}, allowed: {way} than watermarks.{prefix}{other} ({than})"


def _shown(value: float, prefix: str, *, falling: bool) -> str:
    """A watermark as a fault names it."""
    if not falling:
        return f"{value:g}"
    return f"{int(value) if prefix else exact_size(int(value))} free"


def _watermark_paths(store: str, names: tuple[str, ...]) -> list[Path]:
    return [(*table, "watermarks", name) for table in (("stores", store), ("defaults",)) for name in names]


def _check_roots(faults: Faults, settings: Settings, values: _Values, env: Mapping[str, str]) -> None:
    roots = {key: root for key, root in roots_of(settings).items() if key in values}
    for key, text in root_faults(roots, settings.state_dir, env):
        faults.add(key, text)
