"""What the tests of archives work with: a store, an archive, a place to extract to, and backups to put in."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ullage.system.archive_manifest import Manifest, same, snapshot
from ullage.system.archives import Contents, Written, extract_archive, list_archive, verify_archive, write_archive

MIB = 1 << 20
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw+ep, as setcap writes it


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    fd = os.open(path, flags, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


class Workshop:
    """A backup root ``store``, an ``archive`` and an empty directory ``out``, and their descriptors."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.store, self.archive, self.out = root / "store", root / "a.tar.zst", root / "out"
        self.store.mkdir()
        self.out.mkdir()
        self.store_fd = stack.enter_context(opened(self.store))
        self.out_fd = stack.enter_context(opened(self.out))
        self.part_fd = stack.enter_context(opened(self.archive, os.O_RDWR | os.O_CREAT))

    def look(self, name: str) -> Manifest:
        return snapshot(self.store_fd, name)

    def write(self, name: str) -> Written:
        os.ftruncate(self.part_fd, 0)
        os.lseek(self.part_fd, 0, os.SEEK_SET)
        return write_archive(self.store_fd, name, self.part_fd)

    def round_trip(self, name: str) -> Contents:
        """Archives, verifies, lists and extracts; the source must look as before."""
        before = self.look(name)
        written = self.write(name)
        assert same(before, self.look(name))
        verify_archive(self.part_fd, written, before, name)
        contents = list_archive(self.part_fd)
        extract_archive(self.part_fd, self.out_fd)
        assert (contents.top, contents.entries) == (name, before.entries)
        return contents


def small_backup(workshop: Workshop, name: str = "daily-20260101") -> Path:
    backup = workshop.store / name
    (backup / "sub").mkdir(parents=True)
    (backup / ".state").write_text("CONFIRMED\n")
    (backup / "sub" / "data").write_bytes(os.urandom(100_000))
    (backup / "sub" / "data").chmod(0o644)
    return backup


def facts(top: Path) -> dict[bytes, object]:
    """All that must survive, of every entry under ``top``: bytes, metadata, links, extended attributes (ACLs too)."""
    found: dict[bytes, object] = {}
    links: dict[int, list[bytes]] = {}
    base = os.fsencode(top)
    paths = [base, *(os.path.join(at, n) for at, dirs, files in os.walk(base) for n in dirs + files)]
    for path in sorted(paths):
        status = os.lstat(path)
        kind = stat.S_IFMT(status.st_mode)
        links.setdefault(status.st_ino, []).append(path[len(base) :])
        content = os.readlink(path) if kind == stat.S_IFLNK else b""
        if kind == stat.S_IFREG:
            with open(path, "rb") as file:  # noqa: PTH123  (a Path cannot hold bytes)
                content = file.read()
        xattrs = {
            key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
        }
        owner = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, status.st_mtime_ns)
        found[path[len(base) :]] = (owner, status.st_nlink, content, xattrs, links[status.st_ino][0])
    return found


def furnish(backup: Path) -> None:
    """Every kind of entry and of metadata that a Linux filesystem knows."""
    small = backup / "small"
    small.mkdir(parents=True)
    (backup / "empty dir").mkdir(mode=0o2751)
    (backup / "empty").touch()
    (backup / "big").write_bytes(os.urandom(3 * MIB) + b"a" * (7 * MIB))
    (small / "setuid").write_bytes(b"x")
    os.chown(small / "setuid", 1234, 3_000_000_000)
    (small / "setuid").chmod(0o6755)
    os.link(small / "setuid", backup / "a hard link")
    os.symlink("nowhere/at all", backup / "dangling")
    os.lchown(backup / "dangling", 77, 78)
    os.mkfifo(backup / "fifo", 0o640)
    os.mknod(backup / "char", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(backup / "block", 0o600 | stat.S_IFBLK, os.makedev(259, 70_000))
    os.link(backup / "dangling", backup / "dangling too", follow_symlinks=False)
    with (backup / "sparse").open("wb") as sparse:
        sparse.truncate(64 * MIB)
        os.pwrite(sparse.fileno(), b"island", 30 * MIB)
    for key, value in (("user.note", b"\0=\n"), ("trusted.t", b"t"), ("security.capability", CAPABILITY)):
        os.setxattr(backup / "big", key, value)
    subprocess.run(["setfacl", "-m", "u:99:rwx,g:98:r", str(backup / "big"), str(small)], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:97:rx", str(small)], check=True)
    for name in awkward_names():
        (backup / name).write_text("named")
    for depth, path in enumerate([*backup.rglob("*"), backup]):
        os.utime(path, ns=(10**18, 10**18 + depth * 1_000_000_007), follow_symlinks=False)


def awkward_names() -> list[str]:
    """Names that break what is not written with care (SPEC.md 7.11)."""
    text = [
        "n" * 255,
        "é" * 127,
        "new\nline",
        "-rf",
        "--help",
        "back\\nslash",
        "*",
        "[a]",
        "esc\x1b[31m",
        " ",
        "\ue000",
    ]
    return [*text, os.fsdecode(b"not utf-8 \xff\xfe"), os.fsdecode(b"\xf0\x9f" * 100)]


def overwrite_quietly(path: Path) -> None:
    """Other bytes, of the same number, with the old mtime."""
    status = path.stat()
    path.write_bytes(os.urandom(1) * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
