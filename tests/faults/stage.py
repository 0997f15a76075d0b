"""What the tests of faults share: a command stopped at a system call, a clock of one's own, a filesystem that fails."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.command import Command, wait_for
from tests.engine.world import World
from ullage.catalog.catalog import Catalog

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
QUICK = '[defaults.monitor]\ninterval = "200 ms"\ncleanup_interval = "0 s"\ntimeout = "500 ms"\n'
QUICK += "[defaults.reclaim]\ngrace = 0\n"
"""Settings of a daemon that looks and acts five times a second, and of deletions that nobody may undo."""
PRESSED = "[defaults.watermarks]\nwarning = 0.001\n"
"""Any use at all is a warning."""
TOLD = '[defaults.alerts]\nwebhook = "http://127.0.0.1:9/"\n'
"""A channel that nobody listens to: alerts stay in the outbox."""

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
needs_faketime = pytest.mark.skipif(not FAKETIME.exists(), reason="needs libfaketime")


class Stopped:
    """A command that strace stopped with SIGSTOP; ``go`` lets it go on and is what became of it."""

    def __init__(self, tracer: subprocess.Popen[str], pid: int) -> None:
        self._tracer = tracer
        self.pid = pid
        self.code: int | None = None
        self.out = self.err = ""

    def go(self) -> Stopped:
        """SIGCONT, and wait until it has ended; a traceback is a failure."""
        os.kill(self.pid, signal.SIGCONT)
        self.out, self.err = self._tracer.communicate(timeout=60)
        self.code = self._tracer.returncode
        assert "Traceback" not in self.err, self.err
        return self


@contextmanager
def stopped(words: list[str], at: str, when: int = 1) -> Iterator[Stopped]:
    """The command ``words``, stopped right behind its ``when``-th system call ``at``."""
    ready, told = os.pipe()
    stop = ("-e", f"trace={at}", "-e", f"inject={at}:signal=SIGSTOP:when={when}")
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", f"/proc/self/fd/{told}", *stop, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[told],
    )
    os.close(told)
    pid = None
    try:
        with os.fdopen(ready) as lines:
            pid = next((_process_of(line.split()[0]) for line in lines if "stopped by SIGSTOP" in line), None)
            assert pid is not None, f"it never came to {at} number {when}: {tracer.communicate()}"
            yield Stopped(tracer, pid)
    finally:
        if tracer.poll() is None and pid is not None:
            os.kill(pid, signal.SIGKILL)
        tracer.communicate()


def _process_of(thread: str) -> int:
    status = Path(f"/proc/{thread}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("Tgid:"))


_SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
"""libfaketime takes a sleep until a moment of the monotonic clock, as Python sleeps, for one of the wall clock."""


class FakeClock:
    """The wall clock of the commands run ``before`` it and of daemons in its ``environment``: the true one, and so off.

    Only the wall clock: what was since boot stays true, as when somebody sets the clock of a machine.
    """

    def __init__(self, path: Path) -> None:
        self._file = path / "clock"
        self.set(0)
        mended = path / "mended"
        mended.mkdir()
        (mended / "sitecustomize.py").write_text(_SLEEP)
        self.environment = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": os.pathsep.join([str(mended), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        self.before = ("env", *(f"{name}={value}" for name, value in self.environment.items()))

    def set(self, seconds: float) -> None:
        """From now on so many seconds off."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.0f}\n")
        new.replace(self._file)


class Failing:
    """A FUSE filesystem over a directory, that fails on demand."""

    def __init__(self, path: Path) -> None:
        self._switch, self._source, self.path = path / "switch", path / "source", path / "mounted"
        self._source.mkdir(parents=True)
        self.path.mkdir()
        self.be("well")
        words = [sys.executable, "-m", "tests.faults.passthrough", str(self._source), str(self.path), str(self._switch)]
        self._server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.path.is_mount() or self._server.poll() is not None, 20)
        if self._server.poll() is not None:
            pytest.skip("cannot mount FUSE here")

    def be(self, word: str) -> None:
        """From now on ``well``, or failing by ``eio``, ``removal`` or ``hang``."""
        new = self._switch.with_suffix(".new")
        new.write_text(word)
        new.replace(self._switch)

    def die(self) -> None:
        """The server is killed; whoever asks gets ENOTCONN."""
        self._server.kill()
        self._server.wait()

    def close(self) -> None:
        """Unmounted, whatever state it is in."""
        self.be("well")
        subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)
        self.die()


@contextmanager
def daemon(command: Command, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A daemon in the foreground that is ready; it must end well, and never with a traceback."""
    one = command.daemon(**environment)
    pid_file = command.state / "ullage.pid"
    try:
        wait_for(lambda: one.poll() is not None or (pid_file.exists() and pid_file.read_text().strip() != ""), 20)
        assert one.poll() is None, one.communicate()
        yield one
        one.terminate()
        said = one.communicate(timeout=40)[1]
        assert "Traceback" not in said, said
        assert one.returncode == 0, said
    finally:
        if one.poll() is None:
            one.kill()
            one.communicate()


def alerts(world: World) -> list[str]:
    """The text of every alert that was queued, oldest first."""
    with Catalog.open(str(world.state)) as catalog:
        return [f"{item.title}\n{item.body}" for item in catalog.alerts(1000)][::-1]
