"""What systemd hears, over real sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ullage.system.systemd import notify, watchdog_interval


@pytest.fixture(params=["path", "abstract"])
def listener(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@ullage-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        channel.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield channel


def test_systemd_is_told_and_no_value_can_break_its_line(listener: socket.socket) -> None:
    notify(READY=1, STATUS="2 stores\nMAINPID=1" + os.fsdecode(b"\xff"))
    assert listener.recv(4096) == b"READY=1\nSTATUS=2 stores\\nMAINPID=1\\xff"


@pytest.mark.parametrize(
    "address", [None, "", "relative", "/nowhere/at/all", "@nobody-listens", "/" + "x" * 300, "vsock:2:1"]
)
def test_nobody_listening_is_no_error(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify(READY=1)


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", "ours", 15.0),
        ("30000000", None, 15.0),
        ("30000000", "1", None),
        (None, "ours", None),
        ("0", "ours", None),
        ("soon", "ours", None),
        ("30000000", "me", None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time_where_it_waits_for_us(
    usec: str | None, pid: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert watchdog_interval() == seconds
