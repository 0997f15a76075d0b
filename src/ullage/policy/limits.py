"""Watermarks that cannot mean what they say on the filesystem they are for: percentages and sizes set side by side."""

from __future__ import annotations

from collections.abc import Iterator

from ullage.model.readings import Reading
from ullage.model.settings import Watermarks
from ullage.model.words import Unit
from ullage.policy.assess import Measure, free_told, measures

_NAMES = ("warning", "critical", "emergency", "target_free")


def senseless(reading: Reading, marks: Watermarks) -> list[str]:
    """What is wrong with the watermarks on the filesystems that were read, with what to change; empty for nothing."""
    known = (one for space in reading.backup for one in measures(space, marks))
    return [text for one in known for text in _of_one(one)]


def _of_one(one: Measure) -> Iterator[str]:
    prefix = "watermarks.inode_" if one.unit is Unit.INODES else "watermarks."
    free = one.marks.free
    asked = {name: getattr(free, name) for name in _NAMES if getattr(free, name)}
    large = [name for name, least in asked.items() if least >= one.usable]
    for name in large:
        yield (
            f"{prefix}{name} asks for {free_told(one.unit, asked[name])}, and all of the {one.what} there are"
            f" {free_told(one.unit, one.usable).removesuffix(' free')}; lower it"
        )
    if asked and not large and _used_at_target(one) >= _used_at_emergency(one):
        yield (
            f"{prefix}target_free is reached before {prefix}emergency begins on this filesystem, so an emergency would"
            " reclaim nothing; raise target_free"
        )


def _used_at_emergency(one: Measure) -> float:
    return min(one.marks.emergency / 100.0 * one.usable, one.usable - one.marks.free.emergency)


def _used_at_target(one: Measure) -> float:
    return min((100.0 - one.marks.target_free) / 100.0 * one.usable, one.usable - one.marks.free.target_free)
