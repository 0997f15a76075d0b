"""Bytes that nobody meant: real samples with flips, cuts, splices, repeats and words of the format in wrong places."""

from __future__ import annotations

import random
from collections.abc import Sequence

_COMMON = (b"\0", b"\xff", b"\xed\xa0\x80", b"\x1b[31m", b"\n", b"\r\n", b"-1", b"0", b"1e999", b"nan", b"inf", b"../",
           b"9" * 20, b"9" * 5000, b"\x80" + b"\xff" * 11, b"/", b" " * 40, "ü\u2028٣".encode())  # fmt: skip
_MOST = 1 << 16


class Mutator:
    """Variations of ``samples``, the same for the same dice. ``words`` are put in where they need not belong."""

    def __init__(self, dice: random.Random, samples: Sequence[bytes], words: Sequence[bytes] = ()) -> None:
        self._dice = dice
        self._samples = samples
        self._words = (*_COMMON, *words, *words)

    def next(self) -> bytes:
        """One more."""
        data = bytearray(self._dice.choice(self._samples))
        for _ in range(min(int(self._dice.expovariate(0.5)), 12)):
            self._change(data)
        return bytes(data[:_MOST])

    def _change(self, data: bytearray) -> None:
        changes = (self._flip, self._flip, self._put, self._put, self._cut, self._repeat, self._splice, self._number)
        self._dice.choice(changes)(data)

    def _at(self, data: bytearray) -> int:
        return self._dice.randrange(len(data) + 1)

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._dice.randrange(len(data))] ^= 1 << self._dice.randrange(8)

    def _put(self, data: bytearray) -> None:
        word, at = self._dice.choice(self._words), self._at(data)
        over = len(word) if self._dice.random() < 0.5 else 0
        data[at : at + over] = word

    def _cut(self, data: bytearray) -> None:
        at = self._at(data)
        del data[at : at + int(self._dice.expovariate(0.05))]

    def _repeat(self, data: bytearray) -> None:
        at = self._at(data)
        piece = data[at : at + int(self._dice.expovariate(0.02))]
        data[at:at] = piece * self._dice.choice((1, 1, 2, 40))

    def _splice(self, data: bytearray) -> None:
        other = self._dice.choice(self._samples)
        data[self._at(data) :] = other[self._dice.randrange(len(other) + 1) :]

    def _number(self, data: bytearray) -> None:
        """Another digit in the place of one."""
        digits = [at for at, byte in enumerate(data[:4096]) if 48 <= byte <= 57]
        if digits:
            data[self._dice.choice(digits)] = self._dice.choice(b"0123456789-.")
