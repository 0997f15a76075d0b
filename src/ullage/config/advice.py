"""What is allowed but hardly meant: told by ``config check``, refused by nobody."""

from __future__ import annotations

import re
from collections.abc import Callable

from ullage.config import trust
from ullage.config.load import parse_toml
from ullage.config.schema import SECTION_ROWS
from ullage.errors import SettingsError
from ullage.model.settings import InodeMarks, Marks, Settings, StoreSettings, Watermarks
from ullage.model.units import printable
from ullage.model.words import CleanupLevel, EmergencyStrategy
from ullage.policy.keep import numbers, superfluous
from ullage.policy.select import LEVELS

_Rule = tuple[Callable[[StoreSettings], bool], str]


def contradictions(settings: Settings) -> list[str]:
    """Settings that defeat each other, each with what to change; empty where there are none."""
    return [
        f"stores.{store.name}: {text}"
        for store in settings.stores
        for text in [*(text for wrong, text in _RULES if wrong(store)), *_superfluous(store)]
    ]


def _superfluous(store: StoreSettings) -> list[str]:
    """Floors that hold nothing which another does not hold already."""
    return [
        f"reclaim.{rule} {number} holds nothing that reclaim.{other} {numbers(store.reclaim)[other]} does not hold"
        f" already; raise it, or leave it at 0"
        for rule, number, other in superfluous(store.reclaim)
    ]


def unwise(settings: Settings) -> list[str]:
    """What may be meant, and is a risk all the same, each with what to change; empty where there is none."""
    return [f"stores.{store.name}: {text}" for store in settings.stores for wrong, text in _RISKS if wrong(store)]


def warnings(settings: Settings) -> list[str]:
    """What is wrong with the file itself, though it is used: secrets in plain that others may read.

    Raises SettingsError where the file cannot be read any more.
    """
    try:
        if not trust.readable_by_others(settings.path):
            return []
    except OSError as error:
        raise SettingsError([f"{printable(settings.path)}: cannot look at it: {error.strerror}"]) from None
    data = parse_toml(trust.read_settings(settings.path), settings.path)
    advice = f"others may read it: chmod 600 it, or keep the secret in a file of its own ({_FILE_KEYS})"
    return [f"{printable(settings.path)}: {key} is a secret, and {advice}" for key in _plain_secrets(data)]


_FILE_KEYS = ", ".join(row.key for row in SECTION_ROWS if row.from_file)
_SECRETS = {row.parts for row in SECTION_ROWS if row.kind.secret and not row.from_file}


def _plain_secrets(data: dict[str, object]) -> list[str]:
    stores = data.get("stores")
    tables = {f"stores.{name}": table for name, table in stores.items()} if isinstance(stores, dict) else {}
    tables["defaults"] = data.get("defaults")
    return [
        f"{name}.{'.'.join(parts)}" for name, table in tables.items() for parts in sorted(_SECRETS) if _at(table, parts)
    ]


def _at(node: object, parts: tuple[str, ...]) -> object:
    for part in parts:
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _reclaim_begins_done(store: StoreSettings) -> bool:
    return any(_still_at(marks, "emergency") for marks in _marks(store))


def _reclaim_ends_critical(store: StoreSettings) -> bool:
    return any(_still_at(marks, "critical") and not _still_at(marks, "emergency") for marks in _marks(store))


def _reclaim_ends_warning(store: StoreSettings) -> bool:
    """As by the defaults, which are the seed's; said to who gave numbers of his own."""
    plain = Watermarks()
    return any(
        (marks.warning, marks.target_free, marks.free) != (plain.warning, plain.target_free, plain.free)
        and _still_at(marks, "warning")
        and not (_still_at(marks, "critical") or _still_at(marks, "emergency"))
        for marks in _marks(store)
    )


def _marks(store: StoreSettings) -> list[Marks]:
    """Those of bytes, and of inodes where they are others."""
    marks = store.watermarks
    own = marks.inodes and marks.inode != InodeMarks()
    return [marks.of_bytes, marks.of_inodes] if own else [marks.of_bytes]


def _still_at(marks: Marks, level: str) -> bool:
    """Whether the level lasts when the target is free, as far as that can be told without the filesystem's size."""
    if marks.free.target_free:
        return marks.target_free == 0 and marks.free.target_free <= int(getattr(marks.free, level))
    return 100 - marks.target_free >= float(getattr(marks, level))


