"""One POST to a webhook. Proxies of the environment are not used, redirects never followed, nothing is tried twice."""

from __future__ import annotations

import logging
from functools import partial
from http.client import HTTPException
from urllib.parse import unquote

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Url, make_headers, parse_url

from ullage import __version__
from ullage.errors import DeliveryError
from ullage.model.units import printable
from ullage.notify.network import Deadline, bounded, why

# Its warnings and debug lines quote whole URLs, and those are secrets.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


def post(channel: str, url: str, body: bytes, seconds: float) -> None:
    """Nothing, once the server answered 2xx, within ``seconds`` in all. Raises DeliveryError naming only the host."""
    target = _parsed(channel, url)
    failed = f"cannot deliver to the {channel} at {printable(target.netloc or '')}"
    try:
        status = bounded(partial(_exchange, target, body, seconds), seconds)
    except (OSError, HTTPError, HTTPException, ValueError) as error:
        raise DeliveryError(f"{failed}: {why(error)}; is the address right, and the server up?") from None
    if 300 <= status < 400:
        raise DeliveryError(
            f"{failed}: it answered {status}, and redirects are not followed; set alerts.{channel} anew"
        )
    if not 200 <= status < 300:
        raise DeliveryError(f"{failed}: it answered {status}; is alerts.{channel} still valid there?")


def _parsed(channel: str, url: str) -> Url:
    try:
        target = parse_url(url)
    except (HTTPError, ValueError):
        target = Url()
    if target.scheme not in {"http", "https"} or not target.host:
        raise DeliveryError(f"cannot deliver to the {channel}: alerts.{channel} is no http:// or https:// address")
    return target


def _exchange(target: Url, body: bytes, seconds: float, deadline: Deadline) -> int:
    """The status of the answer, whose body is not read: it may be of any size."""
    kind = HTTPSConnection if target.scheme == "https" else HTTPConnection
    connection = kind((target.host or "").strip("[]"), target.port, timeout=seconds)
    try:
        connection.connect()
        deadline.watch(connection.sock)
        connection.request("POST", target.request_uri, body=body, headers=_headers(target), preload_content=False)
        return connection.getresponse().status
    finally:
        connection.close()


def _headers(target: Url) -> dict[str, str]:
    login = make_headers(basic_auth=unquote(target.auth)) if target.auth else {}
    return {"Content-Type": "application/json", "User-Agent": f"ullage/{__version__}", **login}
