"""``docs/guarantees.md`` names tests; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/guarantees.md").read_text()


def test_every_law_names_tests_and_every_test_that_is_named_exists() -> None:
    laws = TEXT.split("\n### ")[1:]
    assert [law.split(".")[0] for law in laws] == [str(number) for number in range(1, 13)]
    for law in laws:
        named = _named(law)
        assert named
        for file, test in named:
            assert f"def {test}(" in (ROOT / file).read_text(), (file, test)


def test_every_place_that_is_named_exists() -> None:
    for place in re.findall(r"`(tests/[\w/]+(?:\.py)?)`", TEXT):
        assert (ROOT / place).exists(), place


def _named(law: str) -> list[tuple[str, str]]:
    """(file, test) of each; a test without a file is in the file named last."""
    found, file = [], ""
    for word in re.findall(r"`((?:tests/[\w/.]+::)?test_\w+)`", law):
        before, _, test = word.rpartition("::")
        file = before or file
        found.append((file, test))
    return found
