"""The one table of settings (SPEC.md 5): key, kind, help, field and the seed's name of each.

Everything that knows a key reads it here: loading, the commented file, the import of the seed's file, ``config show``
and the reference in the docs.
"""

from __future__ import annotations

from functools import reduce

from msgspec import Struct

from ullage.config.values import (
    Kind,
    choice,
    directory,
    flag,
    host,
    limit,
    number,
    secret,
    secret_file,
    size,
    text,
    time,
    url,
    whole,
)
from ullage.model.settings import Limit, StoreSettings
from ullage.model.words import EmergencyStrategy, Strategy


class Row(Struct, frozen=True, kw_only=True):
    """One setting. ``key`` is its place under a table, ``field`` its place in ``StoreSettings``.

    ``free``: the place of the other part of a ``Limit``, what is free.
    """

    key: str
    kind: Kind
    help: str
    field: str
    seed: str | None = None
    free: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The key, split at its dots."""
        return tuple(self.key.split("."))

    @property
    def section(self) -> str:
        """The table that the key stands in; empty at the top."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        """The key's last part."""
        return self.key.rpartition(".")[2]

    @property
    def from_file(self) -> bool:
        """Whether the value is the path of the file that holds the secret."""
        return self.name.endswith("_file")


def _row(key: str, kind: Kind, help_: str, seed: str | None = None, field: str = "") -> Row:
    return Row(key=key, kind=kind, help=help_, seed=seed, field=field or key)


def _mark(name: str, help_: str, seed: str | None = None) -> Row:
    inodes = name.startswith("inode_")
    table, own = ("watermarks.inode", name.removeprefix("inode_")) if inodes else ("watermarks", name)
    kind = limit(0 if own == "target_free" else 100, inodes=inodes)
    return Row(
        key=f"watermarks.{name}",
        kind=kind,
        help=help_,
        seed=seed,
        field=f"{table}.{own}",
        free=f"{table}.free.{own}",
    )


STATE_DIR = _row(
    "state_dir",
    directory(),
    "Holds catalog, journal, lock and log. $ULLAGE_STATE_DIR goes before it. Default: /var/lib/ullage for root, else"
    " $XDG_STATE_HOME/ullage.",
)

STORE_ROWS = (
    _row("backup_root", directory(), "The directory whose children are the backups. Required.", "BACKUP_ROOT"),
    _row("archive_root", directory(), "Where archives go; outside backup_root. Required.", "ARCHIVE_ROOT"),
    _row("capacity", size(1), "What the backups may take, where that is less than the disk. Default: the whole disk."),
)

