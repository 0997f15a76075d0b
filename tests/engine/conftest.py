"""A quiet ground: where it can be had, a filesystem in memory that nobody else writes to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Path]:
    """A directory on a tmpfs of its own (root), or an ordinary one; gains are measured, and others' writes disturb."""
    place = tmp_path / "ground"
    place.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1g,mode=0700", "ullage-test", str(place)], capture_output=True, check=False
    )
    yield place
    if mounted.returncode == 0:
        subprocess.run(["umount", "-R", "-l", str(place)], check=True)
