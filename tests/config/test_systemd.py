"""``config systemd``: the drop-in that lets ullage.service write its stores, and binds it to their disks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.config.texts import FILE, read
from ullage.config.roots import roots_of
from ullage.config.systemd import drop_in
from ullage.errors import SettingsError

UNIT = Path(__file__).parents[2] / "deploy" / "ullage.service"


def _lines(*stores: tuple[str, str], state: str = "/var/lib/ullage", disks: tuple[str, ...] = ("/srv",)) -> list[str]:
    tables = [
        f"[stores.s{at}]\nbackup_root = '{backup}'\narchive_root = '{archive}'\n"
        for at, (backup, archive) in enumerate(stores)
    ]
    settings = read(f"state_dir = '{state}'\n" + "".join(tables))
    mounts = {
        root: next((disk for disk in disks if root.startswith(disk)), "/") for root in roots_of(settings).values()
    }
    return drop_in(settings, mounts, ("/usr/lib/ullage",)).splitlines()


def test_the_roots_may_be_written_and_the_service_lives_and_dies_with_their_disk() -> None:
    assert _lines(("/srv/backup", "/arc")) == [
        f"# For ullage.service, by `ullage config systemd` from {FILE}: make it again when a store changes.",
        "[Unit]",
        "RequiresMountsFor=/srv",
        "BindsTo=srv.mount",
        "After=srv.mount",
        "[Service]",
        "ReadWritePaths=-/srv/backup",
        "ReadWritePaths=-/arc",
    ]


def test_a_disk_that_only_some_stores_need_does_not_end_the_watch_over_the_others() -> None:
    lines = _lines(("/d1/b", "/all/a"), ("/d2/b", "/all/b"), disks=("/d1", "/d2", "/all"))
    assert [line for line in lines if line.startswith(("BindsTo", "RequiresMountsFor"))] == [
        "RequiresMountsFor=/all",
        "BindsTo=all.mount",
    ]
    assert {"After=d1.mount", "After=d2.mount", "After=all.mount"} <= set(lines)


def test_without_disks_of_their_own_nothing_is_bound() -> None:
    assert not [line for line in _lines(("/b", "/a"), disks=()) if "mount" in line.lower() and not line.startswith("#")]


@pytest.mark.parametrize(
    ("path", "line"),
    [("/home/op/b", "ProtectHome=read-only"), ("/root/b", "ProtectHome=read-only"), ("/tmp/b", "PrivateTmp=no"),
     ("/var/tmp/b", "PrivateTmp=no")],
)  # fmt: skip
def test_what_hides_a_store_is_opened(path: str, line: str) -> None:
    assert line in _lines((path, "/srv/a"))
    assert line in _lines(("/srv/b", "/srv/a"), state=f"{path}/state")
    assert line not in _lines(("/srv/b", "/homework/a"))


def test_another_state_directory_may_be_written() -> None:
    assert "ReadWritePaths=-/srv/state" in _lines(("/srv/b", "/srv/a"), state="/srv/state")


@pytest.mark.parametrize(
    ("path", "spelled"),
    [("/srv/my backup", '"-/srv/my backup"'), ("/srv/50%h", '"-/srv/50%%h"'), ('/srv/a"b', r'"-/srv/a\"b"'),
     ("/srv/a\\b", r'"-/srv/a\\b"'), ("/srv/ü", '"-/srv/ü"')],
)  # fmt: skip
def test_a_path_of_any_printable_name_is_one_word(path: str, spelled: str) -> None:
    assert f"ReadWritePaths={spelled}" in _lines((path, "/srv/a"))


def test_a_path_that_would_make_a_line_of_its_own_is_refused() -> None:
    settings = read('[stores.s]\nbackup_root = "/b\\nUser=x"\narchive_root = "/a"\n')
    with pytest.raises(SettingsError, match=r"/b\\nUser=x: a path with control characters"):
        drop_in(settings, dict.fromkeys(roots_of(settings).values(), "/"), ())


@pytest.mark.parametrize("point", ["/srv/my backup", "/.a/b-c/.d", "/srv/é%x", "/a/\\b", "/srv"])
def test_a_mount_is_named_as_systemd_names_it(point: str) -> None:
    if shutil.which("systemd-escape") is None:
        pytest.skip("systemd-escape is not here")
    words = ["systemd-escape", "--path", "--suffix=mount", point]
    unit = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    assert f"BindsTo={unit}" in _lines((f"{point}/b", f"{point}/a"), disks=(point,))


def test_systemd_finds_no_fault_in_the_unit_with_its_drop_in(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    unit = tmp_path / "ullage.service"
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/ullage", "/bin/true"))
    (tmp_path / "srv.mount").write_text("[Mount]\nWhat=none\nWhere=/srv\nType=tmpfs\n")
    (tmp_path / "ullage.service.d").mkdir()
    words = ["systemd-analyze", "verify", str(unit)]
    place = os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system"}

    def said(lines: list[str]) -> str:
        (tmp_path / "ullage.service.d" / "stores.conf").write_text("\n".join(lines) + "\n")
        ran = subprocess.run(words, capture_output=True, text=True, env=place, check=False)
        return "".join(line for line in ran.stderr.splitlines() if str(tmp_path) in line or "ullage" in line)

    names = [("/srv/my backup", '/srv/a"b'), ("/srv/50%h\\x", "/home/ü/a")]
    assert said(_lines(*names)) == ""
    assert "stores.conf" in said(["[Service]", "ReadWritePaths=-srv/backup"]), "the control"
