"""SPEC.md 5: where the file is, whom it may come from, and that all faults are told at once."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.texts import ENV, FILE, ROOTS, STORE, faults_of, nested, only_store, read
from ullage.config.advice import contradictions, unwise, warnings
from ullage.config.load import find_settings, find_state_dir, load, parse
from ullage.errors import SettingsError


def _file(directory: Path, text: str = STORE, mode: int = 0o600) -> str:
    file = directory / "ullage.toml"
    file.write_text(text)
    file.chmod(mode)
    return str(file)


def _refusal(path: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(path, ENV)
    return str(caught.value)


def test_the_settings_file_is_the_one_given_then_that_of_the_environment_then_the_usual_one() -> None:
    env = {"ULLAGE_CONFIG": "/e/u.toml", "XDG_CONFIG_HOME": "/x", "HOME": "/home/op"}
    assert find_settings("/given", env, True) == "/given"
    assert find_settings(None, env, True) == "/e/u.toml"
    assert find_settings(None, env | {"ULLAGE_CONFIG": ""}, True) == "/etc/ullage/ullage.toml"
    assert find_settings(None, {"XDG_CONFIG_HOME": "/x"}, False) == "/x/ullage/ullage.toml"
    assert find_settings(None, {"XDG_CONFIG_HOME": "x", "HOME": "/h"}, False) == "/h/.config/ullage/ullage.toml"
    assert find_settings("u.toml", {}, False) == str(Path.cwd() / "u.toml")


def test_without_a_home_a_user_is_told_what_to_give() -> None:
    with pytest.raises(SettingsError, match=r"neither.*--config"):
        find_settings(None, {}, False)
    with pytest.raises(SettingsError, match=r"neither.*ULLAGE_STATE_DIR"):
        find_state_dir({}, False)


def test_the_state_directory_is_that_of_the_environment_then_the_files_then_the_usual_one() -> None:
    text = f'state_dir = "/srv/state"\n{STORE}'
    assert read(text, {"ULLAGE_STATE_DIR": "/e"}).state_dir == "/e"
    assert read(text).state_dir == "/srv/state"
    assert find_state_dir({}, True) == "/var/lib/ullage"
    assert find_state_dir({"HOME": "/h"}, False) == "/h/.local/state/ullage"
    assert find_state_dir({"XDG_STATE_HOME": "/x"}, False) == "/x/ullage"
    assert read(STORE).state_dir == find_state_dir(ENV, os.geteuid() == 0)


def test_a_state_directory_of_the_environment_must_be_absolute() -> None:
    assert faults_of(STORE, {"ULLAGE_STATE_DIR": "state"}) == (
        '$ULLAGE_STATE_DIR: found "state" (a string), allowed: an absolute path without ".."',
    )


def test_a_missing_settings_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    assert "there is no settings file; make one with `ullage init`" in _refusal(f"{tmp_path}/none.toml")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400, 0o660])
def test_a_settings_file_that_only_we_may_write_is_loaded(tmp_path: Path, mode: int) -> None:
    assert load(_file(tmp_path, mode=mode), ENV).stores[0].name == "main"


def test_a_settings_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, mode=0o602)
    assert "others may write the settings file" in _refusal(path)


@pytest.mark.root
def test_a_settings_file_that_a_strange_group_may_write_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, mode=0o660)
    _give(path, -1, 12345)
    assert "others may write the settings file" in _refusal(path)


@pytest.mark.root
def test_a_settings_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path)
    _give(path, 12345, -1)
    assert "belongs to user 12345" in _refusal(path)


def _give(path: str, user: int, group: int) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    os.chown(path, user, group)


def test_a_settings_file_in_a_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path)
    tmp_path.chmod(0o777)
    assert f"others may write in the directory {tmp_path} on the way to it" in _refusal(path)
    tmp_path.chmod(0o1777)
    assert load(path, ENV)


def test_a_link_to_a_settings_file_is_judged_at_both_ends(tmp_path: Path) -> None:
    (open_directory := tmp_path / "open").mkdir()
    path = _file(open_directory)
    open_directory.chmod(0o777)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    assert "others may write in the directory" in _refusal(str(link))


def test_what_is_not_a_text_file_is_refused_and_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert "not a regular file" in _refusal(f"{tmp_path}/fifo")
    assert "not a regular file" in _refusal(str(tmp_path))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert "it is not UTF-8" in _refusal(f"{tmp_path}/bytes")
    (tmp_path / "large").write_bytes(b"#" * ((1 << 20) + 1))
    assert "larger than" in _refusal(f"{tmp_path}/large")
    assert "not a settings file" in _refusal("/a\0b")


def test_a_name_with_control_characters_is_spelled_out_in_a_fault() -> None:
    assert _refusal("/none/\x1b[31m\udcff.toml").startswith("/none/\\x1b[31m\\xff.toml: ")


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    text = "\n".join(
        (
            "[defaults.watermarks]",
            "warning = 90",
            "critical = 80",
            'emergency = "high"',
            "bogus = 1",
            "[stores.main]",
            'backup_root = "backup"',
            "[stores.main.reclaim]",
            "keep_last = -1",
        )
    )
    assert [fault.split(": found")[0] for fault in faults_of(text)] == [
        f"{FILE}:4: defaults.watermarks.emergency",
        f"{FILE}:5: defaults.watermarks.bogus",
        f"{FILE}:6: stores.main.archive_root",
        f"{FILE}:7: stores.main.backup_root",
        f"{FILE}:9: stores.main.reclaim.keep_last",
        f"{FILE}:3: defaults.watermarks.critical",
    ]


def test_a_line_is_found_however_the_key_is_written() -> None:
    assert f"{FILE}:4: " in faults_of(f"{STORE}watermarks.warning = true")[0]
    assert f"{FILE}:4: " in faults_of(f"{STORE}watermarks = {{ warning = true }}")[0]
    assert f"{FILE}:5: " in faults_of(f'{STORE}[ stores . "main" . \'watermarks\' ]\r\n"warning"=true')[0]


def test_text_that_is_not_toml_is_told_with_line_and_column() -> None:
    assert faults_of(f"{STORE}x = = 1")[0].startswith(f"{FILE}:4:5: not TOML: ")
    assert faults_of(f"{STORE}capacity = '1 TB'\ncapacity = '2 TB'")[0].startswith(f"{FILE}:5:")
    for lines, words in (
        ("strategy = oldest", "text in quotes"),
        ("strategy", "key = value"),
        ("= 1", "key = value"),
        ("capacity = 1 TB", "text in quotes"),
        ("capacity = '1 TB'\ncapacity = '2 TB'", "twice"),
        ("[stores.main]", "twice"),
        ("capacity = '1 TB", "with the quote it begins with"),
        ('capacity = "1 TB', "with the quote it begins with"),
    ):
        (fault,) = faults_of(f"{STORE}{lines}\n")
        assert fault.startswith(f"{FILE}:") and words in fault.partition("not TOML")[2], fault
    assert "nested too deeply" in faults_of(f"x = {'[' * 5000}")[0]
    assert "not TOML: " in faults_of(f"x = {'9' * 5000}")[0]


@pytest.mark.parametrize("text", ["", "stores = {}", "[defaults]", "stores = 3", "[[stores]]"])
def test_settings_without_a_store_are_a_fault(text: str) -> None:
    assert "allowed: a table [stores.NAME] with backup_root and archive_root" in faults_of(text)[0]


@pytest.mark.parametrize("name", ["", "-x", ".x", "a/b", "a b", "a\\n", "é", "x" * 65])
def test_a_store_is_named_plainly(name: str) -> None:
    assert "found the name" in faults_of(f'[stores."{name}"]\n{ROOTS}')[0]


@pytest.mark.parametrize("text", ["defaults = 1", "[defaults]\nreclaim = 1", "[stores]\nmain = 1"])
def test_a_value_where_a_table_belongs_is_a_fault(text: str) -> None:
    assert "found 1 (a number), allowed: a table" in faults_of(f"{text}\n")[0]


@pytest.mark.parametrize(
    ("marks", "text"),
    [("warning = 85", "warning: found 85 (a number), allowed: less than watermarks.critical (85)"),
     ("critical = 95", "critical: found 95 (a number), allowed: less than watermarks.emergency (95)"),
     ("emergency = 80", "emergency: found 80 (a number), allowed: more than watermarks.critical (85)")],
)  # fmt: skip
@pytest.mark.parametrize("table", ["defaults", "stores.main"])
def test_watermarks_out_of_order_are_told_where_they_are_given(marks: str, text: str, table: str) -> None:
    (fault,) = faults_of(f"{STORE}[{table}.watermarks]\n{marks}\n")
    assert fault == f"{FILE}:5: {table}.watermarks.{text}"


def test_a_watermark_of_a_store_is_compared_with_the_defaults_it_meets() -> None:
    (fault,) = faults_of(f"{STORE}[stores.main.watermarks]\ncritical = 60\n[defaults.watermarks]\nwarning = 70\n")
    assert "stores.main.watermarks.critical: found 60 (a number), allowed: more than watermarks.warning (70)" in fault
    assert read(f"{STORE}[stores.main.watermarks]\nwarning = 50\ncritical = 60\n[defaults.watermarks]\nwarning = 85\n")


def test_a_faulty_watermark_is_compared_with_nothing() -> None:
    (fault,) = faults_of(f"{STORE}[defaults.watermarks]\ncritical = 96\nemergency = 'high'\n")
    assert "emergency: found" in fault


@pytest.mark.parametrize(
    ("literal", "percent", "free"),
    [("85", 85.0, 0), ('"85 %"', 85.0, 0), ('"85%"', 85.0, 0), ('"50 GiB free"', 100.0, 50 << 30),
     ('[80, "50 GiB free"]', 80.0, 50 << 30), ('["1.5 GB free", "80.5 %"]', 80.5, 1_500_000_000)],
)  # fmt: skip
def test_a_watermark_is_a_percentage_or_what_is_free_or_both(literal: str, percent: float, free: int) -> None:
    marks = only_store(f"{STORE}[defaults.watermarks]\ncritical = {literal}\n").watermarks
    assert (marks.critical, marks.free.critical) == (percent, free)


def test_what_is_free_alone_leaves_the_target_to_it() -> None:
    marks = only_store(f"{STORE}[defaults.watermarks]\ntarget_free = '20 GiB free'\n").watermarks
    assert (marks.target_free, marks.free.target_free) == (0.0, 20 << 30)


def test_a_store_s_percentage_takes_back_what_the_defaults_say_is_free() -> None:
    text = f"{STORE}[stores.main.watermarks]\nwarning = 70\n[defaults.watermarks]\nwarning = [75, '9 GiB free']\n"
    marks = only_store(text).watermarks
    assert (marks.warning, marks.free.warning) == (70.0, 0)


def test_inodes_go_by_the_percentages_of_the_bytes_where_they_have_none_of_their_own() -> None:
    lines = "warning = 60\ncritical = '9 GiB free'\ninode_emergency = [97, '500 free']\n"
    marks = only_store(f"{STORE}[defaults.watermarks]\n{lines}").watermarks.of_inodes
    assert (marks.warning, marks.critical, marks.emergency, marks.target_free) == (60.0, 85.0, 97.0, 20.0)
    assert (marks.free.warning, marks.free.critical, marks.free.emergency) == (0, 0, 500)


@pytest.mark.parametrize(
    ("marks", "text"),
    [("warning = '5 GiB free'\ncritical = '5 GiB free'",
      "critical: found 5 GiB free, allowed: less than watermarks.warning (5 GiB free)"),
     ("critical = '5 GiB free'\nemergency = [95, '6 GiB free']",
      "emergency: found 6 GiB free, allowed: less than watermarks.critical (5 GiB free)"),
     ("warning = [75, '5 GiB free']\nemergency = [95, '5 GiB free']",
      "emergency: found 5 GiB free, allowed: less than watermarks.warning (5 GiB free)"),
     ("warning = 96\ncritical = '5 GiB free'",
      "warning: found 96 (a number), allowed: less than watermarks.emergency (95)"),
     ("inode_critical = 70",
      "inode_critical: found 70 (a number), allowed: more than watermarks.inode_warning (75)"),
     ("inode_warning = '100 free'\ninode_critical = '200 free'",
      "inode_critical: found 200 free, allowed: less than watermarks.inode_warning (100 free)")],
)  # fmt: skip
def test_limits_out_of_order_are_told_each_of_its_kind(marks: str, text: str) -> None:
    (fault,) = faults_of(f"{STORE}[defaults.watermarks]\n{marks}\n")
    assert f"defaults.watermarks.{text}" in fault


def test_every_kind_out_of_order_is_told_at_once() -> None:
    marks = "warning = [90, '1 GiB free']\ncritical = [80, '2 GiB free']\ninode_warning = 99\n"
    faults = faults_of(f"{STORE}[defaults.watermarks]\n{marks}")
    told = [fault.split("watermarks.")[1].split(":")[0] for fault in faults]
    assert told == ["critical", "critical", "inode_warning"]


def test_a_percentage_and_what_is_free_are_in_no_order() -> None:
    assert read(f"{STORE}[defaults.watermarks]\nwarning = '1 GiB free'\ncritical = [80, '900 MiB free']\n")


def test_the_defaults_contradict_nothing() -> None:
    assert contradictions(read(STORE)) == []


@pytest.mark.parametrize(
    ("lines", "text"),
    [("watermarks.target_free = 24", "still above watermarks.warning"),
     ("watermarks.warning = 70", "raise target_free or watermarks.warning"),
     ("watermarks.target_free = 5", "an emergency would reclaim nothing"),
     ("watermarks.target_free = 10", "still critical"),
     ("watermarks.emergency = [95, '9 GiB free']\nwatermarks.target_free = '9 GiB free'", "reclaim nothing"),
     ("watermarks.critical = [85, '9 GiB free']\nwatermarks.target_free = '9 GiB free'", "still critical"),
     ("watermarks.warning = [75, '9 GiB free']\nwatermarks.target_free = '8 GiB free'", "above watermarks.warning"),
     ("watermarks.inode_target_free = 5", "an emergency would reclaim nothing"),
     ("monitor.emergency_interval = 120", "watched less closely"),
     ('confidence.huge = "1 MiB"', "exchange them"),
     ("confidence.emergency_minimum = 0.9", "take less"),
     ("reclaim.emergency_limit = 1", "take less"),
     ("caps.cycle = 49", "stop at it"),
     ("reclaim.keep_yearly = 1", "reclaim.keep_yearly 1 holds nothing that reclaim.keep_last 1 does not hold already"),
     ("reclaim.keep_daily = 14\nreclaim.keep_weekly = 2", "keep_weekly 2 holds nothing that reclaim.keep_daily 14"),
     ('reclaim.emergency_strategy = "nuclear"\nreclaim.min_age = "2 h"', "reclaim.min_age holds it for longer"),
     ("caps.hour = 49\ncaps.cycle = 9", "stop at it"),
     ('alerts.enabled = false\nalerts.email = "root"', "told nothing"),
     ('alerts.smtp_user = "u"', "without a password"),
     ('alerts.smtp_password = "p"\nalerts.smtp_host = "mail.example.org"', "unprotected")],
)  # fmt: skip
def test_settings_that_defeat_each_other_are_told_and_still_load(lines: str, text: str) -> None:
    (told,) = contradictions(read(f"{STORE}{lines}\n"))
    assert told.startswith("stores.main: ")
    assert text in told


@pytest.mark.parametrize(
    ("lines", "text"),
    [("", "nobody is told of alerts; set alerts.email"),
     ("alerts.email = 'op@example.org'\nreclaim.keep_last = 0", "keep_last is 0"),
     *((f"alerts.email = '{email}'", "is no address") for email in
       ("op@exa mple.org", "@example.org", "op@", "a b", "op@example.org, @", "a@b@c", ","))],
)  # fmt: skip
def test_a_risk_is_told_and_still_loads(lines: str, text: str) -> None:
    (told,) = unwise(read(f"{STORE}{lines}\n"))
    assert told.startswith("stores.main: ")
    assert text in told


@pytest.mark.parametrize(
    "lines",
    ["keep_last = 0\nkeep_daily = 7", "keep_daily = 7\nkeep_weekly = 4\nkeep_monthly = 12\nkeep_yearly = 3",
     'emergency_strategy = "nuclear"\nmin_age = "1 h"', "min_age = 86400"],
)  # fmt: skip
def test_floors_that_go_together_are_well(lines: str) -> None:
    settings = read(f"{STORE}alerts.email = 'op@example.org'\n[stores.main.reclaim]\n{lines}\n")
    assert contradictions(settings) == unwise(settings) == []


@pytest.mark.parametrize("email", ["root", "op@example.org", "Op <op@example.org>, root", "a+b@xn--bcher-kva.example"])
def test_an_address_that_mail_can_be_sent_to_is_well(email: str) -> None:
    assert unwise(read(f"{STORE}alerts.email = '{email}'\n")) == []


def test_a_plain_secret_in_a_file_that_others_may_read_is_warned_of(tmp_path: Path) -> None:
    path = _file(tmp_path, nested("alerts.webhook", '"https://example.org/t0ken"'), 0o644)
    (warning,) = warnings(load(path, ENV))
    assert "defaults.alerts.webhook is a secret, and others may read it: chmod 600" in warning
    assert "t0ken" not in warning
    Path(path).chmod(0o600)
    assert warnings(load(path, ENV)) == []


def test_a_file_without_secrets_may_be_read_by_all(tmp_path: Path) -> None:
    assert warnings(load(_file(tmp_path, mode=0o644), ENV)) == []


def _survives(text: str) -> None:
    try:
        parse(text, FILE, ENV)
    except SettingsError as error:
        assert error.faults
        assert all(fault.isprintable() for fault in error.faults)


@given(st.text())
def test_no_text_whatever_raises_anything_but_a_settings_error(text: str) -> None:
    _survives(text)


@given(st.binary())
def test_no_file_whatever_raises_anything_but_a_settings_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.toml"
    file.write_bytes(data)
    try:
        load(str(file), ENV)
    except SettingsError as error:
        assert error.faults


_WORDS = [
    "defaults",
    "stores",
    "main",
    "watermarks",
    "warning",
    "alerts",
    "webhook",
    "capacity",
    "state_dir",
    "x\\n",
    "",
]
_LITERALS = [
    "1",
    "-1",
    "nan",
    "true",
    '"a"',
    '"/"',
    '"/srv/b"',
    "[]",
    "{}",
    "1979-05-27",
    '"9 MiB"',
    '"\\u0000"',
    "[{a=1}]",
]
_KEY = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=4).map(
    lambda parts: ".".join(f'"{part}"' for part in parts)
)
_LINE = st.one_of(_KEY.map("[{}]".format), st.tuples(_KEY, st.sampled_from(_LITERALS)).map(" = ".join))


@given(st.lists(_LINE, max_size=8).map("\n".join))
def test_no_toml_whatever_raises_anything_but_a_settings_error(text: str) -> None:
    _survives(text)


@given(st.dictionaries(st.text(max_size=5), st.integers()))
def test_keys_of_any_name_are_spelled_out(keys: dict[str, int]) -> None:
    spelled = {"".join(f"\\U{ord(char):08x}" for char in key): value for key, value in keys.items()}
    text = "\n".join(f'"{key}" = {value}' for key, value in spelled.items())
    tomllib.loads(text)
    _survives(text)
