"""The demo's nightly dump: a process of its own that writes as fast as it is told and honours nothing.

``python -m ullage.demo.writer DIRECTORY BYTES BYTES_PER_SECOND``. On stdout it says, a line each, how many bytes it has
written and how often it saw "no space left". Whoever reads that is who it works for: once nobody does, it is ended.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path

_CHUNK = 1 << 19
_SYNC = 4 << 20
_FILE = 16 << 20
_BEFORE_NEXT_TRY = 0.1


def main() -> None:
    """Write the dump, in files of 16 MiB, every 4 MiB of them made durable."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the demo, which ends us when it has seen to it
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    directory, size, rate = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    text = os.urandom(_CHUNK // 2).hex().encode()
    _Dump(directory, text, rate).write(size)


class _Dump:
    def __init__(self, directory: Path, text: bytes, rate: float) -> None:
        self._directory = directory
        self._text = text
        self._rate = rate
        self._written = 0
        self._full = 0
        self._next = time.monotonic()

    def write(self, size: int) -> None:
        """Every file of the dump, one after the other."""
        for number, begin in enumerate(range(0, size, _FILE)):
            path = self._directory / f"part-{number:03}.sql"
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._write_file(fd, min(_FILE, size - begin))
            os.close(fd)

    def _write_file(self, fd: int, size: int) -> None:
        end = self._written + size
        while self._written < end:
            self._wait_turn()
            self._try(fd, end - self._written)
            print(self._written, self._full, flush=True)

    def _try(self, fd: int, most: int) -> None:
        try:
            before = self._written
            self._written += os.write(fd, self._text[:most])
            if self._written // _SYNC != before // _SYNC:
                os.fsync(fd)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._full += 1
            time.sleep(_BEFORE_NEXT_TRY)

    def _wait_turn(self) -> None:
        """Never faster than the rate: time lost to a slow disk is not made up for."""
        now = time.monotonic()
        time.sleep(max(0.0, self._next - now))
        self._next = max(self._next, now) + _CHUNK / self._rate


if __name__ == "__main__":
    main()
