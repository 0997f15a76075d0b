"""SPEC 7.4: what the journal says is on the disk, seen from outside: the system calls of one transaction."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, sys
from tests.catalog.makers import operation
from ullage.catalog.catalog import Catalog
with Catalog.open(sys.argv[1]) as catalog:
    os.write(1, b"begin")
    catalog.begin(operation())
    os.write(1, b"end")
"""
CALL = re.compile(r"(fsync|fdatasync|pwrite64|write|unlink|ftruncate)\(\d+<([^>]*)>")


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_row_is_on_the_disk_before_it_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    traced = ("strace", "-f", "-y", "-qq", "-o", str(log), "-e", "trace=fsync,fdatasync,pwrite64,write")
    subprocess.run([*traced, sys.executable, "-c", CODE, str(tmp_path / "state")], check=True, capture_output=True)
    calls = [
        (match[1], match[2].rpartition("/")[2]) for match in map(CALL.search, log.read_text().splitlines()) if match
    ]
    told = [number for number, (call, _) in enumerate(calls) if call == "write"]
    during = [(call.replace("pwrite64", "write").replace("fdatasync", "fsync"), name) for call, name in calls]
    one = during[told[-2] + 1 : told[-1]]
    steps = [step for number, step in enumerate(one) if number == 0 or step != one[number - 1]]
    journal, database = "catalog.db-journal", "catalog.db"
    # The old pages into the journal, then the new ones into the database, then an end to the journal: each durable.
    assert steps[-6:] == [
        *(("write", journal), ("fsync", journal)),
        *(("write", database), ("fsync", database)),
        *(("write", journal), ("fsync", journal)),
    ], one
