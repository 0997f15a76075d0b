"""One blow, and all that is looked at after it."""

from __future__ import annotations

import errno
import signal
from collections import Counter

from tests.crash.place import Place
from tests.crash.ptrace import TRACEBACK, Ended, Point

STRUCK: Counter[str] = Counter()
"""How often this run has struck, by kind."""


def strike(place: Place, point: Point, kind: str) -> bool:
    """Whether the command was struck at that point; False where it came to its end before."""
    place.fresh()
    ended = place.do(point)
    try:
        _judge(place, point, ended)
    except AssertionError as error:
        name = errno.errorcode.get(point.code, "SIGKILL")
        where = f"{' '.join(place.deed.words)}: {name} at {point.number} (call {ended.struck}{', late' * point.late})"
        raise AssertionError(f"{where}: {error}\nexit code {ended.code}; it said:\n{place.said()}") from error
    STRUCK[kind] += ended.struck is not None
    return ended.struck is not None


def _judge(place: Place, point: Point, ended: Ended) -> None:
    assert ended.code != TRACEBACK and "Traceback" not in place.said(), "it raised"
    assert ended.code in (0, 1, 2) or (ended.code == -signal.SIGKILL and ended.struck is not None and not point.code)
    place.assert_nothing_lost()
    if ended.code == 0:
        place.assert_finished()
    place.recover()
    place.assert_settled()
    if not place.deed.finished(place):
        place.do_again()
        place.assert_finished()
        place.assert_settled()
