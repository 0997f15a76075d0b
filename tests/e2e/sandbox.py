"""What systemd would do to a service before it starts it: ``python -m tests.e2e.sandbox UNIT... -- COMMAND``.

Read from the unit and its drop-ins: capabilities, the read-only system with what may be written, hidden homes and
processes, the filter of system calls. Not done: PrivateTmp= (the tests' own place is there), address families and
namespaces.
"""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_NEWNS, _REC, _PRIVATE, _BIND = 0x20000, 0x4000, 1 << 18, 0x1000
_MOUNT_SETATTR, _AT_RECURSIVE, _RDONLY = 442, 0x8000, 1
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE = 24, 38, 65
_CAPABILITIES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
"""In the order of their numbers."""
_ALLOW, _EPERM = 0x7FFF0000, 0x00050001


def main() -> None:
    """Become the command, in the sandbox."""
    cut = sys.argv.index("--")
    unit = _values(sys.argv[1:cut])
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    _mounts(unit)
    _libc.prctl(_PR_SET_MDWE, 1, 0, 0, 0)
    kept = {name.removeprefix("CAP_") for name in unit["CapabilityBoundingSet"]}
    for number, name in enumerate(_CAPABILITIES.split()):
        if name not in kept:
            _checked(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0))
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    for assignment in unit["Environment"]:
        name, _, value = assignment.partition("=")
        os.environ[name] = value.replace("%b", boot_id)
    _filter(unit["SystemCallFilter"])
    os.execvp(sys.argv[cut + 1], sys.argv[cut + 1 :])


def _values(files: list[str]) -> dict[str, list[str]]:
    """The words of every key; those of lists one after another."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in files:
        for line in Path(file).read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                refused = value.startswith("~")
                words = value.removeprefix("~").split()
                found[key] += [f"~{word}" if refused else word for word in words]
    return found


def _mounts(unit: dict[str, list[str]]) -> None:
    _checked(_libc.unshare(_NEWNS))
    _mount(None, "/", None, _REC | _PRIVATE)
    writable = [path.removeprefix("-") for path in unit["ReadWritePaths"]]
    for path in writable:
        _mount(path, path, None, _BIND | _REC)
    _set_read_only("/", True)
    for path in writable:
        _set_read_only(path, False)
    if unit["ProtectHome"][-1:] == ["yes"]:
        for path in ("/home", "/root"):
            _mount("none", path, "tmpfs", 0)
    hidden = ",".join(
        [
            *(f"hidepid={word}" for word in unit["ProtectProc"]),
            *(f"subset={word}" for word in unit["ProcSubset"]),
        ]
    )
    _mount("proc", "/proc", "proc", 0, hidden)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    encoded = [None if one is None else os.fsencode(one) for one in (source, target, kind)]
    _checked(_libc.mount(*encoded, ctypes.c_ulong(flags), options.encode() or None))


def _set_read_only(path: str, yes: bool) -> None:
    attributes = struct.pack("=QQQQ", _RDONLY if yes else 0, 0 if yes else _RDONLY, 0, 0)
    here = os.fsencode(path)
    _checked(_libc.syscall(_MOUNT_SETATTR, -100, here, _AT_RECURSIVE, attributes, ctypes.c_size_t(len(attributes))))


def _filter(words: list[str]) -> None:
    refused = _system_calls([word[1:] for word in words if word.startswith("~")])
    allowed = _system_calls([word for word in words if not word.startswith("~")] + ["@default"]) - refused
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_EPERM)))
    for name in allowed | {"execve"}:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # one that this machine has
            _checked(library.seccomp_rule_add_array(context, ctypes.c_uint32(_ALLOW), number, 0, None))
    _checked(library.seccomp_load(context))


def _system_calls(groups: list[str]) -> set[str]:
    """The names in these groups, and in the groups that they hold."""
    if not groups:
        return set()
    said = subprocess.run(["systemd-analyze", "syscall-filter", *groups], capture_output=True, text=True, check=True)
    words = [line.strip() for line in said.stdout.splitlines() if line.startswith("    ") and "#" not in line]
    inner = [word for word in words if word.startswith("@")]
    return {word for word in words if not word.startswith("@")} | _system_calls(inner)


def _checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
