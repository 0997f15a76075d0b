"""Watermarks against the size of the filesystem: what cannot mean what it says."""

from __future__ import annotations

import pytest

from tests.policy.make import reading, space
from ullage.model.settings import Free, InodeMarks, Watermarks
from ullage.model.units import GIB
from ullage.policy.limits import senseless

DISK = reading(space(10 * GIB, total=100 * GIB, inodes=(1, 1000)))


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        (
            Watermarks(free=Free(warning=100 * GIB)),
            "watermarks.warning asks for 100 GiB free, and all of the bytes there",
        ),
        (Watermarks(free=Free(target_free=120 * GIB)), "watermarks.target_free asks for 120 GiB free"),
        (
            Watermarks(inode=InodeMarks(free=Free(critical=2000))),
            "watermarks.inode_critical asks for 2000 free, and all of",
        ),
        (
            Watermarks(target_free=0, free=Free(target_free=5 * GIB)),
            "watermarks.target_free is reached before watermarks",
        ),
        (Watermarks(target_free=4, free=Free(emergency=5 * GIB)), "reached before watermarks.emergency begins on this"),
        (
            Watermarks(inode=InodeMarks(target_free=4, free=Free(emergency=50))),
            "watermarks.inode_target_free is reached",
        ),
    ],
)
def test_a_limit_that_the_filesystem_makes_senseless_is_told(marks: Watermarks, told: str) -> None:
    (found,) = senseless(DISK, marks)
    assert told in found


@pytest.mark.parametrize(
    "marks",
    [Watermarks(), Watermarks(target_free=1), Watermarks(free=Free(warning=50 * GIB, target_free=60 * GIB))],
    ids=["the defaults", "percentages, told without the filesystem", "what fits"],
)
def test_what_makes_sense_there_is_not_told(marks: Watermarks) -> None:
    assert senseless(DISK, marks) == []
