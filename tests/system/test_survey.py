"""A survey of a whole root: it bears a writer at work, and its memory is bounded however much is hard-linked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ullage.errors import Changed
from ullage.system import survey, walk

SIZE = 40_960


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "one" / name).write_bytes(b"x" * SIZE)
        (tmp_path / "two" / name).hardlink_to(tmp_path / "one" / name)
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("told_apart", [0, 1, 2])
def test_links_beyond_those_told_apart_still_add_up(
    root: int, monkeypatch: pytest.MonkeyPatch, told_apart: int
) -> None:
    whole = survey.survey(root)
    monkeypatch.setattr(survey, "_LINKED", told_apart)
    bounded = survey.survey(root)
    assert bounded.size_bytes == whole.size_bytes
    assert whole.reclaimable_bytes - bounded.reclaimable_bytes == (3 - told_apart) * SIZE  # never more than is sure


@pytest.mark.parametrize("tolerant", [False, True])
def test_a_directory_that_vanishes_is_passed_over_only_where_asked(
    tmp_path: Path, root: int, monkeypatch: pytest.MonkeyPatch, tolerant: bool
) -> None:
    enter = walk.Descent.enter

    def gone(descent: walk.Descent, name: str) -> None:
        if name == "two":
            shutil.rmtree(tmp_path / "two")
        enter(descent, name)

    monkeypatch.setattr(walk.Descent, "enter", gone)
    if tolerant:
        assert survey.survey(root, tolerant=True).size_bytes >= 3 * SIZE
    else:
        with pytest.raises(Changed):
            survey.survey(root)
