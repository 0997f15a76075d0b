"""What keeps space of a store's filesystem from coming back: processes with deleted files open, snapshots."""

from __future__ import annotations

import re

from ullage.model.holding import Holder, Holding
from ullage.system import btrfs, linux
from ullage.system.deleted import DeletedFile, deleted_but_open

_TRASH = re.compile(r"/\.ullage/trash/[0-9a-f]{16}(/|$)")
"""In whatever container or bind mount it is open, this is how what we delete is called when it goes."""


def holding(fd: int, roots: tuple[str, ...]) -> Holding:
    """What holds deleted files of the filesystem of an open root; its own stood below one of ``roots``, or in a trash.

    Raises OSError.
    """
    keepers = deleted_but_open(fd)
    files = {file.key: file for keeper in keepers for file in keeper.files}
    own = [file for file in files.values() if _stood_below(file, roots)]
    holders = [
        Holder(pid=k.pid, name=k.name, files=len(k.files), size_bytes=sum(file.size_bytes for file in k.files))
        for k in keepers
    ]
    snapshots = btrfs.snapshots_of(fd) if linux.filesystem_type(fd) == "btrfs" else ()
    return Holding(
        holders=tuple(sorted(holders, key=lambda holder: (-holder.size_bytes, holder.pid))),
        files=len(files),
        size_bytes=sum(file.size_bytes for file in files.values()),
        own_files=len(own),
        own_bytes=sum(file.size_bytes for file in own),
        snapshots=snapshots,
    )


def _stood_below(file: DeletedFile, roots: tuple[str, ...]) -> bool:
    return _TRASH.search(file.path) is not None or any(file.path.startswith(f"{root}/") for root in roots)