def _nobody_is_told(store: StoreSettings) -> bool:
    alerts = store.alerts
    return not (alerts.enabled and any((alerts.email, alerts.webhook, alerts.slack)))


def _no_address(store: StoreSettings) -> bool:
    """Whether the e-mail cannot be sent as it stands: each part is a local name, or one of name@host without blanks."""
    if not store.alerts.email:
        return False
    return not all(_RECIPIENT.fullmatch(part.strip()) for part in store.alerts.email.split(","))


def _capped_below_limits(store: StoreSettings) -> bool:
    return 0 < store.caps.cycle < max(store.reclaim.max_per_cycle, store.reclaim.emergency_limit)


def _nuclear_held_back(store: StoreSettings) -> bool:
    reclaim = store.reclaim
    return (
        reclaim.emergency_strategy is EmergencyStrategy.NUCLEAR and reclaim.min_age > LEVELS[CleanupLevel.NUCLEAR].age
    )


def _told_nobody(store: StoreSettings) -> bool:
    alerts = store.alerts
    return not alerts.enabled and any((alerts.email, alerts.webhook, alerts.slack))


def _password_in_clear(store: StoreSettings) -> bool:
    smtp = store.alerts.smtp
    local = smtp.host in ("localhost", "127.0.0.1", "::1")
    return smtp.password is not None and smtp.security == "none" and not local


_ADDRESS = r"[^\s@,;<>]+(?:@[^\s@,;<>]+)?"
_RECIPIENT = re.compile(rf"{_ADDRESS}|[^<>@]*<{_ADDRESS}>")
_RISKS: tuple[_Rule, ...] = (
    (_nobody_is_told, "nobody is told of alerts; set alerts.email, alerts.webhook or alerts.slack"),
    (
        lambda store: not any(numbers(store.reclaim).values()),
        "reclaim.keep_last is 0, so even the only good backup of a series may go; set it to 1 or more",
    ),
    (_no_address, "alerts.email is no address that mail can be sent to; write it like op@example.org"),
)
_RULES: tuple[_Rule, ...] = (
    (
        _reclaim_begins_done,
        "watermarks.target_free is reached before watermarks.emergency begins, so an emergency would reclaim nothing;"
        " raise target_free",
    ),
    (
        _reclaim_ends_critical,
        "an emergency reclaim ends when watermarks.target_free is free, which is still critical;"
        " raise target_free or watermarks.critical",
    ),
    (
        _reclaim_ends_warning,
        "an emergency reclaim ends when watermarks.target_free is free, which is still above watermarks.warning;"
        " raise target_free or watermarks.warning",
    ),
    (
        lambda store: store.monitor.emergency_interval > store.monitor.interval,
        "monitor.emergency_interval is longer than monitor.interval, so an emergency would be watched less closely",
    ),
    (
        lambda store: store.confidence.huge < store.confidence.large,
        "confidence.huge is smaller than confidence.large; exchange them",
    ),
    (
        lambda store: store.confidence.emergency_minimum > 0.70,
        "confidence.emergency_minimum asks for more than the 0.70 of a critical reclaim, so an emergency would"
        " take less; lower it",
    ),
    (
        lambda store: store.reclaim.emergency_limit < store.reclaim.max_per_cycle,
        "reclaim.emergency_limit is below reclaim.max_per_cycle, so an emergency would take less than a"
        " critical reclaim; raise it",
    ),
    (
        _capped_below_limits,
        "caps.cycle is below reclaim.max_per_cycle or reclaim.emergency_limit, so a reclaim would stop at it and fail;"
        " raise caps.cycle",
    ),
    (
        _nuclear_held_back,
        "reclaim.emergency_strategy is nuclear, which takes what is an hour old, and reclaim.min_age holds it for"
        " longer; lower min_age, or use aggressive",
    ),
    (_told_nobody, "alerts.enabled is false, so the addresses under alerts are told nothing"),
    (
        lambda store: store.alerts.smtp.user is not None and store.alerts.smtp.password is None,
        "alerts.smtp_user is given without a password; give alerts.smtp_password_file",
    ),
    (
        _password_in_clear,
        "the mail password would travel unprotected; set alerts.smtp_security to starttls or tls",
    ),
)
