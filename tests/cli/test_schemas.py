"""SPEC.md 6: what every command prints as JSON has a published schema, and keeps to it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.conftest import fill
from tests.cli.shapes import SCHEMAS, commands, faults, schema_of, validator
from tests.cli.workplace import Workplace
from ullage.cli.context import Common
from ullage.cli.main import COMMANDS, cli
from ullage.model.words import Action, CleanupLevel, Level, Result, State, Strategy, Trigger

G = "available usage_percent total_bytes used_bytes free_bytes inode_percent"
C = "backup_id state size_bytes reclaimable_bytes age_seconds confidence boosted_confidence reasons"
A = "backup_id action from_state to_state trigger forced outcome reclaimed_bytes reason"
MONITOR = {
    "stores[]": "name level usage_before usage_after actions alerts",
    "stores[].actions[]": A,
    "stores[].alerts[]": "channel level outcome",
}
KEYS: dict[str, dict[str, str]] = {
    "status": {
        "": "daemon stores",
        "daemon": "running pid started_at",
        "stores[]": "name backup_root archive_root level backup archive total watermarks counts recent",
        "stores[].backup": G,
        "stores[].archive": G,
        "stores[].total": G,
        "stores[].watermarks": "warning critical emergency target_free",
        "stores[].recent[]": "at backup archive total",
    },
    "monitor": MONITOR,
    "plan": {"stores[]": "name level cleanup_level strategy candidates", "stores[].candidates[]": C},
    "list": {"stores[]": "name backups", "stores[].backups[]": f"{C} created_at pinned eligible path"},
    "show": {"": f"{C} terms transitions pinned path"},
    "history": {
        "transitions[]": "at store backup_id from_state to_state trigger reason forced outcome reclaimed_bytes "
        "duration_seconds"
    },
}
"""SPEC.md 6, word for word: the keys that every document must have."""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each command says as JSON, by command; run one after the other on one store, with something in it."""
    store = Workplace(tmp_path_factory.mktemp("documents"))
    fill(store)
    store.backup("odd", "NONSENSE")
    store.backup("db-20260104", "CREATED", age=10 * 86400, size=9000)
    store.backup("db-20260105", "CONFIRMED", age=86400)
    lines = (
        "init", "clock", "clock accept", "config show", "config check", "config systemd", "list", "plan",
        "plan nuclear 5", "plan --fill 1TB --at 2999-12-24", "doctor",
        "resume", "pin db-20260102", "unpin db-20260102", "transition db-20260104 PENDING", "archive db-20260101 --yes",
        "explain db-20260101",
        "cleanup moderate 1 --dry-run", "cleanup moderate 1 --yes", "restore db-20260101", "emergency --dry-run",
        "simulate --days 30", "monitor", "delete db-20260104 --yes", "trash", "explain db-20260104", "status",
        "undo --dry-run", "undo", "delete db-20260104 --yes", "trash empty --yes", "history", "check",
        "show db-20260101", "explain db-20260105",
        "start --dry-run", "stop", "restart --dry-run",
    )  # fmt: skip
    found = {line: store.done(*line.split(), "--json").json for line in lines}
    store.settings('[stores.main.alerts]\nemail = "nobody@example.org"\nsmtp_host = "127.0.0.1"\nsmtp_port = 1\n')
    found["alert test"] = store.call("alert", "test", "--json").json
    return found


def test_every_document_keeps_to_its_schema(documents: dict[str, Any]) -> None:
    """SPEC 6: the JSON of every command is what is published."""
    for line, document in documents.items():
        assert not faults(_schema(line), document), line


def test_a_document_without_a_required_key_is_refused(documents: dict[str, Any]) -> None:
    """SPEC 6: these keys stay; a schema that did not ask for them would not notice."""
    for line, document in documents.items():
        for path, keys in KEYS.get(_schema(line), {}).items():
            for key in ["schema_version", *keys.split()] if path == "" else keys.split():
                for poorer in _without(document, path, key):
                    assert faults(_schema(line), poorer), (line, path, key)


def test_every_key_that_the_specification_demands_was_really_there(documents: dict[str, Any]) -> None:
    """The tests above look at no empty list only."""
    for name, paths in KEYS.items():
        for path in paths:
            found = [node for line in documents if _schema(line) == name for node in _nodes(documents[line], path)]
            assert found or path == "stores[].alerts[]", (name, path)


