"""Directories that no store may have as a root: system directories, homes, other stores' roots.

The checks are on text alone, for a path on a hung disk must not hang whoever only reads the settings;
``check_paths`` makes them again after links are followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from ullage.config.faults import Path, dotted
from ullage.model.settings import Settings
from ullage.model.units import printable

SYSTEM = frozenset(
    {"/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/boot", "/dev", "/proc"}
) | {"/sys"}
"""Neither these nor anything inside them."""
SHARED = frozenset(
    {
        "/",
        "/root",
        "/home",
        "/run",
        "/var",
        "/var/lib",
        "/var/log",
        "/var/tmp",
        "/opt",
        "/srv",
        "/tmp",
        "/mnt",
        "/media",
    }
)
"""Not these themselves, for they hold what belongs to others; a directory of its own inside them is well."""

Roots = Mapping[Path, str]
Fault = tuple[Path, str]


def roots_of(settings: Settings) -> dict[Path, str]:
    """The roots of every store, by the path of their key."""
    return {
        ("stores", store.name, key): root
        for store in settings.stores
        for key, root in (("backup_root", store.backup_root), ("archive_root", store.archive_root))
    }


def root_faults(roots: Roots, state_dir: str | None, env: Mapping[str, str]) -> list[Fault]:
    """Each root that may not be one, with what is wrong. The paths are normalised text and are not touched."""
    return [*_forbidden_faults(roots, env), *_overlap_faults(roots), *_state_dir_faults(roots, state_dir, env)]


def check_paths(settings: Settings, env: Mapping[str, str]) -> list[str]:
    """The faults of the roots once links are followed. Touches the paths: a hung disk hangs it."""
    real = {key: os.path.realpath(root) for key, root in roots_of(settings).items()}
    real_env = {"HOME": os.path.realpath(env["HOME"])} if env.get("HOME") else {}
    faults = root_faults(real, os.path.realpath(settings.state_dir), real_env)
    return [f"{printable(settings.path)}: {dotted(key)}: {text} (after links are followed)" for key, text in faults]


def _forbidden_faults(roots: Roots, env: Mapping[str, str]) -> Iterator[Fault]:
    for key, root in roots.items():
        if reason := _forbidden(root, env) or _in_system(root):
            yield key, f'found "{printable(root)}", {reason}, allowed: a directory of its own for this store'


def _forbidden(root: str, env: Mapping[str, str]) -> str | None:
    home = os.path.normpath(env.get("HOME") or "/root")
    if root == home or os.path.dirname(root) == "/home":
        return "which is a home directory"
    return "which is a system directory" if root in SHARED or root in SYSTEM else None


def _in_system(root: str) -> str | None:
    inside = next((str(above) for above in PurePosixPath(root).parents if str(above) in SYSTEM), None)
    return f"which is inside {inside}" if inside else None


def _overlap_faults(roots: Roots) -> Iterator[Fault]:
    first: dict[str, Path] = {}
    for key, root in roots.items():
        if first.setdefault(root, key) != key:
            yield key, f'found "{printable(root)}", allowed: another directory than {dotted(first[root])}'
    for key, root in roots.items():
        for above in PurePosixPath(root).parents[:-1]:  # "/" is a fault of its own
            if other := first.get(str(above)):
                outside = f"{dotted(other)} ({printable(str(above))})"
                yield key, f'found "{printable(root)}", allowed: a directory that is not inside {outside}'


def _state_dir_faults(roots: Roots, state_dir: str | None, env: Mapping[str, str]) -> Iterator[Fault]:
    if state_dir is None:
        return
    found = f'found "{printable(state_dir)}"'
    if reason := _forbidden(state_dir, env):
        yield ("state_dir",), f"{found}, {reason}, allowed: a directory of its own for ullage"
    for key, root in roots.items():
        if root == state_dir:
            yield ("state_dir",), f"{found}, allowed: another directory than {dotted(key)}"
        elif key[-1] == "backup_root" and not _forbidden(root, env) and _in_a_backup(state_dir, root):
            own = printable(f"{root}/.ullage/state")
            yield ("state_dir",), f"{found}, which would go with a backup, allowed: outside {dotted(key)}, or {own}"


def _in_a_backup(path: str, root: str) -> bool:
    """Whether it lies in a child of the root that is not hidden: when that is a backup and goes, it goes with it."""
    if PurePosixPath(root) not in PurePosixPath(path).parents:
        return False
    child, *more = PurePosixPath(path).relative_to(root).parts
    return bool(more) and not child.startswith(".")
