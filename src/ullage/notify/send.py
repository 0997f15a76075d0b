"""Sending one alert by one channel, once; the outbox tries again."""

from __future__ import annotations

from ullage.errors import DeliveryError
from ullage.model.settings import AlertSettings
from ullage.model.units import printable
from ullage.notify.payloads import slack_body, webhook_body


def channels(settings: AlertSettings) -> list[str]:
    """The channels that are set up, of ``email``, ``webhook`` and ``slack``; none where alerts are off."""
    targets = {"email": settings.email, "webhook": settings.webhook, "slack": settings.slack}
    return [channel for channel, target in targets.items() if settings.enabled and target]


def send(channel: str, title: str, details: str, level: str, settings: AlertSettings) -> str:
    """A remark, empty where all went well. Raises DeliveryError, after ``settings.timeout`` seconds at the latest."""
    shown = printable(title), "\n".join(printable(line) for line in details.split("\n"))
    if channel == "email" and settings.email:
        from ullage.notify.mail import deliver

        return deliver(settings.email, *shown, settings.smtp, settings.timeout)
    if channel == "webhook" and settings.webhook:
        return _post(channel, settings.webhook.reveal(), webhook_body(*shown, level), settings.timeout)
    if channel == "slack" and settings.slack:
        return _post(channel, settings.slack.reveal(), slack_body(*shown, level), settings.timeout)
    raise DeliveryError(f"cannot deliver by {printable(channel)}: alerts.{printable(channel)} is not set")


def _post(channel: str, url: str, body: bytes, seconds: float) -> str:
    from ullage.notify.web import post  # urllib3 is loaded only where something is sent

    post(channel, url, body, seconds)
    return ""
