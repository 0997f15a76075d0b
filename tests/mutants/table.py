"""All guards."""

from __future__ import annotations

from tests.mutants.copies import COPIES
from tests.mutants.durability import DURABILITY
from tests.mutants.freed import FREED
from tests.mutants.ground import IDENTITY, TIME
from tests.mutants.harm import CHOSEN
from tests.mutants.holds import AGAIN, FLOORS, PINS
from tests.mutants.nature import HANDLES, MOUNTS, WRITERS
from tests.mutants.others import OTHERS
from tests.mutants.plans import PLANS
from tests.mutants.space import SPACE
from tests.mutants.tables import TABLES
from tests.mutants.waiting import WAITING

GUARDS = (
    *(*DURABILITY, *WAITING),
    *(*HANDLES, *AGAIN, *PINS, *FLOORS, *WRITERS, *MOUNTS),
    *(*IDENTITY, *TIME, *SPACE, *FREED, *COPIES, *OTHERS, *TABLES, *CHOSEN, *PLANS),
)
