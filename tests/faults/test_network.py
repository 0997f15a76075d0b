"""faults.md, Network: alerts that cannot be delivered are kept, go nowhere else, and hold up no reclaim."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.e2e.command import Command, wait_for
from tests.engine.world import World
from tests.faults.stage import PRESSED, QUICK, daemon
from tests.notify.servers import Web, raw_server, web_server
from ullage.catalog.catalog import Catalog
from ullage.model.words import State

OLD, NEWEST = "db-20260101", "db-20260102"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One that may go, and the floor."""
    world = World(tmp_path)
    world.backup(OLD, State.CLEANABLE, age=60, mib=0.1)
    world.backup(NEWEST, State.CONFIRMED, age=1, mib=0.1)
    return world


def _told_by(tmp_path: Path, world: World, alerts: str) -> Command:
    command = Command(tmp_path, QUICK, main=world)
    command.run("init")
    command.write(f'{QUICK}{PRESSED}[defaults.alerts]\ntimeout = "1 s"\n{alerts}\n')
    return command


def _outcomes(world: World) -> list[tuple[str, bool]]:
    with Catalog.open(str(world.state)) as catalog:
        return [(item.outcome, item.attempts > 0) for item in catalog.alerts(10)]


def _assert_kept_and_reclaimed(command: Command, world: World, why: str) -> None:
    """The reclaim is done, the alert waits with the reason, and no output tells the address."""
    ran = command.run("--json", "monitor")
    assert world.live() == [NEWEST]
    assert '"outcome":"kept"' in ran.stdout
    assert _outcomes(world) == [("waiting", True)]
    with Catalog.open(str(world.state)) as catalog:
        assert why in catalog.alerts(1)[0].error
    assert "secret-token" not in ran.stdout + ran.stderr


def test_a_webhook_that_fails_keeps_the_alert_until_it_works_again(tmp_path: Path, world: World) -> None:
    with web_server() as web:
        web.status = 500
        command = _told_by(tmp_path, world, f'webhook = "http://127.0.0.1:{web.port}/secret-token"')
        _assert_kept_and_reclaimed(command, world, "500")
        web.status = 200
        with Catalog.open(str(world.state)) as catalog:
            catalog.retry(catalog.alerts(1)[0].id, time.time() - 1, "made due")
        command.run("monitor")
        assert _outcomes(world)[-1] == ("delivered", True)


def test_a_redirect_elsewhere_is_not_followed_and_the_alert_kept(tmp_path: Path, world: World) -> None:
    with web_server() as web, web_server() as other:
        _redirect(web, other)
        command = _told_by(tmp_path, world, f'webhook = "http://127.0.0.1:{web.port}/secret-token"')
        _assert_kept_and_reclaimed(command, world, "307")
        assert (len(web.requests), other.requests) == (1, [])


def _redirect(web: Web, other: Web) -> None:
    web.status, web.headers = 307, {"Location": f"http://127.0.0.1:{other.port}/"}


@pytest.mark.parametrize(
    ("alerts", "why"),
    [
        ('email = "ops@example.org"\nsmtp_host = "127.0.0.1"\nsmtp_port = {closed}', "127.0.0.1"),
        ('webhook = "http://no-such-name.invalid/secret-token"', "no-such-name.invalid"),
    ],
    ids=["SMTP down", "name does not resolve"],
)
def test_whoever_is_not_there_keeps_the_alert(tmp_path: Path, world: World, alerts: str, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    command = _told_by(tmp_path, world, alerts.replace("{closed}", str(closed)))
    _assert_kept_and_reclaimed(command, world, why)


def test_a_webhook_that_hangs_holds_up_no_reclaim_of_the_daemon(tmp_path: Path, world: World) -> None:
    with raw_server(lambda caller: time.sleep(30)) as (port, _):
        command = _told_by(tmp_path, world, f'webhook = "http://127.0.0.1:{port}/"')
        with daemon(command):
            wait_for(lambda: world.live() == [NEWEST], 10)
            late = world.backup("db-20251231", State.CLEANABLE, age=61, mib=0.1)  # while the delivery hangs
            wait_for(lambda: not late.exists(), 10)
        assert _outcomes(world)[-1][0] == "waiting"
