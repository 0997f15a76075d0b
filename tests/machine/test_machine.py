"""SPEC.md 7 as invariants of a store to which anything may happen in any order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import LoopDisks
from tests.engine.conftest import ground
from tests.machine.laws import befallen
from tests.machine.machine import Machine, steps

__all__ = ["ground"]
LONG = 10_000


def _run(path: Path, examples: int, length: int, *, derandomise: bool, shrink: bool = True) -> None:
    Machine.ground = path
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=length,
            derandomize=derandomise,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        ),
    )


@pytest.mark.timeout(900)  # a time-out in the middle of an example would pass for a fault
def test_whatever_happens_to_a_store_the_laws_hold(ground: Path) -> None:
    _run(ground, 12, 30, derandomise=True)


@pytest.mark.long
@pytest.mark.timeout(5400)
def test_in_ten_thousand_steps_the_laws_hold(ground: Path) -> None:
    steps.clear()
    while steps["any"] < LONG:
        _run(ground, 40, 60, derandomise=False)
    print(f"{steps['any']} steps: {dict(steps.most_common())}; done: {dict(befallen)}")
    assert min(befallen[action] for action in ("delete", "archive", "restore", "delete_archive", "promote")) > 0


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_on_a_disk_of_its_own_the_laws_hold(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4", 96)
    _run(disk.path, 20, 40, derandomise=False)