SECTION_ROWS = (
    _mark(
        "warning", "Where `warning` begins, in percent of usage, in what is free, or both.", "DISK_WARNING_THRESHOLD"
    ),
    _mark("critical", "Where `critical` begins.", "DISK_CRITICAL_THRESHOLD"),
    _mark("emergency", "Where `emergency` begins.", "DISK_EMERGENCY_THRESHOLD"),
    _mark("target_free", "How much is free when an emergency reclaim is done, in percent.", "MIN_FREE_SPACE_TARGET"),
    _row("watermarks.inodes", flag(), "Whether inodes count as space does; usage is then the higher of the two."),
    _mark("inode_warning", "Where `warning` begins for inodes. Default of all four: the percentage of the bytes."),
    _mark("inode_critical", "Where `critical` begins for inodes."),
    _mark("inode_emergency", "Where `emergency` begins for inodes, and for the metadata of btrfs, which counts none."),
    _mark("inode_target_free", "How many inodes are free when an emergency reclaim is done, in percent."),
    _row(
        "reclaim.strategy",
        choice(Strategy),
        "Which backups go first; `least_harm`: which set costs least for enough room.",
        "CLEANUP_STRATEGY",
    ),
    _row(
        "reclaim.emergency_strategy",
        choice(EmergencyStrategy),
        "How far an emergency may go.",
        "EMERGENCY_CLEANUP_STRATEGY",
    ),
    _row("reclaim.max_per_cycle", whole(1), "Most backups that go in one critical cycle.", "MAX_CLEANUP_PER_CYCLE"),
    _row("reclaim.emergency_limit", whole(1), "Most that go in an aggressive emergency.", "EMERGENCY_CLEANUP_LIMIT"),
    _row("reclaim.keep_last", whole(0), "Newest good backups of each series that nothing may take."),
    _row(
        "reclaim.keep_daily", whole(0), "Most recent days (UTC) of each series whose last good backup nothing may take."
    ),
    _row("reclaim.keep_weekly", whole(0), "The same of ISO weeks."),
    _row("reclaim.keep_monthly", whole(0), "The same of months."),
    _row("reclaim.keep_yearly", whole(0), "The same of years."),
    _row("reclaim.min_age", time(0), "How old a backup must be before anything may take it; 0: any age."),
    _row("reclaim.settle", time(0), "How long a CREATED backup must have been left alone before it may be touched."),
    _row("reclaim.grace", time(0), "How long what a person deletes waits in the trash; 0: it goes at once."),
    _row("caps.cycle", whole(0), "Most backups that go by themselves in one cycle; 0: any number."),
    _row("caps.hour", whole(0), "The same in any hour."),
    _row("caps.day", whole(0), "The same in any day."),
    _row("caps.cycle_share", number(1, 100), "Most percent of the backups' bytes that go in one cycle; 100: all."),
    _row("caps.hour_share", number(1, 100), "The same in any hour."),
    _row("caps.day_share", number(1, 100), "The same in any day."),
    _row("confidence.large", size(0), "Backups larger than this are given up less gladly.", "LARGE_BACKUP_THRESHOLD"),
    _row("confidence.huge", size(0), "And those larger than this less gladly still.", "HUGE_BACKUP_THRESHOLD"),
    _row(
        "confidence.pressure_boost",
        number(0, 1),
        "Added to every confidence when something must go.",
        "DISK_PRESSURE_CONFIDENCE_BOOST",
    ),
    _row(
        "confidence.emergency_minimum",
        number(0, 1),
        "Least boosted confidence of the level `aggressive`.",
        "EMERGENCY_CONFIDENCE_OVERRIDE",
    ),
    _row("ageing.pending_after", time(0), "How long after it was made a CREATED backup becomes PENDING; 0: never."),
    _row("ageing.pending_confidence", number(0, 1), "Least confidence for that, without the boost."),
    _row("ageing.confirmed_after", time(0), "How long a backup is PENDING until it becomes CONFIRMED; 0: never."),
    _row("ageing.confirmed_confidence", number(0, 1), "Least confidence for that, without the boost."),
    _row("ageing.cleanable_after", time(0), "How long a backup is CONFIRMED until it becomes CLEANABLE; 0: never."),
    _row("ageing.cleanable_confidence", number(0, 1), "Least confidence for that, without the boost."),
    _row("archive.before_delete", flag(), "Whether an emergency archives what it deletes.", "COMPRESS_BEFORE_DELETE"),
    _row(
        "archive.ratio_estimate",
        number(0.001, 1),
        "Size of an archive as a fraction of its backup, until known.",
        "COMPRESSION_RATIO_ESTIMATE",
    ),
    _row("archive.on_failure", choice(("keep", "delete")), "What becomes of a backup that cannot be archived."),
    _row("monitor.interval", time(0.1), "Longest time between two checks.", "DISK_CHECK_INTERVAL"),
    _row("monitor.emergency_interval", time(0.1), "The same while in emergency.", "EMERGENCY_CHECK_INTERVAL"),
    _row(
        "monitor.cleanup_interval",
        time(0),
        "Least time between two reclaims at warning or critical.",
        "CLEANUP_CYCLE_INTERVAL",
    ),
    _row("monitor.timeout", time(0.1), "A store that has not answered for so long is unavailable."),
    _row("forecast.warn", time(0), "How long before the disk is likely full people are to be told; 0: never."),
    _row("alerts.enabled", flag(), "Whether alerts go out at all.", "ENABLE_DISK_ALERTS"),
    _row("alerts.email", text(), "Where e-mail goes.", "ALERT_EMAIL"),
    _row("alerts.webhook", url(), "Address that is sent each alert as JSON. Secret.", "ALERT_WEBHOOK_URL"),
    _row("alerts.webhook_file", secret_file(url()), "File that holds it instead.", field="alerts.webhook"),
    _row("alerts.slack", url(), "Slack's incoming webhook. Secret.", "SLACK_WEBHOOK_URL"),
    _row("alerts.slack_file", secret_file(url()), "File that holds it instead.", field="alerts.slack"),
    _row("alerts.repeat", time(0), "How long until an alert is said again while its level lasts."),
    _row("alerts.timeout", time(0.1), "How long a mail server or webhook may take."),
    _row("alerts.smtp_host", host(), "The mail server.", field="alerts.smtp.host"),
    _row("alerts.smtp_port", whole(1, 65535), "Its port.", field="alerts.smtp.port"),
    _row(
        "alerts.smtp_security",
        choice(("none", "starttls", "tls")),
        "How the connection to it is protected.",
        field="alerts.smtp.security",
    ),
    _row("alerts.smtp_user", text(), "Who logs in there; none: nobody does.", field="alerts.smtp.user"),
    _row("alerts.smtp_password", secret(), "The password. Secret.", field="alerts.smtp.password"),
    _row(
        "alerts.smtp_password_file",
        secret_file(secret()),
        "File that holds it instead.",
        field="alerts.smtp.password",
    ),
    _row("alerts.smtp_sender", text(), "Who the mail is from; none: ullage@<host name>.", field="alerts.smtp.sender"),
)

