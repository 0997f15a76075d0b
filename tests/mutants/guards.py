"""What stands between ullage and a wrong deletion: each guard, how it is taken away, and the tests that must notice.

``python -m tests.mutants`` takes one away at a time. A guard without which no test fails is one nobody would miss.
"""

from __future__ import annotations

from typing import NamedTuple


class Guard(NamedTuple):
    """``old`` stands once in ``file`` (below ``src/ullage``); with ``new`` in its place one of ``tests`` fails.

    ``tests`` are node ids below ``tests``.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
