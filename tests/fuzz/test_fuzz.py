"""Whatever stands in a file or comes over a wire, a parser gives a value or the error that it documents.

A short run has the same dice each time. The long one shares ten minutes out (``ULLAGE_FUZZ_SECONDS``), by dice of its
own, which it prints (``ULLAGE_FUZZ_SEED``).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec import Struct

from tests.fuzz import others, texts
from tests.fuzz.mutate import Mutator


class Target(Struct, frozen=True):
    """A parser: what is done with the bytes, real samples, words of its format, runs in a short test, its share."""

    run: Callable[[bytes, Path], None]
    samples: Callable[[], Sequence[bytes]]
    words: Sequence[bytes] = ()
    short: int = 300
    share: float = 1.0


TARGETS = {
    "settings": Target(texts.settings, lambda: texts.SETTINGS, texts.SETTING_WORDS, 150, 2.0),
    "seed": Target(texts.seed, lambda: texts.SEEDS, texts.SEED_WORDS),
    "state": Target(texts.state, lambda: texts.STATES, (), 150),
    "times": Target(texts.times, lambda: texts.TIME_FILES, (), 150),
    "pin": Target(texts.pin, lambda: texts.PINS, texts.JSON_WORDS),
    "identity": Target(texts.identify, lambda: texts.IDENTITIES, texts.JSON_WORDS),
    "lock file": Target(texts.lock_file, lambda: texts.RUNFILES, texts.JSON_WORDS),
    "tar": Target(others.tar, others.tars, others.TAR_WORDS, 120, 3.0),
    "archive": Target(others.archive, others.packed, (), 100, 2.0),
    "catalog": Target(others.catalog, lambda: (others.catalog_file(),), (b"settled", b"intent"), 40, 2.0),
    "mount": Target(others.mount_name, lambda: (b"a b", b"\\040")),
    "answer": Target(others.answer, lambda: others.ANSWERS, others.ANSWER_WORDS, 40),
    "greeting": Target(others.greeting, lambda: others.GREETINGS, others.GREETING_WORDS, 40),
}


def _fuzz(name: str, ground: Path, seed: int, more: Callable[[int], bool]) -> int:
    """How many times it was run; where it breaks, what broke it is kept and named."""
    target = TARGETS[name]
    mutator, count = Mutator(random.Random(f"{name} {seed}"), target.samples(), target.words), 0
    while more(count):
        data = mutator.next()
        try:
            target.run(data, ground)
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}, run {count}: {error!r} for {data[:2000]!r}") from error
        count += 1
    return count


@pytest.mark.parametrize("name", TARGETS)
def test_no_parser_breaks(tmp_path: Path, name: str) -> None:
    _fuzz(name, tmp_path, 1, lambda count: count < TARGETS[name].short)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TARGETS)
def test_no_parser_breaks_in_its_share_of_ten_minutes(tmp_path: Path, name: str) -> None:
    seconds = float(os.environ.get("ULLAGE_FUZZ_SECONDS", "600"))
    seed = int(os.environ.get("ULLAGE_FUZZ_SEED", random.SystemRandom().randrange(1 << 32)))
    until = time.monotonic() + seconds * TARGETS[name].share / sum(target.share for target in TARGETS.values())
    count = _fuzz(name, tmp_path, seed, lambda _count: time.monotonic() < until)
    print(f"{name}: {count} runs, ULLAGE_FUZZ_SEED={seed}")
    assert count
