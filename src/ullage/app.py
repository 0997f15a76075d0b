"""Puts the parts together for one settings file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING

from ullage.catalog.catalog import Catalog
from ullage.config.load import find_settings, load
from ullage.engine.believe import clock_fault
from ullage.errors import UsageError
from ullage.model.settings import Settings
from ullage.model.units import printable
from ullage.policy.ahead import floors_to_come
from ullage.policy.limits import senseless
from ullage.policy.reach import out_of_reach
from ullage.sources.roots import Expected
from ullage.sources.site import DirectorySite
from ullage.system import runfile
from ullage.system.clock import SystemClock
from ullage.system.guard import Guard

if TYPE_CHECKING:
    from ullage.engine.cycle import Engine
    from ullage.notify.outbox import Delivery


class App:
    """Everything that a command needs. Take it from ``open_app``."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self.settings = settings
        self.catalog = catalog
        self.clock = SystemClock()
        self._guard = Guard()
        self.sites = self._sites(settings)

    @cached_property
    def engine(self) -> Engine:
        """Cycles and acts; made when first asked for, for ``status`` needs none."""
        from ullage.engine.cycle import Engine
        from ullage.notify.notifier import OutboxNotifier

        return Engine(self.catalog, self.clock, OutboxNotifier(self.catalog, self.clock), partial(self.chosen, None))

    def clock_fault(self) -> str | None:
        """Why the wall clock is not believed; None where it is."""
        return clock_fault(self.catalog, self.clock)

    def chosen(self, name: str | None) -> list[DirectorySite]:
        """The store of that name, or all of them. Raises UsageError naming those there are."""
        if name is None:
            return list(self.sites.values())
        if name not in self.sites:
            known = ", ".join(printable(other) for other in self.sites)
            raise UsageError(f"there is no store {printable(name)!r} in {self.settings.path}; there are: {known}")
        return [self.sites[name]]

    def out_of_reach(self, site: DirectorySite) -> str | None:
        """Why the target of this store cannot be reached, whatever goes, or will not be once its floors are full.

        None where it can. Raises Unavailable.
        """
        with site.open() as opened:
            shares = opened.source.shares()
            backups, now, reading, store = opened.source.backups(), self.clock.now(), site.read(), site.settings
            why = out_of_reach(store, reading, backups, now=now, shares=shares)
            return why or floors_to_come(store, reading, backups, now=now)

    def senseless(self, site: DirectorySite) -> list[str]:
        """What is wrong with the watermarks of this store on the filesystem it is on; empty where it cannot be read."""
        return senseless(site.read(), site.settings.watermarks)

    def identity(self, name: str) -> str:
        """What the store of that name was registered as; empty where it never was."""
        found = self.catalog.registered(name)
        return "" if found is None else f"{found.backup_id} {found.archive_id}"

    def reload(self, settings: Settings) -> list[DirectorySite]:
        """The stores by other settings; the state directory stays."""
        self.settings = settings
        self.sites = self._sites(settings)
        return list(self.sites.values())

    def deliver(self) -> list[Delivery]:
        """What became of every alert that was due."""
        from ullage.notify.outbox import deliver_due

        alerts = {name: site.settings.alerts for name, site in self.sites.items()}
        return deliver_due(self.catalog, alerts, now=self.clock.now())

    def _sites(self, settings: Settings) -> dict[str, DirectorySite]:
        return {
            store.name: DirectorySite(
                store, partial(self._expected, store.name), self.catalog, self.clock, self._guard, settings.state_dir
            )
            for store in settings.stores
        }

    def _expected(self, name: str) -> Expected | None:
        found = self.catalog.registered(name)
        return None if found is None else Expected(backup_id=found.backup_id, archive_id=found.archive_id)


def load_settings(config: str | None) -> Settings:
    """The settings that ``--config``, the environment or the usual place name. Raises SettingsError."""
    return load(settings_path(config), os.environ)


def settings_path(config: str | None) -> str:
    """Where the settings file is, or would be."""
    return find_settings(config, os.environ, os.geteuid() == 0)


@contextmanager
def open_app(settings: Settings) -> Iterator[App]:
    """An application on its catalog. Raises CatalogError."""
    with Catalog.open(settings.state_dir) as catalog:
        runfile.prepare(settings.state_dir)
        yield App(settings, catalog)
