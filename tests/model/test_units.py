"""SPEC.md 5 (sizes and times with units), 6 (RFC 3339), 7.11 (names)."""

from __future__ import annotations

import os
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ullage.model.units import format_age, format_size, format_span, parse_duration, parse_size, printable, rfc3339


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100 MiB", 100 << 20), ("2 TB", 2 * 10**12), ("1KiB", 1024), ("512 B", 512), (" 1.5 GiB ", 3 << 29),
        ("3 kb", 3000), ("1 PiB", 1 << 50), ("2 PB", 2 * 10**15), ("0 B", 0), ("1 TiB", 1 << 40),
        ("2.3 KB", 2300), ("4.35 MB", 4_350_000), ("0.9 B", 0), ("9.007199254 PB", 9_007_199_254_000_000),
    ],
)  # fmt: skip
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["100", "", "MiB", "-1 MiB", "1 m", "1 XB", "1,5 GiB", "1e3 MB", "٣ MB", "1 MiB x", f"{'9' * 400} B"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60 s", 60), ("1 h", 3600), ("5min", 300), ("5 m", 300), ("250 ms", 0.25),
     ("2 days", 172800), ("1 w", 604800), ("1.5 H", 5400)],
)  # fmt: skip
def test_a_time_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["60", "", "1 month", "-5 s", f"{'9' * 400} s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"),
     (3 << 29, "1.5 GiB"), (2 << 40, "2.0 TiB"), (-2048, "-2.0 KiB")],
)  # fmt: skip
def test_a_size_is_shown_in_binary_units(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"),
     (86399, "23 h"), (86400, "1 d"), (41.9 * 86400, "41 d")],
)  # fmt: skip
def test_an_age_is_shown_in_its_largest_unit(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_795_401_000, "2026-11-23T02:30:00Z"),
        (1_795_401_000.999, "2026-11-23T02:30:00Z"),
        (-62135596800, "0001-01-01T00:00:00Z"),
        (-1e300, "0001-01-01T00:00:00Z"),
        (1e300, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_shown_in_utc_and_never_fails(at: float, text: str) -> None:
    assert rfc3339(at) == text


@given(st.integers(0, 2**36))
def test_a_shown_time_reads_back(at: int) -> None:
    assert datetime.fromisoformat(rfc3339(at)).timestamp() == at


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("db-20260101", "db-20260101"), ("häuser 備份", "häuser 備份"), ("-rf", "-rf"), ("*", "*"),
        ("a\nb", "a\\nb"), ("\x1b[2J", "\\x1b[2J"), ("a\x00", "a\\x00"), ("a\x7f", "a\\x7f"),
        ("\u202egnp", "\\u202egnp"), ("\u2028", "\\u2028"), ("\ud800", "\\ud800"), ("\U000e0001", "\\U000e0001"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
    ],
)  # fmt: skip
def test_a_name_is_shown_with_what_is_not_printable_spelled_out(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.binary(max_size=255))
def test_whatever_bytes_are_a_name_they_are_shown_in_one_printable_line(name: bytes) -> None:
    shown = printable(os.fsdecode(name))
    assert shown.isprintable()
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"), (0.9, "0 s"), (40, "40 s"), (3600, "1 h"), (3659, "1 h"), (11_520, "3 h 12 min"),
        (4 * 86400 + 3 * 3600 + 1800, "4 d 3 h"), (86400 + 59, "1 d"), (400 * 86400, "400 d"),
    ],
)  # fmt: skip
def test_a_wait_is_told_in_two_units(seconds: float, shown: str) -> None:
    assert format_span(seconds) == shown
