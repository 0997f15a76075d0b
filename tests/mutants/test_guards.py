"""The list of guards keeps to the code; a few of them are taken away here, all by ``make mutants``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import policy
from tests.mutants.__main__ import examine, main
from tests.mutants.guards import Guard
from tests.mutants.sandbox import REPOSITORY, broken
from tests.mutants.table import GUARDS

SAMPLE = ("the trash is synced after the move into it", "a backup of unknown state stays", "no mount is entered")


def _by_name(name: str) -> Guard:
    (found,) = [guard for guard in GUARDS if guard.name == name]
    return found


def test_every_guard_has_a_name_of_its_own_and_there_are_many() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS) >= 100


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_every_guard_stands_where_the_list_says_and_can_be_taken_away(guard: Guard) -> None:
    compile(broken(guard), guard.file, "exec")
    for test in guard.tests:
        file, _, name = test.partition("::")
        assert not name or f"def {name}(" in (REPOSITORY / "tests" / file).read_text(), test


def test_a_guard_whose_text_is_gone_is_told() -> None:
    with pytest.raises(ValueError, match="stands 0 times"):
        broken(Guard("nothing", "errors.py", "no such text", "", ()))


def test_a_guard_that_no_test_would_miss_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    idle = Guard("idle", "policy/rank.py", "Who goes first", "Who goes", ("policy/test_series.py",))
    assert examine([idle], tmp_path) == 1
    assert "NOT CAUGHT idle" in capsys.readouterr().out


def test_a_few_guards_are_missed_at_once(tmp_path: Path) -> None:
    assert examine([_by_name(name) for name in SAMPLE], tmp_path) == 0


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_guard_is_missed_by_a_test() -> None:
    assert main([]) == 0


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_at_least_nine_in_ten_mutants_of_policy_are_killed() -> None:
    pytest.importorskip("mutmut")
    assert policy.main() == 0
