"""SPEC.md 7.12 and the settings of faults.md: nothing is believed that others could have written, or secret that
others may read; by mode, owner, ACL, directories and links on the way."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.config.texts import ENV, STORE, faults_of, nested, only_store
from tests.system.nobody import NOBODY, as_nobody
from ullage.config.load import load
from ullage.errors import DeliveryError, SettingsError
from ullage.model.settings import Secret
from ullage.notify.send import send

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
STRANGER = 12345


class Place:
    """``way/ullage.toml`` and ``way/state`` with the files of a catalog, all ours alone."""

    def __init__(self, path: Path) -> None:
        self.way = path / "way"
        self.state = self.way / "state"
        self.state.mkdir(0o700, parents=True)
        self.way.chmod(0o755)
        self.file = self.way / "ullage.toml"
        self.file.write_text(f'state_dir = "{self.state}"\n{STORE}')
        self.file.chmod(0o600)
        for name in ("catalog.db", "catalog.db-journal", "daemon.lock", "ullage.log"):
            (self.state / name).touch(0o600)
        (self.state / "reserve").mkdir(0o700)

    def fault(self) -> str:
        """What is said against it; empty where it is loaded."""
        try:
            load(str(self.file), ENV)
        except SettingsError as error:
            return str(error)
        return ""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def _grant(path: Path, user: int, permissions: int) -> None:
    """An ACL by which one more user has these permissions; the mode then shows the mask as the group's."""
    mode = path.stat().st_mode
    entries = [(0x01, mode >> 6 & 7, -1), (0x02, permissions, user), (0x04, 0, -1), (0x10, 7, -1), (0x20, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no ACLs here: {error}")


def _writable(path: Path) -> None:
    path.chmod(path.stat().st_mode & 0o777 | 0o002)


def _of_a_strange_group(path: Path) -> None:
    os.chown(path, -1, STRANGER)
    path.chmod(path.stat().st_mode & 0o777 | 0o020)


def _of_a_stranger(path: Path) -> None:
    os.chown(path, STRANGER, -1)


def _with_an_acl(path: Path) -> None:
    _grant(path, STRANGER, 6)


def _replaced_by_a_link(path: Path) -> None:
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    path.symlink_to(aside.name)


def test_what_is_ours_alone_is_believed(place: Place) -> None:
    assert place.fault() == ""


def _tampered(name: str, how: Callable[[Path], None], words: str) -> object:
    return pytest.param(name, how, words, id=f"{name or 'way'}-{how.__name__}")


@ROOT
@pytest.mark.parametrize(
    ("name", "how", "words"),
    [
        _tampered("ullage.toml", _writable, "others may write the settings file"),
        _tampered("ullage.toml", _of_a_strange_group, "others may write the settings file"),
        _tampered("ullage.toml", _with_an_acl, "others may write the settings file"),
        _tampered("ullage.toml", _of_a_stranger, "belongs to user 12345"),
        _tampered("", _writable, "others may write in the directory"),
        _tampered("", _of_a_strange_group, "others may write in the directory"),
        _tampered("", _with_an_acl, "others may write in the directory"),
        _tampered("", _of_a_stranger, "belongs to user 12345"),
        _tampered("state", _writable, "others may write in the directory"),
        _tampered("state", _with_an_acl, "others may write in the directory"),
        _tampered("state", _of_a_stranger, "belongs to user 12345"),
        *(
            _tampered(f"state/{name}", how, words)
            for name in ("catalog.db", "catalog.db-journal", "daemon.lock", "reserve", "ullage.log")
            for how, words in (
                (_writable, f"others may write {name}"),
                (_of_a_stranger, f"{name} belongs to user 12345"),
                (_replaced_by_a_link, f"{name} is a symbolic link"),
            )
        ),
    ],
)
def test_what_others_may_write_is_refused_with_what_to_do(
    place: Place, name: str, how: Callable[[Path], None], words: str
) -> None:
    how(place.way / name)
    assert words in place.fault()
    assert "chmod go-w" in place.fault() or "chown it" in place.fault() or "remove it" in place.fault()


@ROOT
def test_an_acl_that_gives_nobody_else_anything_is_well(place: Place) -> None:
    for path in (place.file, place.way, place.state):
        _grant(path, 0, 6)
    assert place.fault() == ""
    _grant(place.file, STRANGER, 4)
    assert place.fault() == "", "to read is not to write"


def test_every_directory_on_the_way_counts_not_only_the_last(place: Place) -> None:
    place.way.parent.chmod(0o777)
    try:
        assert f"the directory {place.way.parent} on the way" in place.fault()
        place.way.parent.chmod(0o1777)
        assert place.fault() == "", "in a sticky directory nobody can rename what is ours"
    finally:
        place.way.parent.chmod(0o700)


@ROOT
def test_every_link_on_the_way_counts(place: Place) -> None:
    """In a sticky directory a stranger may replace a link of his own; and where it leads is judged too."""
    sticky = place.way.parent / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    link = sticky / "link"
    link.symlink_to("../way")
    real, place.file = place.file, link / "ullage.toml"
    assert place.fault() == ""
    os.chown(link, STRANGER, -1, follow_symlinks=False)
    assert f"the link {link} on the way to it belongs to user 12345" in place.fault()
    os.chown(link, 0, -1, follow_symlinks=False)
    _writable(real.parent)
    assert f"others may write in the directory {real.parent}" in place.fault()


def test_a_link_that_leads_in_a_circle_is_told(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(SettingsError, match="cannot read the settings file"):
        load(f"{tmp_path}/one/ullage.toml", ENV)


@ROOT
def test_an_ordinary_user_believes_himself_and_root_and_nobody_else() -> None:
    with TemporaryDirectory(dir="/tmp") as directory:  # pytest's own place is closed to him
        place = Place(Path(directory))
        for path in (Path(directory), place.way):
            path.chmod(0o755)
        for path in (place.file, place.state, *place.state.iterdir()):
            os.chown(path, NOBODY, NOBODY)
        as_nobody(lambda: _is(place.fault(), ""))
        os.chown(place.way, STRANGER, -1)
        as_nobody(lambda: _is("belongs to user 12345" in place.fault(), True))


def _is(found: object, expected: object) -> None:
    assert found == expected


@ROOT
@pytest.mark.parametrize(
    ("how", "words"),
    [
        (lambda path: path.chmod(0o604), "others may read it"),
        (lambda path: path.chmod(0o602), "others may write it"),
        (_of_a_stranger, "belongs to user 12345"),
        (lambda path: _grant(path, STRANGER, 4), "others may read it"),
        (lambda path: _writable(path.parent), "others may write in the directory"),
    ],
)
def test_a_secret_that_others_may_read_or_replace_is_refused_and_not_shown(
    tmp_path: Path, how: Callable[[Path], None], words: str
) -> None:
    (directory := tmp_path / "secrets").mkdir(0o755)
    file = directory / "slack"
    file.write_text("https://example.org/hush\n")
    file.chmod(0o600)
    how(file)
    (fault,) = faults_of(nested("alerts.slack_file", f'"{file}"'))
    assert words in fault
    assert "hush" not in fault


CREDENTIAL = '"${CREDENTIALS_DIRECTORY}/slack"'


def test_a_secret_is_read_from_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (fault,) = faults_of(nested("alerts.slack_file", CREDENTIAL))
    assert "No such file" in fault
    (tmp_path / "slack").write_text("https://example.org/t0ken\n")
    (tmp_path / "slack").chmod(0o400)
    store = only_store(nested("alerts.slack_file", CREDENTIAL))
    assert store.alerts.slack == Secret("https://example.org/t0ken")
    (tmp_path / "slack").chmod(0o444)
    assert "others may read it" in faults_of(nested("alerts.slack_file", CREDENTIAL))[0]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/shadow", "a\\u0000"])
def test_a_credential_has_a_plain_name(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (fault,) = faults_of(nested("alerts.slack_file", f'"${{CREDENTIALS_DIRECTORY}}/{name}"'))
    assert "or ${CREDENTIALS_DIRECTORY}/NAME" in fault


def test_a_command_outside_the_service_works_without_its_credentials_and_leaves_alerts_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    text = nested("alerts.slack_file", CREDENTIAL) + 'smtp_password_file = "${CREDENTIALS_DIRECTORY}/mail"\n'
    alerts = only_store(text + 'smtp_user = "u"\nemail = "a@example.org"\nsmtp_host = "127.0.0.1"\n').alerts
    with pytest.raises(DeliveryError, match=r"credential of ullage\.service; the daemon delivers it"):
        send("slack", "T", "D", "ok", alerts)
    assert str(alerts.slack) == str(alerts.smtp.password) == "***"
