"""The reference in docs/ is the code's own: nothing is missing, nothing is stale."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.cli.shapes import SCHEMAS
from ullage.cli.main import COMMANDS, cli
from ullage.config.schema import SECTION_ROWS, STATE_DIR, STORE_ROWS
from ullage.errors import SettingsError, UllageError

HERE = Path(__file__).parents[2]
PAGES = HERE / "docs" / "reference"


def test_the_reference_is_what_the_code_makes_of_it() -> None:
    """`make reference` would change nothing."""
    command = [sys.executable, str(HERE / "scripts" / "reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_setting_stands_in_the_reference() -> None:
    """DESIGN: settings in the docs are checked against the code."""
    page = (PAGES / "settings.md").read_text()
    for row in (STATE_DIR, *STORE_ROWS, *SECTION_ROWS):
        assert f"| `{row.name}` |" in page
        assert row.seed is None or f"`{row.seed}`" in page


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_stands_in_the_reference(name: str) -> None:
    """DESIGN: and so are flags; each says what it does."""
    page = (PAGES / "commands.md").read_text()
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for shown, one in [(name, command), *((f"{name} {n}", c) for n, c in getattr(command, "commands", {}).items())]:
        section = re.search(rf"\n## `ullage {shown}`\n(.*?)(\n## |\Z)", page, re.DOTALL)
        assert section is not None, shown
        assert one.help
        for option in one.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert option.help, option
                assert f"`{option.opts[0]}" in section[1] + page.split("\n## ")[0], option


def test_every_key_and_exit_code_stands_in_the_reference() -> None:
    """Every schema, and every key of each."""
    page = (PAGES / "json.md").read_text()
    for name, schema in SCHEMAS.items():
        assert name == "shapes" or f"Schema: `{name}.json`" in page
        for key in schema.get("properties", {}):
            assert f"| `{key}` |" in page
    codes = (PAGES / "exit-codes.md").read_text()
    for error in (UllageError, SettingsError):
        assert f"| `{error.__name__}` | {error.exit_code} |" in codes
