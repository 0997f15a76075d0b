"""The bodies that are posted, to the letter of SPEC.md 4. Pure."""

from __future__ import annotations

from msgspec import json

_COLOURS = {"critical": "warning", "emergency": "danger", "unavailable": "danger"}


def webhook_body(title: str, details: str, level: str) -> bytes:
    """``{"message", "details", "level"}`` as JSON."""
    return json.encode({"message": title, "details": details, "level": level})


def slack_body(title: str, details: str, level: str) -> bytes:
    """``{"attachments": [{"color", "title", "text"}]}`` as JSON; ok and warning are ``good``, as in the seed."""
    attachment = {"color": _COLOURS.get(level, "good"), "title": _plain(title), "text": _plain(details)}
    return json.encode({"attachments": [attachment]})


def _plain(text: str) -> str:
    """The text with Slack's three control characters escaped, so that no name calls a channel or makes a link.

    https://api.slack.com/reference/surfaces/formatting#escaping
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
