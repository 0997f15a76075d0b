"""What ``ullage.service`` must be told of the stores: which paths it may write, which mounts it lives by. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ullage.config.roots import roots_of
from ullage.errors import SettingsError
from ullage.model.settings import Settings
from ullage.model.units import printable

_HEAD = "# For ullage.service, by `ullage config systemd` from {}: make it again when a store changes."
_OWN_STATE = "/var/lib/ullage"
_HIDDEN = {
    "ProtectHome=read-only": ("/home", "/root", "/run/user"),
    "PrivateTmp=no": ("/tmp", "/var/tmp"),
}
"""What lets the service see a path below one of these."""
_PLAIN = re.compile(r"[A-Za-z0-9/:_.-]+", re.ASCII)
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")


def drop_in(settings: Settings, mounts: Mapping[str, str], program: Sequence[str]) -> str:
    """The drop-in for these settings; ``mounts`` has the mount point of each root, ``program`` where we are installed.

    A disk that every store needs carries the service: mounted before it starts, and the service stopped when it is
    unmounted, for its mount namespace would hold it. One that only some need must not end the watch over the others.
    Raises SettingsError where a path cannot stand in a unit file.
    """
    roots = list(roots_of(settings).values())
    of_stores = [{mounts[store.backup_root], mounts[store.archive_root]} - {"/"} for store in settings.stores]
    needed, some = set.intersection(*of_stores), set.union(*of_stores)
    lines = [_HEAD.format(printable(settings.path)), "[Unit]"]
    lines += [f"RequiresMountsFor={_quoted(point)}" for point in sorted(needed)]
    lines += [f"BindsTo={_mount_unit(point)}" for point in sorted(needed)]
    lines += [f"After={_mount_unit(point)}" for point in sorted(some)]
    own = [] if settings.state_dir == _OWN_STATE else [settings.state_dir]
    lines += ["[Service]", *(f"ReadWritePaths={_quoted('-' + path)}" for path in [*own, *roots])]
    seen = (settings.path, settings.state_dir, *roots, *program)
    lines += [line for line, hidden in _HIDDEN.items() if any(_below(path, hidden) for path in seen)]
    return "\n".join(lines) + "\n"


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _quoted(path: str) -> str:
    """A path as a value of a unit file, in quotes where it has to be (systemd.syntax(7)). Raises SettingsError."""
    if not path.isprintable():
        raise SettingsError([f"{printable(path)}: a path with control characters cannot be named in a unit file"])
    spelled = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return path if _PLAIN.fullmatch(path) else f'"{spelled}"'


def _mount_unit(point: str) -> str:
    """The unit of a mount point, as ``systemd-escape --path --suffix=mount`` gives it."""
    escaped = "-".join(
        "".join(
            _escaped(byte, first=at == part == 0) for at, byte in enumerate(name.encode("utf-8", "surrogateescape"))
        )
        for part, name in enumerate(point.strip("/").split("/"))
    )
    return f"{escaped}.mount"


def _escaped(byte: int, *, first: bool) -> str:
    char = chr(byte)
    return char if char in _BARE and not (first and char == ".") else f"\\x{byte:02x}"
