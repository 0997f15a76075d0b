"""Directories are opened, moved and removed by descriptor, and nothing outside is ever touched (SPEC.md 7.2)."""

from __future__ import annotations

import errno
import os
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest

from tests.conftest import LoopDisks
from tests.loops import run
from tests.system.nobody import NOBODY, as_nobody
from ullage.errors import Changed, Interrupted, NoRoom, Refused, UllageError, Unavailable
from ullage.system import linux, tree, walk

ODD_NAMES = ["a\nb", "\x1b[31m", "-rf", "*", os.fsdecode(b"\xff\xfe"), "n" * 255, " ", "é"]
FILESYSTEMS = ["ext4", "xfs", "btrfs"]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """The descriptor of ``tmp_path/root``."""
    (tmp_path / "root").mkdir()
    fd = tree.open_root(str(tmp_path / "root"))
    yield fd
    os.close(fd)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory that nothing may touch."""
    directory = tmp_path / "outside"
    (directory / "deep").mkdir(parents=True)
    (directory / "precious").write_text("precious")
    (directory / "deep" / "precious").write_text("precious")
    return directory


def intact(outside: Path) -> bool:
    return sorted(str(p.relative_to(outside)) for p in outside.rglob("*")) == ["deep", "deep/precious", "precious"]


def backup(here: Path, name: str = "b", files: int = 3) -> Path:
    """A backup with a ``.state``, some files and a directory ``d`` with one file."""
    directory = here / name
    (directory / "d").mkdir(parents=True)
    (directory / ".state").write_text("CLEANABLE\n")
    (directory / "d" / "f").write_text("f")
    for number in range(files):
        (directory / f"f{number}").write_bytes(b"x" * 5000)
    return directory


def handle(root: int, name: str = "b") -> str:
    fd = tree.open_directory(root, name)
    try:
        return tree.handle_of(fd)
    finally:
        os.close(fd)


def remove(root: int, name: str = "b") -> int:
    return tree.remove_tree(root, name, handle=handle(root, name))


def survey(path: Path, attributes: bool = False) -> tree.Survey:
    fd = tree.open_root(str(path))
    try:
        return tree.survey(fd, attributes=attributes)
    finally:
        os.close(fd)


def du(path: Path) -> int:
    return int(subprocess.check_output(["du", "-s", "--block-size=1", str(path)]).split()[0])


def dig(fd: int, depth: int, files: int = 0) -> None:
    """A chain of directories ``d/d/d/...`` in ``fd``, with files at its end."""
    here = os.dup(fd)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    for number in range(files):
        os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# Opening


def test_a_missing_root_is_unavailable_and_asks_for_the_disk(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no such directory; is the disk mounted\?"):
        tree.open_root(str(tmp_path / "missing"))


def test_a_root_that_is_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="Not a directory"):
        tree.open_root(str(tmp_path / "file"))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\0b", "../outside"])
def test_only_the_name_of_one_entry_is_opened(root: int, name: str) -> None:
    with pytest.raises(Refused, match="not the name of one entry"):
        tree.open_directory(root, name)


@pytest.mark.parametrize("kind", ["link", "dangling", "file", "fifo"])
def test_what_is_no_directory_is_refused(root: int, here: Path, outside: Path, kind: str) -> None:
    entry = here / "x"
    if kind in ("link", "dangling"):
        entry.symlink_to(outside if kind == "link" else "nowhere")
    elif kind == "file":
        entry.touch()
    else:
        os.mkfifo(entry)
    with pytest.raises(Refused, match=r"symbolic link|not a directory"):
        tree.open_directory(root, "x")


def test_a_missing_directory_has_changed_and_is_named(root: int) -> None:
    with pytest.raises(Changed, match=r"cannot open .*/root/gone: it is not there"):
        tree.open_directory(root, "gone")


def test_a_directory_is_made_where_asked_for_and_opened_where_it_is(root: int, here: Path) -> None:
    for _ in range(2):
        os.close(tree.open_directory(root, "new", create=True))
    assert (here / "new").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_can_be_opened_surveyed_and_removed(root: int, here: Path, name: str) -> None:
    backup(here, name)
    (here / name / name).touch()
    assert survey(here / name).entries == 7
    assert remove(root, name) == 8
    assert not list(here.iterdir())


def test_a_message_spells_out_what_would_break_a_terminal(root: int) -> None:
    with pytest.raises(Changed) as caught:
        tree.open_directory(root, "a\n\x1b[31m" + os.fsdecode(b"\xff"))
    assert str(caught.value).isprintable()


def test_a_directory_of_somebody_else_opens_without_noatime(tmp_path: Path, root: int, here: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to have somebody else's directory")
    (here / "theirs").mkdir(mode=0o755)
    as_nobody(lambda: os.close(tree.open_directory(root, "theirs")))


@pytest.mark.root
def test_a_mount_is_refused_even_one_of_the_same_filesystem(root: int, here: Path, outside: Path, bind: None) -> None:
    (here / "m").mkdir()
    run("mount", "--bind", str(outside), str(here / "m"))
    with pytest.raises(Refused, match="another filesystem is mounted there"):
        tree.open_directory(root, "m")


@pytest.mark.root
def test_a_directory_that_finds_no_room_says_so(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    disk.fill()
    fd = tree.open_root(str(disk.path))
    with pytest.raises(NoRoom, match="no room left"):
        tree.open_directory(fd, "new", create=True)
    os.close(fd)


@pytest.fixture
def bind(here: Path) -> Iterator[None]:
    """Allows mounts under ``here``, and takes them away again."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    yield
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        if line.split()[4].startswith(str(here)):
            run("umount", "-l", line.split()[4])