SECTIONS = {
    "watermarks": "When a level begins: percent of usage as df counts it, or what is free; the stricter of the two.",
    "reclaim": "Who goes first, how many, and what stays.",
    "caps": "How much may go without a person: the daemon, monitor and emergency stop there, and say so.",
    "confidence": "How sure we are that a backup may go: fractions from 0 to 1.",
    "ageing": "What time alone makes of a backup, once an hour; off, for others move backups along.",
    "archive": "Compressing a backup instead of losing it.",
    "monitor": "How often we look.",
    "forecast": "What is seen coming, by the history of each disk.",
    "alerts": 'Who is told. "" means nobody, and takes back what the defaults say.',
}

Tree = dict[str, "Node"]
Node = Row | Tree


def _tree(rows: tuple[Row, ...]) -> Tree:
    tree: Tree = {row.name: row for row in rows if not row.section}
    for section in dict.fromkeys(row.section for row in rows if row.section):
        tree[section] = {row.name: row for row in rows if row.section == section}
    return tree


DEFAULTS_TREE = _tree(SECTION_ROWS)
"""What may stand under ``[defaults]``."""
STORE_TREE = _tree(STORE_ROWS + SECTION_ROWS)
"""What may stand under ``[stores.NAME]``."""

_BLANK = StoreSettings(name="", backup_root="", archive_root="")


def default_of(row: Row) -> object:
    """The value of a setting that nobody gave: bytes, seconds, a word, None for none."""
    return value_in(_BLANK, row)


def value_in(store: StoreSettings, row: Row) -> object:
    """The value of a row's field in the settings of a store; of a watermark with something free a ``Limit``."""
    value: object = _at(store, row.field)
    free = _at(store, row.free) if row.free else 0
    if not isinstance(value, float) or not isinstance(free, int) or not free:
        return value
    return Limit(value, free)


def _at(store: StoreSettings, field: str) -> object:
    found: object = reduce(getattr, field.split("."), store)
    return found
