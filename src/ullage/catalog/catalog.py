"""The catalog: everything that ullage remembers, in one file under ``state_dir``."""

from __future__ import annotations

from ullage.catalog.forecasts import Forecasts
from ullage.catalog.journal import Journal
from ullage.catalog.known import Knowledge
from ullage.catalog.memory import Memory
from ullage.catalog.outbox import Outbox
from ullage.catalog.readings import Readings


class Catalog(Journal, Knowledge, Memory, Readings, Forecasts, Outbox):
    """``with Catalog.open(state_dir) as catalog:``; one object may be shared by every thread of a process."""
