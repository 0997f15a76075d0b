"""docs/guides/unprivileged.md: a store of an ordinary user, run by him; and what he may not is refused whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cli.conftest import fill
from tests.cli.workplace import Workplace, tree
from tests.system.nobody import NOBODY, as_nobody

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become an ordinary user")
RUN = "archive db-20260101 --yes|delete db-20260102 --yes|undo|restore db-20260101|pin db-20260102|monitor|doctor"
RUN += "|unpin db-20260102|cleanup nuclear 5 --yes|list|history|status|check|config check|plan"


@pytest.fixture
def store() -> Iterator[Workplace]:
    """A registered store of three that an ordinary user can reach, and owns."""
    with TemporaryDirectory(dir="/tmp", prefix="ullage-") as directory:
        path = Path(directory)
        path.chmod(0o755)
        place = Workplace(path)
        fill(place)
        for entry in (path, *path.rglob("*")):
            os.chown(entry, NOBODY, NOBODY, follow_symlinks=False)
        yield place


@pytest.fixture(autouse=True, scope="module")
def _imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All that the commands import, before it is out of the reach of an ordinary user."""
    place = Workplace(tmp_path_factory.mktemp("imports"))
    fill(place)
    for line in RUN.split("|"):
        place.call(*line.split())


def test_an_ordinary_user_does_with_his_own_store_what_root_does(store: Workplace) -> None:
    def run() -> None:
        for line in RUN.split("|"):
            ran = store.done(*line.split())
            assert ("other users' processes" in ran.out) is (line == "doctor")
        assert store.state_of("db-20260101") is None, "cleaned up"
        assert store.state_of("db-20260103") == "CONFIRMED", "the floor"

    as_nobody(run)
    owners = {path.lstat().st_uid for path in store.path.rglob("*")}
    assert owners == {NOBODY}


def test_a_backup_of_another_user_is_refused_before_anything_is_changed_and_the_rest_goes_on(store: Workplace) -> None:
    alien = store.backups / "db-20260101"
    for path in (alien, *alien.rglob("*")):
        os.chown(path, 0, 0)
    before = tree(alien)

    def run() -> None:
        ran = store.call("delete", "db-20260101", "--yes")
        assert (ran.code, "db-20260101" in ran.out + ran.err) == (1, True), ran
        store.done("delete", "db-20260102", "--yes")
        assert store.state_of("db-20260102") is None

    as_nobody(run)
    assert tree(alien) == before


def test_neither_takes_over_the_state_of_the_other(store: Workplace) -> None:
    """Root believes no state of a user's; nor does a user that of another."""
    store.config.chmod(0o644)
    for path in (store.path, store.config):
        os.chown(path, 0, 0)
    ran = store.call("status")
    assert (ran.code, f"belongs to user {NOBODY}" in ran.err) == (2, True), ran
    os.chown(store.state, 12345, 12345)
    store.state.chmod(0o755)

    def run() -> None:
        ran = store.call("status")
        assert (ran.code, "belongs to user 12345" in ran.err) == (2, True), ran

    as_nobody(run)
