"""How much a reclaim may still take without a person, by what the journal has counted; and what holds a store back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from ullage.model.readings import Reading
from ullage.model.settings import StoreSettings
from ullage.model.words import Kind, Level, Unit
from ullage.policy.assess import assess
from ullage.policy.caps import SECONDS, Cap, Taken, Window, binding, binds, told
from ullage.policy.stall import Stall, stalled

if TYPE_CHECKING:
    from ullage.ports import Catalog, Clock  # their Protocols take longer to make than ``status`` has to spare

CAPS = "\0caps."
"""Added to a store's name, before a cap's: whether people were told that it stopped a reclaim."""


class Hold(Struct, frozen=True, kw_only=True):
    """Why a store is not reclaimed although it is pressed; ``setting`` is the cap, None for space that is not back.

    ``until``: None where it is over with the next cycle.
    """

    setting: str | None
    reason: str
    until: float | None
    lifted_by: str


class Budget:
    """What one reclaim may take of backups, or of ``archives``; ``stop`` is the cap that ended it.

    ``free``: a person chose, and nothing binds.
    """

    def __init__(
        self, store: StoreSettings, catalog: Catalog, clock: Clock, *, free: bool, archives: bool = False
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._begun = catalog.newest()
        self._planned = Taken()
        self._archives = archives
        self.free = free
        self.stop: Cap | None = None

    def forbids(self, size: int, standing: int) -> bool:
        """Whether one of ``size`` bytes, of ``standing`` bytes in all, may not go; then none may after it."""
        if self.free:
            return False
        if self.stop is None:
            now = self._clock.now()
            windows = {window: self._taken(window, now) for window in Window}
            cap = binding(self._store.caps, windows, standing - self._planned.bytes, size, now=now)
            self.stop = None if cap is None else replace(cap, archives=self._archives)
        return self.stop is not None

    def plan(self, gain: int) -> None:
        """Count what a dry run would have taken."""
        planned = self._planned
        self._planned = Taken(count=planned.count + 1, bytes=planned.bytes + gain)

    def _taken(self, window: Window, now: float) -> Taken:
        since = now - SECONDS[window] if window in SECONDS else None
        after = self._catalog.resumed(self._store.name)
        if since is None:
            after = max(after, self._begun)
        found = self._catalog.taken(self._store.name, since, after, archives=self._archives)
        planned = self._planned
        return Taken(count=found.count + planned.count, bytes=found.bytes + planned.bytes, first=found.first)


def holds(catalog: Catalog, store: StoreSettings, reading: Reading, *, now: float) -> list[Hold]:
    """What keeps a store that is read like this from being reclaimed."""
    found = []
    cap, lift = catalog.capped(store.name), lifted_by(store.name)
    for archives in (False, True):
        stall, why = waiting(catalog, store.name, reading, archives=archives, now=now)
        if stall is not None and why is not None:
            found.append(Hold(setting=None, reason=why, until=stall.until, lifted_by=lift))
    if cap is not None and binds(cap, store.caps, now=now) and (cap.until is not None or _pressed(reading, store)):
        found.append(Hold(setting=cap.key, reason=told(cap), until=cap.until, lifted_by=lift))
    return found


def waiting(
    catalog: Catalog, store: str, reading: Reading, *, archives: bool, now: float
) -> tuple[Stall | None, str | None]:
    """The stall of a store and why nothing is reclaimed yet, of its backups or of archives on their own filesystem."""
    stall = catalog.stall(store, archives=archives)
    why = stalled(stall, free=0 if stall is None else free_of(reading, stall.unit, archives=archives), now=now)
    return stall, f"archives: {why}" if archives and why is not None else why


def free_of(reading: Reading, unit: Unit, *, archives: bool) -> int:
    """What is free of it for backups, or for archives; 0 where that is not known."""
    kind = Kind.METADATA if unit is Unit.METADATA else Kind.FILESYSTEM
    spaces = [reading.archive] if archives else reading.backup
    space = next((space for space in spaces if space is not None and space.kind is kind), None)
    if space is None:
        return 0
    return space.free_inodes if unit is Unit.INODES else space.free_bytes


def _pressed(reading: Reading, store: StoreSettings) -> bool:
    return assess(reading, store.watermarks).level is not Level.OK


def lifted_by(store: str) -> str:
    """The command that lifts whatever holds a store."""
    return f"ullage resume --store {store}"


def resume(catalog: Catalog, store: str) -> None:
    """Forget what holds the store, what went so far, and that people were told: all counts anew from now."""
    catalog.set_resumed(store, catalog.newest())
    for archives in (False, True):
        catalog.set_stall(store, None, archives=archives)
    cap = catalog.capped(store)
    if cap is not None:
        catalog.set_capped(store, None)
        catalog.forget_alert(f"{store}{CAPS}{cap.key}")
