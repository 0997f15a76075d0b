"""SPEC 7.10: a writer who came between the look and the move into the trash is seen, wherever it looks from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LoopDisks
from tests.engine.acts import CHOSEN, HOLDER, do
from tests.engine.world import World, fingerprint
from ullage.model.words import Action, Result, State
from ullage.system import tree

CODE = "import sys; held = open(sys.argv[1], 'a'); print(flush=True); sys.stdin.read()"


@pytest.mark.root
@pytest.mark.parametrize("act", [Action.DELETE, Action.ARCHIVE])
@pytest.mark.parametrize("private", [False, True])
def test_a_writer_in_a_bind_mount_or_a_container_is_seen_in_the_last_moment(
    loop_disk: LoopDisks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Action, private: bool
) -> None:
    disk = loop_disk("ext4")
    world = World(disk.path, state=tmp_path / "state", archives=tmp_path / "archives")
    world.backup(CHOSEN, State.CONFIRMED, mib=0.05)
    world.backup(HOLDER, State.CONFIRMED, age=1, mib=0.01)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    before = fingerprint(world.backups / CHOSEN)
    inner = f'mount --bind "$1" "$2" && exec {sys.executable} -S -c "$3" "$2/{CHOSEN}/data/content"'
    shell = ["sh", "-c", inner, "sh", str(world.backups), str(elsewhere), CODE]
    rename = tree.rename_exclusive
    writers: list[subprocess.Popen[bytes]] = []

    def late(src_fd: int, src: str, dst_fd: int, dst: str) -> None:
        if src == CHOSEN and not writers:
            command = ["unshare", "--mount", "--propagation", "private", *shell] if private else shell
            writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            writers.append(writer)
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"\n"
        rename(src_fd, src, dst_fd, dst)

    monkeypatch.setattr(tree, "rename_exclusive", late)
    try:
        op = do(world, act)
    finally:
        for writer in writers:
            writer.communicate()
        if not private:
            subprocess.run(["umount", str(elsewhere)], check=True)
    assert (op.result, "is being written" in op.reason) == (Result.SKIPPED, True), op
    assert (fingerprint(world.backups / CHOSEN), world.archived(), world.leftovers()) == (before, [], [])
