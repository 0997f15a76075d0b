"""The members of a tar stream, read strictly: what is doubtful is refused, for the backup goes on its strength.

Understands what GNU tar writes: ustar, pax (long names, large numbers, nanoseconds, sparse 0.0 to 1.0) and GNU's own
format (``L``, ``K``, ``S``, base-256 numbers). Layouts: POSIX.1-2017 pax, and "Basic Tar Format" in GNU tar's manual.
Python's ``tarfile`` takes a stream that ends early for a short archive, and costs ten times as much.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

FILE, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_WITHOUT_DATA = frozenset({HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO})
_FILES = {FILE: FILE, b"\0": FILE, b"7": FILE, b"S": FILE}
_LONG_NAMES = {b"L": b"path", b"K": b"linkpath"}
_MOST_RECORDS = 20_000  # a file has at most 64 KiB of names of extended attributes
_MOST_EXTRA = 16 << 20  # extended attributes of one file stay far below; a larger header is damage, or meant as such


class Member(Struct, frozen=True):
    """One entry; a directory's path has no slash at its end, ``size`` is a regular file's real one and 0 of others."""

    path: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    target: bytes = b""
    device: tuple[int, int] = (0, 0)

    def record(self) -> bytes:
        """All of it as one line of bytes: equal exactly where two members are. Neither path nor target holds a NUL."""
        numbers = (self.mode, self.uid, self.gid, self.size, self.mtime_ns, *self.device)
        return b"%b\0%b\0%b%o %d %d %d %d %d:%d" % (self.path, self.target, self.kind, *numbers)


class Tape:
    """The bytes of a tar stream, in order, out of the chunks (none empty) it comes in."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes; EOFError where there are fewer."""
        end = self._at + size
        if end <= len(self._chunk):
            taken, self._at = self._chunk[self._at : end], end
            return taken
        return b"".join(self._pieces(size))

    def skip(self, size: int) -> None:
        """Passes over ``size`` bytes; EOFError where there are fewer."""
        for _ in self._pieces(size):
            pass

    def finish(self) -> None:
        """Reads to the end; ValueError where anything but zeros is left."""
        while self._at < len(self._chunk) or self._fill():
            if self._chunk.count(0, self._at) != len(self._chunk) - self._at:
                raise ValueError("there is data after the end of the archive")
            self._at = len(self._chunk)

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size > 0:
            if self._at == len(self._chunk) and not self._fill():
                raise EOFError("the tar stream ends before its end-of-archive mark")
            piece = self._chunk[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def _fill(self) -> bool:
        self._chunk, self._at = next(self._chunks, b""), 0
        return bool(self._chunk)


def members(tape: Tape) -> Iterator[Member]:
    """Every member up to the end-of-archive mark. Raises EOFError where the stream is cut, ValueError where no tar.

    The mark is demanded, though some readers do without: a tar that was killed may be cut between two members.
    """
    shared: dict[bytes, bytes] = {}
    own: dict[bytes, bytes] = {}
    while (header := tape.take(_BLOCK)) != _ZEROS:
        _check_sum(header)
        kind = header[156:157]
        if kind == b"g":
            shared = _joined(shared, _records(_extra(tape, header)))
        elif kind == b"x":
            own = _joined(own, _records(_extra(tape, header)))
        elif kind in _LONG_NAMES:
            own[_LONG_NAMES[kind]] = _extra(tape, header).rstrip(b"\0")
        else:
            yield _member(tape, header, shared | own if shared else own)
            own = {}
    tape.finish()


def _member(tape: Tape, header: bytes, extra: dict[bytes, bytes]) -> Member:
    kind = header[156:157]
    stored = int(extra[b"size"]) if b"size" in extra else _number(header[124:136])
    regular = kind in _FILES
    if stored < 0 or (not regular and (kind not in _WITHOUT_DATA or stored)):
        raise ValueError(f"it holds a member of a kind ({kind!r}) or size that no backup has")
    size = _real_size(tape, header, extra, stored)
    path = extra.get(b"GNU.sparse.name") or extra.get(b"path") or _plain_name(header)
    target = (extra.get(b"linkpath") or _text(header[157:257])) if kind in (HARD_LINK, SYMLINK) else b""
    if size < 0 or b"\0" in path or b"\0" in target:
        raise ValueError("it holds a member of a size or name that no file has")
    tape.skip(_padded(stored))
    return Member(
        path=path.rstrip(b"/") or path,
        kind=_FILES.get(kind, kind),
        mode=_number(header[100:108]) & 0o7777,
        uid=int(extra[b"uid"]) if b"uid" in extra else _number(header[108:116]),
        gid=int(extra[b"gid"]) if b"gid" in extra else _number(header[116:124]),
        size=size if regular else 0,
        mtime_ns=_nanoseconds(extra[b"mtime"]) if b"mtime" in extra else _number(header[136:148]) * 10**9,
        target=target,
        device=(_number(header[329:337]), _number(header[337:345])) if kind in (CHARACTER, BLOCK_DEVICE) else (0, 0),
    )


def _real_size(tape: Tape, header: bytes, extra: dict[bytes, bytes], stored: int) -> int:
    if header[156:157] != b"S":
        return int(extra.get(b"GNU.sparse.realsize") or extra.get(b"GNU.sparse.size") or stored)
    more = header[482]
    while more:  # the map of the holes goes on in blocks of its own
        more = tape.take(_BLOCK)[504]
    return _number(header[483:495])


def _check_sum(header: bytes) -> None:
    if sum(header) - sum(header[148:156]) + 8 * 0x20 != _number(header[148:156]):
        raise ValueError("a header of the tar stream is damaged")


def _extra(tape: Tape, header: bytes) -> bytes:
    size = _number(header[124:136])
    if not 0 <= size <= _MOST_EXTRA:
        raise ValueError(f"an extended header of {size} bytes is no header")
    return tape.take(_padded(size))[:size]


def _records(data: bytes) -> dict[bytes, bytes]:
    """The records ``LENGTH KEYWORD=VALUE\\n`` of a pax header; a value may hold anything, its length is what counts."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        digits = data[at : at + 20].partition(b" ")[0]
        length = int(digits)
        keyword, equals, value = data[at + len(digits) + 1 : at + length].partition(b"=")
        if length <= 0 or not equals or not value.endswith(b"\n"):
            raise ValueError("a pax header is damaged")
        records[keyword] = value[:-1]
        at += length
        if len(records) > _MOST_RECORDS:
            raise ValueError("a pax header holds more records than any file needs")
    return records


def _joined(known: dict[bytes, bytes], more: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Both; the latter goes before. However many headers come, what is kept of them is no more than one may be."""
    joined = known | more
    if len(joined) > _MOST_RECORDS or sum(map(len, joined)) + sum(map(len, joined.values())) > _MOST_EXTRA:
        raise ValueError("its extended headers hold more than any file needs")
    return joined


def _plain_name(header: bytes) -> bytes:
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else b""
    name = _text(header[:100])
    return prefix + b"/" + name if prefix else name


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """Octal digits, or GNU's base 256 where the first byte says so (0x80 for positive, 0xff for negative numbers)."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=True)
        return value if field[0] == 0xFF else value + (1 << (8 * len(field) - 1))
    return int(field.strip(b" \0") or b"0", 8)


def _nanoseconds(text: bytes) -> int:
    """Of decimal seconds; of a negative number the fraction is negative too."""
    whole, _, fraction = text.partition(b".")
    nanoseconds = int(whole.lstrip(b"-")) * 10**9 + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if text.startswith(b"-") else nanoseconds


def _padded(size: int) -> int:
    return size + -size % _BLOCK
