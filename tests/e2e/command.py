"""The real command on a ``World``: its settings as a file, and ``ullage`` as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.engine.world import World
from tests.loops import LoopDisk
from tests.system.nobody import NOBODY


class Command:
    """``ullage`` with the settings of these worlds (one store each, by name), all in one state directory."""

    def __init__(self, path: Path, text: str = "", **worlds: World) -> None:
        self.config = path / "ullage.toml"
        self.worlds = worlds
        self.state = next(iter(worlds.values())).state
        self.write(text)

    def write(self, text: str = "") -> None:
        """The settings anew, ``text`` (top-level keys or tables) before the stores."""
        tables = [
            f'[stores.{name}]\nbackup_root = "{world.backups}"\narchive_root = "{world.archives}"\n'
            for name, world in self.worlds.items()
        ]
        self.config.write_text(f'state_dir = "{self.state}"\n{text}\n' + "".join(tables))
        self.config.chmod(0o600)

    def words(self, *words: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "ullage", "--config", str(self.config), *words]

    def run(self, *words: str, code: int | None = 0, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """What the command said, run behind the words ``before`` (strace); its exit code must be ``code``."""
        ran = subprocess.run(
            [*before, *self.words(*words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert code is None or ran.returncode == code, f"{words}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran

    def json(self, *words: str, code: int | None = 0) -> Any:
        """The object that the command printed with ``--json``."""
        return json.loads(self.run("--json", *words, code=code).stdout)

    def daemon(self, **environment: str) -> subprocess.Popen[str]:
        """The daemon in the foreground, a child of ours."""
        return subprocess.Popen(
            self.words("start", "--foreground"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )


def wait_for(happened: Callable[[], bool], seconds: float) -> None:
    """Returns as soon as it has happened; fails where it has not within so many seconds."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, f"it has not happened within {seconds} s"
        time.sleep(0.02)


def write_until_full(path: Path) -> None:
    """A file of real blocks that takes all there is."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for size in (1 << 20, 1 << 12, 1 << 9):
        with suppress(OSError):
            while True:
                os.write(descriptor, b"x" * size)
                os.fsync(descriptor)
    os.close(descriptor)


def as_nobody_on(disk: LoopDisk) -> None:
    """Fill the disk as an ordinary user can, in a directory of his own: to the reserve that is root's."""
    own = disk.path / "nobody"
    own.mkdir()
    os.chown(own, NOBODY, NOBODY)
    child = os.fork()
    if child == 0:
        try:
            os.chroot(disk.path)  # the way there is not open to nobody
            os.chdir("/")
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            write_until_full(Path("/nobody/filler"))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
