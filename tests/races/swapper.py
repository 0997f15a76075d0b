"""A process that exchanges directory entries, or mounts and unmounts, as fast as it can: ``swapper.py FILE``.

The file (JSON) says what; a second one beside it is shared memory: whether to stop, whether to count, and the count.
Directories are held open, so that a swap finds them wherever a backup was moved meanwhile. It imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUN, COUNTING, COUNT = 0, 1, 8
EXCHANGE, BIND, DETACH = 2, 4096, 2
libc = ctypes.CDLL(None)
Swap = Callable[[], bool]


def exchange(pair: list[str]) -> Swap:
    """Exchanges two entries, whatever they are, in one step."""
    (one_fd, one), (other_fd, other) = map(held, pair)
    return lambda: libc.renameat2(one_fd, one, other_fd, other, EXCHANGE) == 0


def appear(pair: list[str]) -> Swap:
    """Mounts what stands first (or a tmpfs) on what stands second, and takes it away again."""
    source = os.fsencode(pair[0])
    fd, name = held(pair[1])
    place = b"/proc/self/fd/%d/%b" % (fd, name)
    kind = (b"tmpfs", b"tmpfs", 0) if pair[0] == "tmpfs" else (source, None, BIND)

    def swap() -> bool:
        mounted = libc.mount(kind[0], place, kind[1], kind[2], None) == 0
        for _ in range(random.randrange(2000)):
            pass
        return bool(mounted and libc.umount2(place, DETACH) == 0)

    return swap


def held(path: str) -> tuple[int, bytes]:
    """The directory of a path, held open, and the name in it."""
    parent, name = os.path.split(path)
    return os.open(parent, os.O_PATH), os.fsencode(name)


def main(order: Path) -> None:
    words: dict[str, Any] = json.loads(order.read_text())
    swaps = [(exchange if words["how"] == "exchange" else appear)(pair) for pair in words["pairs"]]
    with order.with_suffix(".shared").open("r+b") as file:
        shared = mmap.mmap(file.fileno(), 16)
    shared[RUN] = 1
    while shared[RUN]:
        counted = shared[COUNTING]
        if random.choice(swaps)() and counted and shared[COUNTING]:
            number = int.from_bytes(shared[COUNT:16], "little") + 1
            shared[COUNT:16] = number.to_bytes(8, "little")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
