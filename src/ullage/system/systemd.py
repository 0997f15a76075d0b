"""What systemd wants to hear of a service: sd_notify(3) and the watchdog, without its library."""

from __future__ import annotations

import os
import socket

from ullage.model.units import printable


def notify(**fields: str | int) -> None:
    """Nothing; tells systemd ``READY=1``, ``STATUS="..."`` where it listens ($NOTIFY_SOCKET). Never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    message = "\n".join(f"{key}={printable(str(value))}" for key, value in fields.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(1.0)
            channel.sendto(message.encode(), "\0" + address[1:] if address[0] == "@" else address)
    except (OSError, ValueError):
        return


def watchdog_interval() -> float | None:
    """Seconds between two signs of life: half of $WATCHDOG_USEC; None where nobody waits for ours."""
    try:
        interval = int(os.environ["WATCHDOG_USEC"])
        ours = int(os.environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except (KeyError, ValueError):
        return None
    return interval / 2_000_000 if ours and interval > 0 else None
