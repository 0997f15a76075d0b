"""A catalog that is lost while the engine works with it: nothing goes, and people are told (SPEC.md 7.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.world import World
from ullage.engine.cycle import Act
from ullage.model.settings import AlertSettings
from ullage.model.words import Level
from ullage.sources import site


def test_its_stores_are_unavailable_told_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "_TRUST", 0.0)
    world = World(tmp_path, alerts=AlertSettings(email="ops@example.org"))
    world.series(16)
    with world.app() as app:
        main = app.sites["main"]
        assert app.engine.cycle(main, Act()).level is Level.OK
        (world.state / "catalog.db").unlink()
        record = app.engine.cycle(main, Act())
        assert (record.level, [alert.channel for alert in record.alerts]) == (Level.UNAVAILABLE, ["email"])
        assert "ullage init" in record.notes[0]
        assert "ullage init" in app.catalog.due(app.clock.now())[0].body
    assert len(world.live()) == 17
    assert world.cycle().level is Level.OK  # registered again, and by the identity that it has
