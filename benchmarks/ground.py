"""Where things are measured: a filesystem of our own where we may mount one, and stores of small backups on it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from benchmarks.measure import process, ullage
from tests.loops import LoopDisk, why_not

_MIB = 3072
_INODES = "400000"
_AGE = 40 * 86400
_DATA = b"x" * 3000


class Machine(Struct, frozen=True, kw_only=True):
    """What the numbers were measured on."""

    cpu: str
    cores: int
    kernel: str
    filesystem: str
    python: str
    load: str


class Store(Struct, frozen=True, kw_only=True):
    """A registered store of ``count`` CLEANABLE backups of five small files, with its settings and state."""

    count: int
    path: Path

    @property
    def backups(self) -> Path:
        """Its ``backup_root``."""
        return self.path / "backups"

    def config(self, strategy: str = "oldest_first") -> str:
        """The settings file for a strategy."""
        return str(self.path / f"{strategy}.toml")

    @property
    def environment(self) -> dict[str, str]:
        """What its commands find in their environment."""
        return {"ULLAGE_STATE_DIR": str(self.path / "state")}


@contextmanager
def ground() -> Iterator[tuple[Path, str]]:
    """(an empty directory, what it is on): a fresh ext4 where we may mount one, else where temporary files go."""
    with TemporaryDirectory(prefix="ullage-bench-") as name:
        directory = Path(name)
        obstacle = why_not("ext4", directory / "try")
        if obstacle is not None:
            yield directory, f"{_filesystem(directory)} ({obstacle})"
            return
        with LoopDisk(directory, "ext4", _MIB, ["-N", _INODES]) as disk:
            yield disk.path, f"ext4 on a loop device on {_filesystem(directory)}"


def machine(filesystem: str) -> Machine:
    """This machine, without its name."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        kernel=f"{platform.system()} {platform.release()}",
        filesystem=filesystem,
        python=platform.python_version(),
        load=f"{os.getloadavg()[0]:.1f}",
    )


def make_store(directory: Path, count: int) -> Store:
    """A store with that many backups, registered and looked at once."""
    store = Store(count=count, path=directory / f"store{count}")
    store.backups.mkdir(parents=True)
    (store.path / "archives").mkdir()
    for strategy in ("oldest_first", "largest_first", "confidence_based"):
        _settings(store, strategy)
    at = int(time.time()) - _AGE
    for number in range(count):
        _backup(store.backups, f"db-{number:05d}", at - number)
    time.sleep(1.1)  # a change so shortly before a look is looked at again, and that is not what is measured
    process(ullage("init", "--config", store.config()), store.environment)
    return store


def change(store: Store, count: int) -> None:
    """The first ``count`` backups get their state anew, and time enough passes for that to be seen as one change."""
    for number in range(count):
        path = store.backups / f"db-{number:05d}"
        (path / "new").write_text("CLEANABLE\n")
        os.rename(path / "new", path / ".state")
    if count:
        time.sleep(1.1)


def _settings(store: Store, strategy: str) -> None:
    path = Path(store.config(strategy))
    path.write_text(
        f'[stores.main]\nbackup_root = "{store.backups}"\narchive_root = "{store.path / "archives"}"\n'
        f'[stores.main.reclaim]\nstrategy = "{strategy}"\n'
    )
    path.chmod(0o600)


def _backup(root: Path, name: str, at: int) -> None:
    path = root / name
    path.mkdir()
    (path / ".state").write_text("CLEANABLE\n")
    (path / ".created_at").write_text(f"{at}\n")
    for number in range(3):
        (path / f"data{number}").write_bytes(_DATA)
    os.utime(path, (at, at))


def _cpu() -> str:
    with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _filesystem(path: Path) -> str:
    from ullage.system import linux

    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return linux.filesystem_type(fd)
    finally:
        os.close(fd)
