"""SPEC.md 3: ``plan`` and ``list`` over random stores, against a second implementation of it."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.cli import naive
from tests.cli.naive import DAY, Facts, Rules
from tests.cli.workplace import Workplace, set_times

STORES = 60
_NAMES = ("db", "db-", "web_", "a.b-", "", "mail ", "x20", "-")
_DATES = ("{:%Y%m%d}", "{:%Y-%m-%d}", "{:%Y_%m_%d}", "{:%Y%m%d}-2", "{:%Y%m%d%H%M%S}", "{:%Y-%m-%dT%H%M}")
_ODD = ("one", "two", "three", "db-1700000000", "db-20269999", "v1.2.3", "db-2026-1-2", "\x1b[31mred", "new\nline", "ü")
_WORDS = ("CLEANABLE",) * 6 + ("CONFIRMED",) * 4 + ("PENDING",) * 3 + ("CREATED",) * 3
_GARBAGE = ("", "CLEAN", "cleanable", "ARCHIVED", "DELETED", "CLEANABLE CONFIRMED", "\0")


@dataclass
class Store:
    """A random store: its rules and pins, and what stood in it before anything of ours looked."""

    name: str
    root: Path
    rules: Rules
    pins: set[str]
    facts: list[Facts]


def _rules(dice: random.Random) -> Rules:
    large = dice.choice((8, 20, 40)) << 10
    return Rules(
        strategy=dice.choice(("oldest_first", "largest_first", "confidence_based", "least_harm")),
        keeps={
            "keep_last": dice.choice((0, 0, 1, 1, 2, 3)),
            **{rule: dice.choice((0, 0, 0, 1, 2, 3)) for rule in list(naive.PERIODS)[1:]},
        },
        min_age=dice.choice((0, 0, 0, 2 * DAY)),
        settle=dice.choice((0, 300, 2 * DAY)),
        large=large,
        huge=large + (dice.choice((4, 16, 60)) << 10),
        boost=Fraction(dice.choice(("0", "0.05", "0.1", "0.2", "0.2", "0.35"))),
        emergency_minimum=Fraction(dice.choice(("0.3", "0.5", "0.5", "0.8"))),
    )


def _settings(store: Store, archives: Path) -> str:
    rules = store.rules
    keeps = "\n".join(f"{rule} = {number}" for rule, number in rules.keeps.items())
    return f"""
