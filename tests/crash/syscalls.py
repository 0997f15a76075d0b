"""System calls on files: what each could change, and the errors it can meet."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

# name: number on x86_64, on aarch64 (which lacks the older ones)
_CHANGING = {
    "write": (1, 64),
    "writev": (20, 66),
    "pwrite64": (18, 68),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "syncfs": (306, 267),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "link": (86, None),
    "linkat": (265, 37),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
}
_OPENING = {"open": (2, None), "openat": (257, 56), "openat2": (437, 437)}
_READING = {
    "read": (0, 63),
    "readv": (19, 65),
    "pread64": (17, 67),
    "close": (3, 57),
    "stat": (4, None),
    "lstat": (6, None),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "statfs": (137, 43),
    "fstatfs": (138, 44),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getdents64": (217, 61),
    "flistxattr": (196, 13),
    "llistxattr": (195, 12),
    "lgetxattr": (192, 9),
    "faccessat2": (439, 439),
}
_MAKING_DESCRIPTORS = {"dup3": (292, 24), "pipe2": (293, 59), "socket": (41, 198)}
_BY_DESCRIPTOR = frozenset(
    {"read", "readv", "pread64", "close", "fstat", "fstatfs", "getdents64", "flistxattr", "write", "writev"}
    | {"pwrite64", "fsync", "fdatasync", "syncfs", "ftruncate", "fallocate", "fchmod", "fchown", "fsetxattr"}
)


def _numbers(*tables: Mapping[str, tuple[int, int | None]], but: frozenset[str] = frozenset()) -> frozenset[int]:
    column = 1 if platform.machine() == "aarch64" else 0
    numbers = (row[column] for table in tables for name, row in table.items() if name not in but)
    return frozenset(number for number in numbers if number is not None)


CLOSE = 57 if platform.machine() == "aarch64" else 3
_RENAMEAT2 = 276 if platform.machine() == "aarch64" else 316
_OPEN, _OPENAT, _OPENAT2 = (2, 257, 437) if platform.machine() != "aarch64" else (-1, 56, 437)


class Calls(NamedTuple):
    """A set of calls: their numbers, and where these do not say it which of them."""

    numbers: frozenset[int]
    holds: Callable[[int, Sequence[int]], bool] = lambda _number, _arguments: True


def _changes(number: int, arguments: Sequence[int]) -> bool:
    flags = {_OPEN: 1, _OPENAT: 2}.get(number)
    return flags is None or bool(arguments[flags] & (os.O_CREAT | os.O_TRUNC))


CHANGES = Calls(_numbers(_CHANGING, _OPENING) - {_OPENAT2}, _changes)
"""Those that may change what is on a disk; between two such a kill finds what it would find at the second."""
READS_AT = Calls(_numbers({"pread64": _READING["pread64"]}))
"""Those by which SQLite reads."""
LISTS = Calls(_numbers({"getdents64": _READING["getdents64"]}))
MAY_MEET = {
    errno.ENOSPC: CHANGES,
    errno.EDQUOT: CHANGES,
    errno.EROFS: CHANGES,
    errno.EIO: Calls(_numbers(_CHANGING, _OPENING, _READING)),
    errno.EACCES: Calls(_numbers(_CHANGING, _OPENING, _READING, but=_BY_DESCRIPTOR)),
    errno.EMFILE: Calls(_numbers(_OPENING, _MAKING_DESCRIPTORS)),
}
"""The errors, and which calls a system may answer with them."""


def closes_after_the_move() -> Calls:
    """Every close after the first rename that replaces nothing: what was to be put in its place is there."""
    moved = []

    def holds(number: int, _arguments: Sequence[int]) -> bool:
        moved.extend([number] * (number == _RENAMEAT2))
        return number == CLOSE and bool(moved)

    return Calls(frozenset({CLOSE, _RENAMEAT2}), holds)
