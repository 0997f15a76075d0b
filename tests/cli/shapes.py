"""The published schemas, and what they say of a document."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

SCHEMAS: dict[str, Any] = {
    one.name.removesuffix(".json"): json.loads(one.read_text("utf-8"))
    for one in files("ullage").joinpath("schemas").iterdir()
    if one.name.endswith(".json")
}


def commands(name: str) -> list[str]:
    """The commands whose output a schema describes: its title says them."""
    title = str(SCHEMAS[name]["title"])
    return title.removeprefix("ullage ").split(", ") if title.startswith("ullage ") else []


def schema_of(command: str) -> str:
    """The name of the schema of a command."""
    return next(name for name in SCHEMAS if command in commands(name))


@cache
def validator(name: str) -> Draft202012Validator:
    """The checker of one schema, which knows the shapes that they share."""
    registry: Registry[Any] = Registry().with_resources(
        (f"{other}.json", Resource.from_contents(schema)) for other, schema in SCHEMAS.items()
    )
    return Draft202012Validator(SCHEMAS[name], registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)


def faults(name: str, document: object) -> list[str]:
    """What is wrong with a document by its schema."""
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(document)]
