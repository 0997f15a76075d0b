"""A copy of the project in which one thing is broken at a time; the project itself is never written to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from tests.mutants.guards import Guard

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "ullage"
_COPIED = ("src", "tests", "pyproject.toml")
_NOT_A_MUTANT = re.compile(r"\b(NameError|UnboundLocalError|ImportError|IndentationError|SyntaxError)\b")
_SECONDS = 600.0


def environment(**more: str) -> dict[str, str]:
    """Ours, but for what belongs to our own Python: a copy is not for our coverage."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("COVERAGE_", "PYTHON"))}
    return {**ours, "CI": "true", **more}  # CI: hypothesis tries the same examples each time


class Verdict(Struct, frozen=True, kw_only=True):
    """What the tests said to a guard's absence. ``by``: the test that failed; ``why``: what else there is to say."""

    guard: Guard
    caught: bool
    by: str = ""
    why: str = ""


def broken(guard: Guard, source: Path = SOURCE) -> str:
    """The file without the guard. Raises ValueError where its text does not stand there exactly once."""
    text = (source / guard.file).read_text()
    if text.count(guard.old) != 1 or guard.old == guard.new:
        raise ValueError(f"{guard.name}: its text stands {text.count(guard.old)} times in {guard.file}")
    return text.replace(guard.old, guard.new)


class Sandbox:
    """A copy under ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._root = directory / "project"
        for name in _COPIED:
            place = REPOSITORY / name
            if place.is_dir():
                shutil.copytree(place, self._root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(place, self._root / name)
        self._environment = environment(PYTHONPATH=str(self._root / "src"))
        found = self._run("-c", "import ullage; print(ullage.__file__)").stdout.strip()
        if not found.startswith(str(self._root)):
            raise RuntimeError(f"the tests would not be of the copy: {found}")

    def passes(self, tests: Sequence[str]) -> str | None:
        """None where the tests pass with every guard in its place; else what they said."""
        ran = self._pytest(tests)
        return None if ran.returncode == 0 else ran.stdout

    def verdict(self, guard: Guard) -> Verdict:
        """What the guard's tests say when it is taken away."""
        source = self._root / "src" / "ullage"
        place = source / guard.file
        whole = place.read_text()
        try:
            self._write(place, broken(guard, source))
            ran = self._pytest(guard.tests)
        finally:
            self._write(place, whole)
        if ran.returncode != 1:
            return Verdict(guard=guard, caught=False, why=ran.stdout if ran.returncode else _skips(ran.stdout))
        if _NOT_A_MUTANT.search(ran.stdout):
            return Verdict(guard=guard, caught=False, why=f"what is left is no program\n{ran.stdout}")
        failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", ran.stdout, re.MULTILINE)
        return Verdict(guard=guard, caught=True, by=failed[1] if failed else "")

    def _pytest(self, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
        nodes = [f"tests/{test}" for test in tests]
        quiet = ("-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider")
        try:
            return self._run("-m", "pytest", *quiet, f"--basetemp={self._root.parent / 'tmp'}", *nodes)
        finally:
            _unmount(self._root.parent)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=self._root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def _write(self, place: Path, text: str) -> None:
        """The file anew; and its bytecode goes, which is told from the source by second and size alone."""
        place.write_text(text)
        for compiled in (place.parent / "__pycache__").glob(f"{place.stem}.*"):
            compiled.unlink()


def _skips(said: str) -> str:
    skipped = [line for line in said.splitlines() if line.startswith("SKIPPED")]
    return "; ".join(skipped)


def _unmount(directory: Path) -> None:
    """Away with what a test that failed left mounted."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted((p for p in points if p.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "-l", point], capture_output=True, check=False)
