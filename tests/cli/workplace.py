"""A place to run the real command in: settings, state and stores of plain directories under one path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from ullage.cli.main import cli

NOW_ENOUGH = 40 * 86400
"""Seconds: an age at which every term of age is full."""


@dataclass(frozen=True)
class Ran:
    """What became of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        return json.loads(self.out)


class Workplace:
    """Settings at ``config``, state in ``state``, and a store ``main`` with its roots ``backups`` and ``archives``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config, self.state = path / "ullage.toml", path / "state"
        self.backups, self.archives = path / "backups", path / "archives"
        self.backups.mkdir()
        self.archives.mkdir()

    def environment(self, **extra: str) -> dict[str, str]:
        """What the command finds in its environment."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("ULLAGE", "NO_COLOR"))}
        return plain | {"ULLAGE_CONFIG": str(self.config), "ULLAGE_STATE_DIR": str(self.state)} | extra

    def run(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> Ran:
        """``ullage ARGUMENTS`` as a process of its own, without a terminal."""
        done = subprocess.run(
            [sys.executable, "-m", "ullage", *map(os.fspath, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self.environment(**(environment or {})),
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def call(self, *arguments: str) -> Any:
        """``ullage ARGUMENTS --json`` in this process, which is quick where a process is not the point."""
        done = CliRunner().invoke(cli, [*arguments], env=self.environment(), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def settings(self, text: str = "", *, store: str = "main") -> None:
        """Write settings for one store with more of its keys (``text``, which may open tables)."""
        self.config.write_text(
            f'[stores.{store}]\nbackup_root = "{self.backups}"\narchive_root = "{self.archives}"\n{text}\n'
        )
        self.config.chmod(0o600)

    def register(self, text: str = "") -> None:
        """Settings (where there are none yet, or with ``text``), and every store in them registered."""
        if text or not self.config.exists():
            self.settings(text)
        done = self.run("init")
        assert done.code == 0, done.err

    def backup(self, name: str, state: str = "CLEANABLE", *, age: float = NOW_ENOUGH, size: int = 0) -> Path:
        """A backup of that age in seconds, with ``size`` bytes in it, not read since it was made."""
        return make_backup(self.backups, name, state, age=age, size=size)


def make_backup(root: Path, name: str, state: str, *, age: float, size: int = 0) -> Path:
    """A backup under ``root``, with all its times ``age`` seconds ago."""
    import time

    path = root / name
    path.mkdir()
    at = int(time.time() - age)
    (path / ".state").write_text(f"{state}\n")
    (path / ".created_at").write_text(f"{at}\n")
    if state in ("CONFIRMED", "CLEANABLE"):
        (path / ".confirmed_at").write_text(f"{at}\n")
    (path / "data").write_bytes(os.urandom(size))
    set_times(path, at)
    return path


def set_times(path: Path, at: float) -> None:
    """All that is in the tree, and the tree itself, read and written at that time, and no link followed."""
    for where, directories, files in os.walk(path, topdown=False):
        for name in [*files, *directories]:
            os.utime(os.path.join(where, name), (at, at), follow_symlinks=False)
    os.utime(path, (at, at))


def tree(path: Path) -> dict[str, tuple[object, ...]]:
    """All that stands under a path: kind, mode, owner, links, size, mtime and content of each, by its name."""
    found: dict[str, tuple[object, ...]] = {}
    for where, _, files in os.walk(path):
        for entry in [where, *(os.path.join(where, name) for name in files)]:
            at = os.lstat(entry)
            content = Path(entry).read_bytes() if os.path.isfile(entry) and not os.path.islink(entry) else b""
            found[entry] = (at.st_mode, at.st_uid, at.st_nlink, at.st_size, at.st_mtime_ns, hash(content))
    return found
