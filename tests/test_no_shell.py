"""Nothing of ours is ever run by a shell (SPEC.md 7.11): no name in a backup can become a command."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "ullage"
CHILDREN = {
    "cli/daemon.py": ["subprocess.Popen"],  # ourselves, in the background
    "cli/run.py": ["subprocess.Popen"],  # the backup command, as its words were given
    "demo/place.py": ["subprocess.run"],  # mount, mkfs and their like
    "demo/play.py": ["subprocess.Popen"],  # ourselves, as a writer
    "system/archive_tar.py": ["subprocess.Popen"],  # tar
}
"""Every place where a process is started, each with a list of words."""
_FORBIDDEN = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell", "eval", "exec"}
_STARTS = ("spawn", "exec", "posix_spawn", "fork")


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def _starts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node).startswith(("subprocess.", "asyncio.create_subprocess")):
            yield _called(node)


def _shells(tree: ast.AST) -> Iterator[str]:
    """What would be run by a shell, or started in a way that is not looked at here."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("subprocess", "os", "pty", "commands"):
            yield from (f"from {node.module} import {name.name}" for name in node.names)
        if isinstance(node, ast.Call):
            name = _called(node).rpartition(".")[2]
            if name in _FORBIDDEN or (_called(node).startswith("os.") and name.startswith(_STARTS)):
                yield ast.unparse(node)
            shell = [word for word in node.keywords if word.arg in ("shell", None, "executable", "preexec_fn")]
            if shell and _called(node).startswith("subprocess."):
                yield ast.unparse(node)
            words = node.args[:1]
            if _called(node).startswith("subprocess.") and words and isinstance(words[0], ast.Constant | ast.JoinedStr):
                yield ast.unparse(node)


def test_no_shell_is_used_and_every_process_that_is_started_is_known() -> None:
    trees = {str(path.relative_to(SOURCE)): ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}
    assert {path: found for path, tree in trees.items() if (found := list(_shells(tree)))} == {}
    assert {path: found for path, tree in trees.items() if (found := sorted(_starts(tree)))} == CHILDREN


@pytest.mark.parametrize(
    "line",
    ["os.system(name)", "subprocess.run(words, shell=True)", "os.popen(f'rm {name}')", "subprocess.run(f'rm {name}')",
     "subprocess.run(words, **how)", "os.execvp(name, words)", "from os import system", "eval(name)",
     "subprocess.getoutput(name)", "asyncio.create_subprocess_shell(name)"],
)  # fmt: skip
def test_the_look_for_shells_finds_one(line: str) -> None:
    assert list(_shells(ast.parse(line)))
