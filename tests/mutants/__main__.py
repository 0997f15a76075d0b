"""Takes every guard away, one at a time, and shows that a test fails: ``python -m tests.mutants [WORD ..]``.

With words only the guards whose names hold one of them. Ends with 0 where all are caught, else with 1.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from tests.mutants.guards import Guard
from tests.mutants.sandbox import Sandbox, Verdict
from tests.mutants.table import GUARDS

AT_ONCE = 2


def main(words: Sequence[str]) -> int:
    """The exit code."""
    guards = [guard for guard in GUARDS if not words or any(word in guard.name for word in words)]
    with _place() as directory:
        uncaught = examine(guards, directory)
    print(f"{len(guards) - uncaught} of {len(guards)} caught")
    return 1 if uncaught or not guards else 0


def examine(guards: Sequence[Guard], directory: Path) -> int:
    """How many may go without a test that fails; every verdict is printed."""
    free: SimpleQueue[Sandbox] = SimpleQueue()
    for number in range(AT_ONCE):
        free.put(Sandbox(directory / str(number)))

    @contextmanager
    def sandbox() -> Iterator[Sandbox]:
        taken = free.get()
        try:
            yield taken
        finally:
            free.put(taken)

    def prove(tests: Sequence[str]) -> str | None:
        with sandbox() as one:
            return one.passes(tests)

    def judge(guard: Guard) -> Verdict:
        with sandbox() as one:
            return one.verdict(guard)

    tests = sorted({test for guard in guards for test in guard.tests})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        shares = [share for share in (tests[n::AT_ONCE] for n in range(AT_ONCE)) if share]
        wrong = [said for said in pool.map(prove, shares) if said]
        if wrong:
            print("with every guard in its place the tests must pass, and do not:", *wrong, sep="\n")
            return len(guards)
        return sum(not _told(verdict) for verdict in pool.map(judge, guards))


@contextmanager
def _place() -> Iterator[Path]:
    """A directory that is gone afterwards, in memory where it can be: the tests sync a lot."""
    with TemporaryDirectory(prefix="ullage-mutants-") as directory:
        tmpfs = ("mount", "-t", "tmpfs", "-o", "size=4g,mode=0700", "ullage-mutants", directory)
        mounted = subprocess.run(tmpfs, capture_output=True, check=False).returncode == 0
        try:
            yield Path(directory)
        finally:
            if mounted:
                subprocess.run(["umount", "-R", "-l", directory], check=True)


def _told(verdict: Verdict) -> bool:
    word = "caught    " if verdict.caught else "NOT CAUGHT"
    print(f"{word} {verdict.guard.name}: {verdict.by or verdict.why or 'every test passes'}", flush=True)
    return verdict.caught


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
