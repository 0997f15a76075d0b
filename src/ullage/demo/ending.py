"""Signals as a flag that is looked at between two steps, so that none of them can break what cleans up."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Self

from ullage.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """In a ``with`` block SIGINT, SIGTERM and SIGHUP only set ``number``; those that were ignored stay so."""

    def __init__(self) -> None:
        self.number = 0

    def check(self) -> None:
        """Raises Interrupted once a signal has asked for the end."""
        if self.number:
            raise Interrupted(f"ended by {signal.Signals(self.number).name}; nothing of the demo is left")

    def __enter__(self) -> Self:
        self._before = {one: signal.getsignal(one) for one in _SIGNALS}
        for one, before in self._before.items():
            if before is not signal.SIG_IGN:
                signal.signal(one, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for one, before in self._before.items():
            signal.signal(one, before)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.number = self.number or number
