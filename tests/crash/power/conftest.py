"""Where the disks whose power is cut have their images: in memory, and only where all that it takes is there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory on a tmpfs of its own; a skip without root, FUSE or loop devices."""
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"needs mfusepy and libfuse: {error}")
    if os.geteuid() != 0 or not Path("/dev/fuse").exists() or not Path("/dev/loop-control").exists():
        pytest.skip("needs root, /dev/fuse and loop devices")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g,mode=0700", "ullage-test", str(tmp_path)], check=True)
    yield tmp_path / "power"
    subprocess.run(["umount", "-R", "-l", str(tmp_path)], check=True)
