"""The commented settings file, and settings as they are shown."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.test_settings import GOOD
from tests.config.texts import ENV, STORE, nested, only_store, read
from tests.conftest import LoopDisks
from ullage.config.load import load, parse
from ullage.config.schema import SECTION_ROWS, STORE_ROWS, default_of
from ullage.config.show import as_shown, to_toml
from ullage.config.template import settings_text, write_settings
from ullage.errors import Refused, SettingsError

TEXT = settings_text("main", "/srv/backup", "/srv/archive")


def test_the_commented_file_means_the_defaults() -> None:
    assert read(TEXT) == read(STORE)


def test_the_commented_file_holds_every_key_and_its_meaning() -> None:
    for row in (*STORE_ROWS, *SECTION_ROWS):
        assert len(re.findall(rf"^#?{row.name} = ", TEXT, re.MULTILINE)) == sum(
            row.name == other.name for other in (*STORE_ROWS, *SECTION_ROWS)
        )
        assert row.help.split(".")[0] in " ".join(TEXT.replace("\n# ", " ").split())


def test_the_commented_file_says_the_defaults_that_hold() -> None:
    uncommented = re.sub(r"^#(?=\w+ = )(?!\w+_file|capacity|state_dir)", "", TEXT, flags=re.MULTILINE)
    assert "\nwarning = 75\n" in uncommented
    assert read(uncommented) == read(STORE)


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_root_that_toml_can_hold_is_written_so_that_it_is_read_back(name: str, other: str) -> None:
    clean = [f"/srv/{part.replace('/', '-').replace(chr(0), '-')}-{n}" for n, part in enumerate((name, other))]
    store = only_store(settings_text("main", *clean))
    assert (store.backup_root, store.archive_root) == tuple(clean)


def test_a_root_that_is_not_utf8_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match="UTF-8"):
        settings_text("main", "/srv/\udcff", "/srv/a")


def test_capacity_and_state_directory_are_written() -> None:
    settings = read(settings_text("a.b", "/srv/b", "/srv/a", "2 TB", '/srv/"state"'))
    assert (settings.stores[0].name, settings.stores[0].capacity) == ("a.b", 2 * 10**12)
    assert settings.state_dir == '/srv/"state"'


def test_a_settings_file_is_written_for_us_alone_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "ullage" / "ullage.toml"
    old = os.umask(0)
    try:
        write_settings(str(path), TEXT)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(above.stat().st_mode) for above in (path.parent, path.parent.parent)] == [0o755, 0o755]
    assert load(str(path), ENV).stores == read(TEXT).stores


def test_a_settings_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ullage.toml"
    path.write_text("mine")
    with pytest.raises(Refused, match="there already"):
        write_settings(str(path), TEXT)
    (link := tmp_path / "link.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        write_settings(str(link), TEXT)
    assert path.read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_a_settings_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot make the settings file: "):
        write_settings(f"{tmp_path}/file/ullage.toml", TEXT)


@pytest.mark.root
def test_half_a_settings_file_is_never_left(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    disk.fill()
    with pytest.raises(SettingsError, match="cannot write the settings file: No space left"):
        write_settings(str(disk.path / "ullage.toml"), TEXT)
    assert not (disk.path / "ullage.toml").exists()


def test_what_is_shown_is_json_in_bytes_seconds_and_percent() -> None:
    shown = json.loads(json.dumps(as_shown(read(STORE))))
    (store,) = shown["stores"]
    assert (store["name"], store["backup_root"], store["capacity"]) == ("main", "/srv/backup", None)
    for row in SECTION_ROWS:
        if not row.from_file:
            assert store[row.section][row.name] == default_of(row)


def test_a_secret_is_shown_as_stars() -> None:
    settings = read(nested("alerts.smtp_password", '"s3cret"'))
    (store,) = json.loads(json.dumps(as_shown(settings)))["stores"]
    assert store["alerts"]["smtp_password"] == "***"
    assert '# alerts.smtp_password = "***"' in to_toml(settings)
    assert "s3cret" not in to_toml(settings)


@given(st.lists(st.sampled_from(GOOD), unique_by=lambda row: row[0]))
def test_settings_shown_as_toml_mean_the_same(rows: list[tuple[str, str, object]]) -> None:
    secret = {row.key for row in SECTION_ROWS if row.kind.secret}
    lines = "".join(f"{key} = {literal}\n" for key, literal, _ in rows if key not in secret)
    settings = read(f'{STORE}capacity = "1.5 GB"\n{lines}')
    assert parse(to_toml(settings), settings.path, {}) == settings