def test_every_command_has_a_schema() -> None:
    """SPEC 6: of every command; that of the demo is held against what it prints where the demo is tested."""
    described = {command.split()[0] for name in SCHEMAS for command in commands(name)}
    assert described == set(COMMANDS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_describes_every_key(name: str) -> None:
    """What is published is draft 2020-12, says its version, and leaves no key unexplained."""
    validator(name).check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for key, schema in _properties(SCHEMAS[name]):
        assert schema.get("description") or "$ref" in schema, (name, key)
    if name != "shapes":
        assert "schema_version" in SCHEMAS[name]["required"]


def test_the_words_of_the_schemas_are_those_of_the_code() -> None:
    """A state, level or outcome that the code learns must be published."""
    words = {name: set(shape["enum"]) for name, shape in SCHEMAS["shapes"]["$defs"].items() if "enum" in shape}
    assert words == {
        "level": set(Level),
        "cleanup_level": set(CleanupLevel),
        "strategy": set(Strategy),
        "state": {*State, "UNKNOWN"},
        "trigger": {trigger.name for trigger in Trigger},
        "action_name": set(Action),
        "outcome": {*Result, "interrupted"},
    }


def test_settings_shown_are_those_that_are_published(documents: dict[str, Any]) -> None:
    """A setting that the code learns must be published."""
    schema = SCHEMAS["config-show"]["properties"]["settings"]["properties"]["stores"]["items"]
    shown = documents["config show"]["settings"]["stores"][0]
    assert schema["properties"].keys() == shown.keys()
    for section, keys in shown.items():
        if isinstance(keys, dict):
            assert schema["properties"][section]["properties"].keys() == keys.keys()


@pytest.mark.parametrize("line", ["status", "list", "plan", "check", "monitor", "doctor"])
def test_the_document_of_an_unavailable_store_keeps_to_its_schema(store: Workplace, line: str) -> None:
    """SPEC 7.3: a store that is not there is said to be so, in the same shape."""
    store.backups.rename(store.path / "elsewhere")
    ran = store.call(line, "--json")
    assert ran.code == {"status": 0, "check": 3}.get(line, 1)
    assert not faults(line, ran.json)


def test_a_level_without_a_limit_keeps_to_its_schema(store: Workplace) -> None:
    """SPEC 4: a nuclear emergency has no limit; the plan then says null."""
    store.press(99.5, '[stores.main.reclaim]\nemergency_strategy = "nuclear"\n')
    document = store.done("plan", "--json").json
    assert (document["stores"][0]["level"], document["stores"][0]["limit"]) == ("emergency", None)
    assert not faults("plan", document)


def test_alerts_that_were_queued_are_said_and_keep_to_their_schema(store: Workplace) -> None:
    """SPEC 6: ``alerts: [{channel, level, outcome}]``; one that nobody took is kept."""
    store.press(97.5, '[stores.main.alerts]\nemail = "a@example.org"\nsmtp_host = "127.0.0.1"\nsmtp_port = 1\n')
    document = store.done("monitor", "--json").json
    assert document["stores"][0]["alerts"] == [{"channel": "email", "level": "warning", "outcome": "kept"}]
    assert not faults("monitor", document)
    for poorer in (
        one for key in ("channel", "level", "outcome") for one in _without(document, "stores[].alerts[]", key)
    ):
        assert faults("monitor", poorer)


def _schema(line: str) -> str:
    words = [word for word in line.split() if word.islower() and not word.startswith("-")]
    pair = " ".join(words[:2])
    return schema_of(pair if words[0] in ("config", "alert") or pair in ("clock accept", "trash empty") else words[0])


def _nodes(document: Any, path: str) -> list[dict[str, Any]]:
    """The objects at a path of the specification, like ``stores[].actions[]``."""
    found = [document]
    for part in filter(None, path.split(".")):
        found = [node[part.removesuffix("[]")] for node in found]
        if part.endswith("[]"):
            found = [item for node in found for item in node]
    return found


def _without(document: Any, path: str, key: str) -> Iterator[Any]:
    """The document without that key, once for each object at the path."""
    for number in range(len(_nodes(document, path))):
        poorer = copy.deepcopy(document)
        del _nodes(poorer, path)[number][key]
        yield poorer


def _properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items() if isinstance(schema.get("properties"), dict) else ()
        for inner in schema.values():
            yield from _properties(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _properties(inner)


def test_json_may_be_asked_for_on_either_side_of_a_command() -> None:
    """SPEC 6: ``--config``, ``--store`` and ``--json`` anywhere."""
    context = cli.make_context("ullage", ["status"], resilient_parsing=True)
    assert isinstance(context.ensure_object(Common), Common)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        for one in (command, cli, *getattr(command, "commands", {}).values()):
            options = {option for parameter in one.params for option in parameter.opts}
            assert {"--config", "--store", "--json"} <= options, (name, one.name)
