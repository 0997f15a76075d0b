"""Mutation testing of ``policy``, by mutmut: ``python -m tests.mutants.policy``. At least 90 in a hundred must go.

What mutmut does not touch, the tables and constants beside the functions, has its guards in ``tables.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.mutants.sandbox import REPOSITORY, environment

LEAST = 90.0
_SETTINGS = """
[project]
name = "mutants"
version = "0"
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/ullage/policy/*"]
pytest_add_cli_args_test_selection = ["tests/policy"]
[tool.pytest.ini_options]
addopts = "-m 'not long'"
markers = ["long: takes long", "root: needs root"]
"""


def main() -> int:
    """The exit code: 1 where too few mutants are killed."""
    with TemporaryDirectory(prefix="ullage-policy-") as name:
        directory = Path(name)
        for part in ("src", "tests"):
            shutil.copytree(REPOSITORY / part, directory / part, ignore=shutil.ignore_patterns("__pycache__"))
        (directory / "pyproject.toml").write_text(_SETTINGS)
        _mutmut(directory, "run", f"--max-children={os.cpu_count()}", quiet=True)
        _mutmut(directory, "export-cicd-stats", quiet=True)
        figures = json.loads((directory / "mutants" / "mutmut-cicd-stats.json").read_text())
        _mutmut(directory, "results")
    caught = figures["killed"] + figures["timeout"]
    share = 100 * caught / max(1, figures["total"])
    print(f"policy: {caught} of {figures['total']} mutants killed, {share:.1f} %; at least {LEAST:g} % must be")
    return 0 if share >= LEAST else 1


def _mutmut(directory: Path, *words: str, quiet: bool = False) -> None:
    told = environment(PYTHONWARNINGS="ignore")
    said = subprocess.DEVNULL if quiet else None
    subprocess.run([sys.executable, "-m", "mutmut", *words], cwd=directory, env=told, stdout=said, check=True)


if __name__ == "__main__":
    sys.exit(main())
