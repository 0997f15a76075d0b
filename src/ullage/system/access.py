"""Who else may read or write a file: by its mode, by its POSIX ACL, and by the directories on the way to it."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator

from ullage.model.units import printable

READ, WRITE = 4, 2
_USER, _GROUP_OBJ, _GROUP = 0x02, 0x04, 0x08  # linux/posix_acl.h
_ACL = "system.posix_acl_access"
_ENTRY = struct.Struct("<HHI")  # tag, permissions, user or group; linux/posix_acl_xattr.h
_LINKS = 40


def others_may(path: str | int, status: os.stat_result, bit: int) -> bool:
    """Whether somebody other than us, root and our groups may read or write what has this status. Raises OSError."""
    if status.st_mode & bit:
        return True
    if not status.st_mode >> 3 & bit:  # with an ACL these bits are its mask: nobody named in it has more
        return False
    ours = (0, os.getegid())
    try:
        acl = os.getxattr(path, _ACL)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            raise
        return status.st_gid not in ours
    return any(
        permissions & bit
        and (
            (tag == _USER and who not in (0, os.geteuid()))
            or (tag == _GROUP and who not in ours)
            or (tag == _GROUP_OBJ and status.st_gid not in ours)
        )
        for tag, permissions, who in _ENTRY.iter_unpack(acl[4:])
    )


def owned_by_another(status: os.stat_result) -> bool:
    """Whether it belongs neither to us nor to root."""
    return status.st_uid not in (0, os.geteuid())


def open_way(path: str) -> Iterator[str]:
    """Why others could put something else at an absolute path: each directory and link on the way to it, by any link.

    In a sticky directory (/tmp) nobody can replace what is another's. What is not there yet ends the way.
    Raises OSError.
    """
    for place in dict.fromkeys(_way(path)):
        status = os.stat(place, follow_symlinks=False)
        link = stat.S_ISLNK(status.st_mode)
        shown = f"{'the link' if link else 'the directory'} {printable(place)} on the way to it"
        if owned_by_another(status):
            yield f"{shown} belongs to user {status.st_uid}: chown it"
        elif not link and others_may(place, status, WRITE) and not status.st_mode & stat.S_ISVTX:
            yield f"others may write in {shown}: chmod go-w it"


def _way(path: str) -> Iterator[str]:
    """Every directory and link that a lookup of ``path`` goes through."""
    here, rest, links = "/", [part for part in path.split("/") if part], 0
    while rest:
        yield here
        there = os.path.normpath(os.path.join(here, rest.pop(0)))
        try:
            target = os.readlink(there)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            here = there  # no link
            continue
        yield there
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        rest = [part for part in target.split("/") if part] + rest
        here = "/" if target.startswith("/") else here
