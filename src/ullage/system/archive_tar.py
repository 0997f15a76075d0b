"""GNU tar as a child: read or fed through a pipe, killed and reaped on every way out.

No PR_SET_PDEATHSIG is needed: where this process dies, a tar that creates dies of SIGPIPE and one that extracts meets
the end of its input. Compression happens in this process, so no tar can outlive us and finish a valid frame.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from ullage.errors import ArchiveError, Unavailable
from ullage.model.units import printable

_KEPT = 2000  # bytes of what tar complains of: it may complain of every file


class Tar:
    """A running tar. ``pipe`` is its standard output where it creates, its standard input where it extracts."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[bytes], complaints: IO[bytes]) -> None:
        self.pipe = pipe
        self._process = process
        self._complaints = complaints
        self._kept = bytearray()
        self._drain = threading.Thread(target=self._keep, name="tar-complaints", daemon=True)
        self._drain.start()

    def wait(self) -> tuple[int, str]:
        """Its exit code (negative: the signal that ended it) and the beginning of what it said. Closes the pipe."""
        self.pipe.close()
        code = self._process.wait()
        self._drain.join()
        lines = os.fsdecode(bytes(self._kept)).splitlines()
        return code, "; ".join(printable(line) for line in lines)

    def end(self) -> None:
        """Kills it where it still runs, and leaves neither zombie nor descriptor."""
        self._process.kill()
        self.wait()
        self._complaints.close()

    def _keep(self) -> None:
        while chunk := os.read(self._complaints.fileno(), 1 << 16):
            self._kept += chunk[: _KEPT - len(self._kept)]


@contextmanager
def running(directory_fd: int, arguments: Sequence[str], *, fed: bool) -> Iterator[Tar]:
    """A tar at work in the directory, without a shell and without our environment (``TAR_OPTIONS``, locale).

    Raises ArchiveError where there is no tar, Unavailable where no thread can be started.
    """
    program = shutil.which("tar")
    if program is None:
        raise ArchiveError("cannot archive or restore: tar is not installed: apt install tar")
    process = subprocess.Popen(
        [program, *arguments],
        bufsize=0,
        cwd=f"/proc/self/fd/{directory_fd}",
        env={"LC_ALL": "C"},
        stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if fed else subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    pipe = process.stdin if fed else process.stdout
    assert pipe is not None and process.stderr is not None
    try:
        tar = Tar(process, pipe, process.stderr)
    except RuntimeError as error:  # no thread
        process.kill()
        process.communicate()
        raise Unavailable(f"cannot archive or restore: {error}; there are too many processes") from error
    try:
        yield tar
    finally:
        tar.end()