[stores.{store.name}]
backup_root = "{store.root}"
archive_root = "{archives}"
capacity = "1 TiB"
[stores.{store.name}.reclaim]
strategy = "{rules.strategy}"
settle = {rules.settle}
min_age = {rules.min_age}
{keeps}
[stores.{store.name}.confidence]
large = "{rules.large} B"
huge = "{rules.huge} B"
pressure_boost = {float(rules.boost)}
emergency_minimum = {float(rules.emergency_minimum)}
"""


def _ids(dice: random.Random, now: int, count: int) -> set[str]:
    found = set()
    for _ in range(count):
        day = time.gmtime(now - dice.randrange(60) * DAY)
        stamp = dice.choice(_DATES).format(_Day(day))
        found.add(dice.choice(_ODD) if dice.random() < 0.25 else dice.choice(_NAMES) + stamp)
    return found


class _Day:
    def __init__(self, at: time.struct_time) -> None:
        self._at = at

    def __format__(self, form: str) -> str:
        return time.strftime(form, self._at)


def _age(dice: random.Random) -> int:
    """Seconds; many alike, so that ties are met, and none at a bound that a slow test would pass."""
    return dice.choice(
        (60, 1800, 3000, 4500, DAY, 3 * DAY, 15 * DAY, 30 * DAY + 600, 45 * DAY, dice.randrange(60 * DAY))
    )


def _make(dice: random.Random, root: Path, name: str, now: int) -> None:
    path = root / name
    path.mkdir()
    made, word = now - _age(dice), dice.choice(_WORDS)
    if dice.random() < 0.08:
        word = dice.choice(_GARBAGE)
    (path / ".state").write_text(word + dice.choice(("", "\n")))
    if dice.random() < 0.7:
        (path / ".created_at").write_text(f"{made}\n")
    if dice.random() < 0.6 and word != "CREATED":
        (path / ".pending_since").write_text(f"{made + 5}\n")
    if dice.random() < 0.5 and word not in ("CREATED", "PENDING"):
        (path / ".confirmed_at").write_text(f"{made + 10}\n")
    for number in range(dice.randrange(4)):
        (path / f"f{number}").write_bytes(b"x" * dice.choice((0, 1, 4096, 9000, 16384, 30000)))
    if dice.random() < 0.3:
        (path / "sub").mkdir()
        os.symlink("/etc/hostname", path / "sub" / "link")
        with (path / "sub" / "sparse").open("wb") as sparse:
            sparse.truncate(1 << 20)
    _share(dice, root, path)
    set_times(path, made)
    if dice.random() < 0.3:
        read = [one for one in path.rglob("*") if one.is_file() and not one.is_symlink()]
        at = now - dice.choice((60, DAY, 6 * DAY, 8 * DAY))
        one = dice.choice(read)
        os.utime(one, (at, one.stat().st_mtime))


def _share(dice: random.Random, root: Path, path: Path) -> None:
    """Hard links: within the backup, and to the files of another."""
    mine = [one for one in path.glob("f*") if one.is_file()]
    others = [one for one in root.glob("*/f*") if one.parent != path]
    if mine and dice.random() < 0.2:
        os.link(mine[0], path / "same")
    if others and dice.random() < 0.3:
        os.link(dice.choice(others), path / "shared")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """One settings file for all the stores."""
    return Workplace(tmp_path_factory.mktemp("random"))


@pytest.fixture(scope="module")
def stores(place: Workplace) -> list[Store]:
    """Random stores, registered; what is known of each was read from the disk here, not by ullage."""
    now, found = int(time.time()), []
    for number in range(STORES):
        dice = random.Random(number)
        root = place.path / f"store{number}"
        root.mkdir()
        for name in sorted(_ids(dice, now, dice.randrange(1, 16))):
            _make(dice, root, name, now)
        pins = {one.name for one in root.iterdir() if dice.random() < 0.1}
        facts = [naive.look(path) for path in root.iterdir()]
        found.append(Store(f"s{number}", root, _rules(dice), pins, facts))
        (place.path / f"archives{number}").mkdir()
    place.config.write_text("".join(_settings(one, place.path / f"archives{one.name[1:]}") for one in found))
    place.config.chmod(0o600)
    assert place.run("init").code == 0
    for store in found:
        for name in sorted(store.pins):
            place.done("pin", "--store", store.name, "--", name)
    return found


@pytest.fixture(scope="module")
def listed(place: Workplace, stores: list[Store]) -> dict[str, dict[str, Any]]:
    """``list --json``, by store and id."""
    answer = place.run("list", "--json").json["stores"]
    return {one["name"]: {backup["backup_id"]: backup for backup in one["backups"]} for one in answer}


@pytest.mark.parametrize(("level", "count"), [*((level, 100) for level in naive.LEVELS), ("nuclear", 2)])
def test_the_plan_is_what_the_specification_says(place: Workplace, stores: list[Store], level: str, count: int) -> None:
    """SPEC 3: who may go, in which order, after which filters, at most how many."""
    answer = {one["name"]: one for one in place.run("plan", level, str(count), "--json").json["stores"]}
    now = int(time.time())
    for store in stores:
        found = [one["backup_id"] for one in answer[store.name]["candidates"]]
        wanted = naive.plan(store.facts, store.pins, store.rules, level, count, now)
        if store.rules.strategy == "least_harm":  # its order is proven against brute force
            everyone = naive.plan(store.facts, store.pins, store.rules, level, 100, now)
            assert (len(found), set(found) <= set(map(_shown, everyone))) == (len(wanted), True), store.name
            continue
        assert found == [_shown(name) for name in wanted], (store.name, level, count)
        gone = {*found, *(one["backup_id"] for one in answer[store.name]["stays"])}
        assert len(gone) + answer[store.name]["beyond_limit"] == len(store.facts)


def test_the_list_knows_each_backup_as_the_disk_has_it(stores: list[Store], listed: dict[str, Any]) -> None:
    """SPEC 2 and 6: state, sizes, age and confidence of every backup, and whether it may go at all."""
    now = int(time.time())
    for store in stores:
        floor = naive.kept(store.facts, store.rules)
        assert listed[store.name].keys() == {_shown(one.id) for one in store.facts}
        for one in store.facts:
            row, about = listed[store.name][_shown(one.id)], (store.name, one)
            assert row["state"] == one.state, about
            assert (row["size_bytes"], row["reclaimable_bytes"]) == (one.size, one.gain), about
            assert row["age_seconds"] == pytest.approx(now - one.created, abs=30), about
            assert row["confidence"] == pytest.approx(float(naive.confidence(one, store.rules, now)), abs=1e-3), about
            assert row["boosted_confidence"] == pytest.approx(float(naive.boosted(one, store.rules, now)), abs=1e-3)
            assert row["pinned"] == (one.id in store.pins), about
            assert row["eligible"] != naive.held(one, store.pins, floor, store.rules, now), about


def _shown(name: str) -> str:
    """The id as JSON shows it."""
    return name.replace("\n", "\\n").replace("\x1b", "\\x1b")
