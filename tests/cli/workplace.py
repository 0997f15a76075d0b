"""A place to run the real command in: settings, state and stores of plain directories under one path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner

from ullage.cli.main import main

OLD = 40 * 86400
"""Seconds: an age at which every term of age is full."""
CALM = "warning = 97\ncritical = 98\nemergency = 99\ninodes = false"
"""Watermarks that the machine's own disk does not reach."""


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

    def command(self, arguments: Sequence[str | Path]) -> list[str]:
        """The command line of a process of its own."""
        return [sys.executable, "-m", "ullage", *map(str, arguments)]

    def run(self, *arguments: str | Path, **environment: str) -> Ran:
        """``ullage ARGUMENTS`` as a process of its own, without a terminal."""
        done = subprocess.run(
            self.command(arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self.environment(**environment),
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def call(self, *arguments: str | Path, **environment: str) -> Ran:
        """``ullage ARGUMENTS`` in this process, its ``main`` and all: quick, where a process is not the point."""
        code: object = None
        runner: Any = CliRunner()
        with (
            runner.isolation(env=self.environment(**environment)) as (out, err, _),
            patch.object(sys, "argv", ["ullage", *map(str, arguments)]),
        ):
            try:
                main()
            except SystemExit as ended:
                code = ended.code
            sys.stderr.flush()
        assert isinstance(code, int)
        return Ran(code, out.getvalue().decode(), err.getvalue().decode())

    def done(self, *arguments: str | Path) -> Ran:
        """``call`` of a command that must succeed."""
        ran = self.call(*arguments)
        assert ran.code == 0, (arguments, ran)
        return ran

    def settings(self, tables: str = "", *, marks: str = CALM, capacity: int = 1 << 40) -> None:
        """Write settings for the store ``main``; ``tables`` are more of them, ``capacity`` is in bytes."""
        self.config.write_text(
            f'[stores.main]\nbackup_root = "{self.backups}"\narchive_root = "{self.archives}"\n'
            f'capacity = "{capacity} B"\n[stores.main.watermarks]\n{marks}\n{tables}\n'
        )
        self.config.chmod(0o600)

    def register(self, tables: str = "") -> None:
        """Settings, and the store registered."""
        self.settings(tables)
        self.done("init")

    def press(self, percent: float, tables: str = "", marks: str = CALM) -> None:
        """Settings in which what stands in the store is so many percent of its capacity."""
        self.settings(tables, marks=marks, capacity=int(allocated(self.backups) * 100 / percent))

    def backup(self, name: str, state: str = "CLEANABLE", *, age: float = OLD, size: int = 0) -> Path:
        """A backup of that age in seconds, with ``size`` bytes in it, not read since it was made."""
        path = self.backups / name
        path.mkdir()
        at = int(time.time() - age)
        (path / ".state").write_text(f"{state}\n")
        (path / ".created_at").write_text(f"{at}\n")
        if state in ("CONFIRMED", "CLEANABLE"):
            (path / ".confirmed_at").write_text(f"{at}\n")
        (path / "data").write_bytes(b"x" * size)
        set_times(path, at)
        return path

    def state_of(self, name: str) -> str | None:
        """The word in a backup's ``.state``; None where the backup is gone."""
        path = self.backups / name
        return (path / ".state").read_text().strip() if path.exists() else None


def set_times(path: Path, at: float) -> None:
    """All that is in the tree, and the tree itself, read and written at that time, and no link followed."""
    for where, directories, files in os.walk(path, topdown=False):
        for name in [*files, *directories]:
            os.utime(os.path.join(where, name), (at, at), follow_symlinks=False)
    os.utime(path, (at, at))


def allocated(path: Path) -> int:
    """Bytes of the blocks of all that stands under a path."""
    return sum({entry.lstat().st_ino: entry.lstat().st_blocks * 512 for entry in path.rglob("*")}.values())


def tree(path: Path) -> dict[str, tuple[object, ...]]:
    """All that stands under a path: mode, owner, links, size, mtime and content of each, by its name."""
    found: dict[str, tuple[object, ...]] = {}
    for entry in sorted([path, *path.rglob("*")]):
        at = entry.lstat()
        content = entry.read_bytes() if entry.is_file() and not entry.is_symlink() else b""
        found[str(entry)] = (at.st_mode, at.st_uid, at.st_nlink, at.st_size, at.st_mtime_ns, content)
    return found