# Handles


def test_a_handle_names_the_directory_and_not_its_name(root: int, here: Path) -> None:
    (here / "a").mkdir()
    first = handle(root, "a")
    (here / "a").rename(here / "b")
    (here / "a").mkdir()
    assert handle(root, "b") == first
    assert handle(root, "a") != first


@pytest.mark.root
@pytest.mark.parametrize("fstype", FILESYSTEMS)
def test_a_handle_outlives_a_remount_and_never_comes_again(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype)
    (disk.path / "a").mkdir()
    before = _handle_at(disk.path)
    disk.unmount()
    disk.mount()
    assert _handle_at(disk.path) == before
    (disk.path / "a").rmdir()
    (disk.path / "a").mkdir()
    assert _handle_at(disk.path) != before


def _handle_at(path: Path) -> str:
    fd = tree.open_root(str(path))
    try:
        return handle(fd, "a")
    finally:
        os.close(fd)


# Renaming


def test_a_rename_moves_a_directory(root: int, here: Path) -> None:
    backup(here)
    tree.rename_exclusive(root, "b", root, "c")
    assert (here / "c" / ".state").exists()


@pytest.mark.parametrize("plain", [False, True])
def test_a_rename_never_replaces(root: int, here: Path, plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if plain:
        monkeypatch.setattr(linux, "rename_noreplace", _unsupported)
    backup(here, "b")
    backup(here, "c", files=7)
    (here / "file").touch()
    for target in ("c", "file"):
        with pytest.raises(Changed, match="of that name already"):
            tree.rename_exclusive(root, "b", root, target)
    assert survey(here / "c").entries == 10
    assert (here / "b").exists()


def test_a_rename_does_not_even_replace_an_empty_directory(root: int, here: Path) -> None:
    backup(here)
    (here / "empty").mkdir()
    with pytest.raises(Changed):
        tree.rename_exclusive(root, "b", root, "empty")


def _unsupported(*_: object) -> None:
    raise OSError(errno.EINVAL, "Invalid argument")


def test_without_noreplace_directories_and_files_move_and_no_file_is_replaced(
    root: int, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux, "rename_noreplace", _unsupported)
    backup(here)
    (here / "file").touch()
    tree.rename_exclusive(root, "b", root, "c")
    assert (here / "c" / ".state").exists()
    tree.rename_exclusive(root, "file", root, "other")
    assert (here / "other").stat().st_nlink == 1
    (here / "file").write_text("new")
    with pytest.raises(Changed, match="of that name already"):
        tree.rename_exclusive(root, "file", root, "other")
    assert ((here / "file").read_text(), (here / "other").read_text()) == ("new", "")


def test_a_rename_of_what_is_gone_has_changed(root: int) -> None:
    with pytest.raises(Changed, match="it is not there"):
        tree.rename_exclusive(root, "gone", root, "c")


@pytest.mark.root
def test_a_rename_to_another_filesystem_is_refused(root: int, here: Path, loop_disk: LoopDisks) -> None:
    backup(here)
    there = tree.open_root(str(loop_disk("ext4").path))
    with pytest.raises(Refused, match="different filesystems"):
        tree.rename_exclusive(root, "b", there, "b")
    os.close(there)


# Surveying


def _rich_tree(directory: Path) -> Path:
    """Hard links in and out, a sparse file, a link, a FIFO, directories many and large."""
    backup(directory)
    top = directory / "b"
    (top / "h1").write_bytes(b"h" * 70_000)
    (top / "d" / "h2").hardlink_to(top / "h1")
    (top / "shared").write_bytes(b"s" * 150_000)
    (directory / "elsewhere").hardlink_to(top / "shared")
    (top / "link").symlink_to("/" + "long/" * 50)
    (top / "to-directory").symlink_to("/usr")
    os.mkfifo(top / "fifo")
    with (top / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)
        sparse.seek(1 << 29)
        sparse.write(b"x" * 9000)
    (top / "many").mkdir()
    for number in range(300):
        (top / "many" / f"{number:0100d}").touch()
    os.sync()
    return top


def test_the_size_is_what_du_says(here: Path, root: int) -> None:
    top = _rich_tree(here)
    found = survey(top)
    assert found.size_bytes == du(top)
    assert found.entries == sum(1 for _ in top.rglob("*"))


@pytest.mark.root
@pytest.mark.parametrize("fstype", FILESYSTEMS)
def test_the_size_is_what_du_says_on_every_filesystem(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype, 16)
    top = _rich_tree(disk.path)
    found = survey(top)
    assert found.size_bytes == du(top)
    assert found.size_bytes - found.reclaimable_bytes == (top / "shared").stat().st_blocks * 512


def test_an_inode_is_reclaimable_when_all_its_links_are_inside(here: Path, root: int) -> None:
    top = _rich_tree(here)
    found = survey(top)
    assert found.size_bytes - found.reclaimable_bytes == (top / "shared").stat().st_blocks * 512
    assert found.inodes == found.entries + 1 - 2  # with the top; h2 is h1, and shared stays
    (here / "elsewhere").unlink()
    assert survey(top).reclaimable_bytes == found.size_bytes


def test_the_newest_mtime_is_of_any_entry_the_top_included(here: Path, root: int) -> None:
    top = backup(here)
    for entry in [top / "d" / "f", *top.iterdir(), top]:
        os.utime(entry, (1000, 1000))
    os.utime(top / "d" / "f", (1000, 2000))
    assert survey(top).newest_mtime == 2000
    os.utime(top, (1000, 3000))
    assert survey(top).newest_mtime == 3000


def test_the_last_read_is_of_any_file(here: Path, root: int) -> None:
    top = backup(here)
    for entry in (top / "d" / "f", *(one for one in top.iterdir() if one.is_file())):
        os.utime(entry, (1000, 1000))
    assert survey(top).last_read_at == 1000
    os.utime(top / ".state", (2000, 500))
    assert survey(top).last_read_at == 2000


def test_a_backup_without_a_file_was_never_read(here: Path, root: int) -> None:
    (here / "b").mkdir()
    assert survey(here / "b").last_read_at is None


def test_a_survey_does_not_count_as_reading(here: Path, root: int) -> None:
    top = backup(here)
    entries = [top, top / "d", top / "d" / "f"]
    for entry in entries:
        os.utime(entry, (1000, 2000))
    survey(top, attributes=True)
    assert {entry.stat().st_atime for entry in entries} == {1000}


def test_files_open_for_writing_are_named(here: Path, root: int) -> None:
    top = backup(here, files=8)
    nested = (top / "d" / "f").stat()
    all_of_them = frozenset((p.stat().st_dev, p.stat().st_ino) for p in top.glob("f*"))
    fd = tree.open_root(str(top))
    assert tree.survey(fd, write_open=frozenset({(nested.st_dev, nested.st_ino)})).written == ("d/f",)
    assert len(tree.survey(fd, write_open=all_of_them).written) == 5
    assert tree.survey(fd).written == ()
    os.close(fd)


def test_a_directory_that_vanishes_during_a_survey_has_changed(
    here: Path, root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = backup(here)
    _before_entering(monkeypatch, "d", lambda: (top / "d").rename(here / "d"))
    with pytest.raises(Changed, match="b/d: it is not there"):
        survey(top)


def test_a_directory_moved_away_below_us_has_changed(here: Path, root: int) -> None:
    """Beyond the window of open directories the way up is ``..``, which then leads elsewhere."""
    (here / "b").mkdir()
    fd = tree.open_root(str(here / "b"))
    dig(fd, walk.WINDOW + 10, files=300)

    asked = []

    def moved() -> bool:
        asked.append(True)
        if len(asked) == 2:  # first it is asked at the top, then at the bottom
            (here / "b/d/d/d/d").rename(here / "moved")
        return False

    with pytest.raises(Changed, match="was moved"):
        tree.survey(fd, should_stop=moved)
    os.close(fd)


def test_a_survey_stops_when_asked(here: Path, root: int) -> None:
    backup(here, files=600)
    fd = tree.open_root(str(here / "b"))
    with pytest.raises(Interrupted):
        tree.survey(fd, should_stop=lambda: True)
    os.close(fd)


def test_an_entry_without_permission_is_refused_and_named(here: Path, root: int) -> None:
    top = backup(here)
    (top / "d").chmod(0)
    top.chmod(0o755)
    fd = tree.open_root(str(top))

    def part() -> None:
        with pytest.raises(Refused, match=r"look at .*d: permission denied"):
            tree.survey(fd)

    as_nobody(part)
    (top / "d").chmod(0o700)
    os.close(fd)


@pytest.mark.root
def test_immutable_and_append_only_entries_are_obstacles(loop_disk: LoopDisks) -> None:
    top = backup(loop_disk("ext4").path)
    run("chattr", "+i", str(top / "f0"), str(top / "d"))
    run("chattr", "+a", str(top / "f1"))
    try:
        assert sorted(survey(top, attributes=True).obstacles) == [
            "d is immutable (chattr -i makes it removable)",
            "f0 is immutable (chattr -i makes it removable)",
            "f1 is append-only (chattr -a makes it removable)",
        ]
        assert survey(top).obstacles == ()
    finally:
        run("chattr", "-ia", str(top / "f0"), str(top / "f1"), str(top / "d"))


@pytest.mark.root
def test_of_many_obstacles_a_few_are_named(loop_disk: LoopDisks) -> None:
    top = backup(loop_disk("ext4").path, files=9)
    names = [str(path) for path in top.glob("f*")]
    run("chattr", "+i", *names)
    try:
        assert len(survey(top, attributes=True).obstacles) == 5
    finally:
        run("chattr", "-i", *names)


@pytest.mark.root
def test_mounts_inside_are_obstacles_and_are_not_entered(here: Path, root: int, outside: Path, bind: None) -> None:
    top = backup(here)
    before = survey(top, attributes=True)
    run("mount", "--bind", str(outside), str(top / "d"))
    run("mount", "--bind", str(outside / "precious"), str(top / "f0"))
    found = survey(top, attributes=True)
    assert sorted(obstacle.split(";")[0] for obstacle in found.obstacles) == [
        "d is the root of another filesystem or subvolume",
        "f0 has another file mounted over it",
    ]
    assert before.obstacles == ()
    assert found.entries == before.entries - 2  # neither the mount nor what it hides


@pytest.mark.root
def test_a_subvolume_inside_is_an_obstacle(loop_disk: LoopDisks) -> None:
    top = backup(loop_disk("btrfs").path)
    run("btrfs", "-q", "subvolume", "create", str(top / "sub"))
    assert [o.split(" ")[0] for o in survey(top).obstacles] == ["sub"]


# Depth and width


@pytest.mark.parametrize("depth", [1, walk.WINDOW - 1, walk.WINDOW, walk.WINDOW + 1, 2 * walk.WINDOW + 1, 10_000])
def test_any_depth_is_walked_with_a_constant_number_of_descriptors(root: int, here: Path, depth: int) -> None:
    (here / "b").mkdir()
    fd = tree.open_root(str(here / "b"))
    dig(fd, depth, files=300)
    before = descriptors()
    most = []

    def look() -> bool:
        most.append(descriptors())
        return False

    assert tree.survey(fd, should_stop=look).entries == depth + 300
    assert tree.remove_tree(root, "b", handle=tree.handle_of(fd), should_stop=look) == depth + 301
    assert max(most) <= before + walk.WINDOW + 5
    assert descriptors() == before
    os.close(fd)


def test_a_bush_deeper_than_the_window_is_walked_whole(root: int, here: Path) -> None:
    (here / "b").mkdir()
    fd = tree.open_root(str(here / "b"))
    dig(fd, 40)
    for path in ["b", "b/d", "b/" + "d/" * 20, "b/" + "d/" * 39]:
        for number in range(3):
            (here / path / f"side{number}" / "x").mkdir(parents=True)
    assert tree.survey(fd).entries == 40 + 4 * 3 * 2
    assert remove(root) == 40 + 24 + 1
    os.close(fd)


def test_a_wide_tree_needs_little_memory(root: int, here: Path) -> None:
    top = backup(here, files=0)
    fd = os.open(top / "d", os.O_RDONLY)
    for number in range(8_000):
        os.mknod(f"file{number}", dir_fd=fd)
    for number in range(1_000):
        os.mkdir(f"directory{number}", dir_fd=fd)
    os.close(fd)
    fd = tree.open_root(str(top))
    tracemalloc.start()
    try:
        assert tree.survey(fd).entries == 9_003
        assert remove(root) == 9_004
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
        os.close(fd)


# Removing


def test_a_tree_is_removed_and_its_entries_are_counted(root: int, here: Path) -> None:
    backup(here)
    backup(here, "other")
    assert remove(root) == 7
    assert [entry.name for entry in here.iterdir()] == ["other"]


def test_links_to_the_outside_are_unlinked_and_not_followed(root: int, here: Path, outside: Path) -> None:
    top = backup(here)
    (top / "to-directory").symlink_to(outside)
    (top / "d" / "to-file").symlink_to(outside / "precious")
    (top / "d" / "hard").hardlink_to(outside / "precious")
    remove(root)
    assert not top.exists()
    assert intact(outside)
    assert (outside / "precious").read_text() == "precious"


def test_another_directory_of_that_name_is_not_touched(root: int, here: Path) -> None:
    backup(here)
    known = handle(root)
    (here / "b").rename(here / "moved")
    backup(here)
    with pytest.raises(Changed, match="another directory stands there now"):
        tree.remove_tree(root, "b", handle=known)
    assert survey(here / "b").entries == survey(here / "moved").entries == 6


def test_a_link_of_that_name_is_not_followed(root: int, here: Path, outside: Path) -> None:
    backup(here)
    known = handle(root)
    (here / "b").rename(here / "moved")
    (here / "b").symlink_to(outside)
    with pytest.raises(Refused):
        tree.remove_tree(root, "b", handle=known)
    assert intact(outside)


def test_what_is_gone_already_has_changed(root: int) -> None:
    with pytest.raises(Changed, match=r"cannot remove .*/b: it is not there"):
        tree.remove_tree(root, "b", handle="1:1")


def test_the_state_goes_first_and_durably(root: int, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup(here)
    events: list[str] = []
    for name in ("unlink", "rmdir", "fsync"):
        monkeypatch.setattr(os, name, _recording(events, name, getattr(os, name)))
    remove(root)
    assert events[:3] == ["unlink .state", "fsync b", "rmdir b"]  # rmdir would do for an empty one
    assert events[-2:] == ["rmdir b", "fsync root"]


def _recording(events: list[str], called: str, real: object) -> object:
    def call(what: int | str, **keywords: int) -> None:
        name = os.path.basename(os.readlink(f"/proc/self/fd/{what}")) if isinstance(what, int) else what
        events.append(f"{called} {name}")
        real(what, **keywords)  # type: ignore[operator]

    return call


def test_an_interrupted_removal_leaves_no_state_and_can_go_on(root: int, here: Path) -> None:
    top = backup(here, files=600)
    known = handle(root)
    with pytest.raises(Interrupted):
        tree.remove_tree(root, "b", handle=known, should_stop=lambda: True)
    assert top.exists()
    assert not (top / ".state").exists()
    tree.remove_tree(root, "b", handle=known)
    assert not top.exists()


def test_a_writer_that_adds_a_file_now_and_then_is_outrun(
    root: int, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = backup(here)
    _before_rmdir(monkeypatch, top / "d", times=20)
    remove(root)
    assert not top.exists()


def test_a_writer_that_never_stops_adding_ends_in_refusal(
    root: int, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = backup(here)
    _before_rmdir(monkeypatch, top / "d", times=10_000)
    with pytest.raises(Refused, match="b/d: something keeps adding to it"):
        remove(root)


def _before_rmdir(monkeypatch: pytest.MonkeyPatch, directory: Path, times: int) -> None:
    """A writer who adds a file just before the directory would go."""
    real, left = os.rmdir, [times]

    def rmdir(name: str, *, dir_fd: int) -> None:
        if directory.exists() and left[0]:
            left[0] -= 1
            (directory / f"added{left[0]}").touch()
        real(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", rmdir)


def _before_entering(monkeypatch: pytest.MonkeyPatch, name: str, act: object) -> None:
    """Something that happens once, between the listing of a directory and the step into it."""
    real, done = walk.Descent.enter, [False]

    def enter(descent: walk.Descent, entry: str) -> None:
        if entry == name and not done[0]:
            done[0] = True
            act()  # type: ignore[operator]
        real(descent, entry)

    monkeypatch.setattr(walk.Descent, "enter", enter)


@pytest.mark.parametrize("becomes", ["link", "file", "nothing"])
def test_a_directory_swapped_before_it_is_entered_is_not_followed(
    root: int, here: Path, outside: Path, becomes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = backup(here)

    def swap() -> None:
        (top / "d").rename(here / "aside")
        if becomes == "link":
            (top / "d").symlink_to(outside)
        elif becomes == "file":
            (top / "d").touch()

    _before_entering(monkeypatch, "d", swap)
    remove(root)
    assert not top.exists()
    assert (here / "aside" / "f").exists()
    assert intact(outside)


def test_a_top_that_is_swapped_meanwhile_is_not_taken_for_the_old_one(root: int, here: Path) -> None:
    top = backup(here, files=300)

    def swap() -> bool:
        if not (here / "aside").exists():
            top.rename(here / "aside")
            top.mkdir()
        return False

    with pytest.raises(Changed, match="another directory stands there now"):
        tree.remove_tree(root, "b", handle=handle(root), should_stop=swap)
    assert top.exists()


def test_a_race_of_swaps_never_reaches_the_outside(root: int, here: Path, outside: Path) -> None:
    stop = Event()

    def swapper() -> None:
        aside, link, place = here / "aside", here / "link", here / "b" / "deep"
        while not stop.is_set():
            try:
                link.symlink_to(outside)
                place.rename(aside)
                link.rename(place)
                place.unlink()
                aside.rename(place)
            except OSError:
                link.unlink(missing_ok=True)

    thread = Thread(target=swapper)
    thread.start()
    rounds = 0
    try:
        deadline = monotonic() + 1.5
        while monotonic() < deadline:
            (here / "b" / "deep").mkdir(parents=True, exist_ok=True)
            for name in ("precious", "f"):
                _quietly_touch(here / "b" / "deep" / name)
            rounds += _removed_in_spite_of(root)
    finally:
        stop.set()
        thread.join()
    assert intact(outside)
    assert rounds > 0


def _quietly_touch(path: Path) -> None:
    if not path.parent.is_symlink():
        try:
            fd = tree.open_root(str(path.parent.parent))
            below = tree.open_directory(fd, path.parent.name)
        except UllageError:
            return
        os.close(os.open(path.name, os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(below)
        os.close(fd)


def _removed_in_spite_of(root: int) -> bool:
    try:
        remove(root)
    except UllageError:
        return False
    return True


@pytest.mark.root
def test_a_mount_inside_is_refused_and_what_is_mounted_stays(root: int, here: Path, outside: Path, bind: None) -> None:
    top = backup(here)
    run("mount", "--bind", str(outside), str(top / "d"))
    with pytest.raises(Refused, match="b/d: another filesystem is mounted there"):
        remove(root)
    assert intact(outside)


@pytest.mark.root
def test_a_file_with_another_mounted_over_it_is_refused(root: int, here: Path, outside: Path, bind: None) -> None:
    top = backup(here)
    run("mount", "--bind", str(outside / "precious"), str(top / "f1"))
    with pytest.raises(Refused, match="b/f1: something is mounted on it"):
        remove(root)
    assert intact(outside)


@pytest.mark.root
def test_an_immutable_file_is_refused_and_named(loop_disk: LoopDisks) -> None:
    disk = loop_disk("ext4")
    top = backup(disk.path)
    fd = tree.open_root(str(disk.path))
    run("chattr", "+i", str(top / "d" / "f"))
    try:
        with pytest.raises(Refused, match=r"b/d/f: not permitted; is it immutable"):
            remove(fd)
    finally:
        run("chattr", "-i", str(top / "d" / "f"))
    remove(fd)
    os.close(fd)


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o500, 0o555, 0o600])
@pytest.mark.parametrize("closed", ["b", "b/d", "b/d/e"])
def test_an_owner_removes_directories_that_are_closed_to_him(root: int, here: Path, closed: str, mode: int) -> None:
    top = backup(here)
    (top / "d" / "e").mkdir()
    (top / "d" / "e" / "f").touch()
    here.chmod(0o777)
    known = handle(root)
    for entry in [top, *top.rglob("*")] if os.geteuid() == 0 else []:
        os.chown(entry, NOBODY, NOBODY)
    (here / closed).chmod(mode)
    as_nobody(lambda: _must_remove(root, known))
    assert not top.exists()


def _must_remove(root: int, known: str) -> None:
    assert tree.remove_tree(root, "b", handle=known) == 9


@pytest.mark.root
@pytest.mark.parametrize("fstype", FILESYSTEMS)
def test_a_full_filesystem_does_not_keep_a_tree_from_going(loop_disk: LoopDisks, fstype: str) -> None:
    disk = loop_disk(fstype)
    top = backup(disk.path, files=20)
    fd = tree.open_root(str(disk.path))
    disk.fill()
    assert survey(top, attributes=True).entries == 23
    assert remove(fd) == 24
    os.close(fd)


@pytest.mark.root
def test_a_subvolume_is_not_taken_for_its_snapshot(loop_disk: LoopDisks) -> None:
    """They have inode and birth time in common, and a store of snapshots is full of such."""
    path = loop_disk("btrfs").path
    run("btrfs", "subvolume", "create", str(path / "one"))
    run("btrfs", "subvolume", "snapshot", str(path / "one"), str(path / "two"))
    root = tree.open_root(str(path))
    try:
        one, two = tree.handle_at(root, "one"), tree.handle_at(root, "two")
        assert one is not None and two is not None and one != two
        (path / "one").rename(path / "chosen")
        assert tree.handle_at(root, "chosen") == one
        with pytest.raises(Changed, match="another directory stands there"):
            tree.remove_tree(root, "two", handle=one)
    finally:
        os.close(root)
