"""The real command on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time

from tests.cli.workplace import Workplace


def on_terminal(place: Workplace, *arguments: str, answer: bytes = b"", **environment: str) -> tuple[int, str]:
    """The exit code, and all that stood on the terminal; ``answer`` is typed once something is asked."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        place.command(arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=place.environment(TERM="xterm", **environment),
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if not select.select([ours], [], [], 1.0)[0]:
            continue
        try:
            more = os.read(ours, 65536)
        except OSError:  # EIO: everybody else has closed it
            break
        if not more:
            break
        seen += more
        if answer and seen.rstrip().endswith(b"[y/N]:"):
            os.write(ours, answer)
            answer = b""
    os.close(ours)
    return child.wait(timeout=10), seen.decode()
